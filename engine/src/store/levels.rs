//! How full everything of a shard's store is, for whoever looks after the node.

#![forbid(unsafe_code)]

use super::Store;

/// Queues and memory of one shard at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels {
    pub logs: usize,
    /// Tails of logs in memory, and what they may take.
    pub tail_bytes: usize,
    pub tail_bytes_max: usize,
    /// Appended and not yet in a segment file.
    pub unflushed_bytes: u64,
    /// Of the journal files that a recovery would read, and the bound on all of them.
    pub journal_bytes: u64,
    pub journal_bytes_max: u64,
    /// Write groups that are closed and wait for the device, and those that it has.
    pub groups_waiting: usize,
    pub groups_in_flight: usize,
    pub segment_writes_in_flight: usize,
    /// Idempotent producers that are remembered, once for each log.
    pub producers: usize,
    pub is_disk_full: bool,
    pub has_failed: bool,
}

impl Store {
    pub fn levels(&self) -> Levels {
        let (groups_waiting, groups_in_flight) = self.groups.queued();
        Levels {
            logs: self.logs.len(),
            tail_bytes: self.memory_bytes,
            tail_bytes_max: self.limits.memory_bytes_max,
            unflushed_bytes: self.unflushed_bytes,
            journal_bytes: self.files.used_bytes(),
            journal_bytes_max: self.files.bytes_max(),
            groups_waiting,
            groups_in_flight,
            segment_writes_in_flight: self.writes_in_flight,
            producers: self.producers.count,
            is_disk_full: self.space.is_full(),
            has_failed: self.failure.is_some(),
        }
    }
}
