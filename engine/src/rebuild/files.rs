//! The segment files of one log, found without a checkpoint that names them: how far each is sound, and which of them are the log.

use std::cmp::Reverse;

use batch::{LeaderEpoch, Offset};

use super::producers::{FoundProducers, ProducerScan};
use crate::checkpoint::{IndexEntry, SegmentCheckpoint};
use crate::ids::{LogId, SegmentName};
use crate::log::{Segment, SegmentWalk, WalkError, WalkFault};
use crate::segment_index::SegmentIndex;

/// One segment file, walked.
#[derive(Debug, Clone)]
pub struct FoundSegment {
    pub name: SegmentName,
    /// Of the part that is sound; of all of it where its index vouches for it.
    pub summary: SegmentCheckpoint,
    pub entries: Vec<IndexEntry>,
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Of the batches that are sound.
    pub producers: FoundProducers,
    /// Its index says that the file is all of it.
    pub is_sealed: bool,
    /// Base offset and CRC of the first batch that was not to be walked, which the journal has.
    pub beyond: Option<(Offset, u32)>,
    /// What ended the walk before the file did. Behind the end of an active segment there may lie anything.
    pub fault: Option<WalkFault>,
}

impl FoundSegment {
    /// A segment that has no file yet.
    pub fn empty(base: Offset) -> FoundSegment {
        FoundSegment {
            name: SegmentName::appended(base),
            summary: Segment::new(base).to_checkpoint(),
            entries: Vec::new(),
            leader_epochs: Vec::new(),
            producers: FoundProducers::default(),
            is_sealed: false,
            beyond: None,
            fault: None,
        }
    }

    pub fn is_compacted(&self) -> bool {
        self.name.revision > 0
    }

    /// It was complete once, and is not sound.
    pub fn is_damaged(&self) -> bool {
        self.is_sealed && self.fault.is_some()
    }

    /// All that the file ever held is there.
    fn is_whole(&self) -> bool {
        self.is_sealed || self.fault.is_none()
    }
}

/// Walks one file. Bytes come in pieces of any size.
#[derive(Debug)]
pub struct SegmentScan {
    name: SegmentName,
    until: Offset,
    walk: SegmentWalk,
    producers: ProducerScan,
    index: Option<SegmentIndex>,
    fault: Option<WalkFault>,
    /// The walk goes on here.
    seeks: Option<IndexEntry>,
    position: u64,
    is_over: bool,
}

impl SegmentScan {
    /// A walk up to the first batch that the journal has. `index` is what lies beside the file, if it is sound.
    pub fn new(
        log: LogId,
        name: SegmentName,
        file_bytes: u64,
        index: Option<SegmentIndex>,
        until: Offset,
    ) -> SegmentScan {
        // An index from before a restart, after which the log has rolled elsewhere, says another length.
        let is_its = |index: &SegmentIndex| {
            index.log == log && index.summary.name() == name && index.summary.bytes == file_bytes
        };
        let (index, walk) = (index.filter(is_its), SegmentWalk::until(name, until));
        let producers = ProducerScan::default();
        SegmentScan { name, until, walk, producers, index, fault: None, seeks: None, position: 0, is_over: false }
    }

    /// Takes the bytes that follow those before. Returns whether more are wanted.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> bool {
        let piece = self.position;
        self.position += bytes.len() as u64;
        let mut rest = bytes;
        while !self.is_over {
            if let Some(entry) = self.seeks {
                if u64::from(entry.position) >= self.position {
                    break;
                }
                rest = &bytes[(u64::from(entry.position) - piece) as usize..];
                self.walk.skip_to(&entry);
                self.seeks = None;
            }
            match self.walk.on_batches(rest, &mut |info| self.producers.on_batch(info)) {
                Ok(()) => break,
                Err(fault) if fault.what == WalkError::Enough => self.is_over = true,
                // Behind damage the walk goes on at the next batch that the index knows, for the sake of leader epochs.
                Err(fault) => {
                    self.seeks = self.entry_behind(fault.position, piece);
                    self.is_over = self.seeks.is_none();
                    self.fault.get_or_insert(fault);
                }
            }
        }
        !self.is_over
    }

    fn entry_behind(&self, fault: u64, piece: u64) -> Option<IndexEntry> {
        let entries = &self.index.as_ref()?.entries;
        let is_behind = |entry: &&IndexEntry| u64::from(entry.position) > fault && u64::from(entry.position) >= piece;
        entries.iter().find(is_behind).copied().filter(|entry| Offset(entry.offset) < self.until)
    }

    pub fn end(mut self) -> FoundSegment {
        if self.fault.is_none() && !self.is_over {
            self.fault = self.walk.end().err();
        }
        let (mut summary, index) = self.walk.so_far();
        let mut entries = index.entries().to_vec();
        let index = self.index.filter(|index| index.summary.next_offset <= self.until);
        let is_sealed = index.is_some();
        if let Some(index) = index {
            (summary, entries) = (index.summary, index.entries);
        }
        let leader_epochs = self.walk.leader_epochs().to_vec();
        let beyond = self.walk.beyond().map(|info| (info.base_offset, info.crc));
        let (producers, fault) = (self.producers.end(), self.fault);
        FoundSegment { name: self.name, summary, entries, leader_epochs, producers, is_sealed, beyond, fault }
    }
}

