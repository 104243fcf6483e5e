//! Moving the start of a log: by retention, or because a client deletes records. See `log/retention.rs` for the steps.

#![forbid(unsafe_code)]

use std::cmp::Reverse;

use batch::Offset;

use super::{Effect, Store};
use crate::frame::FrameFields;
use crate::ids::{GroupSeq, LogId, SegmentName};

/// Why a log does not start where it was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    #[error("this shard has no such log")]
    UnknownLog,
    #[error("the offset is past the end of what readers may see")]
    OutOfRange,
    #[error("the journal is full for the moment")]
    Busy,
    #[error("the shard's storage has failed; it takes nothing until it is opened again")]
    Failed,
}

impl Store {
    /// Lets the log start at `start`, or leaves it where it starts further on. It does so once the returned group is durable.
    pub fn cut_log(&mut self, id: LogId, start: Offset, now_ms: u64) -> Result<GroupSeq, CutError> {
        if self.failure.is_some() {
            return Err(CutError::Failed);
        }
        let log = &self.logs.get(&id).ok_or(CutError::UnknownLog)?.log;
        if start > log.committed_end() {
            return Err(CutError::OutOfRange);
        }
        if start <= log.start_offset() {
            return Ok(self.groups.durable_seq());
        }
        if !self.groups.has_room(&self.files, 0) {
            return Err(CutError::Busy);
        }
        let group = self.groups.reserve(&self.pool, 0, now_ms);
        self.groups.push(&FrameFields::log_start(id, start), &[], true);
        self.groups.note_start(id, start);
        self.draw(id);
        self.logs.get_mut(&id).expect("found above").log.want_start(start);
        Ok(group)
    }

    /// The logs that keep more than their configuration wants, and where they are to start. `now_ms` is Unix time.
    pub fn retention_cuts(&self, now_ms: i64) -> Vec<(LogId, Offset)> {
        self.logs.iter().filter_map(|(id, slot)| Some((*id, slot.log.retention_cut(now_ms)?))).collect()
    }

    /// The frames that say so are on stable storage. Memory follows now, the files after a checkpoint.
    pub(super) fn on_starts_durable(&mut self, starts: &[(LogId, Offset)]) {
        for (id, start) in starts {
            if let Some(slot) = self.logs.get_mut(id) {
                self.checkpoint_wanted |= slot.log.on_start_durable(*start);
            }
        }
    }

    pub(super) fn replay_start(&mut self, id: LogId, start: Offset) -> Result<(), String> {
        let end = self.log(id).map_or(Offset(0), |log| log.end_offset());
        if start > end {
            return Err(format!("log {id}: the journal lets it start at offset {start} but it ends at {end}"));
        }
        self.create_log_for_replay(id);
        self.logs.get_mut(&id).expect("created above").log.want_start(start);
        self.on_starts_durable(&[(id, start)]);
        Ok(())
    }

    /// A checkpoint was written. The segments that it leaves out are forgotten, and their files go with the next one, which is taken
    /// at once. The files go of those that the one before has left out already.
    pub(super) fn forget_segments(&mut self, effects: &mut Vec<Effect>) {
        for (log, mut segments) in self.checkpointing.take_left_out() {
            segments.retain(|segment| self.is_unnamed(log, *segment));
            let kept = self.keep_next_files(log, &segments);
            effects.push(Effect::RemoveSegments { log, segments, kept });
        }
        let pictures = self.checkpointing.new_pictures();
        let firsts: Vec<(LogId, Offset)> = pictures.map(|log| (log.log, log.segments[0].base_offset)).collect();
        for (id, first) in firsts {
            let Some(slot) = self.logs.get_mut(&id) else { continue };
            if slot.log.segments()[0].base_offset < first {
                let memory_before = slot.log.memory_bytes();
                let segments = slot.log.forget_before(first, &mut self.leaving);
                self.memory_bytes -= memory_before - slot.log.memory_bytes();
                for segment in &segments {
                    self.indexes.remove(id, *segment);
                    self.read_ahead.forget(id, Some(*segment));
                }
                self.checkpointing.leave_out(id, segments);
                self.checkpoint_wanted = true;
            }
        }
    }

    /// These files of a log lie on the disk. Those that a process before this one had no time to remove go with the next
    /// checkpoint: the older of the two that are kept may still name them.
    pub fn on_segments_found(&mut self, id: LogId, found: impl IntoIterator<Item = SegmentName>) {
        // Each is removed once: as soon as it is gone compaction may give its name to another.
        let mut leftovers: Vec<SegmentName> =
            found.into_iter().filter(|segment| self.is_leftover(id, *segment)).collect();
        // One that lies within another goes before it: alone beside the next segment it would look like what was there.
        leftovers.sort_unstable_by_key(|segment| Reverse(*segment));
        self.checkpoint_wanted |= !leftovers.is_empty();
        self.never_keep(id, &leftovers);
        self.checkpointing.leave_out(id, leftovers);
    }
}
