//! A raw Kafka connection: it sends exactly what a test says and gives back exactly what comes.
//! Encoding and decoding are the kafka-protocol crate's, so that our own codec is not its own witness.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion, Request, StrBytes, encode_request_header_into_buffer};
use std::fmt::Display;
use std::io::{self, ErrorKind, Read, Write};
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes longer than this; a test that hangs is a failure with a name.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// What the reader accepts as an answer; anything above is a broken length, not an answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// One connection.
pub struct Client {
    stream: TcpStream,
    correlation_last: i32,
}

/// A request on its way: its answer's type, version and correlation id.
pub struct Pending<R> {
    version: i16,
    correlation: i32,
    answer: PhantomData<R>,
}

impl Client {
    /// Connects; panics if nobody listens.
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|e| panic!("connect to {address}: {e}"))
    }

    /// Connects.
    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Client { stream, correlation_last: 0 })
    }

    /// Sends a request and waits for its answer; panics if none comes.
    pub fn call<R: Request>(&mut self, version: i16, request: &R) -> R::Response {
        self.try_call(version, request).unwrap_or_else(|e| panic!("api {} version {version}: {e}", R::KEY))
    }

    /// Sends a request and waits for its answer.
    pub fn try_call<R: Request>(&mut self, version: i16, request: &R) -> io::Result<R::Response> {
        let pending = self.send(version, request)?;
        self.receive(&pending)
    }

    /// Sends a request without waiting.
    pub fn send<R: Request>(&mut self, version: i16, request: &R) -> io::Result<Pending<R>> {
        self.correlation_last += 1;
        let frame = encode_request(version, self.correlation_last, request)?;
        self.stream.write_all(&frame)?;
        Ok(Pending { version, correlation: self.correlation_last, answer: PhantomData })
    }

    /// Takes the next answer, which must be the one to `pending`.
    pub fn receive<R: Request>(&mut self, pending: &Pending<R>) -> io::Result<R::Response> {
        let mut frame = self.receive_frame()?;
        let header_version = R::Response::header_version(pending.version);
        let header = ResponseHeader::decode(&mut frame, header_version).map_err(invalid)?;
        if header.correlation_id != pending.correlation {
            let text = format!("answer to {} where the one to {} is due", header.correlation_id, pending.correlation);
            return Err(invalid(text));
        }
        let response = R::Response::decode(&mut frame, pending.version).map_err(invalid)?;
        if frame.has_remaining() {
            return Err(invalid(format!("{} bytes behind the answer", frame.remaining())));
        }
        Ok(response)
    }

    /// Sends these bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Takes the next frame, without its length.
    pub fn receive_frame(&mut self) -> io::Result<Bytes> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).map_err(invalid)?;
        if length > ANSWER_BYTES_MAX {
            return Err(invalid(format!("an answer of {length} bytes")));
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame)?;
        Ok(Bytes::from(frame))
    }

    /// Waits until the server closes this connection; answers sent before are skipped. False if it stays open that long.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        self.stream.set_read_timeout(Some(limit)).expect("a timeout above zero");
        let mut skipped = [0; 4096];
        let closed = loop {
            match self.stream.read(&mut skipped) {
                Ok(0) => break true,
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break false,
                Err(_) => break true,
            }
        };
        self.stream.set_read_timeout(Some(ANSWER_WITHIN)).expect("a timeout above zero");
        closed
    }

    /// A second handle of the same connection, so that one thread can send while another receives.
    pub fn try_clone(&self) -> io::Result<Client> {
        Ok(Client { stream: self.stream.try_clone()?, correlation_last: self.correlation_last })
    }
}

/// A whole request frame, with its length and header.
pub fn encode_request<R: Request>(version: i16, correlation: i32, request: &R) -> io::Result<Bytes> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("ringmain-tests")));
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    encode_request_header_into_buffer(&mut frame, &header).map_err(invalid)?;
    request.encode(&mut frame, version).map_err(invalid)?;
    let length = i32::try_from(frame.len() - 4).map_err(invalid)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame.freeze())
}

fn invalid(reason: impl Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, reason.to_string())
}
