//! A checkpoint: everything a shard has to know at start that is not in its journal. Whatever is older than its `replay_from`
//! lies in segment files and here; whatever is newer is replayed from the journal on top.
//!
//! It is one rkyv archive behind a small header (`archive`), written whole to a new file. At start it is validated once and copied
//! into these owned structures.
#![forbid(unsafe_code)]

mod before_producers;
mod producers;

use std::sync::Arc;

use batch::{LeaderEpoch, Offset};
use rkyv::rancor::{Failure, Fallible};
use rkyv::with::{ArchiveWith, DeserializeWith, Map, SerializeWith, Unshare};
use rkyv::{Archive, Archived, Deserialize, Place, Resolver, Serialize};

use crate::archive::{self, ArchiveError, Kind};
use crate::ids::{GroupSeq, JournalFileId, LogId, SegmentName};
use crate::limits::BLOCK_BYTES;
use before_producers::EarlierCheckpoint;
pub use producers::{ProducerBatchCheckpoint, ProducerCheckpoint};

const KIND: Kind = Kind { magic: *b"RMCHECKP", version: 3 };

/// A shard's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Index of the shard that wrote it.
    pub shard: u32,
    /// Grows from checkpoint to checkpoint; also the file's name. The newest valid one counts.
    pub seq: u64,
    /// The first write group that is still needed: every frame before it lies in segment files or in this checkpoint.
    #[rkyv(with = GroupSeqBytes)]
    pub replay_from: GroupSeq,
    /// The last group before `replay_from`, which is not `replay_from - 1` where a recovery has skipped numbers, and its group checksum:
    /// the first group from `replay_from` on names it as its predecessor. 0 and 0 where there is none.
    #[rkyv(with = GroupSeqBytes)]
    pub last_group: GroupSeq,
    pub last_group_checksum: u32,
    /// The journal's durable mark when this was written: groups up to it must be found, if they are still needed.
    #[rkyv(with = GroupSeqBytes)]
    pub durable_seq: GroupSeq,
    /// The newest journal file identity ever given, so that none is given twice even if files are lost.
    #[rkyv(with = JournalFileIdBytes)]
    pub last_file: JournalFileId,
    /// Shared with the checkpoints before and after: most logs do not change between two.
    #[rkyv(with = Map<Unshare>)]
    pub logs: Vec<Arc<LogCheckpoint>>,
}

/// One partition's log.
#[derive(Debug, Clone, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct LogCheckpoint {
    #[rkyv(with = LogIdBytes)]
    pub log: LogId,
    #[rkyv(with = OffsetBytes)]
    pub log_start_offset: Offset,
    /// Oldest first, never empty; the last one is the active segment.
    pub segments: Vec<SegmentCheckpoint>,
    /// The offset after the last record.
    #[rkyv(with = OffsetBytes)]
    pub next_offset: Offset,
    /// How far the active segment's file holds whole blocks; a multiple of [`BLOCK_BYTES`].
    pub flushed_position: u64,
    /// The bytes of the last block, which is not whole and therefore in no file; fewer than [`BLOCK_BYTES`].
    pub tail_block: Vec<u8>,
    /// The index of the active segment. Those of the others lie beside their files.
    pub active_index: Vec<IndexEntry>,
    /// Each leader epoch with its first offset, both growing.
    #[rkyv(with = Map<EpochStart>)]
    pub leader_epochs: Vec<(LeaderEpoch, Offset)>,
    /// Compaction has been through everything before this offset.
    #[rkyv(with = OffsetBytes)]
    pub cleaned_until: Offset,
    /// The idempotent producers that have appended to it, by their ids.
    pub producers: Vec<ProducerCheckpoint>,
}

/// One segment file in a fixed number of bytes, however large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct SegmentCheckpoint {
    /// No record has a smaller offset; also the file's name, together with the revision.
    #[rkyv(with = OffsetBytes)]
    pub base_offset: Offset,
    /// 0 for a file that was appended to, more for one that compaction wrote.
    pub revision: u32,
    /// The offset after the last record.
    #[rkyv(with = OffsetBytes)]
    pub next_offset: Offset,
    /// Bytes of batches, those in `tail_block` included.
    pub bytes: u64,
    /// The largest timestamp of the first batch, in milliseconds since the Unix epoch; -1 for none.
    pub first_timestamp: i64,
    /// Milliseconds since the Unix epoch; -1 for none.
    pub max_timestamp: i64,
    /// Base offset of the batch that holds the largest timestamp.
    #[rkyv(with = OffsetBytes)]
    pub max_timestamp_offset: Offset,
    /// No batch is appended any more.
    pub sealed: bool,
}

