//! What can be wrong with a batch.

use crate::DecompressLimit;

/// Why bytes are not an acceptable batch. Each variant blames the bytes, so whoever sent or stored them; the reader's
/// own limit is the one exception ([`BatchError::OverDecompressLimit`]).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("the batch needs {needed} bytes and {have} are there")]
    Truncated { needed: usize, have: usize },
    #[error("message format {0} is not supported, only 2 is")]
    UnsupportedMagic(i8),
    #[error("batch length {0} is smaller than a batch header")]
    LengthTooSmall(i32),
    #[error("{bytes} bytes follow a batch that should stand alone")]
    TrailingBytes { bytes: usize },
    #[error("the checksum is {stored:#010x} in the header and {computed:#010x} over the bytes")]
    CrcMismatch { stored: u32, computed: u32 },
    #[error("the batch claims {0} records")]
    RecordCountInvalid(i32),
    #[error("{record_count} records do not fit a last offset delta of {last_offset_delta}")]
    CountMismatch { record_count: i32, last_offset_delta: i32 },
    #[error("compression type {0} is unknown")]
    UnknownCompression(u8),
    #[error("record {index} is malformed")]
    RecordMalformed { index: i32 },
    #[error("{bytes} bytes follow the last record")]
    BytesAfterRecords { bytes: usize },
    #[error("the records are not valid {codec}: {reason}")]
    Decompress { codec: &'static str, reason: String },
    #[error("the records exceed {} bytes decompressed", .0.0)]
    OverDecompressLimit(DecompressLimit),
}
