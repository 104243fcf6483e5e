//! Recovery of the journal: which groups count, in which order, and where the journal ends.
//!
//! The shell reads each file whole and hands the bytes to [`scan_file`]; [`recover`] then decides over all scans together; the shell
//! replays the frames of the groups that it names ([`frames`]), in that order.
//!
//! What is believed. A group is *valid* when its identity is the file's name, its position is where it lies, and all its checksums hold, those of
//! its payloads included. A header that passes its own checksum in the right file is believed about its durable mark even if the
//! body is torn, because a mark states what was true before the group was written.
//!
//! The chain starts at the first group still needed and goes from each group to the valid one that names it as its
//! predecessor, by number and by checksum. If two do (a recovery cut the first, the second came after), the later number wins. The walk ends at
//! group X. With D the highest durable mark seen anywhere, the checkpoint's included:
//!
//! ```text
//!   D > X    Corrupt: a group at or below D was durable, perhaps acknowledged, and is not there. Nothing is cut.
//!   D <= X   whatever lies beyond X is cut. TornTail if any trace of it was seen, Clean if none.
//! ```
//!
//! Why cutting is right although whole groups may lie beyond the hole: acknowledgements go out in the order of the chain, so a group was acknowledged only if all
//! before it were durable. At most `GROUPS_IN_FLIGHT_MAX` groups are written at once, and a group that is sealed after another became durable bears a mark at
//! or above it. So a hole without a mark above it is a group still under way when the machine stopped: not acknowledged, nor anything
//! behind it. One doubt is left, and it is in the nature of things: the very last groups may have been acknowledged before any later
//! group could say so, and damage to them looks like a torn write. A group without frames, written when the shard is idle, ends it.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::frame::FRAME_ALIGN;
use crate::ids::{GroupSeq, JournalFileId};
use crate::journal::chain::{ChainEnd, Predecessor};
use crate::journal::files::{FILE_HEADER_BYTES, FileHeader, FileHeaderError, KnownFile};
use crate::journal::group::{Frames, GroupError, GroupHead};
use crate::limits::{BLOCK_BYTES, GROUPS_IN_FLIGHT_MAX};

/// What one journal file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileScan {
    /// Identity by the file's name.
    pub file: JournalFileId,
    pub header: Result<FileHeader, FileHeaderError>,
    /// Valid groups, by position.
    pub groups: Vec<GroupHead>,
    /// Groups of this file whose header is sound but which are not valid, by position.
    pub bad: Vec<(GroupHead, GroupError)>,
    /// A group of a format that this release does not know.
    pub newer_version: Option<u16>,
}

/// Finds all groups of one file. `file` is the identity by the file's name, `bytes` its whole content.
///
/// Reading goes on behind whatever cannot be read, block by block, so that no evidence is missed.
///
/// # Panics
/// Panics when `bytes` do not start at a multiple of [`FRAME_ALIGN`] in memory, because headers are read in place. No bytes lie
/// nowhere in particular: a file whose creation was cut short is empty.
pub fn scan_file(file: JournalFileId, bytes: &[u8]) -> FileScan {
    assert!(bytes.is_empty() || bytes.as_ptr().align_offset(FRAME_ALIGN) == 0, "headers are read in place");
    let header = FileHeader::parse(bytes);
    let mut scan = FileScan { file, header, groups: Vec::new(), bad: Vec::new(), newer_version: None };
    let mut position = FILE_HEADER_BYTES;
    while position < bytes.len() {
        position += scan.take_group(&bytes[position..], position as u64).unwrap_or(BLOCK_BYTES);
    }
    scan
}

impl FileScan {
    /// Notes what lies at `position`; gives the length of the valid group there, if there is one.
    fn take_group(&mut self, bytes: &[u8], position: u64) -> Option<usize> {
        let head = match GroupHead::parse(bytes) {
            Ok(head) => head,
            Err(GroupError::UnsupportedVersion(version)) => {
                self.newer_version = Some(version);
                return None;
            }
            Err(_) => return None,
        };
        // Old content of a recycled file, or something that somebody put into his records.
        if head.context.file != self.file {
            return None;
        }
        let verified = if head.context.position == position { head.verify(bytes) } else { Err(GroupError::Misplaced) };
        match verified {
            Ok(()) => {
                self.groups.push(head);
                Some(head.group_bytes as usize)
            }
            Err(error) => {
                self.bad.push((head, error));
                None
            }
        }
    }