impl SegmentCheckpoint {
    /// The name of its file.
    pub fn name(&self) -> SegmentName {
        SegmentName { base: self.base_offset, revision: self.revision }
    }
}

/// Where a batch starts, for about one batch in each index interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub struct IndexEntry {
    /// Base offset of the batch.
    pub offset: i64,
    /// Where it starts in the segment file, in bytes.
    pub position: u32,
    /// The largest timestamp from here up to the next entry, in milliseconds since the Unix epoch.
    pub max_timestamp: i64,
}

/// Why bytes are no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("the file ends before the checkpoint does")]
    Truncated,
    #[error("this is no checkpoint")]
    NotACheckpoint,
    #[error("the checkpoint's checksum is wrong")]
    Checksum,
    #[error("checkpoint version {0} is not known to this release")]
    UnsupportedVersion(u16),
    #[error("the checkpoint's archive is malformed")]
    Malformed,
    #[error("this is checkpoint {seq} of shard {shard}, written to the wrong place")]
    Misplaced { shard: u32, seq: u64 },
    #[error("the checkpoint contradicts itself about log {log}: {what}")]
    Inconsistent { log: LogId, what: &'static str },
}

impl From<ArchiveError> for CheckpointError {
    fn from(error: ArchiveError) -> CheckpointError {
        match error {
            ArchiveError::Truncated => CheckpointError::Truncated,
            ArchiveError::Foreign => CheckpointError::NotACheckpoint,
            ArchiveError::Checksum => CheckpointError::Checksum,
            ArchiveError::UnsupportedVersion(version) => CheckpointError::UnsupportedVersion(version),
        }
    }
}

/// The checkpoint as a file's content.
///
/// # Panics
/// Panics when the checkpoint contradicts itself, and beyond 2 GiB (more than a million logs).
pub fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    if let Err(error) = check(checkpoint) {
        panic!("a checkpoint that would not be read back must not be written: {error}");
    }
    let body = rkyv::to_bytes::<rkyv::rancor::Error>(checkpoint).expect("an archive in memory stays below 2 GiB");
    archive::wrap(KIND, &body)
}

/// Reads a checkpoint back. Bytes behind it (padding to a block) are ignored.
///
/// # Errors
/// Says what is wrong; the caller then takes the next older checkpoint, or reports.
pub fn decode(bytes: &[u8]) -> Result<Checkpoint, CheckpointError> {
    let (version, body) = archive::unwrap_any(KIND.magic, bytes)?;
    let checkpoint = match version {
        before_producers::VERSION => rkyv::from_bytes::<EarlierCheckpoint, Failure>(&body).map(Checkpoint::from),
        version if version == KIND.version => rkyv::from_bytes::<Checkpoint, Failure>(&body),
        version => return Err(CheckpointError::UnsupportedVersion(version)),
    };
    let checkpoint = checkpoint.map_err(|_| CheckpointError::Malformed)?;
    check(&checkpoint)?;
    Ok(checkpoint)
}

/// Reads back the checkpoint that a file's name promises. A sound one of another name or shard was written to the wrong place.
///
/// # Errors
/// As [`decode`], and [`CheckpointError::Misplaced`].
pub fn decode_named(bytes: &[u8], shard: u32, seq: u64) -> Result<Checkpoint, CheckpointError> {
    let checkpoint = decode(bytes)?;
    let is_it = checkpoint.shard == shard && checkpoint.seq == seq;
    if is_it {
        Ok(checkpoint)
    } else {
        Err(CheckpointError::Misplaced { shard: checkpoint.shard, seq: checkpoint.seq })
    }
}

/// What every log's entry must satisfy, before it is written and after it was read.
fn check(checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
    for log in &checkpoint.logs {
        check_log(log).map_err(|what| CheckpointError::Inconsistent { log: log.log, what })?;
    }
    Ok(())
}

