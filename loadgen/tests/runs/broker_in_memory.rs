//! A broker of a few lines whose behaviour is known.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use batch::{LeaderEpoch, Offset};
use wire::api_versions::ApiVersionsResponse;
use wire::create_topics::{CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse};
use wire::fetch::{FetchRequest, FetchResponse, FetchableTopicResponse, PartitionData};
use wire::list_offsets::{
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse,
};
use wire::metadata::{MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use wire::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse};
use wire::{ApiKey, ErrorCode, Reader, Records, RequestHeader, frame};

/// How the broker misbehaves.
#[derive(Clone, Copy, Default)]
pub struct Temper {
    /// The produce request with this number keeps its connection waiting this long.
    pub stall: Option<(u64, Duration)>,
    /// Every so many produce requests one is refused.
    pub refuse_every: Option<u64>,
    /// What is done, behind a good answer, to the batch of the produce request with this number.
    pub deceit: Option<(u64, Deceit)>,
}

/// What no broker may do to a batch that it has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deceit {
    Lose,
    Repeat,
    /// The next batch of the partition comes before it.
    Overtake,
    /// A byte of its last value is another, and the batch's checksum is made anew.
    Alter,
}

/// A broker in memory: one topic, and a thread for each connection.
pub struct Broker {
    pub address: SocketAddr,
    temper: Temper,
    pub partitions: Mutex<Vec<Partition>>,
    produced: AtomicU64,
}

#[derive(Clone, Default)]
pub struct Partition {
    pub next_offset: i64,
    batches: BTreeMap<i64, Vec<u8>>,
    held_back: Option<Vec<u8>>,
}

impl Partition {
    fn append(&mut self, mut bytes: Vec<u8>, records: i32) {
        batch::stamp(&mut bytes, Offset(self.next_offset), LeaderEpoch(0));
        self.batches.insert(self.next_offset, bytes);
        self.next_offset += i64::from(records);
    }
}

