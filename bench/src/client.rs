//! A minimal Kafka client: as much as it takes to have a record acknowledged and a record fetched.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::Duration;

use batch::{BatchBuilder, Compression};
use wire::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse};
use wire::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use wire::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use wire::{ApiKey, ErrorCode, Reader, Records, RequestHeader, Uuid};

use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;

const CREATE_TOPICS_VERSION: i16 = 7;
const PRODUCE_VERSION: i16 = 9;
const FETCH_VERSION: i16 = 12;
const FETCH_BYTES_MAX: i32 = 64 << 10;
const ANSWER_BYTES_MAX: usize = 8 << 20;
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a new topic may be unknown to the shard that is asked.
const LEADER_WITHIN: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_millis(1);

/// A connection with one request in flight.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Result<Client, Failure> {
        let connect = || -> std::io::Result<TcpStream> {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(ANSWER_WITHIN))?;
            Ok(stream)
        };
        let stream = connect().map_err(Failure::machine(format!("connecting to {address}")))?;
        Ok(Client { stream, correlation_id: 0 })
    }

    /// Creates a topic with these settings and gives its id.
    pub fn create_topic(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Result<Uuid, Failure> {
        let configs = configs.iter().map(|&(name, value)| CreatableTopicConfig { name, value: Some(value) }).collect();
        let topic =
            CreatableTopic { name, num_partitions: partitions, replication_factor: 1, configs, ..Default::default() };
        let request = CreateTopicsRequest { topics: vec![topic], ..Default::default() };
        let mut body = Vec::new();
        request.encode(CREATE_TOPICS_VERSION, &mut body);
        let answer = self.call(ApiKey::CreateTopics, CREATE_TOPICS_VERSION, &body)?;
        let response =
            CreateTopicsResponse::decode(CREATE_TOPICS_VERSION, &mut Reader::new(&answer)).map_err(unreadable)?;
        match response.topics.first() {
            Some(topic) if topic.error_code.is_none() => Ok(topic.topic_id),
            Some(topic) => Err(Failure::Answer(format!("creating topic {name}: {}", topic.error_code))),
            None => Err(Failure::Answer(format!("creating topic {name}: no result"))),
        }
    }

    /// Has one record of 100 bytes acknowledged with acks=all, and asks again while the topic is not yet known.
    pub fn produce_one(&mut self, topic: &str) -> Result<(), Failure> {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(0, None, Some(&[b'x'; 100]), &[]);
        let records = builder.build();
        let watch = Stopwatch::start();
        loop {
            let error = self.produce(topic, 0..1, &records)?;
            let not_yet = [ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, ErrorCode::NOT_LEADER_OR_FOLLOWER].contains(&error);
            if error.is_none() {
                return Ok(());
            }
            if !not_yet || watch.elapsed() > LEADER_WITHIN {
                return Err(Failure::Answer(format!("producing to {topic}: {error}")));
            }
            pause(RETRY_AFTER);
        }
    }

    /// Fetches the record batches of a partition at `offset`, and asks again while the topic is not yet known.
    pub fn fetch_one(&mut self, topic: &str, partition: i32, offset: i64) -> Result<Vec<u8>, Failure> {
        let wanted = FetchPartition {
            partition,
            fetch_offset: offset,
            partition_max_bytes: FETCH_BYTES_MAX,
            ..Default::default()
        };
        let topics = vec![FetchTopic { topic, partitions: vec![wanted], ..Default::default() }];
        let request =
            FetchRequest { max_wait_ms: 1000, min_bytes: 1, max_bytes: FETCH_BYTES_MAX, topics, ..Default::default() };
        let mut body = Vec::new();
        request.encode(FETCH_VERSION, &mut body);
        let watch = Stopwatch::start();
        loop {
            let answer = self.call(ApiKey::Fetch, FETCH_VERSION, &body)?;
            let response = FetchResponse::decode(FETCH_VERSION, &mut Reader::new(&answer)).map_err(unreadable)?;
            let result = response.responses.first().and_then(|topic| topic.partitions.first());
            let error = result.map_or(response.error_code, |partition| partition.error_code);
            match result.map(|partition| &partition.records) {
                Some(Records::Bytes(bytes)) if error.is_none() && !bytes.is_empty() => return Ok(bytes.to_vec()),
                _ if watch.elapsed() > LEADER_WITHIN => {
                    return Err(Failure::Answer(format!("fetching {topic}-{partition} at {offset}: {error}")));
                }
                _ => pause(RETRY_AFTER),
            }
        }
    }

    /// Has one record of `value_bytes` acknowledged by each of these partitions, in one request.
    pub fn produce_to_each(&mut self, topic: &str, partitions: Range<i32>, value_bytes: usize) -> Result<(), Failure> {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(0, None, Some(&vec![b'x'; value_bytes]), &[]);
        let error = self.produce(topic, partitions, &builder.build())?;
        if error.is_none() { Ok(()) } else { Err(Failure::Answer(format!("producing to {topic}: {error}"))) }
    }

    /// Sends the same records to each partition. Gives the first error, if there is one.
    fn produce(&mut self, topic: &str, partitions: Range<i32>, records: &[u8]) -> Result<ErrorCode, Failure> {
        let partition_data = partitions.map(|index| PartitionProduceData { index, records: Some(records) }).collect();
        let topic_data = vec![TopicProduceData { name: topic, partition_data, ..Default::default() }];
        let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data, ..Default::default() };
        let mut body = Vec::new();
        request.encode(PRODUCE_VERSION, &mut body);
        let answer = self.call(ApiKey::Produce, PRODUCE_VERSION, &body)?;
        let response = ProduceResponse::decode(PRODUCE_VERSION, &mut Reader::new(&answer)).map_err(unreadable)?;
        let results = response.responses.first().map(|topic| &topic.partition_responses);
        let results = results.filter(|results| !results.is_empty());
        let results = results.ok_or_else(|| Failure::Answer(format!("producing to {topic}: no result")))?;
        let refused = results.iter().find(|partition| !partition.error_code.is_none());
        Ok(refused.map_or(ErrorCode::NONE, |partition| partition.error_code))
    }

    /// Sends one request and gives the body of its answer.
    pub fn call(&mut self, key: ApiKey, version: i16, body: &[u8]) -> Result<Vec<u8>, Failure> {
        self.correlation_id += 1;
        let header = RequestHeader {
            api_key: key.as_i16(),
            api_version: version,
            correlation_id: self.correlation_id,
            client_id: Some("bench"),
        };
        let mut frame = Vec::with_capacity(body.len() + 64);
        let start = wire::frame::begin(&mut frame);
        header.encode(&mut frame);
        frame.extend_from_slice(body);
        wire::frame::finish(&mut frame, start, 0);
        let answer =
            self.exchange(&frame).map_err(Failure::machine(format!("waiting for an answer to {}", key.name())))?;
        let mut reader = Reader::new(&answer);
        let correlation_id = wire::decode_response_header(key, version, &mut reader).map_err(unreadable)?;
        if correlation_id != self.correlation_id {
            return Err(Failure::Answer(format!("request {} was answered as {correlation_id}", self.correlation_id)));
        }
        Ok(answer[reader.position()..].to_vec())
    }

    fn exchange(&mut self, frame: &[u8]) -> std::io::Result<Vec<u8>> {
        self.stream.write_all(frame)?;
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > ANSWER_BYTES_MAX {
            return Err(std::io::Error::other(format!("an answer of {length} bytes")));
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer)?;
        Ok(answer)
    }
}

pub fn unreadable(error: wire::DecodeError) -> Failure {
    Failure::Answer(error.to_string())
}