    fn heads(&self) -> impl Iterator<Item = &GroupHead> {
        self.groups.iter().chain(self.bad.iter().map(|(head, _)| head))
    }
}

/// What the newest checkpoint says about the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayFrom {
    /// Index of the shard, against files from elsewhere.
    pub shard: u32,
    /// The first group that is still needed.
    pub replay_from: GroupSeq,
    /// The durable mark when the checkpoint was written.
    pub durable_seq: GroupSeq,
    /// The last group that is not needed: the next one names it. It may be long gone.
    pub before: Predecessor,
}

impl ReplayFrom {
    /// For a shard that never wrote a checkpoint.
    pub fn start(shard: u32) -> ReplayFrom {
        ReplayFrom { shard, replay_from: GroupSeq::NONE.next(), durable_seq: GroupSeq::NONE, before: Predecessor::NONE }
    }
}

/// How the journal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing lies beyond the last group.
    Clean,
    /// Groups that were under way when the shard stopped are cut. None of them was acknowledged, unless the damage hit the very
    /// last groups and no later one could say so.
    TornTail {
        /// The first number that is cut.
        seq: GroupSeq,
        /// Groups seen beyond it, whole or torn.
        groups_cut: usize,
    },
    /// A group that was durable is not there, or not readable by this release. The shard must not serve, and nothing may be deleted.
    Corrupt {
        /// The first group that is missing.
        seq: GroupSeq,
        reason: CorruptReason,
    },
}

/// What is wrong with acknowledged groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CorruptReason {
    #[error("it is damaged in {file}.journal at {position}: {error} (group {promised} and all before were durable)")]
    Damaged { file: JournalFileId, position: u64, error: GroupError, promised: GroupSeq },
    #[error("it is nowhere, although group {promised} and all before were durable")]
    Missing { promised: GroupSeq },
    #[error("{file}.journal belongs to shard {shard}")]
    ForeignFile { file: JournalFileId, shard: u32 },
    #[error("{file}.journal has format version {version}, which this release does not know")]
    NewerVersion { file: JournalFileId, version: u16 },
}

/// The journal after recovery has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The groups to replay, in this order.
    pub groups: Vec<GroupHead>,
    pub end: End,
    /// How the chain goes on. It must go on in a file that was prepared after recovery, never in one that was found.
    pub chain: ChainEnd,
    /// All files found, for the bookkeeping of files.
    pub files: Vec<KnownFile>,
    /// Files whose header block is damaged although they hold groups that count. Harmless, but a disk that does this wants watching.
    pub damaged_headers: Vec<JournalFileId>,
}

/// Decides over the scans of all files of a shard's journal, in any order.
pub fn recover(scans: &[FileScan], from: ReplayFrom) -> Recovered {
    let groups = walk_chain(scans, from.replay_from);
    let before = (from.before.seq, from.before.checksum);
    let (last_seq, last_checksum) = groups.last().map_or(before, |last| (last.context.seq, last.checksum));
    let promised = heads(scans).map(|head| head.context.durable_seq).fold(from.durable_seq, GroupSeq::max);
    // Of groups before `replay_from` nothing need be left, and a number below it would never be replayed.
    let given = last_seq.max(promised).max(GroupSeq(from.replay_from.0.saturating_sub(1)));
    let highest = heads(scans).map(|head| head.context.seq).fold(given, GroupSeq::max);
    let end = unusable_file(scans, from.shard, last_seq).unwrap_or_else(|| judge_end(scans, last_seq, promised));
    let last_needed = last_needed_by_file(&groups);
    Recovered {
        end,
        chain: ChainEnd {
            last_seq,
            last_checksum,
            // A group that was under way may have left no readable trace, so as many numbers as there can be of these are skipped.
            next_seq: GroupSeq(highest.0.saturating_add(1 + GROUPS_IN_FLIGHT_MAX as u64)),
        },
        files: scans
            .iter()
            .map(|scan| KnownFile { file: scan.file, last_seq: last_needed.get(&scan.file).copied() })
            .collect(),
        damaged_headers: scans
            .iter()
            .filter(|scan| scan.header.is_err() && last_needed.contains_key(&scan.file))
            .map(|scan| scan.file)
            .collect(),
        groups,
    }
}