fn check_log(log: &LogCheckpoint) -> Result<(), &'static str> {
    let active = log.segments.last().ok_or("it has no segment")?;
    if !log.segments.is_sorted_by(|a, b| a.base_offset < b.base_offset && a.next_offset <= b.base_offset) {
        return Err("its segments overlap");
    }
    if log.segments.iter().any(|segment| segment.next_offset < segment.base_offset) {
        return Err("a segment ends before it starts");
    }
    if active.revision > 0 {
        return Err("its active segment is compacted");
    }
    if !is_in_order(&log.active_index, active) {
        return Err("the active segment's index is not in order");
    }
    if log.next_offset != active.next_offset || log.log_start_offset > log.next_offset {
        return Err("its offsets are not in order");
    }
    if log.cleaned_until > active.base_offset {
        return Err("it is cleaned past what is sealed");
    }
    if !log.flushed_position.is_multiple_of(BLOCK_BYTES as u64) || log.tail_block.len() >= BLOCK_BYTES {
        return Err("its tail is not cut at a block");
    }
    if log.flushed_position.checked_add(log.tail_block.len() as u64) != Some(active.bytes) {
        return Err("its tail does not end where the active segment does");
    }
    if !log.leader_epochs.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1) {
        return Err("its leader epochs are not in order");
    }
    producers::check(&log.producers, log.next_offset)
}

/// Whether these can be the entries of a segment's index: they grow, begin with its first batch and end before it does.
pub(crate) fn is_in_order(entries: &[IndexEntry], segment: &SegmentCheckpoint) -> bool {
    let grows = entries.is_sorted_by(|a, b| a.offset < b.offset && a.position < b.position);
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return segment.bytes == 0 };
    let begins = first.position == 0 && first.offset >= segment.base_offset.0;
    grows && begins && u64::from(last.position) < segment.bytes && last.offset < segment.next_offset.0
}

#[derive(Archive, Serialize, Deserialize)]
#[rkyv(remote = Offset)]
pub(crate) struct OffsetBytes(i64);

impl From<OffsetBytes> for Offset {
    fn from(bytes: OffsetBytes) -> Offset {
        Offset(bytes.0)
    }
}

#[derive(Archive, Serialize, Deserialize)]
#[rkyv(remote = GroupSeq)]
struct GroupSeqBytes(u64);

impl From<GroupSeqBytes> for GroupSeq {
    fn from(bytes: GroupSeqBytes) -> GroupSeq {
        GroupSeq(bytes.0)
    }
}

#[derive(Archive, Serialize, Deserialize)]
#[rkyv(remote = JournalFileId)]
struct JournalFileIdBytes(u64);

impl From<JournalFileIdBytes> for JournalFileId {
    fn from(bytes: JournalFileIdBytes) -> JournalFileId {
        JournalFileId(bytes.0)
    }
}

#[derive(Archive, Serialize, Deserialize)]
#[rkyv(remote = LogId)]
pub(crate) struct LogIdBytes {
    topic: u128,
    partition: u32,
}

impl From<LogIdBytes> for LogId {
    fn from(bytes: LogIdBytes) -> LogId {
        LogId { topic: bytes.topic, partition: bytes.partition }
    }
}

/// A leader epoch and its first offset, on disk.
#[derive(Archive, Serialize, Deserialize)]
struct EpochStart {
    leader_epoch: i32,
    start_offset: i64,
}

impl From<&(LeaderEpoch, Offset)> for EpochStart {
    fn from(pair: &(LeaderEpoch, Offset)) -> EpochStart {
        EpochStart { leader_epoch: pair.0.0, start_offset: pair.1.0 }
    }
}

impl ArchiveWith<(LeaderEpoch, Offset)> for EpochStart {
    type Archived = Archived<EpochStart>;
    type Resolver = Resolver<EpochStart>;

    fn resolve_with(pair: &(LeaderEpoch, Offset), resolver: Self::Resolver, out: Place<Self::Archived>) {
        EpochStart::from(pair).resolve(resolver, out);
    }
}

impl<S: Fallible + ?Sized> SerializeWith<(LeaderEpoch, Offset), S> for EpochStart {
    fn serialize_with(pair: &(LeaderEpoch, Offset), serializer: &mut S) -> Result<Self::Resolver, S::Error> {
        EpochStart::from(pair).serialize(serializer)
    }
}

impl<D: Fallible + ?Sized> DeserializeWith<Archived<EpochStart>, (LeaderEpoch, Offset), D> for EpochStart {
    fn deserialize_with(archived: &Archived<EpochStart>, _: &mut D) -> Result<(LeaderEpoch, Offset), D::Error> {
        Ok((LeaderEpoch(archived.leader_epoch.to_native()), Offset(archived.start_offset.to_native())))
    }
}