impl Broker {
    pub fn start(temper: Temper) -> Arc<Broker> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let broker = Arc::new(Broker { address, temper, partitions: Mutex::default(), produced: AtomicU64::new(0) });
        let serving = Arc::clone(&broker);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let broker = Arc::clone(&serving);
                std::thread::spawn(move || broker.serve(stream.unwrap()));
            }
        });
        broker
    }

    fn serve(&self, mut stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut request = Vec::new();
        loop {
            let mut prefix = [0; 4];
            if stream.read_exact(&mut prefix).is_err() {
                return;
            }
            request.resize(u32::from_be_bytes(prefix) as usize, 0);
            stream.read_exact(&mut request).unwrap();
            let mut reader = Reader::new(&request);
            let header = RequestHeader::decode(&mut reader).unwrap();
            let key = ApiKey::from_i16(header.api_key).unwrap();
            let mut out = Vec::new();
            let start = frame::begin(&mut out);
            wire::encode_response_header(key, header.api_version, header.correlation_id, &mut out);
            if self.answer(key, header.api_version, &mut reader, &mut out) {
                frame::finish(&mut out, start, 0);
                if stream.write_all(&out).is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, key: ApiKey, version: i16, reader: &mut Reader<'_>, out: &mut Vec<u8>) -> bool {
        match key {
            ApiKey::ApiVersions => ApiVersionsResponse::advertising_supported(ErrorCode::NONE).encode(version, out),
            ApiKey::Metadata => self.metadata().encode(version, out),
            ApiKey::CreateTopics => {
                let request = CreateTopicsRequest::decode(version, reader).unwrap();
                let count = request.topics[0].num_partitions as usize;
                *self.partitions.lock().unwrap() = vec![Partition::default(); count];
                let topics = vec![CreatableTopicResult { name: "loadgen".into(), ..Default::default() }];
                CreateTopicsResponse { topics, ..Default::default() }.encode(version, out);
            }
            ApiKey::ListOffsets => {
                let request = ListOffsetsRequest::decode(version, reader).unwrap();
                self.list_offsets(&request).encode(version, out);
            }
            ApiKey::Produce => {
                let request = ProduceRequest::decode(version, reader).unwrap();
                self.produce(&request).encode(version, out);
                return request.acks != 0;
            }
            ApiKey::Fetch => {
                let request = FetchRequest::decode(version, reader).unwrap();
                self.fetch(&request, version, out);
            }
            other => panic!("nobody should ask for {}", other.name()),
        }
        true
    }

    fn metadata(&self) -> MetadataResponse<'static> {
        let count = self.partitions.lock().unwrap().len();
        let partition = |partition_index| MetadataResponsePartition {
            error_code: ErrorCode::NONE,
            partition_index,
            leader_id: 1,
            leader_epoch: 0,
            replica_nodes: vec![1],
            isr_nodes: vec![1],
            offline_replicas: vec![],
        };
        let error_code = if count == 0 { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { ErrorCode::NONE };
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: self.address.ip().to_string().into(),
                port: i32::from(self.address.port()),
                rack: None,
            }],
            topics: vec![MetadataResponseTopic {
                error_code,
                name: Some("loadgen".into()),
                partitions: (0..count as i32).map(partition).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn produce(&self, request: &ProduceRequest<'_>) -> ProduceResponse<'static> {
        let number = self.produced.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some((stalled, time)) = self.temper.stall
            && stalled == number
        {
            #[expect(clippy::disallowed_methods, reason = "this thread plays a broker that stalls")]
            std::thread::sleep(time);
        }
        let refused = self.temper.refuse_every.is_some_and(|every| number.is_multiple_of(every));
        let mut partitions = self.partitions.lock().unwrap();
        let append = |data: &wire::produce::PartitionProduceData<'_>| {
            let partition = &mut partitions[data.index as usize];
            let mut bytes = data.records.unwrap().to_vec();
            let records = batch::check(&bytes).expect("only sound batches are sent").info.record_count;
            let base_offset = partition.next_offset;
            let deceit = self.temper.deceit.filter(|(at, _)| *at == number).map(|(_, deceit)| deceit);
            match deceit {
                _ if refused => {}
                Some(Deceit::Lose) => {}
                Some(Deceit::Overtake) => partition.held_back = Some(bytes),
                deceit => {
                    if deceit == Some(Deceit::Alter) {
                        let last = bytes.len() - 2;
                        bytes[last] ^= 1;
                        batch::reseal(&mut bytes);
                    }
                    if deceit == Some(Deceit::Repeat) {
                        partition.append(bytes.clone(), records);
                    }
                    partition.append(bytes, records);
                    if let Some(held_back) = partition.held_back.take() {
                        let records = batch::check(&held_back).unwrap().info.record_count;
                        partition.append(held_back, records);
                    }
                }
            }
            let error_code = if refused { ErrorCode::NOT_ENOUGH_REPLICAS } else { ErrorCode::NONE };
            PartitionProduceResponse { index: data.index, error_code, base_offset, ..Default::default() }
        };
        let partition_responses = request.topic_data[0].partition_data.iter().map(append).collect();
        let responses =
            vec![TopicProduceResponse { name: "loadgen".into(), partition_responses, ..Default::default() }];
        ProduceResponse { responses, ..Default::default() }
    }

    fn list_offsets(&self, request: &ListOffsetsRequest<'_>) -> ListOffsetsResponse<'static> {
        let partitions = self.partitions.lock().unwrap();
        let found = request.topics[0].partitions.iter().map(|asked| ListOffsetsPartitionResponse {
            partition_index: asked.partition_index,
            offset: if asked.timestamp == -1 { partitions[asked.partition_index as usize].next_offset } else { 0 },
            ..Default::default()
        });
        let topics = vec![ListOffsetsTopicResponse { name: "loadgen".into(), partitions: found.collect() }];
        ListOffsetsResponse { topics, ..Default::default() }
    }

    fn fetch(&self, request: &FetchRequest<'_>, version: i16, out: &mut Vec<u8>) {
        #[expect(clippy::disallowed_methods, reason = "a long poll of the simplest kind")]
        std::thread::sleep(Duration::from_millis(1));
        let partitions = self.partitions.lock().unwrap();
        let read: Vec<(i32, Vec<u8>)> = request.topics[0]
            .partitions
            .iter()
            .map(|asked| {
                let held = &partitions[asked.partition as usize].batches;
                // The batch that contains the offset starts at or before it.
                let first = held.range(..=asked.fetch_offset).next_back().map_or(0, |(offset, _)| *offset);
                (asked.partition, held.range(first..).flat_map(|(_, bytes)| bytes.clone()).collect())
            })
            .collect();
        let partitions = read.iter().map(|(partition_index, bytes)| PartitionData {
            partition_index: *partition_index,
            records: Records::Bytes(bytes),
            ..Default::default()
        });
        let topic =
            FetchableTopicResponse { topic: "loadgen".into(), partitions: partitions.collect(), ..Default::default() };
        let gaps = FetchResponse { responses: vec![topic], ..Default::default() }.encode(version, out);
        assert!(gaps.is_empty());
    }
}