fn heads(scans: &[FileScan]) -> impl Iterator<Item = &GroupHead> {
    scans.iter().flat_map(FileScan::heads)
}

/// From the first group needed, always to the successor with the latest number, and of these in the latest file.
fn walk_chain(scans: &[FileScan], replay_from: GroupSeq) -> Vec<GroupHead> {
    let mut successors: BTreeMap<(GroupSeq, u32), &GroupHead> = BTreeMap::new();
    let valid = || scans.iter().flat_map(|scan| &scan.groups);
    for group in valid() {
        let place = successors.entry((group.context.previous_seq, group.context.previous_checksum)).or_insert(group);
        *place = later(place, group);
    }
    let is_first = |group: &&GroupHead| group.context.previous_seq < replay_from && replay_from <= group.context.seq;
    let mut groups: Vec<GroupHead> = Vec::new();
    let mut next = valid().filter(is_first).reduce(later);
    while let Some(group) = next {
        // Numbers grow from group to successor, so the walk ends.
        next = successors.get(&(group.context.seq, group.checksum)).copied();
        groups.push(*group);
    }
    groups
}

fn later<'a>(a: &'a GroupHead, b: &'a GroupHead) -> &'a GroupHead {
    if (b.context.seq, b.context.file) > (a.context.seq, a.context.file) { b } else { a }
}

/// A file that must not be judged by this release, or in this place.
fn unusable_file(scans: &[FileScan], shard: u32, last_seq: GroupSeq) -> Option<End> {
    scans.iter().find_map(|scan| {
        let file = scan.file;
        let reason = match (scan.header, scan.newer_version) {
            (Ok(header), _) if header.shard != shard => CorruptReason::ForeignFile { file, shard: header.shard },
            (Err(FileHeaderError::UnsupportedVersion(version)), _) | (_, Some(version)) => {
                CorruptReason::NewerVersion { file, version }
            }
            _ => return None,
        };
        Some(End::Corrupt { seq: last_seq.next(), reason })
    })
}

fn judge_end(scans: &[FileScan], last_seq: GroupSeq, promised: GroupSeq) -> End {
    let seq = last_seq.next();
    if promised > last_seq {
        // Of the damaged groups that follow the last good one, the earliest is what tore the chain.
        let damaged = scans
            .iter()
            .flat_map(|scan| &scan.bad)
            .filter(|(head, _)| head.context.previous_seq == last_seq && head.context.seq <= promised)
            .min_by_key(|(head, _)| head.context.seq);
        let (seq, reason) = match damaged {
            Some((head, error)) => {
                let (file, position) = (head.context.file, head.context.position);
                (head.context.seq, CorruptReason::Damaged { file, position, error: *error, promised })
            }
            None => (seq, CorruptReason::Missing { promised }),
        };
        return End::Corrupt { seq, reason };
    }
    match heads(scans).filter(|head| head.context.seq > last_seq).count() {
        0 => End::Clean,
        groups_cut => End::TornTail { seq, groups_cut },
    }
}

fn last_needed_by_file(groups: &[GroupHead]) -> BTreeMap<JournalFileId, GroupSeq> {
    // Groups come in the order of their numbers, so the last entry of each file stays.
    groups.iter().map(|group| (group.context.file, group.context.seq)).collect()
}

/// The frames of a group that recovery found valid, from the bytes of its file. They may have been read again since, so each
/// frame's header is verified once more.
pub fn frames<'a>(file_bytes: &'a [u8], group: &GroupHead) -> Frames<'a> {
    let start = usize::try_from(group.context.position).unwrap_or(usize::MAX);
    group.frames(file_bytes.get(start..).unwrap_or_default())
}
