//! What a checkpoint says of a log's idempotent producers.

#![forbid(unsafe_code)]

use batch::Offset;
use rkyv::{Archive, Deserialize, Serialize};

use super::OffsetBytes;
use crate::limits::PRODUCER_BATCHES_MAX;

/// One producer of one log.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ProducerCheckpoint {
    pub producer_id: i64,
    pub epoch: i16,
    /// Where its open transaction begins.
    pub transaction_start: Option<i64>,
    /// When it was heard of last, in milliseconds since the Unix epoch by the clock of the node. `i64::MAX` when nobody knew the time.
    pub last_used_ms: i64,
    /// The last batches of its epoch, oldest first.
    pub batches: Vec<ProducerBatchCheckpoint>,
}

/// A batch that a producer has appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct ProducerBatchCheckpoint {
    pub last_sequence: i32,
    /// Sequence and offset of the last record, counted from the first one.
    pub last_delta: i32,
    #[rkyv(with = OffsetBytes)]
    pub last_offset: Offset,
    /// Milliseconds since the Unix epoch; -1 for none.
    pub max_timestamp: i64,
}

/// What must hold of the producers of a log that ends at `next_offset`.
pub(super) fn check(producers: &[ProducerCheckpoint], next_offset: Offset) -> Result<(), &'static str> {
    if !producers.is_sorted_by(|a, b| a.producer_id < b.producer_id) {
        return Err("its producers are not in order");
    }
    for ProducerCheckpoint { batches, .. } in producers {
        let is_sound = |batch: &ProducerBatchCheckpoint| {
            batch.last_sequence >= 0 && batch.last_delta >= 0 && batch.last_offset < next_offset
        };
        let follows = |a: &ProducerBatchCheckpoint, b: &ProducerBatchCheckpoint| a.last_offset < b.last_offset;
        if batches.len() > PRODUCER_BATCHES_MAX || !batches.iter().all(is_sound) || !batches.is_sorted_by(follows) {
            return Err("the batches of one of its producers are not in order");
        }
    }
    Ok(())
}
