//! A segment as a round of compaction reads it.

use batch::Offset;

use crate::ids::SegmentName;
use crate::log::Segment;

/// What a round has to know of a segment that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    pub name: SegmentName,
    pub next_offset: Offset,
    pub bytes: u64,
}

impl From<&Segment> for Source {
    fn from(segment: &Segment) -> Self {
        Self { name: segment.name(), next_offset: segment.next_offset, bytes: segment.bytes }
    }
}
