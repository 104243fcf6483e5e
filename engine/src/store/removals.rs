//! Files of deleted logs, from the deletion to the moment when nothing is left of them.
//!
//! They go when the deletion is on stable storage and the writes to them that were under way have ended: a write that came later would
//! make the directory again, and nobody would ever remove it. Until they are gone no checkpoint is written that makes the deletion's
//! frame needless: a crash would leave files behind that neither the checkpoint nor the journal knows of.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::ids::{GroupSeq, LogId};

struct Removal {
    /// The deletion travels in this group.
    group: GroupSeq,
    durable: bool,
    /// Writes under way to its files: of a log's tail one at a time, and of compaction.
    writes: usize,
    given_out: bool,
}

/// The deleted logs of one shard whose files may still be there.
#[derive(Default)]
pub struct Removals {
    logs: BTreeMap<LogId, Removal>,
    /// Logs whose damaged segments are being marked: also a mark makes a directory again.
    marking: Vec<LogId>,
}

impl Removals {
    pub fn on_log_dropped(&mut self, log: LogId, group: GroupSeq, writes: usize) {
        let writes = writes + self.marking.iter().filter(|marked| **marked == log).count();
        self.logs.insert(log, Removal { group, durable: false, writes, given_out: false });
    }

    pub fn on_mark_begun(&mut self, log: LogId) {
        self.marking.push(log);
    }

    pub fn on_mark_ended(&mut self, log: LogId) {
        let at = self.marking.iter().position(|marked| *marked == log).expect("begun before");
        self.marking.swap_remove(at);
        self.on_write_ended(log);
    }

    pub fn on_durable(&mut self, logs: &[LogId]) {
        for log in logs {
            self.logs.get_mut(log).expect("dropped before").durable = true;
        }
    }

    /// A write to a file of this log has ended, or has been given up.
    pub fn on_write_ended(&mut self, log: LogId) {
        if let Some(removal) = self.logs.get_mut(&log) {
            removal.writes -= 1;
        }
    }

    /// The logs whose files can go now. Each is given out once.
    pub fn ready(&mut self) -> Vec<LogId> {
        let ready = self.logs.iter_mut().filter(|(_, removal)| removal.durable && removal.writes == 0);
        ready.filter_map(|(log, removal)| (!std::mem::replace(&mut removal.given_out, true)).then_some(*log)).collect()
    }

    /// The files are gone, or given up.
    pub fn on_removed(&mut self, log: LogId) {
        self.logs.remove(&log);
    }

    /// Nothing is left of logs that were deleted by groups before this one.
    pub fn are_done_before(&self, group: GroupSeq) -> bool {
        self.logs.values().all(|removal| removal.group >= group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId { topic: 1, partition: 0 };

    #[test]
    fn files_go_when_all_marks_under_way_have_ended() {
        let mut removals = Removals::default();
        (0..2).for_each(|_| removals.on_mark_begun(LOG));
        removals.on_mark_ended(LOG);
        removals.on_log_dropped(LOG, GroupSeq(3), 0);
        removals.on_durable(&[LOG]);
        assert_eq!(removals.ready(), []);
        removals.on_mark_ended(LOG);
        assert_eq!(removals.ready(), [LOG]);
    }

    #[test]
    fn files_go_once_when_the_deletion_is_durable_and_the_write_has_ended() {
        for write_ends_first in [true, false] {
            let mut removals = Removals::default();
            removals.on_log_dropped(LOG, GroupSeq(3), 1);
            if write_ends_first {
                removals.on_write_ended(LOG)
            } else {
                removals.on_durable(&[LOG])
            }
            assert_eq!(removals.ready(), []);
            if write_ends_first {
                removals.on_durable(&[LOG])
            } else {
                removals.on_write_ended(LOG)
            }
            assert_eq!(removals.ready(), [LOG]);
            assert_eq!(removals.ready(), []);
            assert!(removals.are_done_before(GroupSeq(3)) && !removals.are_done_before(GroupSeq(4)));
            removals.on_removed(LOG);
            assert!(removals.are_done_before(GroupSeq(4)));
        }
    }
}
