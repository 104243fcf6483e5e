//! Whether the batches in a segment file go on where the log says. A batch's base offset and leader epoch lie outside its CRC, so a
//! damaged one would pass for another record, or for a record of another leader, if nobody compared them with what the log knows.

#![forbid(unsafe_code)]

use batch::{BatchInfo, LeaderEpoch, Offset};

use crate::ids::SegmentName;
use crate::log::{Log, last_offset};

/// The rule for the batches of one segment.
pub struct Continuity<'a> {
    log: &'a Log,
    base: Offset,
    /// No batch of the segment goes further.
    end: Offset,
    /// A segment as it was appended has no gaps. A compacted one may.
    has_gaps: bool,
    /// The next batch begins here, or later if there are gaps. `None` where the index does not say.
    expected: Option<Offset>,
}

impl<'a> Continuity<'a> {
    pub fn new(log: &'a Log, segment: SegmentName, expected: Option<Offset>) -> Self {
        let end = log.segment(segment).map_or(Offset::MAX, |segment| segment.next_offset);
        Self { log, base: segment.base, end, has_gaps: segment != SegmentName::appended(segment.base), expected }
    }

    pub fn expected(&self) -> Option<Offset> {
        self.expected
    }

    /// Takes the next batch; `false` if it is not the one that lies here.
    pub fn take(&mut self, info: &BatchInfo) -> bool {
        let follows = match self.expected {
            Some(expected) if self.has_gaps => info.base_offset >= expected,
            Some(expected) => info.base_offset == expected,
            None => true,
        };
        self.expected = Some(Offset(last_offset(info).0 + 1));
        let is_within = last_offset(info) < self.end;
        follows && is_within && self.leader_epoch(info.base_offset) == Some(info.leader_epoch)
    }

    /// Whether this may be the first batch of an answer that begins with `from`, which may lie in a gap before the segment.
    pub fn holds(&self, info: &BatchInfo, from: Offset) -> bool {
        self.has_gaps || info.base_offset <= from.max(self.base)
    }

    fn leader_epoch(&self, offset: Offset) -> Option<LeaderEpoch> {
        let epochs = self.log.leader_epochs();
        let after = epochs.partition_point(|(_, start)| *start <= offset);
        epochs.get(after.checked_sub(1)?).map(|(epoch, _)| *epoch)
    }
}
