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
use crate::log::{Cut, DiskRead, ReadPlan, cut, last_offset};
use crate::memory::Span;

/// One read under way.
#[derive(Debug)]
pub struct ColdRead {
    log: LogId,
    plan: DiskRead,
}

impl ColdRead {
    pub fn new(log: LogId, plan: DiskRead) -> Self {
        Self { log, plan }
    }

    pub fn log(&self) -> LogId {
        self.log
    }

    pub fn segment(&self) -> SegmentName {
        self.plan.segment
    }

    /// What to read of the segment file next. Never empty.
    pub fn wanted(&self) -> Range<u64> {
        let bytes = self.plan.bytes.max(BLOCK_BYTES) as u64;
        let end = self.plan.file_end.min(self.plan.scan_from + bytes);
        assert!(end > self.plan.scan_from, "memory begins where the file ends or before");
        self.plan.scan_from..end
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
                verify(&whole)?;
                Ok(Some(vec![whole]))
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
        match store.plan_read(self.log, self.plan.request)? {
            ReadPlan::OutOfRange => Err(ReadError::OutOfRange),
            ReadPlan::Empty => Ok(Some(Vec::new())),
            ReadPlan::Memory(memory) => Ok(Some(memory.spans)),
            ReadPlan::Disk(plan) => {
                self.plan = plan;
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

/// A batch that fails its checksum is never served.
fn verify(mut batches: &[u8]) -> Result<(), ReadError> {
    while let Ok(Some((view, rest))) = batch::BatchView::first(batches) {
        batch::verify_crc(view.bytes).map_err(|_| ReadError::Corrupt)?;
        batches = rest;
    }
    Ok(())
}
