//! The checkpoints of a shard as they lie there, damaged ones included.

use std::io;
use std::path::PathBuf;

use super::{InspectError, cannot_read};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::disk::layout::Layout;

/// One checkpoint file.
#[derive(Debug)]
pub struct FoundCheckpoint {
    /// Sequence by the file's name.
    pub seq: u64,
    pub path: PathBuf,
    pub file_bytes: u64,
    pub content: Result<Checkpoint, CheckpointError>,
}

/// All checkpoints of the shard, oldest first. One that vanishes meanwhile, as on a running node, is left out.
pub fn checkpoints(layout: &Layout) -> Result<Vec<FoundCheckpoint>, InspectError> {
    let dir = layout.shard_dir();
    let mut named = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(cannot_read(&dir))? {
        let path = entry.map_err(cannot_read(&dir))?.path();
        named.extend(Layout::checkpoint_seq(&path).map(|seq| (seq, path)));
    }
    named.sort();
    let mut found = Vec::new();
    for (seq, path) in named {
        match std::fs::read(&path) {
            Ok(bytes) => {
                let content = checkpoint::decode_named(&bytes, layout.shard_index(), seq);
                found.push(FoundCheckpoint { seq, path, file_bytes: bytes.len() as u64, content });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(cannot_read(&path)(error)),
        }
    }
    Ok(found)
}
