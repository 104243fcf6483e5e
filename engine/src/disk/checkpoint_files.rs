//! Checkpoints on disk: each written whole under a temporary name, synced, renamed; the two newest are kept, and a copy of each in
//! another directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;

use super::beside;
use super::free_space::is_exhausted;
use super::journal_files::sync_dir;
use super::layout::Layout;
use crate::checkpoint::{self, Checkpoint};
use crate::ids::GroupSeq;
use crate::ring::{DirectFile, Ring};

/// Older checkpoints than this many are removed.
const KEPT: usize = 2;

/// A checkpoint of more logs is encoded beside the shard.
const LOGS_ENCODED_AT_ONCE: usize = 256;

/// Writes a checkpoint durably. Where there is no space for it, what there is of it is removed.
pub async fn write(ring: &Ring, layout: &Layout, checkpoint: &Checkpoint) -> io::Result<()> {
    let written = write_whole(ring, layout, checkpoint).await;
    if written.as_ref().is_err_and(is_exhausted) {
        match ring.unlink(&layout.checkpoint(checkpoint.seq).with_extension("tmp")).await {
            // It may have got its own name already.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    written
}

async fn write_whole(ring: &Ring, layout: &Layout, checkpoint: &Checkpoint) -> io::Result<()> {
    let bytes = encode(ring, checkpoint).await?;
    let path = layout.checkpoint(checkpoint.seq);
    let temporary = path.with_extension("tmp");
    let file = ring.open(&temporary, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o644).await?;
    let (written, bytes) = ring.write_all_at(&file, bytes, 0).await;
    written?;
    ring.fsync(&file).await?;
    ring.rename(&temporary, &path).await?;
    sync_dir(ring, &layout.shard_dir()).await?;
    write_copy(ring, layout, checkpoint.seq, bytes).await?;
    for (_, old) in found(layout)?.into_iter().rev().skip(KEPT) {
        ring.unlink(&old).await?;
    }
    Ok(())
}

/// The bytes of a checkpoint. Those of thousands of logs take some 10 ms to put together.
async fn encode(ring: &Ring, checkpoint: &Checkpoint) -> io::Result<Vec<u8>> {
    if checkpoint.logs.len() <= LOGS_ENCODED_AT_ONCE {
        return Ok(checkpoint::encode(checkpoint));
    }
    let checkpoint = checkpoint.clone();
    beside::compute(ring, move || checkpoint::encode(&checkpoint)).await
}

/// Writes the copy over that of the checkpoint before the last. A crash may leave it torn: then the checkpoint itself is whole, and so
/// are the one before it and its copy.
async fn write_copy(ring: &Ring, layout: &Layout, seq: u64, bytes: Vec<u8>) -> io::Result<()> {
    let path = layout.checkpoint_copy(seq);
    let (file, is_new) = match ring.open(&path, libc::O_WRONLY, 0).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_copies_dir(ring, layout).await?;
            (ring.open(&path, libc::O_WRONLY | libc::O_CREAT, 0o644).await?, true)
        }
        found => (found?, false),
    };
    let written = fill_copy(ring, layout, &file, bytes, is_new).await;
    if is_new && written.is_err() {
        // Nobody has synced its name, and whoever finds it there takes that for done.
        ring.unlink(&path).await?;
    }
    written
}

async fn fill_copy(ring: &Ring, layout: &Layout, file: &DirectFile, bytes: Vec<u8>, is_new: bool) -> io::Result<()> {
    ring.write_all_at(file, bytes, 0).await.0?;
    ring.fsync(file).await?;
    if is_new { sync_dir(ring, &layout.copies_dir()).await } else { Ok(()) }
}

/// The directory may be there from a try that found no space, and its name not be synced.
async fn make_copies_dir(ring: &Ring, layout: &Layout) -> io::Result<()> {
    match ring.mkdir(&layout.copies_dir(), 0o755).await {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_dir(ring, &layout.shard_dir()).await,
    }
}

