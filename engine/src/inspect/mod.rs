//! Looking at a data directory from outside: what lies there, what recovery would make of it, and whether every checksum holds.
//!
//! Reads through the ordinary file system, writes nothing, knows no ring. Where a log ends is not decided here a second
//! time: [`ShardPicture`] asks the very code that recovery runs. Of a running node it sees a picture that moves.
//!
//! ```text
//!   checkpoint files --+                      +--> logs and segments       `ringmain log segments`
//!   journal files -----+--> ShardPicture -----+--> groups, frames          `ringmain log dump`
//!   segment files --------> SegmentReader ----+--> findings, summary       `ringmain log verify`
//! ```

mod checkpoints;
mod journal;
mod quarantine;
mod segment;
mod shard;
#[cfg(test)]
mod tests;
mod verify;
mod walk;

use std::io;
use std::path::{Path, PathBuf};

pub use checkpoints::{FoundCheckpoint, checkpoints};
pub use journal::{JournalFile, journal_files, read_journal_file};
pub use quarantine::{DamagedSegment, damaged_segments};
pub use segment::{SegmentReader, Step};
pub use shard::{LogPicture, SegmentPicture, ShardPicture, Verdict};
pub use verify::{Finding, Severity, Summary, Verify, verify_shard};

use crate::disk::layout::Layout;
use crate::ids::{Generation, LogId};

/// Why something could not be looked at. It says nothing about what lies there.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} holds no shards: it is not the data directory of a node", dir.display())]
    NoShards { dir: PathBuf },
    #[error("{} has no shard {shard}", dir.display())]
    UnknownShard { dir: PathBuf, shard: u16 },
    #[error("log {log}: {what}")]
    Log { log: LogId, what: String },
}

fn cannot_read(path: &Path) -> impl FnOnce(io::Error) -> InspectError {
    let path = path.to_path_buf();
    move |source| InspectError::Io { path, source }
}

/// The shards that a generation of the data directory holds, in order.
pub fn shards(data: &Path, generation: Generation) -> Result<Vec<u16>, InspectError> {
    let dir = Layout::shards_dir(data, generation);
    let entries = match std::fs::read_dir(&dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(InspectError::NoShards { dir: data.to_path_buf() });
        }
        Err(error) => return Err(cannot_read(&dir)(error)),
    };
    let mut shards = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot_read(&dir))?;
        shards.extend(Layout::shard(&entry.path()));
    }
    shards.sort_unstable();
    if shards.is_empty() { Err(InspectError::NoShards { dir: data.to_path_buf() }) } else { Ok(shards) }
}
