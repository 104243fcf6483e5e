//! The engine's identifiers: each its own type, so that none can be taken for another.

use std::fmt;

use batch::Offset;

/// Names one partition's log: the topic's UUID and the partition's index. The engine knows no topic name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    pub topic: u128,
    pub partition: u32,
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}/{}", self.topic, self.partition)
    }
}

/// Names one segment file of a log. Appends make files of revision 0; compaction writes what it keeps of some neighbouring segments
/// to a new file, whose revision is higher than those of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentName {
    pub base: Offset,
    pub revision: u32,
}

impl SegmentName {
    /// The file that appends go to.
    pub const fn appended(base: Offset) -> SegmentName {
        SegmentName { base, revision: 0 }
    }
}

/// The file's name without its extension: `00000000000000000042`, or `00000000000000000042.r7`.
impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.base.0)?;
        if self.revision == 0 { Ok(()) } else { write!(f, ".r{}", self.revision) }
    }
}

/// Number of a write group within its shard's journal: the first is 1, each next is one more, for the shard's whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GroupSeq(pub u64);

impl GroupSeq {
    /// Before the first group.
    pub const NONE: GroupSeq = GroupSeq(0);

    pub fn next(self) -> GroupSeq {
        GroupSeq(self.0 + 1)
    }
}

impl fmt::Display for GroupSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identity of one life of a journal file. A recycled file gets a new one, so its old groups can never be taken for new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct JournalFileId(pub u64);

impl fmt::Display for JournalFileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Which set of shard directories counts. A node whose number of shards changes deals its logs out to a new set beside the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u32);

impl Generation {
    /// The shards that a data directory began with.
    pub const FIRST: Generation = Generation(0);

    pub fn next(self) -> Generation {
        Generation(self.0.checked_add(1).expect("nobody changes the number of cores 4 billion times"))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
