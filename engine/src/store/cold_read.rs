//! A read that needs the segment file, step by step: which stretch to read next, and what its bytes come to. Between two steps
//! anything may happen to the log, so each step looks at it anew.
//!
//! ```text
//!   file:    |..batch|batch|batch|bat                     what was read ends at `read_end`
//!   memory:                     |batch|batch|..           a batch may begin in the file and end in memory,
//!                              ^ read_end                 and even its header may
//! ```

#![forbid(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;

use batch::layout::{CRC_COVERS_FROM, HEADER_BYTES};
use batch::{BatchInfo, Offset};

use super::continuity::Continuity;
use super::{ReadError, Store};
use crate::ids::{LogId, SegmentName};
use crate::limits::{BLOCK_BYTES, READ_HELD_MAX};
use crate::log::{Cut, DiskRead, IndexedRead, Log, ReadPlan, SparseIndex, cut, last_offset, peek_at};
use crate::memory::{Joined, Span, thinned};

/// One read under way.
#[derive(Debug)]
pub struct ColdRead {
    log: LogId,
    /// The segment's index is not known yet, and so nothing of `plan` but segment and request.
    wants_index: bool,
    plan: DiskRead,
    /// Where in the segment the damage was met, in bytes.
    damaged_at: Cell<Option<u64>>,
    /// It has waited for pieces that others may want as well.
    pub(super) has_waited: bool,
    answered: Cell<Option<Answered>>,
}

/// Where an answer from the file has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered {
    pub(super) position: u64,
    /// The offset after its last record.
    pub(super) next: Offset,
    /// It began with the first record of the log.
    pub(super) from_start: bool,
}

/// What a read needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The segment's index, for [`ColdRead::on_index`].
    Index,
    /// This stretch of the segment file, which is not empty, for [`ColdRead::on_bytes`].
    Bytes(Range<u64>),
}

impl ColdRead {
    pub fn new(log: LogId, plan: DiskRead) -> Self {
        Self::with(log, false, plan)
    }

    /// A read that has to begin with the index.
    pub fn indexed(log: LogId, read: IndexedRead) -> Self {
        let IndexedRead { segment, request } = read;
        Self::with(log, true, DiskRead { segment, scan_from: 0, file_end: 0, bytes: 0, expected: None, request })
    }

    fn with(log: LogId, wants_index: bool, plan: DiskRead) -> Self {
        let (damaged_at, answered) = (Cell::default(), Cell::default());
        Self { log, wants_index, plan, damaged_at, has_waited: false, answered }
    }

    pub fn log(&self) -> LogId {
        self.log
    }

    pub fn segment(&self) -> SegmentName {
        self.plan.segment
    }

    /// The offset that was asked for.
    pub(super) fn from(&self) -> Offset {
        self.plan.request.from
    }

    pub(super) fn answered(&self) -> Option<Answered> {
        self.answered.get()
    }

    /// Where in the segment file the damage begins for which the read was answered with [`ReadError::Corrupt`], in bytes.
    pub fn damaged_at(&self) -> u64 {
        self.damaged_at.get().unwrap_or(self.plan.scan_from)
    }

    pub fn wanted(&self) -> Wanted {
        if self.wants_index {
            return Wanted::Index;
        }
        let bytes = self.plan.bytes.max(BLOCK_BYTES) as u64;
        let end = self.plan.file_end.min(self.plan.scan_from + bytes);
        assert!(end > self.plan.scan_from, "memory begins where the file ends or before");
        Wanted::Bytes(self.plan.scan_from..end)
    }

