//! The two numbers that place a batch in a log: where it stands and under which leadership it was written.

use std::fmt;

/// A record's logical position in a partition's log. Real offsets are never negative; Kafka uses negative values as
/// sentinels on the wire, and those stay representable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl Offset {
    pub const ZERO: Offset = Offset(0);
    pub const MAX: Offset = Offset(i64::MAX);

    pub const fn get(self) -> i64 {
        self.0
    }

    /// The offset directly behind this one.
    pub const fn next(self) -> Offset {
        Offset(self.0 + 1)
    }

    /// The offset directly before this one; that of zero is -1.
    pub const fn previous(self) -> Offset {
        Offset(self.0 - 1)
    }

    pub const fn plus(self, records: i64) -> Offset {
        Offset(self.0 + records)
    }

    pub const fn checked_plus(self, records: i64) -> Option<Offset> {
        match self.0.checked_add(records) {
            Some(sum) => Some(Offset(sum)),
            None => None,
        }
    }

    /// How many records lie from `earlier` up to this offset.
    pub const fn since(self, earlier: Offset) -> i64 {
        self.0 - earlier.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the leaderships of a partition. A record's epoch is the one it was appended under (KIP-101).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderEpoch(pub i32);

impl LeaderEpoch {
    pub const ZERO: LeaderEpoch = LeaderEpoch(0);
    /// What a client puts into a batch and what stands for "unknown" on the wire.
    pub const NONE: LeaderEpoch = LeaderEpoch(-1);

    pub const fn get(self) -> i32 {
        self.0
    }

    pub const fn next(self) -> LeaderEpoch {
        LeaderEpoch(self.0 + 1)
    }
}

impl fmt::Display for LeaderEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
