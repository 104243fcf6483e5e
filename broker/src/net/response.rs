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
}

impl Response {
    /// An answer of several pieces, for example an encoded head and the spans of a log.
    pub fn new(parts: Vec<Part>) -> Self {
        Self { parts, held: Vec::new(), timeline: None }
    }

    /// An answer that was encoded as a whole.
    pub fn whole(frame: Vec<u8>) -> Self {
        Self::new(vec![Part::from(frame)])
    }

    /// Bytes on the wire.
    pub fn byte_len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}
