//! Opening a shard's storage as decisions: from the newest checkpoint and the bytes of the journal files to a store that
//! can go on. The shell reads the files; the simulation in `tests/store` hands in those of a simulated disk.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::{Store, StoreLimits};
use crate::checkpoint::Checkpoint;
use crate::frame::{FrameKind, FrameView};
use crate::ids::{GroupSeq, JournalFileId, LogId};
use crate::journal::{
    self, CorruptReason, End, FileHeader, FileScan, FilesConfig, GroupHead, JournalFiles, KnownFile, Predecessor,
    ReplayFrom,
};
use crate::limits::BLOCK_BYTES;
use crate::memory::BufPool;

/// A journal file as it was found: its identity by name and all its bytes, which start at a multiple of 16 in memory.
#[derive(Debug, Clone, Copy)]
pub struct FoundFile<'a> {
    pub file: JournalFileId,
    pub bytes: &'a [u8],
}

/// A shard that can go on, and what was done to get there.
pub struct Reopened {
    pub store: Store,
    pub groups_replayed: usize,
    pub bytes_replayed: u64,
    /// Groups that were under way when the shard stopped.
    pub groups_cut: usize,
    /// Logs whose deletion was replayed; their files may still be there.
    pub dropped: BTreeSet<LogId>,
}

/// Why the journal cannot be taken back. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReopenError {
    #[error("group {seq}: {reason}")]
    Corrupt { seq: GroupSeq, reason: CorruptReason },
    #[error("the journal does not fit its checkpoint: {0}")]
    Misfit(String),
}

/// Where the journal is taken up, by the newest checkpoint.
pub fn replay_from(shard: u32, saved: Option<&Checkpoint>) -> ReplayFrom {
    saved.map_or(ReplayFrom::start(shard), |saved| ReplayFrom {
        shard,
        replay_from: saved.replay_from,
        durable_seq: saved.durable_seq,
        before: Predecessor { seq: saved.last_group, checksum: saved.last_group_checksum },
    })
}

/// Whether the file that begins with `head`, two blocks, begins with a group at or before `replay_from`. Files are filled in the order of
/// their identities, so all before it are needed no more then.
fn begins_by(file: JournalFileId, head: &[u8], replay_from: GroupSeq) -> bool {
    let first_group = || {
        let header = FileHeader::parse(head).ok()?;
        let group = GroupHead::parse(head.get(BLOCK_BYTES..)?).ok()?;
        (header.file == file && group.context.file == file).then_some(group.context.seq)
    };
    first_group().is_some_and(|seq| seq <= replay_from)
}

/// The files that need not be read, of all files, which are given oldest first, each with its first two blocks. They are the
/// first ones. The groups in some of them are still needed by the older checkpoint, from its group `older_from` on.
pub fn unread(heads: &[(JournalFileId, &[u8])], replay_from: GroupSeq, older_from: GroupSeq) -> Vec<KnownFile> {
    let first = |from| (1..heads.len()).rev().find(|at| begins_by(heads[*at].0, heads[*at].1, from)).unwrap_or(0);
    let kept = first(older_from);
    let last_seq = GroupSeq(replay_from.0.saturating_sub(1));
    let known = |(at, (file, _)): (usize, &(JournalFileId, &[u8]))| KnownFile {
        file: *file,
        last_seq: (at >= kept).then_some(last_seq),
    };
    heads[..first(replay_from)].iter().enumerate().map(known).collect()
}

/// Takes a shard back: judges where the journal ends, and replays it from the checkpoint on. `unread` are the files that
/// were not read, because all that they hold is in the checkpoint; the older one needs groups from `older_from` on.
///
/// # Errors
/// See [`ReopenError`].
pub fn reopen(
    (shard, limits, config): (u32, StoreLimits, FilesConfig),
    pool: BufPool,
    saved: Option<Checkpoint>,
    found: &[FoundFile<'_>],
    (unread, older_from): (&[KnownFile], GroupSeq),
) -> Result<Reopened, ReopenError> {
    let scans: Vec<_> = found.iter().map(|file| journal::scan_file(file.file, file.bytes)).collect();
    let recovered = journal::recover(&scans, replay_from(shard, saved.as_ref()));
    let groups_cut = match recovered.end {
        End::Clean => 0,
        End::TornTail { groups_cut, .. } => groups_cut,
        End::Corrupt { seq, reason } => return Err(ReopenError::Corrupt { seq, reason }),
    };
    let mut known = recovered.files;
    keep_for_older(&mut known, &scans, replay_from(shard, saved.as_ref()).replay_from, older_from);
    known.extend_from_slice(unread);
    let last_file = saved.as_ref().map_or(JournalFileId(0), |saved| saved.last_file);
    let files = JournalFiles::new(config, &known, last_file);
    let mut store = Store::new(limits, pool, shard, files, recovered.chain, saved);
    let (bytes_replayed, dropped) = replay(&mut store, found, &recovered.groups).map_err(ReopenError::Misfit)?;
    Ok(Reopened { store, groups_replayed: recovered.groups.len(), bytes_replayed, groups_cut, dropped })
}

/// Files that were read and hold nothing for the newest checkpoint may hold what the older one needs: its groups end in the file in
/// which the newest one's would begin.
fn keep_for_older(known: &mut [KnownFile], scans: &[FileScan], replay_from: GroupSeq, older_from: GroupSeq) {
    let last_seq = GroupSeq(replay_from.0.saturating_sub(1));
    for file in known.iter_mut().filter(|file| file.last_seq.is_none()) {
        let mut groups = scans.iter().filter(|scan| scan.file == file.file).flat_map(|scan| &scan.groups);
        file.last_seq = groups.any(|group| group.context.seq >= older_from).then_some(last_seq);
    }
}

/// Takes every frame of the groups back into the store. Returns the bytes and the logs that were deleted on the way.
///
/// Frames of a log that is deleted further on are passed over: a checkpoint that was under way then may have forgotten the log.
fn replay(store: &mut Store, found: &[FoundFile<'_>], groups: &[GroupHead]) -> Result<(u64, BTreeSet<LogId>), String> {
    let mut dropped = BTreeSet::new();
    each_frame(found, groups, |frame| {
        dropped.extend((frame.kind() == FrameKind::DropLog).then(|| frame.log()));
        Ok(())
    })?;
    let mut bytes = 0;
    each_frame(found, groups, |frame| {
        bytes += frame.payload().len() as u64;
        let wanted = frame.kind() == FrameKind::DropLog || !dropped.contains(&frame.log());
        if wanted { store.replay(&frame.fields(), frame.payload()) } else { Ok(()) }
    })?;
    Ok((bytes, dropped))
}

fn each_frame(
    found: &[FoundFile<'_>],
    groups: &[GroupHead],
    mut take: impl FnMut(&FrameView<'_>) -> Result<(), String>,
) -> Result<(), String> {
    for group in groups {
        let file =
            found.iter().find(|file| file.file == group.context.file).expect("recovery names files that it was given");
        for frame in journal::frames(file.bytes, group) {
            take(&frame.map_err(|error| format!("group {}: {error}", group.context.seq))?)?;
        }
    }
    Ok(())
}
