//! Damaged segments, as `engine::disk::quarantine` keeps them.

use std::collections::BTreeSet;

use engine::store::Store;
use engine::{LogId, SegmentName};

use super::calls::{Call, Report};
use super::{Planted, Shell, Task};
use crate::disk::{Dir, Name};

/// So many of their files are kept, to see what happens beyond it; a node keeps more.
pub const QUARANTINED_MAX: usize = 3;

impl Shell {
    /// Somebody has met damage: the segment is marked in the background.
    pub fn mark(&mut self, store: &mut Store, log: LogId, segment: SegmentName) {
        store.on_mark_begun(log);
        let name = Name::Mark(log, segment);
        let report = Report::Marked(log, segment);
        let mut calls = Vec::new();
        // The first mark stays.
        if !self.disk.exists(name) {
            let what = b"a flipped bit".to_vec();
            let write = Call::Write { name, position: 0, bytes: what };
            calls.extend([Call::Create(name), write, Call::Sync(name)]);
        }
        calls.push(Call::SyncDir(Dir::Quarantine(log)));
        self.tasks.push(Task { calls: calls.into(), dirs: BTreeSet::new(), report, gives_back: None, is_slow: false });
    }

    /// Whether the file of a segment that nobody needs is kept. What is changed is yet to be synced.
    pub(super) fn take_damaged(&mut self, log: LogId, segment: SegmentName) -> bool {
        let (mark, file) = (Name::Mark(log, segment), Name::Segment(log, segment));
        if !self.disk.exists(mark) || !self.disk.exists(file) || self.planted == Planted::ForgetMarks {
            return false;
        }
        if self.quarantined() >= QUARANTINED_MAX && self.planted != Planted::OverfillQuarantine {
            self.disk.unlink(mark);
            self.overflowed.insert((log, segment));
            return false;
        }
        self.fresh.remove(&file);
        self.opened.remove(&file);
        self.disk.rename(file, Name::Quarantined(log, segment));
        true
    }

    pub fn quarantined(&self) -> usize {
        self.disk.names().filter(|name| matches!(name, Name::Quarantined(..))).count()
    }

    /// The log was deleted, and with it goes what is kept of it.
    pub(super) fn remove_quarantined(&mut self, log: LogId) {
        if self.planted != Planted::LeaveQuarantine {
            let names: Vec<Name> = self.disk.names().filter(|name| name.dir() == Dir::Quarantine(log)).collect();
            names.into_iter().for_each(|name| self.disk.unlink(name));
            self.disk.sync_dir(Dir::Quarantine(log));
        }
    }
}
