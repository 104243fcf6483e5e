//! A shard at rest: its newest checkpoint says everything, and no group of its journal is needed any more.

#![forbid(unsafe_code)]

use super::Store;
use crate::ids::{GroupSeq, JournalFileId};

/// Where a shard stands when it rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// The checkpoint that says everything.
    pub checkpoint_seq: u64,
    /// The newest group that was written.
    pub last_group: GroupSeq,
    /// The newest journal file identity that was given.
    pub last_file: JournalFileId,
}

impl Store {
    /// `None` while something is under way, waits, or came after the newest checkpoint.
    pub fn rest(&self) -> Option<Rest> {
        let has_all = self.checkpointing.replay_from() > self.groups.durable_seq();
        (self.failure.is_none() && self.is_quiet() && has_all).then(|| Rest {
            checkpoint_seq: self.checkpointing.seq(),
            last_group: self.groups.settled_seq(),
            last_file: self.files.newest(),
        })
    }
}