    /// Takes the index that was wanted. Returns the answer if there is nothing to read.
    ///
    /// # Errors
    /// As with [`ColdRead::check`].
    pub fn on_index(&mut self, store: &Store, index: &SparseIndex) -> Result<Option<Vec<Span>>, ReadError> {
        self.check(store)?;
        if self.is_replaced(store) {
            return self.replan(store);
        }
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        let read = IndexedRead { segment: self.plan.segment, request: self.plan.request };
        match log.plan_indexed(read, index) {
            ReadPlan::Disk(plan) => {
                let expected = index.offset_at(plan.scan_from);
                (self.wants_index, self.plan) = (false, DiskRead { expected, ..plan });
                Ok(None)
            }
            ReadPlan::Memory(memory) => Ok(Some(memory.spans)),
            ReadPlan::Empty => Ok(Some(Vec::new())),
            ReadPlan::OutOfRange => Err(ReadError::OutOfRange),
            ReadPlan::Index(_) => unreachable!("the index is given"),
        }
    }

    /// Takes the bytes that were wanted, or at least one of them. Returns the answer, or `None` when there is more to read.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`] when the file does not hold what was written to it; [`ReadError::UnknownLog`] when the log is gone.
    pub fn on_bytes(&mut self, store: &Store, bytes: &Joined) -> Result<Option<Vec<Span>>, ReadError> {
        // The files of a log that was deleted meanwhile may be gone, or made again by a write that came late.
        self.check(store)?;
        if self.is_replaced(store) {
            return self.replan(store);
        }
        match cut(bytes, &self.plan) {
            Cut::Empty => self.check_empty(store, bytes).map(|()| Some(Vec::new())),
            Cut::Damaged { position } => Err(self.corrupt(position)),
            Cut::Whole { start, end } => {
                let end = self.sound_end(store, bytes, start, end)?;
                let spans = bytes.slice(start..end).expect("the cut lies within what was read");
                Ok(Some(thinned(spans, READ_HELD_MAX)))
            }
            Cut::Past { position } => self.go_on(store, bytes, position, HEADER_BYTES),
            Cut::Longer { start, bytes: batch_bytes } => {
                self.go_on(store, bytes, self.plan.scan_from + start as u64, batch_bytes)
            }
        }
    }

    fn corrupt(&self, position: u64) -> ReadError {
        self.damaged_at.set(Some(position));
        ReadError::Corrupt
    }

