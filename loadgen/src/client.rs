//! SHELL: one blocking connection for what is asked before and after a run.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{ApiKey, DecodeError, Reader, RequestHeader, frame};

use crate::Failure;
use crate::connection::CLIENT_ID;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// What the broker speaks, by Kafka's number of each message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Vec<(i16, i16, i16)>);

impl Versions {
    /// The highest version that both sides speak, at most `most`.
    pub(crate) fn pick(&self, key: ApiKey, most: i16) -> Result<i16, Failure> {
        let ours = key.range();
        let common = self.0.iter().find(|(number, ..)| *number == key.as_i16()).and_then(|&(_, min, max)| {
            let version = most.min(ours.max).min(max);
            (version >= min && version >= ours.min).then_some(version)
        });
        common.ok_or(Failure::Version { message: key.name() })
    }
}

/// A blocking connection.
pub(crate) struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
    versions: Versions,
}

impl Client {
    /// Connects and asks what the broker speaks.
    pub(crate) fn connect(address: &str) -> Result<Client, Failure> {
        let stream = connect(address)?;
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut client = Client { stream, answer: Vec::new(), versions: Versions::default() };
        let ranges = client.call(
            ApiKey::ApiVersions,
            0,
            |out| ApiVersionsRequest::default().encode(0, out),
            |reader| {
                let answer = ApiVersionsResponse::decode(0, reader)?;
                Ok(answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect())
            },
        )?;
        client.versions = Versions(ranges);
        Ok(client)
    }

    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Sends a request and reads its answer.
    pub(crate) fn call<R>(
        &mut self,
        key: ApiKey,
        version: i16,
        encode: impl FnOnce(&mut Vec<u8>),
        decode: impl FnOnce(&mut Reader<'_>) -> Result<R, DecodeError>,
    ) -> Result<R, Failure> {
        let mut out = Vec::new();
        let start = frame::begin(&mut out);
        RequestHeader { api_key: key.as_i16(), api_version: version, correlation_id: 0, client_id: Some(CLIENT_ID) }
            .encode(&mut out);
        encode(&mut out);
        frame::finish(&mut out, start, 0);
        self.stream.write_all(&out)?;
        let mut prefix = [0; 4];
        self.stream.read_exact(&mut prefix)?;
        let length = usize::try_from(i32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > ANSWER_BYTES_MAX {
            let reason = "it sent an impossible frame length".to_owned();
            return Err(Failure::Refused { message: key.name(), reason });
        }
        self.answer.resize(length, 0);
        self.stream.read_exact(&mut self.answer)?;
        let mut reader = Reader::new(&self.answer);
        wire::decode_response_header(key, version, &mut reader)
            .and_then(|_| decode(&mut reader))
            .map_err(|source| Failure::Answer { message: key.name(), source })
    }
}

/// Opens a connection to `HOST:PORT`.
pub(crate) fn connect(address: &str) -> Result<TcpStream, Failure> {
    let failed = |source| Failure::Connect { address: address.to_owned(), source };
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the host has no address");
    for candidate in address.to_socket_addrs().map_err(failed)? {
        match TcpStream::connect_timeout(&candidate, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true).map_err(failed)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(failed(last))
}
