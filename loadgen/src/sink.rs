//! SHELL: the other end of nothing: takes produce requests, answers them, and keeps no record. What a run against it reaches is
//! what the generator itself can do.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use wire::api_versions::ApiVersionsResponse;
use wire::metadata::{
    MetadataRequest, MetadataResponse, MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use wire::produce::{PartitionProduceResponse, ProduceRequest, ProduceResponse, TopicProduceResponse};
use wire::{ApiKey, DecodeError, ErrorCode, Reader, RequestHeader, frame};

const NODE: i32 = 1;
/// A longer request is not from a load generator.
const REQUEST_BYTES_MAX: usize = 256 << 20;

/// Starts it on a free port of this machine, with so many partitions in every topic. Its threads end with the process.
pub(crate) fn start(partitions: u32) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let serving = move || drop(Connection { stream, address, partitions, request: Vec::new() }.serve());
            // Without a thread the connection is closed, which its client notices.
            let _ = std::thread::Builder::new().name("sink-connection".to_owned()).spawn(serving);
        }
    })?;
    Ok(address)
}

struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    partitions: u32,
    request: Vec<u8>,
}

impl Connection {
    /// Answers until the client goes, or speaks something else.
    fn serve(mut self) -> std::io::Result<()> {
        self.stream.set_nodelay(true)?;
        loop {
            let mut prefix = [0; 4];
            self.stream.read_exact(&mut prefix)?;
            let length = u32::from_be_bytes(prefix) as usize;
            if length > REQUEST_BYTES_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            if self.request.len() < length {
                self.request.resize(length, 0);
            }
            self.stream.read_exact(&mut self.request[..length])?;
            let answer = self.answer(length).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))?;
            if let Some(answer) = answer {
                self.stream.write_all(&answer)?;
            }
        }
    }

    /// None where no answer is wanted.
    fn answer(&self, length: usize) -> Result<Option<Vec<u8>>, DecodeError> {
        let mut reader = Reader::new(&self.request[..length]);
        let header = RequestHeader::decode(&mut reader)?;
        let Some(key) = ApiKey::from_i16(header.api_key) else { return Ok(None) };
        let version = header.api_version;
        let mut out = Vec::new();
        let start = frame::begin(&mut out);
        wire::encode_response_header(key, version, header.correlation_id, &mut out);
        match key {
            ApiKey::ApiVersions => {
                ApiVersionsResponse::advertising_supported(ErrorCode::NONE).encode(version, &mut out)
            }
            ApiKey::Metadata => {
                let request = MetadataRequest::decode(version, &mut reader)?;
                let topics = request.topics.unwrap_or_default();
                self.metadata(topics.iter().filter_map(|topic| topic.name)).encode(version, &mut out);
            }
            ApiKey::Produce => {
                let request = ProduceRequest::decode(version, &mut reader)?;
                if request.acks == 0 {
                    return Ok(None);
                }
                produced(&request).encode(version, &mut out);
            }
            // Nothing else is asked by a load that only produces; no answer ends the run with an error.
            _ => return Ok(None),
        }
        frame::finish(&mut out, start, 0);
        Ok(Some(out))
    }

    fn metadata<'a>(&self, names: impl Iterator<Item = &'a str>) -> MetadataResponse<'a> {
        let partition = |partition_index| MetadataResponsePartition {
            error_code: ErrorCode::NONE,
            partition_index,
            leader_id: NODE,
            leader_epoch: 0,
            replica_nodes: vec![NODE],
            isr_nodes: vec![NODE],
            offline_replicas: vec![],
        };
        let topic = |name: &'a str| MetadataResponseTopic {
            name: Some(name.into()),
            partitions: (0..self.partitions as i32).map(partition).collect(),
            ..MetadataResponseTopic::default()
        };
        let (host, port) = (self.address.ip().to_string().into(), i32::from(self.address.port()));
        MetadataResponse {
            brokers: vec![MetadataResponseBroker { node_id: NODE, host, port, rack: None }],
            topics: names.map(topic).collect(),
            ..MetadataResponse::default()
        }
    }
}

fn produced<'a>(request: &ProduceRequest<'a>) -> ProduceResponse<'a> {
    let responses = request.topic_data.iter().map(|topic| {
        let partition = |data: &wire::produce::PartitionProduceData<'_>| PartitionProduceResponse {
            index: data.index,
            ..PartitionProduceResponse::default()
        };
        TopicProduceResponse {
            name: topic.name.into(),
            topic_id: topic.topic_id,
            partition_responses: topic.partition_data.iter().map(partition).collect(),
        }
    });
    ProduceResponse { responses: responses.collect(), ..ProduceResponse::default() }
}
