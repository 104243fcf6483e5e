//! A blocking client for the command line: one request at a time over one connection per node.
//!
//! It asks each node which versions it speaks, so it works with any Kafka-protocol cluster.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use wire::{ApiKey, DecodeError, ErrorCode, Reader, RequestHeader};

/// Time a node may take to accept a connection or to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// No answer to the command line is larger.
const ANSWER_BYTES_MAX: usize = 256 << 20;
const CLIENT_ID: &str = "ringmain-cli";

/// Why a command could not be carried out. Each message is a sentence for the person at the command line.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("cannot reach {address}: {source}; is the broker running there? (--bootstrap HOST:PORT)")]
    Unreachable { address: String, source: io::Error },
    #[error("the connection to {address} broke: {source}")]
    Broken { address: String, source: io::Error },
    #[error("{address} did not answer within {} s", ANSWER_WAIT.as_secs())]
    Silent { address: String },
    #[error("{address} closed the connection without an answer")]
    Closed { address: String },
    #[error("{address} does not answer as a Kafka broker: {reason}")]
    NotKafka { address: String, reason: String },
    #[error("{address} speaks no version of {} that this program knows", key.name())]
    NoVersion { address: String, key: ApiKey },
    #[error("the cluster names no node for {what}; try again when it has settled")]
    NoNode { what: String },
    #[error("{what}: {}{}", code.name(), detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default())]
    Refused { what: String, code: ErrorCode, detail: Option<String> },
    #[error("{0}")]
    Usage(String),
}

/// A connection to one node.
pub struct Client {
    address: String,
    stream: TcpStream,
    versions: BTreeMap<i16, (i16, i16)>,
    correlation_id: i32,
}

/// The body of an answer and the version in which it is written.
pub struct Body {
    address: String,
    version: i16,
    frame: Vec<u8>,
    begin: usize,
}

impl Client {
    /// Connects to a node and asks what it speaks.
    pub fn connect(address: &str) -> Result<Self, AdminError> {
        let unreachable = |source| AdminError::Unreachable { address: address.to_owned(), source };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for candidate in address.to_socket_addrs().map_err(unreachable)? {
            match TcpStream::connect_timeout(&candidate, CONNECT_WAIT) {
                Ok(stream) => return Self::greet(address.to_owned(), stream),
                Err(error) => last = error,
            }
        }
        Err(unreachable(last))
    }

    fn greet(address: String, stream: TcpStream) -> Result<Self, AdminError> {
        let limited = stream
            .set_read_timeout(Some(ANSWER_WAIT))
            .and_then(|()| stream.set_write_timeout(Some(ANSWER_WAIT)))
            .and_then(|()| stream.set_nodelay(true));
        limited.map_err(|source| AdminError::Broken { address: address.clone(), source })?;
        // Version 0 is the one that every broker answers.
        let versions = BTreeMap::from([(ApiKey::ApiVersions.as_i16(), (0, 0))]);
        let mut client = Self { address, stream, versions, correlation_id: 0 };
        let body =
            client.call(ApiKey::ApiVersions, |version, out| ApiVersionsRequest::default().encode(version, out))?;
        let answer = body.read(ApiVersionsResponse::decode)?;
        check(answer.error_code, "asking for versions", None)?;
        client.versions = answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect();
        Ok(client)
    }

    /// Sends a request in the newest version that both sides know, and waits for its answer.
    pub fn call(&mut self, key: ApiKey, encode: impl FnOnce(i16, &mut Vec<u8>)) -> Result<Body, AdminError> {
        let version = self.common_version(key)?;
        self.correlation_id += 1;
        let mut frame = Vec::new();
        let start = wire::frame::begin(&mut frame);
        let (api_key, correlation_id) = (key.as_i16(), self.correlation_id);
        RequestHeader { api_key, api_version: version, correlation_id, client_id: Some(CLIENT_ID) }.encode(&mut frame);
        encode(version, &mut frame);
        wire::frame::finish(&mut frame, start, 0);
        let answer = self.exchange(&frame)?;
        let mut reader = Reader::new(&answer);
        let answered =
            wire::decode_response_header(key, version, &mut reader).map_err(|error| self.not_kafka(&error))?;
        if answered != correlation_id {
            return Err(self.not_kafka(&format!("answer {answered} came to request {correlation_id}")));
        }
        let begin = reader.position();
        Ok(Body { address: self.address.clone(), version, frame: answer, begin })
    }

