//! Record bytes of a fetch response: inside the encoded response, or sent from where they are.

/// The record batches of one partition in a fetch response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Records<'a> {
    /// Null.
    #[default]
    None,
    /// In the response; what a client decodes.
    Bytes(&'a [u8]),
    /// This many bytes, which the sender puts into the [`Gap`] while it sends.
    OutOfLine(usize),
}

impl Records<'_> {
    /// Length in bytes; null counts as empty.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len(),
            Self::OutOfLine(len) => *len,
        }
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where out-of-line records belong: there is one gap for each [`Records::OutOfLine`], in order, also for those of zero
/// length, so a sender can pair gaps with payloads by position in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Position in the encoded buffer before which the payload goes on the wire.
    pub at: usize,
    /// Length of the payload in bytes.
    pub len: usize,
}
