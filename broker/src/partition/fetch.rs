//! Reading partitions for one request: what may be read from each, and how the request's bytes are shared among them.

use batch::Offset;
use engine::{LogView, ReadError};

use super::Partition;
use crate::mesh::message::{FetchPartition, Fetched, ReadFault};

/// What to ask the engine for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadWish {
    pub from: Offset,
    /// Exclusive.
    pub until: Offset,
    pub bytes_max: usize,
    /// Whether the first batch comes even if it is larger than `bytes_max`.
    pub at_least_one: bool,
}

/// Judges a client's wish to read. `Ok(None)`: the offset is right, and there is nothing to read yet.
///
/// An offset between the committed end and the log's end is right although nothing there may be read: a consumer that
/// has read up to the high watermark of a former leader comes with such a one.
pub fn judge(
    partition: Option<&Partition>,
    view: Option<&LogView>,
    wanted: &FetchPartition,
    budget: &Budget,
) -> Result<Option<ReadWish>, ReadFault> {
    let partition = partition.ok_or(ReadFault::UnknownPartition)?;
    partition.fence(wanted.leader_epoch)?;
    let view = view.ok_or(ReadFault::StorageFailed)?;
    assert!(view.start <= view.committed_end && view.committed_end <= view.end, "a log's offsets are a ladder");
    if wanted.from < view.start || wanted.from > view.end {
        return Err(ReadFault::OutOfRange);
    }
    if wanted.from >= view.committed_end {
        return Ok(None);
    }
    Ok(budget.grant(wanted.bytes_max).map(|(bytes_max, at_least_one)| ReadWish {
        from: wanted.from,
        until: view.committed_end,
        bytes_max,
        at_least_one,
    }))
}

/// A partition of which nothing was read.
pub fn nothing(view: &LogView) -> Fetched {
    Fetched { log_start: view.start, committed_end: view.committed_end, spans: Vec::new() }
}

/// What the engine's refusal means for a client.
pub fn fault_of(error: ReadError) -> ReadFault {
    match error {
        ReadError::OutOfRange => ReadFault::OutOfRange,
        ReadError::Corrupt => ReadFault::Corrupt,
        // The partition is known here, so its log should be.
        ReadError::UnknownLog | ReadError::Failed => ReadFault::StorageFailed,
    }
}

/// The bytes a request may still take. The first partition with records gets at least one batch, whatever its size:
/// otherwise a batch that is larger than a client's limits would stop it for ever (KIP-74).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    bytes_left: usize,
    is_untouched: bool,
}

impl Budget {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_left: bytes_max, is_untouched: true }
    }

    /// The bytes for a partition that asks for `bytes_max`, and whether its first batch may be larger. None if nothing
    /// is left.
    fn grant(&self, bytes_max: usize) -> Option<(usize, bool)> {
        let granted = bytes_max.min(self.bytes_left);
        (self.is_untouched || granted > 0).then_some((granted, self.is_untouched))
    }

    /// Takes what was read, or what a read that is under way may bring at most.
    pub fn take(&mut self, bytes: usize) {
        if bytes > 0 {
            self.is_untouched = false;
        }
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use batch::LeaderEpoch;
    use engine::LogId;

    use super::*;

    const PARTITION: Partition =
        Partition { leader_epoch: LeaderEpoch(0), is_relaxed: false, stamps_append_time: false };
    const VIEW: LogView =
        LogView { start: Offset(10), end: Offset(30), durable_end: Offset(20), committed_end: Offset(20), bytes: 1000 };

    fn wanted(from: i64) -> FetchPartition {
        FetchPartition { log: LogId { topic: 9, partition: 0 }, from: Offset(from), bytes_max: 100, leader_epoch: None }
    }

    fn judged(from: i64) -> Result<Option<ReadWish>, ReadFault> {
        judge(Some(&PARTITION), Some(&VIEW), &wanted(from), &Budget::new(1000))
    }

    #[test]
    fn only_what_is_committed_is_read() {
        let wish = ReadWish { from: Offset(10), until: Offset(20), bytes_max: 100, at_least_one: true };
        assert_eq!(judged(10), Ok(Some(wish)));
        assert_eq!(judged(19), Ok(Some(ReadWish { from: Offset(19), ..wish })));
        assert_eq!(judged(20), Ok(None));
        assert_eq!(judged(30), Ok(None));
        for outside in [9, 31, -1, i64::MAX, i64::MIN] {
            assert_eq!(judged(outside), Err(ReadFault::OutOfRange));
        }
    }

    #[test]
    fn unknown_partitions_and_epochs_are_faults_before_offsets_are() {
        let budget = Budget::new(1000);
        assert_eq!(judge(None, None, &wanted(99), &budget), Err(ReadFault::UnknownPartition));
        assert_eq!(judge(Some(&PARTITION), None, &wanted(10), &budget), Err(ReadFault::StorageFailed));
        let newer = FetchPartition { leader_epoch: Some(LeaderEpoch(1)), ..wanted(99) };
        assert_eq!(judge(Some(&PARTITION), Some(&VIEW), &newer, &budget), Err(ReadFault::UnknownEpoch));
    }

    #[test]
    fn the_first_records_may_exceed_the_budget_and_later_ones_may_not() {
        let mut budget = Budget::new(150);
        assert_eq!(budget.grant(100), Some((100, true)));
        budget.take(0);
        assert_eq!(budget.grant(0), Some((0, true)));
        budget.take(120);
        assert_eq!(budget.grant(100), Some((30, false)));
        budget.take(500);
        assert_eq!(budget.grant(100), None);
    }
}
