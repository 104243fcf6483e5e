//! The batches of some segments one after the other, from bytes that are handed in as they are wanted.

use std::ops::Range;

use batch::layout::HEADER_BYTES;
use batch::{BatchInfo, BatchView, Offset};

use super::{CleanError, Source};
use crate::limits::{COMPACTION_PLAIN_BYTES_MAX, COMPACTION_READ_BYTES};

/// What is next.
pub(super) enum Found {
    /// So many bytes hold a whole batch.
    Batch(usize),
    /// These bytes of the segment file are needed first.
    Wanted(Range<u64>),
    EndOfSegment,
}

/// Invariant: `buffer[consumed..]` is what the file holds from `position` on.
pub(super) struct Reader {
    sources: Vec<Source>,
    at: usize,
    buffer: Vec<u8>,
    consumed: usize,
    position: u64,
    /// No batch that comes may begin before this.
    expected: Offset,
}

impl Reader {
    /// `sources` must not be empty.
    pub(super) fn new(sources: Vec<Source>) -> Self {
        let expected = sources[0].name.base;
        Self { sources, at: 0, buffer: Vec::new(), consumed: 0, position: 0, expected }
    }

    pub(super) fn source(&self) -> &Source {
        &self.sources[self.at]
    }

    pub(super) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(super) fn find(&self) -> Result<Found, CleanError> {
        let left = self.source().bytes - self.position;
        if left == 0 {
            return Ok(Found::EndOfSegment);
        }
        let held = &self.buffer[self.consumed..];
        let info = BatchInfo::peek(held).map_err(|error| self.corrupt(error))?;
        let needed = info.map_or(HEADER_BYTES, |info| info.length) as u64;
        if needed > left || needed > (COMPACTION_PLAIN_BYTES_MAX + HEADER_BYTES) as u64 {
            return Err(self.corrupt(format_args!("a batch of {needed} bytes where {left} are left")));
        }
        if info.is_some() && held.len() as u64 >= needed {
            return Ok(Found::Batch(needed as usize));
        }
        let from = self.position + held.len() as u64;
        let to = (from + COMPACTION_READ_BYTES).max(self.position + needed).min(self.source().bytes);
        Ok(Found::Wanted(from..to))
    }

    /// Takes the bytes that were wanted.
    pub(super) fn on_bytes(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The batch that was found, once its checksum holds and its offsets fit what came before.
    pub(super) fn batch(&self, bytes: usize) -> Result<BatchView<'_>, CleanError> {
        let whole = &self.buffer[self.consumed..self.consumed + bytes];
        batch::verify_crc(whole).map_err(|error| self.corrupt(error))?;
        let (view, _) = BatchView::first(whole).map_err(|error| self.corrupt(error))?.expect("all of it is there");
        let info = &view.info;
        let source = self.source();
        // What was appended leaves no offset out; what was compacted before may.
        let is_gap = info.base_offset > self.expected && source.name.revision == 0;
        let is_back = info.base_offset < self.expected || info.last_offset_delta < 0;
        if is_gap || is_back || info.next_offset() > source.next_offset {
            let (base, last) = (info.base_offset, info.last_offset());
            return Err(self.corrupt(format_args!("offsets {base} to {last} stand where {} is next", self.expected)));
        }
        Ok(view)
    }

    /// Steps over the batch that was found.
    pub(super) fn pass(&mut self, info: &BatchInfo) {
        self.consumed += info.length;
        self.position += info.length as u64;
        self.expected = info.next_offset();
    }

    /// Goes on with the next segment, if there is one.
    pub(super) fn next_source(&mut self) -> bool {
        if self.at + 1 == self.sources.len() {
            return false;
        }
        self.at += 1;
        self.buffer.clear();
        (self.consumed, self.position, self.expected) = (0, 0, self.source().name.base);
        true
    }

    pub(super) fn corrupt(&self, what: impl std::fmt::Display) -> CleanError {
        CleanError { segment: self.source().name, position: self.position, what: what.to_string() }
    }
}
