//! Compaction as the store sees it: which log is next, and what becomes of the files. See `compaction/`.

#![forbid(unsafe_code)]

use super::Store;
use crate::compaction::{Replacement, Round};
use crate::ids::{LogId, SegmentName};
use crate::limits::COMPACTION_REPLACED_BYTES_MAX;

/// Bytes of files that were replaced since the last checkpoint was asked for, and files that are being written.
#[derive(Debug, Default)]
pub(super) struct Compacting {
    replaced_bytes: u64,
    making: Vec<(LogId, SegmentName)>,
}

impl Compacting {
    /// A file of this log is being written.
    pub(super) fn writes_to(&self, id: LogId) -> bool {
        self.making.iter().any(|(log, _)| *log == id)
    }
}

impl Store {
    /// The log that needs compaction most, if one does. `now_ms` is Unix time.
    pub fn compaction_round(&self, now_ms: i64) -> Option<Round> {
        if self.failure.is_some() || self.space.is_full() {
            return None;
        }
        let rounds = self.logs.values().filter_map(|slot| slot.log.compaction_round(now_ms));
        rounds.max_by_key(|round| round.dirty_ppm)
    }

    /// Compaction begins to write this file.
    pub fn on_compaction_file(&mut self, id: LogId, segment: SegmentName) {
        self.compacting.making.push((id, segment));
    }

    /// A round has ended; what was begun and did not get into the log has been removed.
    pub fn on_compaction_ended(&mut self) {
        let dropped = self.compacting.making.first().map(|(id, _)| *id).filter(|id| !self.logs.contains_key(id));
        self.compacting.making.clear();
        if let Some(id) = dropped {
            self.removals.on_write_ended(id);
        }
    }

    /// Compaction goes on only as long as the log wants it and there is space for what it writes.
    pub fn wants_compaction(&self, round: &Round) -> bool {
        let log = self.log(round.log);
        self.failure.is_none()
            && !self.space.is_full()
            && log.is_some_and(|log| log.config().compaction == Some(round.config))
    }

    /// The log still has this segment. Of one that retention has taken meanwhile the file may be gone.
    pub fn names_segment(&self, id: LogId, segment: SegmentName) -> bool {
        self.log(id).is_some_and(|log| log.segment(segment).is_some())
    }

    /// A segment of this log is being marked as damaged. Files of a deleted log go when that has ended.
    pub fn on_mark_begun(&mut self, id: LogId) {
        self.removals.on_mark_begun(id);
    }

    /// It is marked, or could not be.
    pub fn on_mark_ended(&mut self, id: LogId) {
        self.removals.on_mark_ended(id);
    }

    /// Lets the log take the new segments; false if it does not, because it has changed or is gone.
    #[must_use]
    pub fn replace_segments(&mut self, id: LogId, replacement: &Replacement) -> bool {
        self.draw(id);
        let Some(slot) = self.logs.get_mut(&id) else { return false };
        let (memory_before, bytes_before) = (slot.log.memory_bytes(), slot.log.bytes());
        if !slot.log.replace_segments(replacement, &mut self.leaving) {
            return false;
        }
        self.memory_bytes -= memory_before - slot.log.memory_bytes();
        for segment in &replacement.old {
            self.indexes.remove(id, *segment);
            self.read_ahead.forget(id, Some(*segment));
        }
        let new_bytes: u64 = replacement.new.iter().map(|segment| segment.bytes).sum();
        self.compacting.replaced_bytes += (bytes_before + new_bytes).saturating_sub(slot.log.bytes());
        self.compacting.making.clear();
        if self.compacting.replaced_bytes >= COMPACTION_REPLACED_BYTES_MAX {
            self.on_compaction_pass();
        }
        true
    }

    /// A pass over the logs has come to its end: with the next checkpoint the files that were replaced can go.
    pub fn on_compaction_pass(&mut self) {
        self.checkpoint_wanted |= std::mem::take(&mut self.compacting.replaced_bytes) > 0;
    }

    /// A segment could not be read: the log is left alone until the next start.
    pub fn leave_uncleaned(&mut self, id: LogId) {
        if let Some(slot) = self.logs.get_mut(&id) {
            slot.log.leave_uncleaned();
        }
    }

    /// Whether a segment file of a log is left over from a process that ended before it had removed it. To be asked once a
    /// checkpoint was written: before, the older of those that were found may still name it.
    pub fn is_leftover(&self, id: LogId, segment: SegmentName) -> bool {
        self.is_unnamed(id, segment) && !self.checkpointing.is_left_out(id, segment)
    }

    /// Whether a leftover may go at once. The name of a file that compaction made is free for another as soon as it is gone, and its own
    /// removal may still be under way: it goes in the one way that there is.
    pub fn may_sweep(&self, id: LogId, segment: SegmentName) -> bool {
        segment.revision == 0 && self.is_leftover(id, segment)
    }

    /// Neither the log nor the newest checkpoint names this file, and it is not being made.
    pub(super) fn is_unnamed(&self, id: LogId, segment: SegmentName) -> bool {
        let is_being_made = self.compacting.making.contains(&(id, segment));
        !is_being_made && self.log(id).is_some_and(|log| log.is_leftover(segment))
    }

    /// The checkpoint that was written does not name files that were replaced: they can go with the next one.
    pub(super) fn forget_retired(&mut self) {
        let mut gone = Vec::new();
        for picture in self.checkpointing.new_pictures() {
            let Some(slot) = self.logs.get_mut(&picture.log) else { continue };
            gone.push((picture.log, slot.log.forget_retired(picture)));
        }
        for (log, segments) in gone {
            self.checkpoint_wanted |= !segments.is_empty();
            self.checkpointing.leave_out(log, segments);
        }
    }
}
