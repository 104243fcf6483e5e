//! Taking records out of a batch, for compaction. What stays keeps its offset, its timestamp, its key, value and headers; the
//! batch keeps its offsets, its leader epoch, its producer with the sequence, and its codec.

use crate::layout::{self, field, set_field};
use crate::{BatchError, BatchView, Records, TimestampType, compression, reseal, varint};

/// The batch with only those records for which `keep` holds, in their order. With `delete_horizon_ms` it also says from when on
/// its tombstones may go (KIP-534): the horizon takes the place of the base timestamp, and the records count from there.
///
/// # Errors
/// When the records are malformed.
///
/// # Panics
/// Panics if `records` are of another batch, if `keep` has not one word for each of them, or if nothing is kept: see [`emptied`].
pub fn retain(
    batch: &BatchView<'_>,
    records: &Records<'_>,
    keep: &[bool],
    delete_horizon_ms: Option<i64>,
) -> Result<Vec<u8>, BatchError> {
    let info = &batch.info;
    assert_eq!(usize::try_from(info.record_count), Ok(keep.len()), "one word for each record");
    let base_timestamp = delete_horizon_ms.unwrap_or(info.base_timestamp);
    let (mut plain, mut scratch) = (Vec::with_capacity(records.bytes().len()), Vec::new());
    let (mut rest, mut max_timestamp) = (records.bytes(), -1i64);
    for (index, keep) in (0..).zip(keep) {
        let before = rest;
        let record = take_raw(&mut rest).ok_or(BatchError::RecordMalformed { index })?;
        if !keep {
            continue;
        }
        let timestamp = info.base_timestamp.wrapping_add(record.timestamp_delta);
        max_timestamp = max_timestamp.max(timestamp);
        if base_timestamp == info.base_timestamp {
            plain.extend_from_slice(&before[..before.len() - rest.len()]);
            continue;
        }
        scratch.clear();
        scratch.push(record.attributes);
        varint::put_i64(timestamp.wrapping_sub(base_timestamp), &mut scratch);
        scratch.extend_from_slice(record.fields);
        varint::put_i32(i32::try_from(scratch.len()).expect("as long as before, or a few bytes more"), &mut plain);
        plain.extend_from_slice(&scratch);
    }
    if info.timestamp_type() == TimestampType::LogAppendTime {
        max_timestamp = info.max_timestamp;
    }
    let kept = keep.iter().filter(|keep| **keep).count();
    assert!(kept > 0, "a batch without records is made by `emptied`");
    let header = batch.bytes[..layout::HEADER_BYTES].to_vec();
    let mut out =
        compression::compress(info.compression()?.into(), &plain, header).expect("writing to memory does not fail");
    if delete_horizon_ms.is_some() {
        let attributes = info.attributes | layout::DELETE_HORIZON_BIT;
        set_field(&mut out, layout::ATTRIBUTES_AT, attributes.to_be_bytes());
    }
    set_field(&mut out, layout::BASE_TIMESTAMP_AT, base_timestamp.to_be_bytes());
    set_field(&mut out, layout::MAX_TIMESTAMP_AT, max_timestamp.to_be_bytes());
    close(&mut out, kept as i32);
    Ok(out)
}

/// The batch without any record. What it says of its producer and of its offsets stays, as Kafka keeps it: so the last sequence of
/// an idempotent producer is known although its records are gone.
pub fn emptied(batch: &BatchView<'_>) -> Vec<u8> {
    let mut out = batch.bytes[..layout::HEADER_BYTES].to_vec();
    let attributes = batch.info.attributes & !(layout::COMPRESSION_MASK | layout::DELETE_HORIZON_BIT);
    set_field(&mut out, layout::ATTRIBUTES_AT, attributes.to_be_bytes());
    set_field(&mut out, layout::BASE_TIMESTAMP_AT, (-1i64).to_be_bytes());
    close(&mut out, 0);
    out
}

fn close(batch: &mut [u8], record_count: i32) {
    let length = i32::try_from(batch.len() - layout::PREFIX_BYTES).expect("Kafka's lengths end at 2 GiB");
    set_field(batch, layout::BATCH_LENGTH_AT, length.to_be_bytes());
    set_field(batch, layout::RECORD_COUNT_AT, record_count.to_be_bytes());
    reseal(batch);
    debug_assert_eq!(i32::from_be_bytes(field(batch, layout::RECORD_COUNT_AT)), record_count);
}

/// A record as it lies: `fields` is all behind the timestamp delta.
struct Raw<'a> {
    attributes: u8,
    timestamp_delta: i64,
    fields: &'a [u8],
}

fn take_raw<'a>(rest: &mut &'a [u8]) -> Option<Raw<'a>> {
    let length = usize::try_from(varint::take_i32(rest)?).ok()?;
    let (record, after) = rest.split_at_checked(length)?;
    *rest = after;
    let (attributes, mut fields) = record.split_first()?;
    let timestamp_delta = varint::take_i64(&mut fields)?;
    Some(Raw { attributes: *attributes, timestamp_delta, fields })
}
