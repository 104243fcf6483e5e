//! What the log knows of one segment file.

#![forbid(unsafe_code)]

use batch::{BatchInfo, Offset};

use super::sparse_index::SparseIndex;
use crate::checkpoint::{IndexEntry, SegmentCheckpoint};
use crate::ids::{LogId, SegmentName};
use crate::limits::{INDEX_INTERVAL_BYTES, SEALED_INDEX_INTERVAL_BYTES};
use crate::segment_index::SegmentIndex;

const _: () = assert!(size_of::<Segment>() <= 96, "a shard keeps one for each segment file");

/// ```text
///   0              flushed          bytes
///   |---- in file ----|-- in memory --|      flushed <= bytes; flushed is a multiple of the block size
/// ```
/// until the segment is sealed and closed: then `flushed == bytes`.
#[derive(Debug, Clone)]
pub struct Segment {
    pub base_offset: Offset,
    /// See [`SegmentName`].
    pub revision: u32,
    /// The offset after the last record.
    pub next_offset: Offset,
    pub bytes: u64,
    /// How far the file holds what was appended (written, though perhaps not yet synced).
    pub flushed: u64,
    /// Timestamp of the first batch. -1 for none.
    pub first_timestamp: i64,
    pub max_timestamp: i64,
    /// Base offset of the batch that holds the largest timestamp.
    pub max_timestamp_offset: Offset,
    /// No batch is appended any more.
    pub sealed: bool,
    /// Its file is exactly its batches and its index lies beside it. All bytes may be in the file before: they may end with a block.
    pub closed: bool,
    /// Here until the segment is closed and memory holds nothing of it; then only in the file beside the segment's.
    pub index: Option<Box<SparseIndex>>,
}

impl Segment {
    pub fn new(base_offset: Offset) -> Self {
        Self {
            base_offset,
            revision: 0,
            next_offset: base_offset,
            bytes: 0,
            flushed: 0,
            first_timestamp: -1,
            max_timestamp: -1,
            max_timestamp_offset: base_offset,
            sealed: false,
            closed: false,
            index: Some(Box::default()),
        }
    }

    /// A segment that a checkpoint knows, `flushed` bytes of which are in its file. Of a sealed one the index stays in its file.
    pub fn from_checkpoint(saved: &SegmentCheckpoint, flushed: u64, index: Option<&[IndexEntry]>) -> Self {
        Self {
            base_offset: saved.base_offset,
            revision: saved.revision,
            next_offset: saved.next_offset,
            bytes: saved.bytes,
            flushed,
            first_timestamp: saved.first_timestamp,
            max_timestamp: saved.max_timestamp,
            max_timestamp_offset: saved.max_timestamp_offset,
            sealed: saved.sealed,
            closed: saved.sealed && flushed == saved.bytes,
            index: index.map(|entries| Box::new(SparseIndex::from_entries(entries.to_vec()))),
        }
    }

    pub fn to_checkpoint(&self) -> SegmentCheckpoint {
        SegmentCheckpoint {
            base_offset: self.base_offset,
            revision: self.revision,
            next_offset: self.next_offset,
            bytes: self.bytes,
            first_timestamp: self.first_timestamp,
            max_timestamp: self.max_timestamp,
            max_timestamp_offset: self.max_timestamp_offset,
            sealed: self.sealed,
        }
    }

    /// What goes beside the file of a sealed segment.
    pub fn to_index(&self, log: LogId) -> SegmentIndex {
        let index = self.index.as_deref().expect("a segment that is not closed has its index");
        SegmentIndex { log, summary: self.to_checkpoint(), entries: index.entries().to_vec() }
    }

    /// The name of its file.
    pub fn name(&self) -> SegmentName {
        SegmentName { base: self.base_offset, revision: self.revision }
    }

    /// The offset of the batch that starts at `position`, if the index knows it.
    pub fn offset_at(&self, position: u64) -> Option<Offset> {
        self.index.as_ref()?.offset_at(position)
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Takes a batch at the end of the segment.
    pub fn on_append(&mut self, base_offset: Offset, next_offset: Offset, info: &BatchInfo) {
        assert!(!self.sealed && base_offset >= self.next_offset && next_offset > base_offset);
        // The timestamp of an empty batch is that of a record that is gone.
        let max_timestamp = if info.record_count == 0 { -1 } else { info.max_timestamp };
        let index = self.index.as_deref_mut().expect("an active segment has its index");
        index.on_batch(base_offset, self.bytes, max_timestamp, INDEX_INTERVAL_BYTES);
        if self.is_empty() {
            self.first_timestamp = max_timestamp;
        }
        if max_timestamp > self.max_timestamp {
            self.max_timestamp = max_timestamp;
            self.max_timestamp_offset = base_offset;
        }
        self.bytes += info.length as u64;
        self.next_offset = next_offset;
    }

    pub fn seal(&mut self) {
        self.sealed = true;
        let index = self.index.as_deref_mut().expect("an active segment has its index");
        index.thin(SEALED_INDEX_INTERVAL_BYTES);
    }

    /// The whole segment is in its file, and nothing else.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The end of the segment and its index have been written.
    pub fn close(&mut self) {
        assert!(self.sealed);
        (self.flushed, self.closed) = (self.bytes, true);
    }
}
