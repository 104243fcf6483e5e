//! Where each field of a batch's header stands. All numbers are big endian.
//!
//! ```text
//!    0        8       12      16  17    21    23       27          35         43        51      53      57      61
//!   +--------+-------+-------+---+-----+-----+--------+-----------+----------+---------+-------+-------+-------+----
//!   | base   | batch | leader| m | crc | at- | last   | base      | max      |producer | prod- | base  |record | re-
//!   | offset | length| epoch | a |     | tri-| offset | timestamp | timestamp| id      | ucer  | sequ- |count  | cords
//!   |        |       |       | g |     | bu- | delta  |           |          |         | epoch | ence  |       |
//!   | i64    | i32   | i32   |i8 | u32 | i16 | i32    | i64 (ms)  | i64 (ms) | i64     | i16   | i32   | i32   |
//!   +--------+-------+-------+---+-----+-----+--------+-----------+----------+---------+-------+-------+-------+----
//!   |<--- the broker's to stamp -->|   |<------------------ covered by the CRC-32C ---------------------------------
//!            |<- counted by batch length from byte 12 on ...
//! ```
//!
//! `attributes`: bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon.
//! The records follow one another, each led by its length as a zigzag varint; with compression they are one
//! compressed run.

pub const BASE_OFFSET_AT: usize = 0;
pub const BATCH_LENGTH_AT: usize = BASE_OFFSET_AT + 8;
pub const LEADER_EPOCH_AT: usize = BATCH_LENGTH_AT + 4;
pub const MAGIC_AT: usize = LEADER_EPOCH_AT + 4;
pub const CRC_AT: usize = MAGIC_AT + 1;
pub const ATTRIBUTES_AT: usize = CRC_AT + 4;
pub const LAST_OFFSET_DELTA_AT: usize = ATTRIBUTES_AT + 2;
pub const BASE_TIMESTAMP_AT: usize = LAST_OFFSET_DELTA_AT + 4;
pub const MAX_TIMESTAMP_AT: usize = BASE_TIMESTAMP_AT + 8;
pub const PRODUCER_ID_AT: usize = MAX_TIMESTAMP_AT + 8;
pub const PRODUCER_EPOCH_AT: usize = PRODUCER_ID_AT + 8;
pub const BASE_SEQUENCE_AT: usize = PRODUCER_EPOCH_AT + 2;
pub const RECORD_COUNT_AT: usize = BASE_SEQUENCE_AT + 4;

/// Bytes of the header; the records start here.
pub const HEADER_BYTES: usize = RECORD_COUNT_AT + 4;
/// Bytes in front of what the batch length counts: the base offset and the length itself.
pub const PREFIX_BYTES: usize = LEADER_EPOCH_AT;
/// The checksum covers the batch from here to its end.
pub const CRC_COVERS_FROM: usize = ATTRIBUTES_AT;
/// The one message format that is stored and served.
pub const MAGIC: i8 = 2;
/// Length 1, attributes 1, timestamp delta 1, offset delta 1, key length 1, value length 1, header count 1.
pub const RECORD_BYTES_MIN: usize = 7;

pub(crate) const COMPRESSION_MASK: i16 = 0b0111;
pub(crate) const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL_BIT: i16 = 1 << 4;
pub(crate) const CONTROL_BIT: i16 = 1 << 5;
pub(crate) const DELETE_HORIZON_BIT: i16 = 1 << 6;

const _: () = assert!(HEADER_BYTES == 61, "KIP-98 gives the header 61 bytes");
const _: () = assert!(CRC_COVERS_FROM == 21, "KIP-98 starts the checksum at the attributes");

/// Reads `N` bytes at a position that the caller has checked to lie within `bytes`.
#[inline]
pub(crate) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[inline]
pub(crate) fn set_field<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}
