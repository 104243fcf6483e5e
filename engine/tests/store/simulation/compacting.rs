//! Compaction beside everything else: each step of a round may be the last before a crash.

use engine::compaction::{Cleaning, MapSeed, Replacement, Round, Step};
use engine::segment_index::{self, SegmentIndex};
use engine::{LogId, SegmentName};

use super::Simulation;
use crate::disk::{Dir, Name};
use crate::shell::Planted;

const BLOCK_BYTES: usize = 4096;

/// What makes a file durable, one call after the other.
#[derive(Debug)]
enum Finish {
    WriteIndex(Box<SegmentIndex>),
    SyncIndex(SegmentName),
    Cut(SegmentName, u64),
    Sync(SegmentName),
    SyncDir,
}

/// One round under way.
pub(super) struct Compacting {
    cleaning: Cleaning,
    /// In reverse.
    finish: Vec<Finish>,
    /// Files made since the last replacement.
    made: Vec<SegmentName>,
    /// Segments of which it has read what was not written.
    suspects: Vec<SegmentName>,
}

impl Simulation {
    /// Begins a round, or takes the next step of the one under way.
    pub(super) fn compact(&mut self) {
        let Some(mut compacting) = self.compacting.take() else {
            if let Some(round) = self.store.compaction_round(self.model.timestamp()) {
                let round = Round { revision_min: self.free_revision(round.log), ..round };
                let cleaning = Cleaning::with_map(round, MapSeed(3, 4), 32 * (1 + self.random.below(20)));
                self.compacting =
                    Some(Compacting { cleaning, finish: Vec::new(), made: Vec::new(), suspects: Vec::new() });
            }
            return;
        };
        let fails = self.random.one_in(200) || (self.shell.is_full && self.random.one_in(8));
        if fails || !self.store.wants_compaction(compacting.cleaning.round()) {
            self.compacting = Some(compacting);
            self.give_up_compacting();
            return;
        }
        if self.compaction_step(&mut compacting) {
            self.compacting = Some(compacting);
        }
    }

    fn free_revision(&self, log: LogId) -> u32 {
        let revisions = self.shell.disk.names().filter_map(|name| match name {
            // An index may have been left behind alone, and is about to be removed with whatever has its name.
            Name::Segment(id, segment)
            | Name::Index(id, segment)
            | Name::Mark(id, segment)
            | Name::Quarantined(id, segment)
                if id == log =>
            {
                Some(segment.revision)
            }
            _ => None,
        });
        revisions.max().unwrap_or(0) + 1
    }

    /// Its files go, as after a failed write.
    pub(super) fn give_up_compacting(&mut self) {
        let Some(compacting) = self.compacting.take() else { return };
        let log = compacting.cleaning.round().log;
        compacting.made.into_iter().for_each(|segment| self.unlink_compacted(log, segment));
        self.store.on_compaction_ended();
        self.counts.compactions_given_up += 1;
    }

    fn unlink_compacted(&mut self, log: LogId, segment: SegmentName) {
        self.shell.disk.unlink(Name::Index(log, segment));
        self.shell.disk.unlink(Name::Segment(log, segment));
    }

    /// Returns whether there is more to do.
    fn compaction_step(&mut self, compacting: &mut Compacting) -> bool {
        let log = compacting.cleaning.round().log;
        if let Some(finish) = compacting.finish.pop() {
            self.finish_compacted(log, finish);
            return true;
        }
        let step = match compacting.cleaning.step() {
            Ok(step) => step,
            Err(error) => {
                assert!(self.is_hit(log, error.segment, &(0..u64::MAX)), "log {log}: the segments are sound: {error}");
                self.on_damaged(log, error.segment);
                self.store.leave_uncleaned(log);
                std::mem::take(&mut compacting.made).into_iter().for_each(|made| self.unlink_compacted(log, made));
                self.store.on_compaction_ended();
                self.counts.lies_uncompacted += 1;
                return false;
            }
        };
        match step {
            Step::Working => {}
            Step::Read { segment, range } => {
                if !self.store.names_segment(log, segment) {
                    std::mem::take(&mut compacting.made).into_iter().for_each(|made| self.unlink_compacted(log, made));
                    self.store.on_compaction_ended();
                    self.counts.compactions_given_up += 1;
                    return false;
                }
                if self.is_hit(log, segment, &range) {
                    // If this passes nobody can tell any more.
                    compacting.suspects.push(segment);
                }
                let file = self.shell.disk.read(Name::Segment(log, segment)).expect("a segment that is named is there");
                compacting.cleaning.on_bytes(&file[range.start as usize..range.end as usize]);
            }
            Step::Create(segment) => {
                self.store.on_compaction_file(log, segment);
                compacting.made.push(segment);
                self.shell.disk.create(Name::Segment(log, segment));
            }
            Step::Write { segment, position, mut bytes } => {
                bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
                self.shell.disk.write(Name::Segment(log, segment), position, &bytes);
            }
            Step::Finish { segment, bytes, index } => {
                compacting.finish = vec![
                    Finish::SyncDir,
                    Finish::Sync(segment),
                    Finish::Cut(segment, bytes),
                    Finish::SyncIndex(segment),
                    Finish::WriteIndex(index),
                ];
            }
            Step::Replace(replacement) => return self.replace(compacting, replacement),
            Step::Done => {
                self.counts.compactions += 1;
                self.store.on_compaction_ended();
                self.store.on_compaction_pass();
                return false;
            }
        }
        true
    }

    fn finish_compacted(&mut self, log: LogId, finish: Finish) {
        let planted = self.shell.planted;
        match finish {
            Finish::WriteIndex(index) => {
                let name = Name::Index(log, index.summary.name());
                self.shell.disk.create(name);
                self.shell.disk.write(name, 0, &segment_index::encode(&index));
            }
            Finish::SyncIndex(segment) => self.shell.disk.sync(Name::Index(log, segment)),
            Finish::Cut(segment, bytes) => self.shell.disk.truncate(Name::Segment(log, segment), bytes),
            Finish::Sync(_) if planted == Planted::SkipCompactedSync => {}
            Finish::Sync(segment) => self.shell.disk.sync(Name::Segment(log, segment)),
            Finish::SyncDir if planted == Planted::SkipCompactedDirSync => {}
            Finish::SyncDir => self.shell.disk.sync_dir(Dir::Log(log)),
        }
    }

    fn replace(&mut self, compacting: &mut Compacting, mut replacement: Replacement) -> bool {
        let log = compacting.cleaning.round().log;
        if self.shell.planted == Planted::LoseCompactedSegment {
            replacement.new.pop();
        }
        let until = compacting.cleaning.round().until.0;
        if !self.store.replace_segments(log, &replacement) {
            std::mem::take(&mut compacting.made).into_iter().for_each(|segment| self.unlink_compacted(log, segment));
            self.store.on_compaction_ended();
            self.counts.compactions_given_up += 1;
            return false;
        }
        compacting.made.clear();
        for segment in compacting.suspects.iter().filter(|segment| replacement.old.contains(segment)) {
            let bytes = self.shell.disk.read(Name::Segment(log, *segment)).expect("it goes later").to_vec();
            let passes = self.is_taken_in(log, *segment, &bytes);
            assert!(passes, "log {log}: {segment} is damaged, and was compacted");
        }
        self.model.on_compacted(log, until);
        self.counts.segments_replaced += replacement.old.len() as u64;
        if self.shell.planted == Planted::RemoveReplacedEarly {
            replacement.old.iter().for_each(|segment| self.shell.disk.unlink(Name::Segment(log, *segment)));
        }
        true
    }
}