    fn continuity<'a>(&self, store: &'a Store) -> Result<Continuity<'a>, ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        let segment = log.segments().iter().find(|segment| segment.name() == self.plan.segment);
        let known = segment.and_then(|segment| segment.offset_at(self.plan.scan_from));
        // Whatever became of the index, it is known where a segment begins.
        let base = (self.plan.scan_from == 0).then_some(self.plan.segment.base);
        Ok(Continuity::new(log, self.plan.segment, self.plan.expected.or(known).or(base)))
    }

    /// Looks at every batch before `end`. Those before `start` only lead there; of those from `start` on a part is enough, so that
    /// what lies before damage is served. Returns where the sound part ends.
    fn sound_end(&self, store: &Store, bytes: &Joined, start: usize, end: usize) -> Result<usize, ReadError> {
        let mut continuity = self.continuity(store)?;
        let mut position = 0;
        while position < end {
            let info = peek_at(bytes, position).ok_or(ReadError::Corrupt)?;
            let expected = continuity.expected();
            let follows = continuity.take(&info);
            let is_sound = follows
                && (position != start || continuity.holds(&info, self.plan.request.from))
                && (position < start || crc_holds(bytes, position, &info));
            if !is_sound && position > start {
                self.note_end(store, position, expected);
                return Ok(position);
            }
            if !is_sound {
                return Err(self.corrupt(self.plan.scan_from + position as u64));
            }
            position += info.length;
        }
        self.note_end(store, end, continuity.expected());
        Ok(end)
    }

    /// The answer ends at `end` of the bytes, and `next` is the offset after it.
    fn note_end(&self, store: &Store, end: usize, next: Option<Offset>) {
        let from_start = store.log(self.log).is_some_and(|log| log.start_offset() == self.plan.request.from);
        let position = self.plan.scan_from + end as u64;
        self.answered.set(next.map(|next| Answered { position, next, from_start }));
    }

    /// Nothing comes of the batch that holds the offset asked for. Were its header damaged, nothing ever would.
    fn check_empty(&self, store: &Store, bytes: &Joined) -> Result<(), ReadError> {
        let mut continuity = self.continuity(store)?;
        let mut position = 0;
        while let Some(info) = peek_at(bytes, position) {
            if !continuity.take(&info) {
                return Err(ReadError::Corrupt);
            }
            if last_offset(&info) >= self.plan.request.from {
                break;
            }
            position += info.length;
        }
        Ok(())
    }

    /// The offset that the batch at `position` must have, by the batches before it.
    fn expected_at(&self, store: &Store, bytes: &Joined, position: u64) -> Result<Option<Offset>, ReadError> {
        let mut continuity = self.continuity(store)?;
        let mut at = 0;
        while self.plan.scan_from + (at as u64) < position {
            let info = peek_at(bytes, at).ok_or(ReadError::Corrupt)?;
            if !continuity.take(&info) {
                return Err(ReadError::Corrupt);
            }
            at += info.length;
        }
        Ok(continuity.expected())
    }

    /// Whether what is read is still there. A file that cannot be read is no wonder when it is not.
    ///
    /// # Errors
    /// [`ReadError::UnknownLog`] when the log was deleted; [`ReadError::OutOfRange`] when the log starts further on by now.
    pub fn check(&self, store: &Store) -> Result<(), ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        if self.plan.request.from < log.start_offset() { Err(ReadError::OutOfRange) } else { Ok(()) }
    }

    /// The segment has gone; compaction has put another in its place.
    pub fn is_replaced(&self, store: &Store) -> bool {
        store.log(self.log).is_some_and(|log| log.segments().iter().all(|segment| segment.name() != self.plan.segment))
    }

    /// Begins anew, with the segments that there are now. Returns the answer, or `None` when there is something to read.
    ///
    /// # Errors
    /// As [`ColdRead::check`].
    pub fn replan(&mut self, store: &Store) -> Result<Option<Vec<Span>>, ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        match log.plan_read(self.plan.request) {
            ReadPlan::OutOfRange => Err(ReadError::OutOfRange),
            ReadPlan::Empty => Ok(Some(Vec::new())),
            ReadPlan::Memory(memory) => Ok(Some(memory.spans)),
            ReadPlan::Disk(plan) => {
                *self = ColdRead::new(self.log, plan);
                Ok(None)
            }
            ReadPlan::Index(read) => {
                *self = ColdRead::indexed(self.log, read);
                Ok(None)
            }
        }
    }

    /// Goes on at `position`, where a batch starts that was not read whole: in memory, in the file, or across both. `bytes_min` of
    /// it are needed to get further.
    fn go_on(
        &mut self,
        store: &Store,
        bytes: &Joined,
        position: u64,
        bytes_min: usize,
    ) -> Result<Option<Vec<Span>>, ReadError> {
        let expected = self.expected_at(store, bytes, position)?;
        if let Some(spans) = self.spans_in_memory(store, position, expected)? {
            return Ok(Some(spans));
        }
        let read_end = self.plan.scan_from + bytes.len() as u64;
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        let segment = log.segments().iter().find(|segment| segment.name() == self.plan.segment);
        let file_end = segment.ok_or(ReadError::OutOfRange)?.flushed;
        if position < read_end && position + bytes_min as u64 > file_end && read_end == file_end {
            return self.across(store, bytes, position, expected);
        }
        let progress = (self.plan.scan_from, self.plan.bytes, self.plan.file_end);
        (self.plan.scan_from, self.plan.expected, self.has_waited) = (position, expected, false);
        self.plan.bytes = self.plan.bytes.max(bytes_min);
        self.plan.file_end = file_end;
        // What was to be read and is not there has been cut off the file.
        let stuck = progress == (self.plan.scan_from, self.plan.bytes, self.plan.file_end) || file_end <= position;
        if stuck { Err(ReadError::Corrupt) } else { Ok(None) }
    }

    /// No batch begins at `position`, so near the segment's end or behind it; only compaction leaves a gap there.
    fn is_past_end(&self, log: &Log, position: u64) -> bool {
        let segment = log.segments().iter().find(|segment| segment.name() == self.plan.segment);
        segment.is_some_and(|segment| position + HEADER_BYTES as u64 > segment.bytes)
    }

    /// What memory holds from `position` on, where the file says that a batch starts. A damaged length would lead elsewhere.
    fn spans_in_memory(
        &self,
        store: &Store,
        position: u64,
        expected: Option<Offset>,
    ) -> Result<Option<Vec<Span>>, ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        if let Some(spans) = log.memory_spans(self.plan.segment.base, position, position + HEADER_BYTES as u64) {
            let header: Vec<u8> = spans.iter().flat_map(|span| span.iter().copied()).collect();
            let info = BatchInfo::peek(&header).ok().flatten().ok_or(ReadError::Corrupt)?;
            if !Continuity::new(log, self.plan.segment, expected).take(&info) {
                return Err(ReadError::Corrupt);
            }
        } else if self.plan.segment.revision == 0 && self.is_past_end(log, position) {
            return Err(ReadError::Corrupt);
        }
        match log.plan_from_position(self.plan.segment, position, self.plan.request) {
            ReadPlan::Memory(memory) => Ok(Some(memory.spans)),
            ReadPlan::Disk(_) => Ok(None),
            ReadPlan::Empty => Ok(Some(Vec::new())),
            ReadPlan::OutOfRange => Err(ReadError::OutOfRange),
            ReadPlan::Index(_) => unreachable!("a read that goes on needs no index"),
        }
    }

    /// A batch that begins at `position` in the last bytes of the file and ends in memory.
    fn across(
        &self,
        store: &Store,
        bytes: &Joined,
        position: u64,
        expected: Option<Offset>,
    ) -> Result<Option<Vec<Span>>, ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        let read_end = self.plan.scan_from + bytes.len() as u64;
        let start = (position - self.plan.scan_from) as usize;
        let in_file = bytes.slice(start..bytes.len()).ok_or(ReadError::Corrupt)?;
        let header_in_file = bytes.bytes(start..start + HEADER_BYTES);
        let spans_to = |to: u64| log.memory_spans(self.plan.segment.base, read_end, to).ok_or(ReadError::Corrupt);
        let mut header = header_in_file.to_vec();
        for span in spans_to(position.max(read_end) + (HEADER_BYTES - header.len()) as u64)? {
            header.extend_from_slice(&span);
        }
        let info = BatchInfo::peek(&header).ok().flatten().ok_or(ReadError::Corrupt)?;
        let end = position + info.length as u64;
        if end < read_end {
            return Err(ReadError::Corrupt);
        }
        let mut spans = in_file;
        spans.extend(spans_to(end)?);
        let whole: Vec<u8> = spans.iter().flat_map(|span| span.iter().copied()).collect();
        let mut continuity = Continuity::new(log, self.plan.segment, expected);
        if !continuity.take(&info) || batch::verify_crc(&whole).is_err() {
            return Err(ReadError::Corrupt);
        }
        let request = &self.plan.request;
        if last_offset(&info) < request.from {
            return self.spans_in_memory(store, end, continuity.expected())?.map(Some).ok_or(ReadError::Corrupt);
        }
        if last_offset(&info) >= request.until || (info.length > request.bytes_max && !request.at_least_one) {
            return Ok(Some(Vec::new()));
        }
        if !continuity.holds(&info, request.from) {
            return Err(ReadError::Corrupt);
        }
        Ok(Some(spans))
    }
}

fn crc_holds(bytes: &Joined, position: usize, info: &BatchInfo) -> bool {
    let mut covered = bytes.parts(position + CRC_COVERS_FROM..position + info.length);
    let first = batch::crc32c(covered.next().unwrap_or_default());
    covered.fold(first, batch::crc32c_append) == info.crc
}
