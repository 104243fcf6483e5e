//! The file that a group of segments becomes, as it grows: its bytes in pieces, and what the log will know of it.

use batch::BatchInfo;

use crate::ids::{LogId, SegmentName};
use crate::limits::{BLOCK_BYTES, COMPACTION_WRITE_BYTES};
use crate::log::Segment;
use crate::segment_index::SegmentIndex;

/// One new segment.
pub(super) struct Writer {
    segment: Segment,
    /// Behind what has been handed out to be written.
    pending: Vec<u8>,
    written: u64,
}

impl Writer {
    pub(super) fn new(name: SegmentName) -> Self {
        let segment = Segment { revision: name.revision, ..Segment::new(name.base) };
        Self { segment, pending: Vec::new(), written: 0 }
    }

    pub(super) fn name(&self) -> SegmentName {
        self.segment.name()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segment.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segment.is_empty()
    }

    pub(super) fn append(&mut self, batch: &[u8], info: &BatchInfo) {
        let info = BatchInfo { length: batch.len(), ..*info };
        self.segment.on_append(info.base_offset, info.next_offset(), &info);
        self.pending.extend_from_slice(batch);
    }

    /// The next piece to write and its position: whole blocks, and once there are enough of them.
    pub(super) fn piece(&mut self) -> Option<(u64, Vec<u8>)> {
        if self.pending.len() < COMPACTION_WRITE_BYTES {
            return None;
        }
        let whole = self.pending.len() - self.pending.len() % BLOCK_BYTES;
        let rest = self.pending.split_off(whole);
        Some(self.hand_out(rest))
    }

    /// What is left to write; its last block may be partly filled.
    pub(super) fn last_piece(&mut self) -> Option<(u64, Vec<u8>)> {
        (!self.pending.is_empty()).then(|| self.hand_out(Vec::new()))
    }

    fn hand_out(&mut self, rest: Vec<u8>) -> (u64, Vec<u8>) {
        let piece = std::mem::replace(&mut self.pending, rest);
        let position = self.written;
        self.written += piece.len() as u64;
        (position, piece)
    }

    /// The segment as the log will have it, once all of it is in the file, and the index for the file beside it.
    pub(super) fn into_segment(mut self, log: LogId) -> (Segment, SegmentIndex) {
        assert!(self.pending.is_empty() && self.written == self.segment.bytes);
        self.segment.seal();
        let index = self.segment.to_index(log);
        self.segment.close();
        self.segment.index = None;
        (self.segment, index)
    }
}
