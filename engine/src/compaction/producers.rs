//! Which batch of an idempotent producer is its last: it stays, if only as an empty one, so that its sequence is known.

use std::collections::HashMap;

use batch::{BatchInfo, Offset};

use crate::limits::{COMPACTION_PRODUCERS_MAX, PRODUCER_EXPIRY_MS};

/// The producers seen in the dirty part of a log. Of one that is not known every batch counts as the last, until it has been silent for
/// [`PRODUCER_EXPIRY_MS`]: then nobody asks for its sequence any more, as in Kafka.
#[derive(Debug, Default)]
pub struct Producers {
    last: HashMap<i64, Offset>,
}

impl Producers {
    pub fn on_batch(&mut self, info: &BatchInfo) {
        if info.has_producer()
            && (self.last.len() < COMPACTION_PRODUCERS_MAX || self.last.contains_key(&info.producer_id))
        {
            self.last.insert(info.producer_id, info.last_offset());
        }
    }

    /// Whether the batch stays although no record of it does.
    pub fn need(&self, info: &BatchInfo, now_ms: i64) -> bool {
        let is_last = self.last.get(&info.producer_id).is_none_or(|last| *last <= info.last_offset());
        info.has_producer() && is_last && now_ms.saturating_sub(info.max_timestamp) <= PRODUCER_EXPIRY_MS as i64
    }
}
