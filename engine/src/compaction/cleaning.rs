//! One round of compaction of one log, step by step. Whoever carries the steps out may stop after any of them: until a
//! [`Step::Replace`] nothing has changed but files that nobody names.
//!
//! ```text
//!   Mapping -- the dirty part is read --> Writing -- group by group: Create, Write.., Finish, Replace --> Done
//! ```

use std::collections::VecDeque;
use std::ops::Range;

use batch::{BatchInfo, Offset};

use super::filter::PLAIN;
use super::reader::{Found, Reader};
use super::writer::Writer;
use super::{CompactionConfig, Filter, MapSeed, OffsetMap, Producers, Replacement, Source, Verdict, group};
use crate::ids::{LogId, SegmentName};
use crate::limits::{COMPACTION_MAP_BYTES_MAX, SEGMENT_BYTES_MAX};
use crate::log::Segment;
use crate::segment_index::SegmentIndex;

/// What is to be cleaned.
#[derive(Debug, Clone)]
pub struct Round {
    pub log: LogId,
    /// From the first that has something past the log's start up to `until`; all complete in their files and durable. Never empty.
    pub sources: Vec<Source>,
    /// Where the dirty part begins.
    pub dirty_from: Offset,
    /// Where what may be cleaned ends.
    pub until: Offset,
    /// Of what may be cleaned so much is dirty, in millionths.
    pub dirty_ppm: u32,
    pub segment_bytes: u64,
    pub config: CompactionConfig,
    /// No file of the log has this revision or a later one, whether the log names it or a crash has left it behind.
    pub revision_min: u32,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Read these bytes of the segment and hand them to [`Cleaning::on_bytes`].
    Read {
        segment: SegmentName,
        range: Range<u64>,
    },
    /// A batch has been dealt with; there is more to do.
    Working,
    /// Make a file, or empty the one that is there.
    Create(SegmentName),
    /// Write to that file. Positions are multiples of the block size; the last block of the last piece may be partly filled.
    Write {
        segment: SegmentName,
        position: u64,
        bytes: Vec<u8>,
    },
    /// Cut the file to its size, write the index beside it, and make both and their directory durable.
    Finish {
        segment: SegmentName,
        bytes: u64,
        index: Box<SegmentIndex>,
    },
    /// Let the log take the new segments. If it refuses, the round is over and the files that were made can go.
    Replace(Replacement),
    Done,
}

/// What a round has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of the segments that were replaced, and of those that took their places.
    pub bytes_before: u64,
    pub bytes_after: u64,
    pub keys: usize,
    pub segments_before: usize,
    pub segments_after: usize,
}

/// A segment does not hold what was written to it, or holds what cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("segment {segment} at position {position}: {what}")]
pub struct CleanError {
    pub segment: SegmentName,
    pub position: u64,
    pub what: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Mapping,
    Writing,
    Done,
}

/// A round under way.
pub struct Cleaning {
    round: Round,
    phase: Phase,
    filter: Filter,
    reader: Reader,
    /// Groups after the one that is being read.
    groups: VecDeque<Vec<Source>>,
    /// Of the group that is being read: the file that grows, and those that are complete.
    writer: Option<Writer>,
    is_created: bool,
    made: Vec<Segment>,
    ready: VecDeque<Step>,
    totals: Totals,
}

impl Cleaning {
    pub fn new(round: Round, seed: MapSeed) -> Self {
        Self::with_map(round, seed, COMPACTION_MAP_BYTES_MAX)
    }

    /// With a map of at most so many bytes.
    pub fn with_map(round: Round, seed: MapSeed, map_bytes_max: usize) -> Self {
        let dirty = round.sources.iter().filter(|source| source.next_offset > round.dirty_from).copied().collect();
        let keys = round.until.since(round.dirty_from).max(1) as u64;
        let filter = Filter {
            map: OffsetMap::new(seed, keys, map_bytes_max),
            producers: Producers::default(),
            until: round.until,
            now_ms: round.now_ms,
            delete_retention_ms: round.config.delete_retention_ms,
        };
        Self {
            reader: Reader::new(dirty),
            round,
            phase: Phase::Mapping,
            filter,
            groups: VecDeque::new(),
            writer: None,
            is_created: false,
            made: Vec::new(),
            ready: VecDeque::new(),
            totals: Totals::default(),
        }
    }

    pub fn round(&self) -> &Round {
        &self.round
    }

    pub fn totals(&self) -> Totals {
        Totals { keys: self.filter.map.len(), ..self.totals }
    }

    /// What to do next. Each call deals with one batch at most.
    ///
    /// # Errors
    /// When a segment is damaged. The round is over then; nothing that the log names has changed.
    pub fn step(&mut self) -> Result<Step, CleanError> {
        if let Some(step) = self.ready.pop_front() {
            return Ok(step);
        }
        if self.phase == Phase::Done {
            return Ok(Step::Done);
        }
        match self.reader.find()? {
            Found::Wanted(range) => return Ok(Step::Read { segment: self.reader.source().name, range }),
            Found::EndOfSegment => self.on_end_of_segment(),
            Found::Batch(bytes) if self.phase == Phase::Mapping => self.map_batch(bytes)?,
            Found::Batch(bytes) => self.filter_batch(bytes)?,
        }
        Ok(Step::Working)
    }

