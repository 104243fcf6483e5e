//! Coming to rest, and the clean stop.

use engine::store::Effect;

use super::{STEPS_MAX, Simulation};
use crate::disk::{Dir, Name};
use crate::model::Fate;

impl Simulation {
    /// Nobody appends any more: all that is under way comes to an end, and nothing stays behind.
    pub(super) fn settle(&mut self) {
        self.give_up_compacting();
        self.find_next_files();
        self.store.want_checkpoint();
        self.clear_disk();
        self.look_at_space();
        self.shell.slow_share = 0;
        for _ in 0..STEPS_MAX {
            self.poll();
            if self.shell.is_idle() {
                self.now_ms = self.store.deadline_ms().unwrap_or(0).max(self.now_ms + 150);
                self.poll();
                if self.shell.is_idle() && self.store.deadline_ms().is_none() {
                    break;
                }
            }
            self.step();
            self.check_step();
        }
        assert!(self.shell.is_idle(), "{} tasks do not end", self.shell.tasks());
        self.look_at_space();
        assert!(!self.store.is_disk_full() && !self.store.waits_for_free_space(), "full although there is space");
        assert!(self.store.is_quiet() && !self.store.is_checkpointing(), "idle but not quiet");
        assert!(!self.store.is_busy(), "idle but busy");
        assert_eq!(self.store.deadline_ms(), None, "idle but with a deadline");
        self.model.check_ladders(&self.store);
        for id in self.model.alive() {
            let view = self.store.view(id).expect("alive");
            assert_eq!(view.durable_end, view.end, "log {id}: not all of it has become durable");
        }
        for log in self.model.logs.values() {
            assert!(!matches!(log.fate, Fate::Dropping(_)), "a deletion was never acknowledged");
        }
        self.check_quarantine();
        let leftovers = self.shell.leftovers(&self.store);
        assert!(leftovers.is_empty() || self.shell.removals_failed, "{leftovers:?} stay for ever");
        // Those of logs that nobody knows any more are orphans, as below: seed 760645.
        let mut next_files = self.shell.next_files();
        next_files.retain(|(log, _)| self.store.log(*log).is_some());
        assert!(next_files.is_empty() || self.shell.removals_failed, "files ahead of {next_files:?} stay for ever");
        let orphans = self.shell.orphans(&self.store).into_iter();
        let is_abandoned = |name: &Name| matches!(name.dir(), Dir::Log(log) | Dir::Quarantine(log) if self.shell.abandoned.contains(&log));
        let unknown: Vec<Name> = orphans.filter(|name| !is_abandoned(name)).collect();
        assert!(unknown.is_empty(), "{unknown:?} of deleted logs stay for ever");
        for id in self.model.alive() {
            let log = self.store.log(id).expect("alive");
            let resting_bytes = engine::limits::CHUNK_BYTES_MIN;
            assert!(log.memory_bytes() <= resting_bytes, "log {id}: idle, and holds {} bytes", log.memory_bytes());
            self.counts.rested += u64::from(log.bytes() > resting_bytes as u64);
            let dead = log
                .segments()
                .iter()
                .filter(|segment| !segment.is_empty() && segment.next_offset <= log.start_offset());
            assert_eq!(dead.count(), 0, "log {id}: segments before its start stay for ever");
        }
        if !self.shell.disk.damaged_names().is_empty() {
            self.check_scrub();
        }
        self.read_everything();
    }

    /// A clean shutdown: every segment file is then exactly its batches.
    pub(super) fn close(&mut self) {
        for (log, write) in self.store.closing_writes() {
            let segment = write.segment;
            self.shell.start(Effect::SealSegment { log, write });
            self.shell.finish(&[(log, segment)]);
        }
        for id in self.model.alive() {
            let segments = self.store.log(id).expect("alive").segments().iter();
            for segment in segments.filter(|segment| segment.bytes > 0 && segment.revision == 0) {
                let file = self.shell.disk.meant(Name::Segment(id, segment.name())).expect("written");
                let expected = self.model.logs[&id].bytes(segment.base_offset, segment.next_offset);
                assert!(file == expected, "log {id}: segment {} is not exactly its batches", segment.base_offset);
            }
        }
    }
}
