//! Sending the same bytes again with other numbers in the header. None of these looks at the records.
//!
//! All of them panic if the batch is shorter than a header: only a built batch is a template.

use crate::crc32c;
use crate::layout::{self, set_field};

/// Gives the batch other timestamps, in milliseconds since the Unix epoch. The records' own deltas stay, so the
/// first record moves to `base` and the others with it. The checksum is stale until [`reseal`].
#[inline]
pub fn restamp_timestamps(batch: &mut [u8], base: i64, max: i64) {
    set_field(batch, layout::BASE_TIMESTAMP_AT, base.to_be_bytes());
    set_field(batch, layout::MAX_TIMESTAMP_AT, max.to_be_bytes());
}

/// Gives the batch another producer identity or sequence. The checksum is stale until [`reseal`].
#[inline]
pub fn restamp_producer(batch: &mut [u8], id: i64, epoch: i16, base_sequence: i32) {
    set_field(batch, layout::PRODUCER_ID_AT, id.to_be_bytes());
    set_field(batch, layout::PRODUCER_EPOCH_AT, epoch.to_be_bytes());
    set_field(batch, layout::BASE_SEQUENCE_AT, base_sequence.to_be_bytes());
}

/// Writes the checksum of the batch as it now is.
#[inline]
pub fn reseal(batch: &mut [u8]) {
    let crc = crc32c(&batch[layout::CRC_COVERS_FROM..]);
    set_field(batch, layout::CRC_AT, crc.to_be_bytes());
}

/// Makes `batch`, a template cut off behind its first `record_count` records, say that this is all of it. The
/// checksum is stale until [`reseal`].
#[inline]
pub fn recount(batch: &mut [u8], record_count: i32) {
    let length = i32::try_from(batch.len() - layout::PREFIX_BYTES).expect("Kafka's lengths end at 2 GiB");
    set_field(batch, layout::BATCH_LENGTH_AT, length.to_be_bytes());
    set_field(batch, layout::LAST_OFFSET_DELTA_AT, (record_count - 1).to_be_bytes());
    set_field(batch, layout::RECORD_COUNT_AT, record_count.to_be_bytes());
}
