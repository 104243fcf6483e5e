//! Checkpoints on disk: each written whole under a temporary name, synced, renamed; the two newest are kept.

use std::io;
use std::path::PathBuf;

use super::free_space::is_exhausted;
use super::journal_files::sync_dir;
use super::layout::Layout;
use crate::checkpoint::{self, Checkpoint};
use crate::ids::GroupSeq;
use crate::ring::Ring;

/// Older checkpoints than this many are removed.
const KEPT: usize = 2;

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
    let bytes = checkpoint::encode(checkpoint);
    let path = layout.checkpoint(checkpoint.seq);
    let temporary = path.with_extension("tmp");
    let file = ring.open(&temporary, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o644).await?;
    ring.write_all_at(&file, bytes, 0).await.0?;
    ring.fsync(&file).await?;
    ring.rename(&temporary, &path).await?;
    sync_dir(ring, &layout.shard_dir()).await?;
    for (_, old) in found(layout)?.into_iter().rev().skip(KEPT) {
        ring.unlink(&old).await?;
    }
    Ok(())
}

/// The checkpoints that were found at start.
#[derive(Debug, Default)]
pub struct FoundCheckpoints {
    /// The newest sound one.
    pub newest: Option<Checkpoint>,
    /// The first group that the sound one before it needs: what it needs is kept until another is written.
    pub older_from: GroupSeq,
    /// The highest sequence that a name bears, those of damaged ones included; 0 where there is none.
    pub newest_seq: u64,
    pub damaged: Vec<PathBuf>,
}

/// Reads the two newest checkpoints that are sound.
pub fn read(layout: &Layout) -> io::Result<FoundCheckpoints> {
    let mut checkpoints = FoundCheckpoints::default();
    for (seq, path) in found(layout)?.into_iter().rev() {
        checkpoints.newest_seq = checkpoints.newest_seq.max(seq);
        let content = checkpoint::decode_named(&std::fs::read(&path)?, layout.shard_index(), seq);
        match (content, &checkpoints.newest) {
            // The next one gets a name that none has had, those of damaged ones included.
            (Ok(checkpoint), None) => {
                checkpoints.newest = Some(Checkpoint { seq: checkpoints.newest_seq, ..checkpoint });
            }
            (Ok(older), Some(_)) => {
                checkpoints.older_from = older.replay_from;
                break;
            }
            (Err(error), _) => {
                tracing::error!(seq, path = %path.display(), %error, "a checkpoint is damaged; doing without it");
                checkpoints.damaged.push(path);
            }
        }
    }
    Ok(checkpoints)
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
