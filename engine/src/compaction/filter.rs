//! What becomes of one batch.

use batch::{BatchError, BatchInfo, BatchView, DecompressLimit, Offset, Record};

use super::{OffsetMap, Producers};
use crate::limits::COMPACTION_PLAIN_BYTES_MAX;

/// The most that a batch's records may grow to when decompressed.
pub(super) const PLAIN: DecompressLimit = DecompressLimit(COMPACTION_PLAIN_BYTES_MAX);

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays byte for byte.
    Copy,
    /// This takes its place.
    Rewrite(Vec<u8>),
    Drop,
}

/// What a round knows when it has read the dirty part.
pub struct Filter {
    pub map: OffsetMap,
    pub producers: Producers,
    /// The map knows the keys of the dirty part up to here.
    pub until: Offset,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
    pub delete_retention_ms: u64,
}

impl Filter {
    /// # Errors
    /// When the records cannot be read.
    pub fn judge(&self, batch: &BatchView<'_>) -> Result<Verdict, BatchError> {
        let info = &batch.info;
        if info.base_offset >= self.until || info.is_control() {
            return Ok(Verdict::Copy);
        }
        if info.record_count == 0 {
            return Ok(if self.needs_empty(info) { Verdict::Copy } else { Verdict::Drop });
        }
        let records = batch.records(PLAIN)?;
        let mut keep = Vec::with_capacity(info.record_count as usize);
        let mut keeps_tombstone = false;
        for record in &records {
            let record = record?;
            let kept = self.keeps(info, &record);
            keeps_tombstone |= kept && record.value.is_none() && record.offset < self.until;
            keep.push(kept);
        }
        let is_dated = info.delete_horizon_ms().is_some() || info.is_transactional();
        let retention_ms = i64::try_from(self.delete_retention_ms).unwrap_or(i64::MAX);
        let horizon = (keeps_tombstone && !is_dated).then(|| self.now_ms.saturating_add(retention_ms));
        if !keep.contains(&true) {
            return Ok(if self.needs_empty(info) { Verdict::Rewrite(batch::emptied(batch)) } else { Verdict::Drop });
        }
        if horizon.is_none() && !keep.contains(&false) {
            return Ok(Verdict::Copy);
        }
        batch::retain(batch, &records, &keep, horizon).map(Verdict::Rewrite)
    }

    fn keeps(&self, info: &BatchInfo, record: &Record<'_>) -> bool {
        if record.offset >= self.until {
            return true;
        }
        let Some(key) = record.key else {
            // From the time before the topic was compacted. No later record can be told to replace it; Kafka lets it go as well.
            return info.is_transactional();
        };
        let has_later = self.map.get(key).is_some_and(|last| record.offset < last);
        let is_past_horizon = info.delete_horizon_ms().is_some_and(|horizon| self.now_ms >= horizon);
        let may_go = record.value.is_none() && is_past_horizon && !info.is_transactional();
        !has_later && !may_go
    }

    /// Whether a batch without records stays. The last one of the round does, so that readers who want to get to the end of a log whose
    /// last records are gone have something that takes them there.
    fn needs_empty(&self, info: &BatchInfo) -> bool {
        info.is_transactional() || info.next_offset() == self.until || self.producers.need(info, self.now_ms)
    }
}
