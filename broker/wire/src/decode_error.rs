//! What was wrong with the bytes, in which field, and where.

/// Bytes that are not the message they claim to be. The peer is to blame, and nothing after `at` can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}, at byte {at}{}{field}", if field.is_empty() { "" } else { ", in " })]
pub struct DecodeError {
    /// `Struct.field` of the schema, or empty outside a message.
    pub field: &'static str,
    /// Position in bytes from the start of the reader's bytes.
    pub at: usize,
    /// What was wrong.
    pub reason: DecodeReason,
}

/// The ways in which bytes can fail to be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeReason {
    /// The bytes end inside a value.
    #[error("truncated: {needed} more bytes declared, {remaining} left")]
    Truncated {
        /// Bytes the value takes.
        needed: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// An array declares more elements than the bytes that are left can hold.
    #[error("an array of {count} elements cannot fit into the {remaining} bytes left")]
    ArrayTooLong {
        /// Declared elements.
        count: usize,
        /// Bytes that are left.
        remaining: usize,
    },
    /// A length below -1.
    #[error("negative length {length}")]
    NegativeLength {
        /// The length as sent.
        length: i32,
    },
    /// A string of more than 32 767 bytes, which no version can carry on.
    #[error("a string of {length} bytes, more than 32767")]
    StringTooLong {
        /// The length as sent, in bytes.
        length: usize,
    },
    /// Null where this version does not allow it.
    #[error("null is not allowed")]
    UnexpectedNull,
    /// A string that is not UTF-8.
    #[error("a string that is not UTF-8")]
    NotUtf8,
    /// An unsigned varint above 2^32 - 1.
    #[error("a varint longer than 32 bits")]
    VarintTooLong,
    /// A tagged field that declares more bytes than its value takes.
    #[error("a tagged field has {excess} bytes after its value")]
    TaggedFieldTooLong {
        /// Bytes left over.
        excess: usize,
    },
    /// The message has no such version, or this crate does not know it.
    #[error("version {version} is not known")]
    UnknownVersion {
        /// The version as asked for.
        version: i16,
    },
}

impl DecodeError {
    /// Names the field, unless a field further in is already named.
    pub(crate) fn in_field(mut self, field: &'static str) -> Self {
        if self.field.is_empty() {
            self.field = field;
        }
        self
    }
}
