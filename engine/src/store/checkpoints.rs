//! When the store takes a checkpoint, and what follows from one. Its steps are in `checkpointing`.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::{Effect, Store};
use crate::ids::LogId;

impl Store {
    /// Asks for a checkpoint as soon as none is under way.
    pub fn want_checkpoint(&mut self) {
        self.checkpoint_wanted = true;
    }

    pub fn is_checkpointing(&self) -> bool {
        self.checkpoint_wanted || !self.checkpointing.is_idle()
    }

    pub(super) fn poll_checkpoint(&mut self, effects: &mut Vec<Effect>) {
        let due =
            self.journalled_bytes >= self.limits.checkpoint_after_bytes || self.files.runs_short() || self.files_lag();
        if (due || self.checkpoint_wanted) && self.checkpointing.is_idle() {
            self.checkpoint_wanted = false;
            self.journalled_bytes = 0;
            let replay_from = self.groups.close_for_checkpoint();
            self.checkpointing.begin(replay_from, self.changed_logs());
        }
        for _ in 0..self.limits.pictures_at_once {
            let Some(id) = self.checkpointing.next_undrawn() else { break };
            self.draw(id);
        }
        if self.removals.are_done_before(self.checkpointing.replay_from())
            && let Some(files) = self.checkpointing.next_sync(self.groups.settled_seq())
        {
            effects.push(Effect::SyncSegments { files });
        }
    }

    fn changed_logs(&self) -> BTreeSet<LogId> {
        self.logs.iter().filter(|(_, slot)| slot.log.is_dirty()).map(|(id, _)| *id).collect()
    }

    /// The log is about to change: a checkpoint that has begun and has no picture of it yet takes it now.
    pub(super) fn draw(&mut self, id: LogId) {
        let Some(slot) = self.logs.get_mut(&id) else { return };
        let must_write = self.checkpointing.draw(&mut slot.log);
        if must_write && !std::mem::replace(&mut slot.queued, true) {
            self.write_queue.push_back(id);
        }
    }

    /// All logs may be about to change.
    pub(super) fn draw_all(&mut self) {
        while let Some(id) = self.checkpointing.next_undrawn() {
            self.draw(id);
        }
    }

    pub fn on_segments_synced(&mut self, effects: &mut Vec<Effect>) {
        if self.failure.is_none() {
            let checkpoint = self.checkpointing.on_synced(
                self.groups.durable_seq(),
                self.groups.before_checkpoint(),
                self.files.newest(),
            );
            effects.push(Effect::WriteCheckpoint(checkpoint));
        }
    }

    pub fn on_checkpoint_written(&mut self, effects: &mut Vec<Effect>) {
        self.space.on_written();
        let needed_from = self.checkpointing.on_written();
        self.files.needed_from(needed_from);
        self.forget_segments(effects);
        self.forget_retired();
    }
}
