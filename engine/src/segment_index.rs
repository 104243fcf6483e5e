//! The index of a sealed segment as it lies beside the segment's file: an rkyv archive behind a small header (`archive`).
//!
//! Everything in it can be had from the segment itself, by walking it. So an index that is damaged, missing, or another
//! segment's is no loss; it must only be noticed. A checkpoint has the summary of each segment, and the index repeats it.
#![forbid(unsafe_code)]

use rkyv::rancor::Failure;
use rkyv::{Archive, Deserialize, Serialize};

use crate::archive::{self, ArchiveError, Kind};
use crate::checkpoint::{IndexEntry, LogIdBytes, SegmentCheckpoint, is_in_order};
use crate::ids::LogId;

const KIND: Kind = Kind { magic: *b"RMINDEX\0", version: 1 };

/// What the file beside a sealed segment says of it.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct SegmentIndex {
    #[rkyv(with = LogIdBytes)]
    pub log: LogId,
    pub summary: SegmentCheckpoint,
    /// Where a batch starts, for about one in each index interval. Offsets and positions grow; the first is the segment's first batch.
    pub entries: Vec<IndexEntry>,
}

/// Why bytes are not the index of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SegmentIndexError {
    #[error("the file ends before the index does")]
    Truncated,
    #[error("this is no index")]
    NotAnIndex,
    #[error("the index's checksum is wrong")]
    Checksum,
    #[error("index version {0} is not known to this release")]
    UnsupportedVersion(u16),
    #[error("the index's archive is malformed")]
    Malformed,
    #[error("the index contradicts itself")]
    Inconsistent,
    #[error("this is the index of another segment")]
    Foreign,
}

impl From<ArchiveError> for SegmentIndexError {
    fn from(error: ArchiveError) -> SegmentIndexError {
        match error {
            ArchiveError::Truncated => SegmentIndexError::Truncated,
            ArchiveError::Foreign => SegmentIndexError::NotAnIndex,
            ArchiveError::Checksum => SegmentIndexError::Checksum,
            ArchiveError::UnsupportedVersion(version) => SegmentIndexError::UnsupportedVersion(version),
        }
    }
}

/// The index as a file's content.
///
/// # Panics
/// Panics when the index contradicts itself.
pub fn encode(index: &SegmentIndex) -> Vec<u8> {
    assert!(is_consistent(index), "an index that would not be read back must not be written");
    let body = rkyv::to_bytes::<rkyv::rancor::Error>(index).expect("an archive in memory stays below 2 GiB");
    archive::wrap(KIND, &body)
}

/// Reads an index back. Bytes behind it are ignored.
///
/// # Errors
/// Says what is wrong. Whose index it is, is not looked at; see [`SegmentIndex::check_belongs`].
pub fn decode(bytes: &[u8]) -> Result<SegmentIndex, SegmentIndexError> {
    let body = archive::unwrap(KIND, bytes)?;
    let index = rkyv::from_bytes::<SegmentIndex, Failure>(&body).map_err(|_| SegmentIndexError::Malformed)?;
    if is_consistent(&index) { Ok(index) } else { Err(SegmentIndexError::Inconsistent) }
}

impl SegmentIndex {
    /// That this is the index of the very segment that the log knows, and not what once lay under the same name, or was written to the
    /// wrong place.
    ///
    /// # Errors
    /// [`SegmentIndexError::Foreign`].
    pub fn check_belongs(&self, log: LogId, summary: &SegmentCheckpoint) -> Result<(), SegmentIndexError> {
        let belongs = self.log == log && self.summary == *summary;
        if belongs { Ok(()) } else { Err(SegmentIndexError::Foreign) }
    }
}

fn is_consistent(index: &SegmentIndex) -> bool {
    let max_timestamp = index.entries.iter().map(|entry| entry.max_timestamp).fold(-1, i64::max);
    index.summary.sealed
        && is_in_order(&index.entries, &index.summary)
        && max_timestamp == index.summary.max_timestamp.max(-1)
}