/// The checkpoints that were found at start.
#[derive(Debug, Default)]
pub struct FoundCheckpoints {
    /// The newest of which there is a sound file, be it the copy.
    pub newest: Option<Checkpoint>,
    /// The first group that the one before it needs, if that is sound: what it needs is kept until another is written.
    pub older_from: GroupSeq,
    /// The highest sequence that a name or a copy bears, those of damaged ones included; 0 where there is none.
    pub newest_seq: u64,
    /// Those damaged under their own names.
    pub damaged: Vec<PathBuf>,
}

/// Reads the two newest checkpoints of which there is a sound file each.
pub fn read(layout: &Layout) -> io::Result<FoundCheckpoints> {
    let named: BTreeMap<u64, PathBuf> = found(layout)?.into_iter().collect();
    let mut copies = read_copies(layout);
    let seqs: BTreeSet<u64> = named.keys().chain(copies.keys()).copied().collect();
    let newest_seq = seqs.last().copied().unwrap_or(0);
    let mut checkpoints = FoundCheckpoints { newest_seq, ..FoundCheckpoints::default() };
    for seq in seqs.into_iter().rev() {
        let path = named.get(&seq);
        let Some(checkpoint) = read_either(layout, seq, path, copies.remove(&seq), &mut checkpoints.damaged)? else {
            continue;
        };
        if checkpoints.newest.is_some() {
            checkpoints.older_from = checkpoint.replay_from;
            break;
        }
        // The next one gets a name that none has had, those of damaged ones included.
        checkpoints.newest = Some(Checkpoint { seq: newest_seq, ..checkpoint });
    }
    Ok(checkpoints)
}

/// A checkpoint from the file of its name, or else from its copy.
fn read_either(
    layout: &Layout,
    seq: u64,
    path: Option<&PathBuf>,
    copy: Option<Checkpoint>,
    damaged: &mut Vec<PathBuf>,
) -> io::Result<Option<Checkpoint>> {
    let what = match path.map(std::fs::read) {
        Some(Ok(bytes)) => match checkpoint::decode_named(&bytes, layout.shard_index(), seq) {
            Ok(checkpoint) => return Ok(Some(checkpoint)),
            Err(error) => error.to_string(),
        },
        // What cannot be read may be sound, and only its very copy makes up for it.
        Some(Err(error)) if copy.is_none() => return Err(error),
        Some(Err(error)) => error.to_string(),
        None => "its file is gone".to_owned(),
    };
    damaged.extend(path.cloned());
    let path = layout.checkpoint(seq);
    match &copy {
        Some(_) => {
            tracing::error!(seq, path = %path.display(), what, "a checkpoint is damaged; its copy is sound and counts")
        }
        None => tracing::error!(seq, path = %path.display(), what, "a checkpoint is damaged; doing without it"),
    }
    Ok(copy)
}

/// The copies that are sound, by their sequence. Of one that is not, nobody knows which it was; it is written over in its turn.
fn read_copies(layout: &Layout) -> BTreeMap<u64, Checkpoint> {
    let mut copies = BTreeMap::new();
    for path in layout.checkpoint_copies() {
        let what = match std::fs::read(&path).map(|bytes| checkpoint::decode(&bytes)) {
            Ok(Ok(copy)) if copy.shard == layout.shard_index() => {
                copies.insert(copy.seq, copy);
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Ok(Ok(copy)) => format!("it belongs to shard {}", copy.shard),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(path = %path.display(), what, "the copy of a checkpoint is torn or damaged; it is written anew before long");
    }
    copies
}

/// Gives the damaged checkpoints names under which nobody takes them for checkpoints. The shard has opened without them.
pub async fn set_aside(ring: &Ring, layout: &Layout, found: &FoundCheckpoints) -> io::Result<()> {
    for path in &found.damaged {
        ring.rename(path, &path.with_extension("damaged")).await?;
        tracing::warn!(path = %path.display(), "a damaged checkpoint was set aside; nothing was lost with it");
    }
    if found.damaged.is_empty() { Ok(()) } else { sync_dir(ring, &layout.shard_dir()).await }
}

/// All checkpoints by name, oldest first.
fn found(layout: &Layout) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(layout.shard_dir())? {
        let path = entry?.path();
        found.extend(Layout::checkpoint_seq(&path).map(|seq| (seq, path)));
    }
    found.sort();
    Ok(found)
}
