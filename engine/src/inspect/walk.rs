//! One segment's batches against what its checkpoint says of them.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use batch::{BatchError, BatchInfo, LeaderEpoch, Offset};

use super::segment::{SegmentReader, Step};
use crate::checkpoint::{IndexEntry, LogCheckpoint, SegmentCheckpoint};

/// What the check met next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Walked {
    Batch { bytes: u64, records: u64 },
    Wrong { position: u64, what: String },
}

/// Together with a batch's own CRC the checks leave no byte out: base offset and leader epoch, which the broker writes outside the
/// CRC, are known from the batch before and from the checkpoint; a wrong length moves what the CRC runs over. In a segment that was
/// compacted a base offset may be larger than expected, which the index and the end of the segment bound.
pub(super) struct SegmentCheck<'a> {
    saved: &'a LogCheckpoint,
    segment: &'a SegmentCheckpoint,
    reader: SegmentReader,
    index: Vec<IndexEntry>,
    /// Of the next batch; unknown behind a damaged one.
    expected: Option<Offset>,
    /// Entries of the index that have not been passed.
    index_at: usize,
    max_timestamp: i64,
    waiting: VecDeque<Walked>,
    is_damaged: bool,
    done: bool,
}

impl<'a> SegmentCheck<'a> {
    /// Without its index, a segment is looked at only as far as the first batch that cannot be read.
    pub(super) fn new(
        saved: &'a LogCheckpoint,
        segment: &'a SegmentCheckpoint,
        reader: SegmentReader,
        index: Vec<IndexEntry>,
    ) -> Self {
        Self {
            index,
            saved,
            segment,
            reader,
            expected: Some(segment.base_offset),
            index_at: 0,
            max_timestamp: -1,
            waiting: VecDeque::new(),
            is_damaged: false,
            done: false,
        }
    }

    /// A file that was closed in good order repeats the block that the checkpoint holds. The checkpoint's counts, so a
    /// difference harms nobody but other tools that read the file.
    pub(super) fn last_block_differs(&self, path: &Path) -> Option<String> {
        let tail = &self.saved.tail_block;
        if tail.is_empty() || self.segment.base_offset != self.saved.segments.last()?.base_offset {
            return None;
        }
        let file = File::open(path).ok()?;
        if file.metadata().ok()?.len() != self.segment.bytes {
            return None;
        }
        let mut block = vec![0; tail.len()];
        let read = file.read_exact_at(&mut block, self.saved.flushed_position);
        let what = "the last block differs from the checkpoint's copy, which is the one that counts";
        (read.is_err() || block != *tail).then(|| what.to_owned())
    }

    pub(super) fn next_walked(&mut self) -> Option<Walked> {
        while self.waiting.is_empty() && !self.done {
            self.step();
        }
        self.waiting.pop_front()
    }

    fn step(&mut self) {
        let met = match self.reader.next_step() {
            None => None,
            Some(Step::Batch { position, batch, crc }) => Some((position, Ok((batch.info, crc)))),
            Some(Step::Broken { position, what }) => Some((position, Err(what))),
        };
        match met {
            None => {
                self.done = true;
                self.at_end();
            }
            Some((position, Ok((info, crc)))) => self.on_batch(position, &info, crc),
            Some((position, Err(what))) => self.on_broken(position, what),
        }
    }

    fn on_batch(&mut self, position: u64, info: &BatchInfo, crc: Result<(), BatchError>) {
        self.waiting.push_back(Walked::Batch { bytes: info.length as u64, records: info.record_count.max(0) as u64 });
        if let Err(error) = crc {
            let at = self.expected.unwrap_or(info.base_offset);
            self.wrong(position, format!("the batch at offset {at}: {error}"));
            self.expected = None;
            return;
        }
        // The deltas are inside the CRC; the base offset is not, so what is expected counts more than what stands there.
        let expected = self.expected.unwrap_or(info.base_offset);
        // What compaction has taken out leaves gaps.
        let base = if self.segment.revision > 0 { expected.max(info.base_offset) } else { expected };
        if info.base_offset != base {
            self.wrong(position, format!("offset {} stands where {base} is next", info.base_offset));
        }
        if let Some(epoch) = self.epoch_of(base)
            && info.leader_epoch != epoch
        {
            let found = info.leader_epoch;
            self.wrong(position, format!("the batch at offset {base} has leader epoch {found}, not {epoch}"));
        }
        self.pass_index(position, base);
        if info.record_count > 0 {
            self.max_timestamp = self.max_timestamp.max(info.max_timestamp);
        }
        self.expected = Some(Offset(base.0.saturating_add(i64::from(info.last_offset_delta)).saturating_add(1)));
    }

    fn epoch_of(&self, offset: Offset) -> Option<LeaderEpoch> {
        let epochs = &self.saved.leader_epochs;
        epochs.iter().rev().find(|(_, first)| *first <= offset).map(|(epoch, _)| *epoch)
    }

    /// Compares the index entries up to `position` with the batch there.
    fn pass_index(&mut self, position: u64, base: Offset) {
        while let Some(entry) =
            self.index.get(self.index_at).copied().filter(|entry| u64::from(entry.position) <= position)
        {
            self.index_at += 1;
            let at = u64::from(entry.position);
            if at < position && !self.is_damaged {
                self.wrong(at, format!("the index names offset {} here, where no batch starts", entry.offset));
            } else if at == position && entry.offset != base.0 {
                self.wrong(at, format!("the index names offset {} here, where {base} is", entry.offset));
            }
        }
    }

    /// Goes on at the next batch that the index knows.
    fn on_broken(&mut self, position: u64, what: String) {
        let index = &self.index;
        let next = index.iter().position(|entry| u64::from(entry.position) > position);
        match next {
            Some(at) => {
                let entry = index[at];
                self.wrong(position, format!("{what}; going on at {}, where the index names a batch", entry.position));
                self.reader.seek(u64::from(entry.position));
                self.expected = Some(Offset(entry.offset));
                self.index_at = at;
            }
            None => {
                self.wrong(position, format!("{what}; the rest of the segment is not looked at"));
                self.done = true;
            }
        }
    }

    fn at_end(&mut self) {
        let (end, next) = (self.reader.end(), self.segment.next_offset);
        if let Some(found) = self.expected
            && found != next
        {
            self.wrong(end, format!("the segment ends at offset {found}, the checkpoint says {next}"));
        }
        if !self.is_damaged && self.max_timestamp != self.segment.max_timestamp {
            let (found, said) = (self.max_timestamp, self.segment.max_timestamp);
            self.wrong(end, format!("the largest timestamp is {found}, the checkpoint says {said}"));
        }
    }

    fn wrong(&mut self, position: u64, what: String) {
        self.is_damaged = true;
        self.waiting.push_back(Walked::Wrong { position, what });
    }
}
