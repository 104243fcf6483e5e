//! The checkpoints of a shard as they lie there, damaged ones included.

use std::io;
use std::path::{Path, PathBuf};

use super::{InspectError, cannot_read};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::disk::layout::Layout;

/// One checkpoint file.
#[derive(Debug)]
pub struct FoundCheckpoint {
    /// Sequence by the file's name, or of a copy by its content; 0 for a copy whose content is damaged.
    pub seq: u64,
    pub path: PathBuf,
    pub file_bytes: u64,
    pub is_copy: bool,
    pub content: Result<Checkpoint, CheckpointError>,
}

/// All checkpoints of the shard and their copies, oldest first. One that vanishes meanwhile, as on a running node, is left out.
pub fn checkpoints(layout: &Layout) -> Result<Vec<FoundCheckpoint>, InspectError> {
    let dir = layout.shard_dir();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(cannot_read(&dir))? {
        let path = entry.map_err(cannot_read(&dir))?.path();
        let Some(seq) = Layout::checkpoint_seq(&path) else { continue };
        let Some(bytes) = read(&path)? else { continue };
        let content = checkpoint::decode_named(&bytes, layout.shard_index(), seq);
        found.push(FoundCheckpoint { seq, path, file_bytes: bytes.len() as u64, is_copy: false, content });
    }
    for path in layout.checkpoint_copies() {
        let Some(bytes) = read(&path)? else { continue };
        let mut content = checkpoint::decode(&bytes);
        let seq = content.as_ref().map_or(0, |copy| copy.seq);
        if content.as_ref().is_ok_and(|copy| copy.shard != layout.shard_index()) {
            content = checkpoint::decode_named(&bytes, layout.shard_index(), seq);
        }
        found.push(FoundCheckpoint { seq, path, file_bytes: bytes.len() as u64, is_copy: true, content });
    }
    found.sort_by_key(|found| (found.seq, !found.is_copy));
    Ok(found)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, InspectError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_read(path)(error)),
    }
}
