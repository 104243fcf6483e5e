//! The checkpoint in steps: take the pictures, wait until the files hold what they show, sync them, write it, free the journal.
//!
//! ```text
//!   Idle -> Flushing -> Syncing -> Writing -> Idle
//! ```
//! Pictures show one moment, behind a closed group, so the checkpoint says exactly what groups before `replay_from` have brought. Appends go
//! on meanwhile: a picture is taken a few logs at a time, and of a log that is about to change, before it does. All of thousands at once
//! would hold up everybody else for 10 ms and more.
//!
//! Two checkpoints are kept, and whatever the older one needs is kept with it: journal files and segments. So one that is
//! damaged costs nothing: the other and the journal come to the same.
//!
//! ```text
//!   checkpoints:        n - 1                    n                 n + 1 is written: n - 1 goes
//!   journal:     freed  |------- kept -----------|----- kept ------|--- kept ---        and all before n is freed
//!   segments that n is the first to leave out go now, with n + 1
//! ```

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use batch::Offset;

use crate::checkpoint::{Checkpoint, LogCheckpoint};
use crate::ids::{GroupSeq, JournalFileId, LogId, SegmentName};
use crate::journal::Predecessor;
use crate::log::Log;

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Flushing(Flushing),
    /// The pictures that will be written. A log that is dropped from now on stays among them: its deletion may not be durable
    /// when they are, and is replayed on top when it is.
    Syncing(Vec<Arc<LogCheckpoint>>),
    Writing,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Flushing {
    /// Logs whose pictures are still to be taken, and which have not changed since the moment that they show.
    undrawn: BTreeSet<LogId>,
    /// Logs whose files do not hold what their pictures show.
    waiting: BTreeSet<LogId>,
}

/// One shard's checkpoint.
pub struct Checkpointing {
    shard: u32,
    phase: Phase,
    seq: u64,
    replay_from: GroupSeq,
    /// The first group that the newest checkpoint on stable storage needs.
    needed_from: GroupSeq,
    /// Segments that the newest checkpoint on stable storage leaves out, and the one before it does not.
    left_out: Vec<(LogId, Vec<SegmentName>)>,
    /// The last group that deleted a log. A checkpoint without the log must not become durable before it.
    last_drop: GroupSeq,
    /// The newest picture of every log.
    pictures: BTreeMap<LogId, Arc<LogCheckpoint>>,
    /// The logs whose pictures were taken for the checkpoint under way.
    drawn: Vec<LogId>,
    /// Segment files written to since they were last synced.
    unsynced: BTreeSet<(LogId, Offset)>,
}

