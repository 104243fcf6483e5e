//! A read that needs the segment file, step by step: which stretch to read next, and what its bytes come to. Between two steps
//! anything may happen to the log, so each step looks at it anew.
//!
//! ```text
//!   file:    |..batch|batch|batch|bat                     what was read ends at `read_end`
//!   memory:                     |batch|batch|..           a batch may begin in the file and end in memory,
//!                              ^ read_end                 and even its header may
//! ```

#![forbid(unsafe_code)]

use std::ops::Range;

use batch::BatchInfo;
use batch::layout::HEADER_BYTES;

use super::{ReadError, Store};
use crate::ids::{LogId, SegmentName};
use crate::limits::BLOCK_BYTES;
use crate::log::{Cut, DiskRead, IndexedRead, ReadPlan, SparseIndex, cut, last_offset};
use crate::memory::Span;

/// One read under way.
#[derive(Debug)]
pub struct ColdRead {
    log: LogId,
    /// The segment's index is not known yet, and so nothing of `plan` but segment and request.
    wants_index: bool,
    plan: DiskRead,
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
        Self { log, wants_index: false, plan }
    }

    /// A read that has to begin with the index.
    pub fn indexed(log: LogId, read: IndexedRead) -> Self {
        let IndexedRead { segment, request } = read;
        Self { log, wants_index: true, plan: DiskRead { segment, scan_from: 0, file_end: 0, bytes: 0, request } }
    }

    pub fn log(&self) -> LogId {
        self.log
    }

    pub fn segment(&self) -> SegmentName {
        self.plan.segment
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
                (self.wants_index, self.plan) = (false, plan);
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
    pub fn on_bytes(&mut self, store: &Store, bytes: &Span) -> Result<Option<Vec<Span>>, ReadError> {
        // The files of a log that was deleted meanwhile may be gone, or made again by a write that came late.
        self.check(store)?;
        if self.is_replaced(store) {
            return self.replan(store);
        }
        match cut(bytes, &self.plan) {
            Cut::Empty => Ok(Some(Vec::new())),
            Cut::Damaged { .. } => Err(ReadError::Corrupt),
            Cut::Whole { start, end } => {
                let whole = bytes.slice(start..end).expect("the cut lies within what was read");
                // Damage behind the first batch is met by the read that begins there.
                let sound = match sound_bytes(&whole) {
                    0 => return Err(ReadError::Corrupt),
                    sound => whole.slice(0..sound).expect("a part of the whole"),
                };
                Ok(Some(vec![sound]))
            }
            Cut::Past { position } => self.go_on(store, bytes, position, HEADER_BYTES),
            Cut::Longer { start, bytes: batch_bytes } => {
                self.go_on(store, bytes, self.plan.scan_from + start as u64, batch_bytes)
            }
        }
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
                (self.wants_index, self.plan) = (false, plan);
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
        bytes: &Span,
        position: u64,
        bytes_min: usize,
    ) -> Result<Option<Vec<Span>>, ReadError> {
        if let Some(spans) = self.spans_in_memory(store, position)? {
            return Ok(Some(spans));
        }
        let read_end = self.plan.scan_from + bytes.len() as u64;
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        let segment = log.segments().iter().find(|segment| segment.name() == self.plan.segment);
        let file_end = segment.ok_or(ReadError::OutOfRange)?.flushed;
        if position < read_end && position + bytes_min as u64 > file_end && read_end == file_end {
            return self.across(store, bytes, position);
        }
        let progress = (self.plan.scan_from, self.plan.bytes, self.plan.file_end);
        self.plan.scan_from = position;
        self.plan.bytes = self.plan.bytes.max(bytes_min);
        self.plan.file_end = file_end;
        // What was to be read and is not there has been cut off the file.
        let stuck = progress == (self.plan.scan_from, self.plan.bytes, self.plan.file_end) || file_end <= position;
        if stuck { Err(ReadError::Corrupt) } else { Ok(None) }
    }

    fn spans_in_memory(&self, store: &Store, position: u64) -> Result<Option<Vec<Span>>, ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        match log.plan_from_position(self.plan.segment, position, self.plan.request) {
            ReadPlan::Memory(memory) => Ok(Some(memory.spans)),
            ReadPlan::Disk(_) => Ok(None),
            ReadPlan::Empty => Ok(Some(Vec::new())),
            ReadPlan::OutOfRange => Err(ReadError::OutOfRange),
            ReadPlan::Index(_) => unreachable!("a read that goes on needs no index"),
        }
    }

    /// A batch that begins at `position` in the last bytes of the file and ends in memory.
    fn across(&self, store: &Store, bytes: &Span, position: u64) -> Result<Option<Vec<Span>>, ReadError> {
        let log = store.log(self.log).ok_or(ReadError::UnknownLog)?;
        let read_end = self.plan.scan_from + bytes.len() as u64;
        let start = (position - self.plan.scan_from) as usize;
        let in_file = bytes.slice(start..bytes.len()).ok_or(ReadError::Corrupt)?;
        let spans_to = |to: u64| log.memory_spans(self.plan.segment.base, read_end, to).ok_or(ReadError::Corrupt);
        let mut header = in_file[..in_file.len().min(HEADER_BYTES)].to_vec();
        for span in spans_to(position.max(read_end) + (HEADER_BYTES - header.len()) as u64)? {
            header.extend_from_slice(&span);
        }
        let info = BatchInfo::peek(&header).ok().flatten().ok_or(ReadError::Corrupt)?;
        let end = position + info.length as u64;
        let request = &self.plan.request;
        if last_offset(&info) < request.from {
            return self.spans_in_memory(store, end)?.map(Some).ok_or(ReadError::Corrupt);
        }
        if last_offset(&info) >= request.until || (info.length > request.bytes_max && !request.at_least_one) {
            return Ok(Some(Vec::new()));
        }
        let mut spans = vec![in_file];
        spans.extend(spans_to(end)?);
        let whole: Vec<u8> = spans.iter().flat_map(|span| span.iter().copied()).collect();
        batch::verify_crc(&whole).map_err(|_| ReadError::Corrupt)?;
        Ok(Some(spans))
    }
}

/// How many bytes come before the first batch that fails its checksum: such a batch is never served.
fn sound_bytes(batches: &[u8]) -> usize {
    let mut rest = batches;
    while let Ok(Some((view, behind))) = batch::BatchView::first(rest) {
        if batch::verify_crc(view.bytes).is_err() {
            break;
        }
        rest = behind;
    }
    batches.len() - rest.len()
}
