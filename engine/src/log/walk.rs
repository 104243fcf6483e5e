//! Walks a segment from its first byte on, knowing nothing else of it: what an index, a summary and leader epochs are made from
//! when those that were written are lost.

#![forbid(unsafe_code)]

use batch::{BatchError, BatchInfo, BatchView, LeaderEpoch, Offset, layout::HEADER_BYTES};

use super::Segment;
use crate::limits::BATCH_BYTES_MAX;

/// The first thing in a segment that is not the batch that belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at {position}: {what}")]
pub struct WalkFault {
    /// Where in the segment, in bytes.
    pub position: u64,
    /// The offset after the last sound batch.
    pub next_offset: Offset,
    pub what: WalkError,
}

/// What is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    #[error(transparent)]
    Batch(BatchError),
    #[error("a batch of {0} bytes is more than there can be")]
    TooLong(usize),
    #[error("offset {found} stands where {expected} is next")]
    OutOfOrder { found: Offset, expected: Offset },
    #[error("the segment ends within a batch")]
    CutOff,
}

/// A walk under way. Bytes come in pieces of any size.
#[derive(Debug)]
pub struct SegmentWalk {
    segment: Segment,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// The beginning of a batch that does not end in the bytes seen so far.
    part: Vec<u8>,
}

impl SegmentWalk {
    pub fn new(base_offset: Offset) -> Self {
        Self { segment: Segment::new(base_offset), leader_epochs: Vec::new(), part: Vec::new() }
    }

    /// Takes the bytes that follow those before.
    ///
    /// # Errors
    /// The first batch that is not sound, or not the next. Nothing behind it can be taken.
    pub fn on_bytes(&mut self, mut bytes: &[u8]) -> Result<(), WalkFault> {
        while !bytes.is_empty() {
            if self.part.is_empty()
                && let Some(len) = self.batch_bytes(bytes)?
                && len <= bytes.len()
            {
                let (batch, rest) = bytes.split_at(len);
                self.take(batch)?;
                bytes = rest;
                continue;
            }
            let wanted = self.batch_bytes(&self.part)?.unwrap_or(HEADER_BYTES);
            let (more, rest) = bytes.split_at((wanted - self.part.len()).min(bytes.len()));
            self.part.extend_from_slice(more);
            bytes = rest;
            if self.batch_bytes(&self.part)? == Some(self.part.len()) {
                let batch = std::mem::take(&mut self.part);
                self.take(&batch)?;
            }
        }
        Ok(())
    }

    /// The segment as far as it was walked, its index included, and the leader epochs that begin in it.
    ///
    /// # Errors
    /// [`WalkError::CutOff`] when the bytes end within a batch.
    pub fn end(mut self) -> Result<(Segment, Vec<(LeaderEpoch, Offset)>), WalkFault> {
        if !self.part.is_empty() {
            return Err(self.fault(WalkError::CutOff));
        }
        self.segment.seal();
        self.segment.flushed = self.segment.bytes;
        Ok((self.segment, self.leader_epochs))
    }

    fn batch_bytes(&self, bytes: &[u8]) -> Result<Option<usize>, WalkFault> {
        match BatchInfo::peek(bytes) {
            Ok(Some(info)) if info.length > BATCH_BYTES_MAX => Err(self.fault(WalkError::TooLong(info.length))),
            Ok(info) => Ok(info.map(|info| info.length)),
            Err(error) => Err(self.fault(WalkError::Batch(error))),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), WalkFault> {
        batch::verify_crc(bytes).map_err(|error| self.fault(WalkError::Batch(error)))?;
        let Ok(Some((BatchView { info, .. }, _))) = BatchView::first(bytes) else {
            unreachable!("the header was read and the bytes are as long as it says")
        };
        let (found, expected) = (info.base_offset, self.segment.next_offset);
        if found != expected || info.last_offset_delta < 0 {
            return Err(self.fault(WalkError::OutOfOrder { found, expected }));
        }
        if self.leader_epochs.last().is_none_or(|(last, _)| *last < info.leader_epoch) {
            self.leader_epochs.push((info.leader_epoch, found));
        }
        self.segment.on_append(found, info.last_offset().next(), &info);
        Ok(())
    }

    fn fault(&self, what: WalkError) -> WalkFault {
        WalkFault { position: self.segment.bytes, next_offset: self.segment.next_offset, what }
    }
}