impl Checkpointing {
    /// Goes on after the checkpoint that recovery began with.
    pub fn new(shard: u32, seq: u64, replay_from: GroupSeq, logs: Vec<Arc<LogCheckpoint>>) -> Self {
        let pictures = logs.into_iter().map(|log| (log.log, log)).collect();
        Self {
            shard,
            phase: Phase::Idle,
            seq,
            replay_from,
            needed_from: replay_from,
            left_out: Vec::new(),
            last_drop: GroupSeq::NONE,
            pictures,
            drawn: Vec::new(),
            unsynced: BTreeSet::new(),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Number of the last checkpoint that was begun.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The first group that this checkpoint leaves to the journal.
    pub fn replay_from(&self) -> GroupSeq {
        self.replay_from
    }

    /// Begins with the logs that have changed. Every group before `replay_from` is in their pictures, none from it on.
    pub fn begin(&mut self, replay_from: GroupSeq, changed: BTreeSet<LogId>) {
        assert!(self.is_idle());
        self.seq += 1;
        self.replay_from = replay_from;
        self.drawn.clear();
        self.phase = Phase::Flushing(Flushing { undrawn: changed, waiting: BTreeSet::new() });
    }

    /// A log whose picture is still to be taken.
    pub fn next_undrawn(&self) -> Option<LogId> {
        self.flushing()?.undrawn.first().copied()
    }

    /// Takes the log's picture, if it is still to be taken, and says whether its files do not hold yet what it shows. To be called before
    /// anything changes that the picture shows.
    pub fn draw(&mut self, log: &mut Log) -> bool {
        let Phase::Flushing(flushing) = &mut self.phase else { return false };
        if !flushing.undrawn.remove(&log.id()) {
            return false;
        }
        let picture = log.to_checkpoint();
        let is_waiting = !log.has_reached(&picture);
        if is_waiting {
            flushing.waiting.insert(log.id());
        }
        self.pictures.insert(log.id(), Arc::new(picture));
        self.drawn.push(log.id());
        is_waiting
    }

    fn flushing(&self) -> Option<&Flushing> {
        if let Phase::Flushing(flushing) = &self.phase { Some(flushing) } else { None }
    }

    /// Logs whose blocks must reach their files, however few they are, before the checkpoint can go on; those without a picture
    /// are counted too.
    pub fn waiting(&self) -> usize {
        self.flushing().map_or(0, |flushing| flushing.waiting.len() + flushing.undrawn.len())
    }

    pub fn waits_for(&self, id: LogId) -> bool {
        self.flushing().is_some_and(|flushing| flushing.waiting.contains(&id))
    }

    pub fn on_file_written(&mut self, log: &Log, segment: Offset) {
        self.unsynced.insert((log.id(), segment));
        if let Phase::Flushing(Flushing { waiting, .. }) = &mut self.phase
            && waiting.contains(&log.id())
            && self.pictures.get(&log.id()).is_none_or(|picture| log.has_reached(picture))
        {
            waiting.remove(&log.id());
        }
    }

    pub fn on_log_dropped(&mut self, id: LogId, group: GroupSeq) {
        self.last_drop = self.last_drop.max(group);
        self.pictures.remove(&id);
        let of_log = self.unsynced.range((id, Offset(i64::MIN))..=(id, Offset::MAX)).copied().collect::<Vec<_>>();
        for file in of_log {
            self.unsynced.remove(&file);
        }
        if let Phase::Flushing(flushing) = &mut self.phase {
            flushing.undrawn.remove(&id);
            flushing.waiting.remove(&id);
        }
    }

    /// The files to sync, once they hold everything that the pictures show, and the journal has every group before
    /// `replay_from`: a checkpoint never runs ahead of the journal's own chain.
    pub fn next_sync(&mut self, settled: GroupSeq) -> Option<Vec<(LogId, Offset)>> {
        let is_flushed = self.flushing().is_some_and(|flushing| *flushing == Flushing::default());
        if !is_flushed || settled.next() < self.replay_from || settled < self.last_drop {
            return None;
        }
        self.phase = Phase::Syncing(self.pictures.values().cloned().collect());
        Some(std::mem::take(&mut self.unsynced).into_iter().collect())
    }

    /// The files are synced: the checkpoint to write.
    pub fn on_synced(&mut self, durable_seq: GroupSeq, before: Predecessor, last_file: JournalFileId) -> Checkpoint {
        let Phase::Syncing(logs) = std::mem::replace(&mut self.phase, Phase::Writing) else {
            panic!("files are synced only when a checkpoint asks for it");
        };
        Checkpoint {
            shard: self.shard,
            seq: self.seq,
            replay_from: self.replay_from,
            last_group: before.seq,
            last_group_checksum: before.checksum,
            durable_seq,
            last_file,
            logs,
        }
    }

    /// The pictures that the checkpoint which was just written did not share with the one before.
    pub fn new_pictures(&self) -> impl Iterator<Item = &LogCheckpoint> {
        self.drawn.iter().filter_map(|log| self.pictures.get(log)).map(Arc::as_ref)
    }

    /// The checkpoint is on stable storage: groups before the returned one are needed neither by it nor by the one before.
    pub fn on_written(&mut self) -> GroupSeq {
        assert_eq!(self.phase, Phase::Writing);
        self.phase = Phase::Idle;
        std::mem::replace(&mut self.needed_from, self.replay_from)
    }

    /// These segments are needed no more once another checkpoint is on stable storage.
    pub fn leave_out(&mut self, log: LogId, segments: Vec<SegmentName>) {
        if !segments.is_empty() {
            self.left_out.push((log, segments));
        }
    }

    pub fn is_left_out(&self, log: LogId, segment: SegmentName) -> bool {
        self.left_out.iter().any(|(id, segments)| *id == log && segments.contains(&segment))
    }

    /// What neither the checkpoint that was just written nor the one before it has: its files can go.
    pub fn take_left_out(&mut self) -> Vec<(LogId, Vec<SegmentName>)> {
        std::mem::take(&mut self.left_out)
    }
}
