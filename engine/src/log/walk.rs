//! Walks a segment from its first byte on, knowing nothing else of it: what an index is made from when the one that was written is lost.

#![forbid(unsafe_code)]

use batch::{BatchError, BatchInfo, BatchView, Offset, layout::HEADER_BYTES};

use super::{Segment, SparseIndex};
use crate::checkpoint::SegmentCheckpoint;
use crate::ids::SegmentName;
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
    /// The beginning of a batch that does not end in the bytes seen so far.
    part: Vec<u8>,
}

impl SegmentWalk {
    pub fn new(name: SegmentName) -> Self {
        Self { segment: Segment { revision: name.revision, ..Segment::new(name.base) }, part: Vec::new() }
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

    /// The bytes have ended here. Gives what the segment comes to, and its index.
    ///
    /// # Errors
    /// [`WalkError::CutOff`] when they have ended within a batch.
    pub fn end(&mut self) -> Result<(SegmentCheckpoint, SparseIndex), WalkFault> {
        if !self.part.is_empty() {
            return Err(self.fault(WalkError::CutOff));
        }
        self.segment.seal();
        Ok((self.segment.to_checkpoint(), self.index()))
    }

    /// The index as far as the walk has come. A search that begins at its last entry still gets further, from batch to batch.
    pub fn index(&self) -> SparseIndex {
        self.segment.index.as_deref().cloned().unwrap_or_default()
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
        // Compaction leaves gaps, nothing else does.
        let follows = found == expected || (self.segment.revision > 0 && found > expected);
        if !follows || info.last_offset_delta < 0 {
            return Err(self.fault(WalkError::OutOfOrder { found, expected }));
        }
        self.segment.on_append(found, info.last_offset().next(), &info);
        Ok(())
    }

    fn fault(&self, what: WalkError) -> WalkFault {
        WalkFault { position: self.segment.bytes, next_offset: self.segment.next_offset, what }
    }
}

#[cfg(test)]
mod tests {
    use batch::{BatchBuilder, Compression, LeaderEpoch};

    use super::*;

    const NAME: SegmentName = SegmentName::appended(Offset(7));

    /// Batches of one record each, and where each starts.
    fn segment(sizes: &[usize]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut starts) = (Vec::new(), Vec::new());
        for (i, size) in sizes.iter().enumerate() {
            let mut builder = BatchBuilder::new(Compression::None);
            builder.append(100 + i as i64, None, Some(&vec![i as u8; *size]), &[]);
            let mut batch = builder.build();
            batch::stamp(&mut batch, Offset(7 + i as i64), LeaderEpoch(2));
            starts.push(bytes.len());
            bytes.extend(batch);
        }
        (bytes, starts)
    }

    fn walk(bytes: &[u8], piece: usize) -> Result<(SegmentCheckpoint, SparseIndex), WalkFault> {
        let mut walk = SegmentWalk::new(NAME);
        bytes.chunks(piece).try_for_each(|piece| walk.on_bytes(piece))?;
        walk.end()
    }

    #[test]
    fn the_pieces_in_which_the_bytes_come_make_no_difference() {
        let (bytes, starts) = segment(&[10, 300_000, 3, 0, 70_000, 500_000]);
        let whole = walk(&bytes, bytes.len()).expect("sound");
        assert_eq!((whole.0.next_offset, whole.0.bytes), (Offset(13), bytes.len() as u64));
        assert_eq!((whole.0.max_timestamp, whole.0.max_timestamp_offset), (105, Offset(12)));
        assert!(whole.1.entries().iter().all(|entry| starts.contains(&(entry.position as usize))));
        for piece in [1, 60, 61, 4096, 100_000] {
            let other = walk(&bytes, piece).expect("sound");
            assert_eq!((other.0, other.1.entries()), (whole.0, whole.1.entries()), "{piece}");
        }
    }

    #[test]
    fn a_walk_stops_at_the_first_batch_that_is_not_the_next() {
        let (bytes, starts) = segment(&[100, 100, 100]);
        for (at, position) in
            [(3, 0), (starts[1] + 10, starts[1]), (starts[1] + 5, starts[1]), (starts[2] + 80, starts[2])]
        {
            let mut damaged = bytes.clone();
            damaged[at] ^= 8;
            let fault = walk(&damaged, 4096).expect_err("damaged");
            assert_eq!(fault.position, position as u64, "byte {at}: {fault}");
        }
        let cut = walk(&bytes[..bytes.len() - 1], 64).expect_err("cut");
        assert_eq!((cut.position, cut.what), (starts[2] as u64, WalkError::CutOff));
        assert!(walk(&[0; 4096], 4096).is_err(), "zeros are no batch");
    }
}
