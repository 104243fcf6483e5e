//! Walks a segment from its first byte on, knowing nothing else of it: what an index is made from when the one that was written is lost.

#![forbid(unsafe_code)]

use batch::{BatchError, BatchInfo, BatchView, LeaderEpoch, Offset, layout::HEADER_BYTES};

use super::{Segment, SparseIndex};
use crate::checkpoint::{IndexEntry, SegmentCheckpoint};
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
    #[error("the walk was to come so far and no further")]
    Enough,
}

/// A walk under way. Bytes come in pieces of any size.
#[derive(Debug)]
pub struct SegmentWalk {
    segment: Segment,
    /// The beginning of a batch that does not end in the bytes seen so far.
    part: Vec<u8>,
    /// The walk ends before the first batch that has this offset or a later one.
    until: Offset,
    /// The batch before which it has ended.
    beyond: Option<BatchInfo>,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Batches seen of the last of these epochs.
    epoch_batches: u64,
}

impl SegmentWalk {
    pub fn new(name: SegmentName) -> Self {
        Self::until(name, Offset::MAX)
    }

    /// A walk that ends with [`WalkError::Enough`] before the first batch that has an offset at `until` or later.
    pub fn until(name: SegmentName, until: Offset) -> Self {
        let segment = Segment { revision: name.revision, ..Segment::new(name.base) };
        Self { segment, part: Vec::new(), until, beyond: None, leader_epochs: Vec::new(), epoch_batches: 0 }
    }

    /// Takes the bytes that follow those before.
    ///
    /// # Errors
    /// The first batch that is not sound, or not the next. Nothing behind it can be taken.
    pub fn on_bytes(&mut self, bytes: &[u8]) -> Result<(), WalkFault> {
        self.on_batches(bytes, &mut |_| {})
    }

    /// As [`SegmentWalk::on_bytes`], and shows each batch that is sound.
    ///
    /// # Errors
    /// As [`SegmentWalk::on_bytes`].
    pub fn on_batches(&mut self, mut bytes: &[u8], show: &mut dyn FnMut(&BatchInfo)) -> Result<(), WalkFault> {
        while !bytes.is_empty() {
            if self.part.is_empty()
                && let Some(len) = self.batch_bytes(bytes)?
                && len <= bytes.len()
            {
                let (batch, rest) = bytes.split_at(len);
                self.take(batch).map(|info| show(&info))?;
                bytes = rest;
                continue;
            }
            let wanted = self.batch_bytes(&self.part)?.unwrap_or(HEADER_BYTES);
            let (more, rest) = bytes.split_at((wanted - self.part.len()).min(bytes.len()));
            self.part.extend_from_slice(more);
            bytes = rest;
            if self.batch_bytes(&self.part)? == Some(self.part.len()) {
                let batch = std::mem::take(&mut self.part);
                self.take(&batch).map(|info| show(&info))?;
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

    /// What the segment comes to as far as the walk has come, whatever ended it.
    pub fn so_far(&mut self) -> (SegmentCheckpoint, SparseIndex) {
        self.segment.seal();
        (self.segment.to_checkpoint(), self.index())
    }

    /// Goes on behind something that is not sound, where a batch is known to start.
    pub fn skip_to(&mut self, entry: &IndexEntry) {
        self.part.clear();
        (self.segment.bytes, self.segment.next_offset) = (u64::from(entry.position), Offset(entry.offset));
    }

    /// The batch before which the walk has ended, as it was not to come further.
    pub fn beyond(&self) -> Option<&BatchInfo> {
        self.beyond.as_ref()
    }

    /// The leader epochs met, each with the first batch of it.
    pub fn leader_epochs(&self) -> &[(LeaderEpoch, Offset)] {
        &self.leader_epochs
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

    fn take(&mut self, bytes: &[u8]) -> Result<BatchInfo, WalkFault> {
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
        if info.last_offset() >= self.until {
            self.beyond = Some(info);
            return Err(self.fault(WalkError::Enough));
        }
        self.segment.on_append(found, info.last_offset().next(), &info);
        self.note_epoch(info.leader_epoch, found);
        Ok(info)
    }

    /// Epochs grow. The epoch of a batch lies outside its CRC, so one that stands out by a single batch is taken for damaged.
    fn note_epoch(&mut self, epoch: LeaderEpoch, offset: Offset) {
        while self.epoch_batches == 1 && self.leader_epochs.last().is_some_and(|(last, _)| *last > epoch) {
            self.leader_epochs.pop();
            self.epoch_batches = u64::MAX;
        }
        match self.leader_epochs.last() {
            Some((last, _)) if *last == epoch => self.epoch_batches = self.epoch_batches.saturating_add(1),
            Some((last, _)) if *last > epoch => {}
            _ => {
                self.leader_epochs.push((epoch, offset));
                self.epoch_batches = 1;
            }
        }
    }

    fn fault(&self, what: WalkError) -> WalkFault {
        WalkFault { position: self.segment.bytes, next_offset: self.segment.next_offset, what }
    }
}

#[cfg(test)]
mod tests {
    use batch::{BatchBuilder, Compression};

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