/// Which files are the log, in order, and which are not. Of several with one base offset the one that compaction made last counts, if it is
/// whole: what it replaced may be gone in part. If none is whole, the one that leads furthest counts. A file that begins within another is
/// left from a process before that rolled elsewhere.
pub(super) fn ladder(mut files: Vec<FoundSegment>) -> (Vec<FoundSegment>, Vec<FoundSegment>) {
    files.retain(|file| file.summary.bytes > 0 || file.fault.is_some());
    files.sort_by_key(best_first);
    let mut rejected: Vec<FoundSegment> = Vec::new();
    loop {
        let (ladder, passed): (Vec<_>, Vec<_>) = climb(std::mem::take(&mut files));
        match halfway(&ladder, &passed) {
            None => {
                rejected.extend(passed);
                return (ladder, rejected);
            }
            Some(name) => {
                files = ladder.into_iter().chain(passed).collect();
                let at = files.iter().position(|file| file.name == name).expect("it is one of them");
                rejected.push(files.remove(at));
                files.sort_by_key(best_first);
            }
        }
    }
}

/// By base offset, and at each of them the best one first.
fn best_first(file: &FoundSegment) -> (Offset, Reverse<(bool, Offset, u32)>) {
    let sound_until = if file.is_whole() { Offset::MAX } else { file.summary.next_offset };
    (file.name.base, Reverse((file.is_whole(), sound_until, file.name.revision)))
}

fn climb(files: Vec<FoundSegment>) -> (Vec<FoundSegment>, Vec<FoundSegment>) {
    let (mut ladder, mut passed): (Vec<FoundSegment>, Vec<FoundSegment>) = (Vec::new(), Vec::new());
    for file in files {
        let next = ladder.last().map_or(Offset(i64::MIN), |last| last.summary.next_offset);
        let is_next = file.name.base >= next && file.summary.bytes > 0;
        if is_next { ladder.push(file) } else { passed.push(file) }
    }
    (ladder, passed)
}

/// A compacted file that does not hold all that was to be compacted, since a file that it would replace goes on where it ends, and that
/// need not count, since what it was made of is there. That file may begin where it does: no checkpoint had named the compacted one, and
/// the log went on in the file that it was made of.
fn halfway(ladder: &[FoundSegment], passed: &[FoundSegment]) -> Option<SegmentName> {
    let is_halfway = |file: &&FoundSegment| {
        let (base, next) = (file.name.base, file.summary.next_offset);
        let older =
            || passed.iter().filter(|other| other.name.revision < file.name.revision && other.summary.bytes > 0);
        let goes_on =
            older().any(|other| base <= other.name.base && other.name.base < next && next < other.summary.next_offset);
        file.is_compacted() && goes_on && older().any(|other| other.name.base == base)
    };
    ladder.iter().find(is_halfway).map(|file| file.name)
}

/// What is missing between two files. Beside a compacted one nobody can tell what is missing from what compaction has taken.
pub(super) fn gaps(ladder: &[FoundSegment]) -> Vec<(Offset, Offset)> {
    let pairs = ladder.windows(2).filter(|pair| !pair[0].is_compacted() && !pair[1].is_compacted());
    let gaps = pairs.map(|pair| (pair[0].summary.next_offset, pair[1].name.base));
    gaps.filter(|(from, to)| from < to).collect()
}
