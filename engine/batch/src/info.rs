//! A batch's header as plain numbers.

use crate::layout::{self, field};
use crate::{BatchError, Compression, LeaderEpoch, Offset};

/// Whose clock the timestamps of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// Everything a batch's header says. The records count and the deltas are as the producer claims them until
/// [`crate::check`] has passed the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    pub base_offset: Offset,
    pub last_offset_delta: i32,
    pub leader_epoch: LeaderEpoch,
    /// The whole batch in bytes, with the 12 bytes before the length counts.
    pub length: usize,
    pub crc: u32,
    pub attributes: i16,
    /// Milliseconds since the Unix epoch; -1 for none.
    pub base_timestamp: i64,
    /// Milliseconds since the Unix epoch; -1 for none.
    pub max_timestamp: i64,
    /// -1 when the producer is not idempotent.
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchInfo {
    /// Reads the header at the start of `bytes`; `None` while too few bytes are there to tell. Only the magic and
    /// the length are judged: enough to know where the batch ends.
    pub fn peek(bytes: &[u8]) -> Result<Option<BatchInfo>, BatchError> {
        // The magic stands at the same place in every format Kafka ever had, so an old message is named as such even
        // when it is shorter than a header of today.
        if let Some(&magic) = bytes.get(layout::MAGIC_AT)
            && magic as i8 != layout::MAGIC
        {
            return Err(BatchError::UnsupportedMagic(magic as i8));
        }
        if bytes.len() < layout::HEADER_BYTES {
            return Ok(None);
        }
        let batch_length = i32::from_be_bytes(field(bytes, layout::BATCH_LENGTH_AT));
        if batch_length < (layout::HEADER_BYTES - layout::PREFIX_BYTES) as i32 {
            return Err(BatchError::LengthTooSmall(batch_length));
        }
        Ok(Some(BatchInfo {
            base_offset: Offset(i64::from_be_bytes(field(bytes, layout::BASE_OFFSET_AT))),
            last_offset_delta: i32::from_be_bytes(field(bytes, layout::LAST_OFFSET_DELTA_AT)),
            leader_epoch: LeaderEpoch(i32::from_be_bytes(field(bytes, layout::LEADER_EPOCH_AT))),
            length: batch_length as usize + layout::PREFIX_BYTES,
            crc: u32::from_be_bytes(field(bytes, layout::CRC_AT)),
            attributes: i16::from_be_bytes(field(bytes, layout::ATTRIBUTES_AT)),
            base_timestamp: i64::from_be_bytes(field(bytes, layout::BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(bytes, layout::MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(bytes, layout::PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(bytes, layout::PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(bytes, layout::BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(bytes, layout::RECORD_COUNT_AT)),
        }))
    }

    /// The offset of the batch's last record. A header that nobody checked may claim one past the end of numbers;
    /// that saturates.
    pub fn last_offset(&self) -> Offset {
        Offset(self.base_offset.0.saturating_add(i64::from(self.last_offset_delta)))
    }

    /// The offset that follows the batch.
    pub fn next_offset(&self) -> Offset {
        Offset(self.last_offset().0.saturating_add(1))
    }

    /// How the records are compressed; an error for the three codes nobody has defined.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        Compression::from_code((self.attributes & layout::COMPRESSION_MASK) as u8)
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & layout::LOG_APPEND_TIME_BIT == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & layout::TRANSACTIONAL_BIT != 0
    }

    /// A control batch carries a transaction's outcome, not data.
    pub fn is_control(&self) -> bool {
        self.attributes & layout::CONTROL_BIT != 0
    }

    /// From when on the batch's tombstones may go, in milliseconds since the Unix epoch, if compaction has said so (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes & layout::DELETE_HORIZON_BIT != 0).then_some(self.base_timestamp)
    }

    /// Whether an idempotent producer made it, so that its sequence numbers count.
    pub fn has_producer(&self) -> bool {
        self.producer_id >= 0
    }
}
