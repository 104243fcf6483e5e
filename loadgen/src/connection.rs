//! SHELL: one non-blocking connection that carries frames. Both buffers are kept for the whole run.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::ops::Range;

use wire::{ApiKey, RequestHeader, frame};

/// What this program calls itself to brokers.
pub(crate) const CLIENT_ID: &str = "ringmain-loadgen";
const INPUT_BYTES_AT_START: usize = 64 << 10;
/// A broker that announces a longer answer is not speaking Kafka's protocol.
const FRAME_BYTES_MAX: usize = (1 << 30) + (64 << 20);

/// A connection. Invariants: `sent <= out.len()`; `taken <= filled <= input.len()`, and what lies between `taken` and
/// `filled` are answers not handed out yet.
pub(crate) struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    taken: usize,
    filled: usize,
    next_correlation: i32,
}

impl Connection {
    pub(crate) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            stream,
            out: Vec::new(),
            sent: 0,
            input: vec![0; INPUT_BYTES_AT_START],
            taken: 0,
            filled: 0,
            next_correlation: 0,
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Whether the kernel has taken everything, so that another request may be made.
    pub(crate) fn is_flushed(&self) -> bool {
        self.sent == self.out.len()
    }

    /// Appends a request and gives its correlation id and its bytes. [`Connection::flush`] sends it.
    pub(crate) fn request(&mut self, key: ApiKey, version: i16, body: impl FnOnce(&mut Vec<u8>)) -> (i32, usize) {
        if self.is_flushed() {
            self.out.clear();
            self.sent = 0;
        }
        let correlation_id = self.next_correlation;
        self.next_correlation = self.next_correlation.wrapping_add(1);
        let before = self.out.len();
        let start = frame::begin(&mut self.out);
        RequestHeader { api_key: key.as_i16(), api_version: version, correlation_id, client_id: Some(CLIENT_ID) }
            .encode(&mut self.out);
        body(&mut self.out);
        frame::finish(&mut self.out, start, 0);
        (correlation_id, self.out.len() - before)
    }

    /// Gives the kernel what it takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while !self.is_flushed() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads once; tells whether there may be more to read.
    pub(crate) fn receive(&mut self) -> io::Result<bool> {
        self.make_room();
        let room = self.input.len() - self.filled;
        loop {
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    self.filled += read;
                    return Ok(read == room);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the next whole answer: where its header and body lie in [`Connection::input`].
    pub(crate) fn next_frame(&mut self) -> io::Result<Option<Range<usize>>> {
        let Some(frame_bytes) = self.frame_bytes()? else { return Ok(None) };
        if self.filled - self.taken < frame_bytes {
            return Ok(None);
        }
        let frame = self.taken + 4..self.taken + frame_bytes;
        self.taken += frame_bytes;
        Ok(Some(frame))
    }

    pub(crate) fn input(&self) -> &[u8] {
        &self.input
    }

    /// The size of the frame at `taken` with its prefix, once the prefix is there.
    fn frame_bytes(&self) -> io::Result<Option<usize>> {
        let Some(prefix) = self.input[self.taken..self.filled].first_chunk::<4>() else { return Ok(None) };
        match usize::try_from(i32::from_be_bytes(*prefix)) {
            Ok(length) if (4..=FRAME_BYTES_MAX).contains(&length) => Ok(Some(length + 4)),
            _ => Err(io::Error::new(ErrorKind::InvalidData, "the broker sent an impossible frame length")),
        }
    }

    /// Moves a partial frame to the front and makes the buffer as long as that frame will be.
    fn make_room(&mut self) {
        if self.taken > 0 {
            self.input.copy_within(self.taken..self.filled, 0);
            self.filled -= self.taken;
            self.taken = 0;
        }
        if let Ok(Some(frame_bytes)) = self.frame_bytes()
            && frame_bytes > self.input.len()
        {
            self.input.resize(frame_bytes, 0);
        }
        debug_assert!(self.filled < self.input.len(), "a whole frame has been left in the buffer");
    }
}