    /// Takes the bytes that the last step wanted.
    pub fn on_bytes(&mut self, bytes: &[u8]) {
        self.reader.on_bytes(bytes);
    }

    fn on_end_of_segment(&mut self) {
        if self.reader.next_source() {
            return;
        }
        match self.phase {
            Phase::Mapping => self.begin_writing(),
            _ => self.end_group(),
        }
    }

    /// Notes the keys of a batch. When the map is full, the round ends before the first key that it has no room for.
    fn map_batch(&mut self, bytes: usize) -> Result<(), CleanError> {
        let batch = self.reader.batch(bytes)?;
        let info = batch.info;
        self.filter.producers.on_batch(&info);
        // Whoever reads it later may find that its transaction was aborted, so nothing goes because of it.
        let counts = !info.is_control() && !info.is_transactional() && info.record_count > 0;
        if counts && info.last_offset() >= self.round.dirty_from {
            let records = batch.records(PLAIN).map_err(|error| self.reader.corrupt(error))?;
            for record in &records {
                let record = record.map_err(|error| self.reader.corrupt(error))?;
                let Some(key) = record.key.filter(|_| record.offset >= self.round.dirty_from) else { continue };
                if !self.filter.map.put(key, record.offset) {
                    self.filter.until = record.offset;
                    self.begin_writing();
                    return Ok(());
                }
            }
        }
        self.reader.pass(&info);
        Ok(())
    }

    fn begin_writing(&mut self) {
        let until = self.filter.until;
        let sources: Vec<Source> =
            self.round.sources.iter().filter(|source| source.name.base < until).copied().collect();
        self.groups = group(&sources, self.round.segment_bytes.min(SEGMENT_BYTES_MAX)).into();
        self.phase = Phase::Writing;
        self.begin_group();
    }

    fn begin_group(&mut self) {
        let Some(group) = self.groups.pop_front() else {
            self.phase = Phase::Done;
            return;
        };
        let replaced = group.iter().map(|source| source.name.revision).max().expect("a group is never empty");
        let revision = self.round.revision_min.max(replaced + 1);
        self.writer = Some(Writer::new(SegmentName { base: group[0].name.base, revision }));
        self.is_created = false;
        self.reader = Reader::new(group);
    }

    fn filter_batch(&mut self, bytes: usize) -> Result<(), CleanError> {
        let batch = self.reader.batch(bytes)?;
        let info = batch.info;
        match self.filter.judge(&batch).map_err(|error| self.reader.corrupt(error))? {
            Verdict::Drop => {}
            Verdict::Copy => {
                let bytes = batch.bytes.to_vec();
                self.append(&bytes, &info);
            }
            Verdict::Rewrite(bytes) => {
                let info = BatchInfo::peek(&bytes).ok().flatten().expect("it was just made");
                self.append(&bytes, &info);
            }
        }
        self.reader.pass(&info);
        Ok(())
    }

    fn append(&mut self, batch: &[u8], info: &BatchInfo) {
        let writer = self.writer.as_ref().expect("a group is being written");
        // A batch may grow when it is compressed anew.
        if !writer.is_empty() && writer.bytes() + batch.len() as u64 > SEGMENT_BYTES_MAX {
            let revision = writer.name().revision;
            self.close_file();
            self.writer = Some(Writer::new(SegmentName { base: info.base_offset, revision }));
            self.is_created = false;
        }
        let writer = self.writer.as_mut().expect("a group is being written");
        writer.append(batch, info);
        if let Some(piece) = writer.piece() {
            let segment = writer.name();
            self.write(segment, piece);
        }
    }

    fn write(&mut self, segment: SegmentName, (position, bytes): (u64, Vec<u8>)) {
        if !std::mem::replace(&mut self.is_created, true) {
            self.ready.push_back(Step::Create(segment));
        }
        self.ready.push_back(Step::Write { segment, position, bytes });
    }

    fn close_file(&mut self) {
        let Some(mut writer) = self.writer.take().filter(|writer| !writer.is_empty()) else { return };
        let (segment, bytes) = (writer.name(), writer.bytes());
        if let Some(piece) = writer.last_piece() {
            self.write(segment, piece);
        }
        let (made, index) = writer.into_segment(self.round.log);
        self.ready.push_back(Step::Finish { segment, bytes, index: Box::new(index) });
        self.made.push(made);
    }

    fn end_group(&mut self) {
        self.close_file();
        let old = self.reader.sources();
        let new = std::mem::take(&mut self.made);
        self.totals.bytes_before += old.iter().map(|source| source.bytes).sum::<u64>();
        self.totals.bytes_after += new.iter().map(|segment| segment.bytes).sum::<u64>();
        self.totals.segments_before += old.len();
        self.totals.segments_after += new.len();
        self.ready.push_back(Step::Replace(Replacement {
            old: old.iter().map(|source| source.name).collect(),
            new,
            cleaned_until: self.groups.is_empty().then_some(self.filter.until),
        }));
        self.begin_group();
    }
}
