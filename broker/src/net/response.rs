//! A complete answer as it goes to the socket.

use engine::ring::Part;

use super::budget::Permit;
use crate::metrics::Timeline;

/// The bytes of one answer in pieces: its length, its header and its body. Pieces are sent from where they lie.
#[derive(Debug, Default)]
pub struct Response {
    /// In order; together they are one frame with its leading length.
    pub parts: Vec<Part>,
    /// The answer's shares of budgets, given back when it has been sent.
    pub held: Vec<Permit>,
    /// The way of its request up to here, where the handler has followed it.
    pub timeline: Option<Timeline>,
    /// Where in the first part it says how long its client was throttled.
    pub throttle_time_at: Option<usize>,
}

impl Response {
    /// An answer of several pieces, for example an encoded head and the spans of a log.
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts, ..Self::default() }
    }

    /// An answer that was encoded as a whole.
    pub fn whole(frame: Vec<u8>) -> Self {
        Self::new(vec![Part::from(frame)])
    }

    /// Says how long its client is throttled, in an answer that can say so.
    pub fn set_throttle_time(&mut self, throttle_ms: i32) {
        if let (Some(at), Some(Part::Owned(head))) = (self.throttle_time_at, self.parts.first_mut()) {
            head[at..at + size_of::<i32>()].copy_from_slice(&throttle_ms.to_be_bytes());
        }
    }

    /// Bytes on the wire.
    pub fn byte_len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}
