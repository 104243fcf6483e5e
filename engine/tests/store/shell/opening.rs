//! Opening a shard as `engine::run` does: what is found is synced, then the newest checkpoint and the journal are read.

use engine::checkpoint::{self, Checkpoint};
use engine::journal::FilesConfig;
use engine::memory::{AlignedBuf, BufPool};
use engine::store::recovery::{self, FoundFile, ReopenError, Reopened};
use engine::store::{Store, StoreLimits};
use engine::{JournalFileId, LogId};

use super::{BLOCK_BYTES, Planted, Shell};
use crate::disk::{Dir, Name};

impl Shell {
    /// Opens the shard as the real shell does.
    pub fn reopen(
        &mut self,
        limits: StoreLimits,
        config: FilesConfig,
        pool: &BufPool,
    ) -> Result<Reopened, ReopenError> {
        self.sync_found();
        let saved = self.newest_checkpoint();
        let from = recovery::replay_from(self.shard, saved.as_ref()).replay_from;
        let mut files: Vec<(JournalFileId, AlignedBuf)> = Vec::new();
        for name in self.disk.names() {
            if let Name::Journal(id) = name {
                let bytes = self.disk.read(name).expect("listed");
                let mut buf = AlignedBuf::zeroed(bytes.len());
                buf.copy_from_slice(bytes);
                files.push((id, buf));
            }
        }
        let begins_by = |(id, buf): &(JournalFileId, AlignedBuf)| {
            recovery::begins_by(*id, &buf[..buf.len().min(2 * BLOCK_BYTES)], from)
        };
        let first_needed = (1..files.len()).rev().find(|i| begins_by(&files[*i])).unwrap_or(0);
        let unneeded: Vec<JournalFileId> = files[..first_needed].iter().map(|(id, _)| *id).collect();
        let found: Vec<_> =
            files[first_needed..].iter().map(|(file, bytes)| FoundFile { file: *file, bytes }).collect();
        recovery::reopen((self.shard, limits, config), pool.clone(), saved, &found, &unneeded)
    }

    /// Directories are synced before anything is decided, and the journal files that were found.
    fn sync_found(&mut self) {
        self.disk.sync_dir(Dir::Journal);
        self.disk.sync_dir(Dir::Shard);
        if self.planted != Planted::TrustFoundJournalUnsynced {
            let journal: Vec<Name> = self.disk.names().filter(|name| matches!(name, Name::Journal(_))).collect();
            journal.into_iter().for_each(|name| self.disk.sync(name));
        }
    }

    fn newest_checkpoint(&self) -> Option<Checkpoint> {
        let names: Vec<Name> = self.disk.names().filter(|name| matches!(name, Name::Checkpoint(_))).collect();
        names.into_iter().rev().find_map(|name| checkpoint::decode(self.disk.read(name).expect("listed")).ok())
    }

    /// Removes what a process before this one had no time to remove.
    pub fn remove_leftovers(&mut self, store: &Store, log: LogId) {
        for name in self.leftovers(store).into_iter().filter(|name| name.dir() == Dir::Log(log)) {
            self.remove_segment(name);
        }
    }

    /// Segment files of logs that the store does not have.
    pub fn orphans(&self, store: &Store) -> Vec<Name> {
        let is_orphan = |name: &Name| matches!(name, Name::Segment(log, _) if store.log(*log).is_none());
        self.disk.names().filter(is_orphan).collect()
    }

    pub fn leftovers(&self, store: &Store) -> Vec<Name> {
        let is_leftover =
            |name: &Name| matches!(name, Name::Segment(log, segment) if store.is_leftover(*log, *segment));
        self.disk.names().filter(is_leftover).collect()
    }
}