    fn common_version(&self, key: ApiKey) -> Result<i16, AdminError> {
        let known = key.range();
        let common = self.versions.get(&key.as_i16()).and_then(|(least, most)| {
            let newest = known.max.min(*most).min(newest_with_names(key));
            (newest >= known.min.max(*least)).then_some(newest)
        });
        common.ok_or_else(|| AdminError::NoVersion { address: self.address.clone(), key })
    }

    fn exchange(&mut self, frame: &[u8]) -> Result<Vec<u8>, AdminError> {
        let address = self.address.clone();
        let broken = |source: io::Error| match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => AdminError::Silent { address: address.clone() },
            io::ErrorKind::UnexpectedEof => AdminError::Closed { address: address.clone() },
            _ => AdminError::Broken { address: address.clone(), source },
        };
        self.stream.write_all(frame).map_err(broken)?;
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix).map_err(broken)?;
        let length = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            return Err(self.not_kafka(&format!("an answer of {length} bytes")));
        }
        // Grows with what arrives, not with what is declared.
        let mut answer = Vec::new();
        let received = (&mut self.stream).take(length as u64).read_to_end(&mut answer).map_err(broken)?;
        if received < length {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(answer)
    }

    fn not_kafka(&self, reason: &dyn std::fmt::Display) -> AdminError {
        AdminError::NotKafka { address: self.address.clone(), reason: reason.to_string() }
    }
}

impl Body {
    /// Decodes the body with the message's own `decode`.
    pub fn read<'a, T>(
        &'a self,
        decode: impl FnOnce(i16, &mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, AdminError> {
        let decoded = decode(self.version, &mut Reader::new(&self.frame[self.begin..]));
        decoded.map_err(|error| AdminError::NotKafka { address: self.address.clone(), reason: error.to_string() })
    }
}

/// The nodes of a cluster, reached as they are needed.
pub struct Cluster {
    bootstrap: Client,
    nodes: BTreeMap<i32, Client>,
}

impl Cluster {
    pub fn connect(bootstrap: &str) -> Result<Self, AdminError> {
        Ok(Self { bootstrap: Client::connect(bootstrap)?, nodes: BTreeMap::new() })
    }

    /// The node that the command line named, for what any node answers.
    pub fn any(&mut self) -> &mut Client {
        &mut self.bootstrap
    }

    /// What the cluster says of these topics, or of all. It is not to create them for being asked.
    pub fn metadata(&mut self, topics: Option<&[String]>) -> Result<Body, AdminError> {
        let topics = topics.map(|names| {
            let asked = |name| MetadataRequestTopic { name: Some(name), ..Default::default() };
            names.iter().map(String::as_str).map(asked).collect()
        });
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        self.bootstrap.call(ApiKey::Metadata, |version, out| request.encode(version, out))
    }

    /// The node that takes changes.
    pub fn controller(&mut self) -> Result<&mut Client, AdminError> {
        let body = self.metadata(Some(&[]))?;
        let id = body.read(MetadataResponse::decode)?.controller_id;
        self.node(id, &body, "changes")
    }

    /// The node `id`, with the address that `metadata` gives it.
    pub fn node(&mut self, id: i32, metadata: &Body, what: &str) -> Result<&mut Client, AdminError> {
        let vacant = match self.nodes.entry(id) {
            Entry::Occupied(known) => return Ok(known.into_mut()),
            Entry::Vacant(vacant) => vacant,
        };
        let metadata = metadata.read(MetadataResponse::decode)?;
        let node = metadata.brokers.iter().find(|node| node.node_id == id);
        let node = node.ok_or_else(|| AdminError::NoNode { what: what.to_owned() })?;
        // An IPv6 address stands in brackets before its port.
        let host = if node.host.contains(':') { format!("[{}]", node.host) } else { node.host.to_string() };
        Ok(vacant.insert(Client::connect(&format!("{host}:{}", node.port))?))
    }
}

/// An error code of an answer as an error of the command.
pub fn check(code: ErrorCode, what: &str, detail: Option<&str>) -> Result<(), AdminError> {
    if code.is_none() {
        return Ok(());
    }
    Err(AdminError::Refused { what: what.to_owned(), code, detail: detail.map(str::to_owned) })
}

/// The last version in which topics have names: this program is told names, and a deleted topic's offsets have nothing else.
fn newest_with_names(key: ApiKey) -> i16 {
    match key {
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => 9,
        _ => i16::MAX,
    }
}
