//! Compaction: of records with one key the last stays (`cleanup.policy=compact`). Everything here decides; `run/compaction.rs`
//! reads and writes, and `log/compaction.rs` puts the outcome into the log.
//!
//! ```text
//!   start            cleaned_until                until              active segment
//!     |------ clean -------|-------- dirty ---------|---- not yet ------|---->
//!                          |<-- keys to a map ----->|
//!     |<-- what the map knows of later is left out->|
//! ```
//! One round: [`OffsetMap`] learns the last offset of every key in the dirty part; then neighbouring segments from the start up to
//! there, in groups that make one file each ([`group`]), are written anew without what has a later record ([`Filter`]), and each
//! group takes the place of its segments. A record of the clean part is never the duplicate of another there, so the map need
//! not know them.
//!
//! Tombstones go later than what they delete: a batch that keeps some gets a *delete horizon*, and the first round after it leaves
//! them out (KIP-534). Groups are replaced from the oldest to the newest, and a round that cannot replace one ends there, so
//! no tombstone ever goes before what it deletes.
//!
//! Transactions: there are none in the broker, but a log may hold batches of some. Control batches stay whole for ever. Records in
//! transactional batches may be of an aborted transaction, so no other record goes because of them and their tombstones stay; they
//! go themselves when a record without a transaction follows, and what is left of their batches stays, empty or not.

#![forbid(unsafe_code)]

mod cleaning;
mod filter;
mod grouping;
mod offset_map;
mod producers;
mod reader;
mod source;
#[cfg(test)]
mod tests;
mod writer;

pub use cleaning::{CleanError, Cleaning, Round, Step, Totals};
pub use filter::{Filter, Verdict};
pub use grouping::group;
pub use offset_map::{MapSeed, OffsetMap};
pub use producers::Producers;
pub use source::Source;

use crate::ids::SegmentName;
use crate::log::Segment;
use batch::Offset;

/// How a log is compacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompactionConfig {
    /// The log is cleaned when a larger part than this of what could be clean is not, in millionths.
    pub dirty_ratio_min_ppm: u32,
    /// So long tombstones stay after the round that found them.
    pub delete_retention_ms: u64,
    /// Records stay at least so long.
    pub lag_ms_min: u64,
    /// A record with a later one goes at the latest after this time, whatever the ratio.
    pub lag_ms_max: Option<u64>,
}

impl Default for CompactionConfig {
    /// As in Kafka.
    fn default() -> Self {
        Self { dirty_ratio_min_ppm: 500_000, delete_retention_ms: 24 * 60 * 60 * 1000, lag_ms_min: 0, lag_ms_max: None }
    }
}

/// Segments that are on stable storage and are to take the place of others.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Neighbours, oldest first.
    pub old: Vec<SegmentName>,
    /// None if no batch is left.
    pub new: Vec<Segment>,
    /// Everything before this is clean now; unchanged while the round is under way.
    pub cleaned_until: Option<Offset>,
}
