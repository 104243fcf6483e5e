//! Opening a shard as `engine::run` does: what is found is synced, then the newest checkpoint and the journal are read.

use std::collections::BTreeSet;

use engine::checkpoint::{self, Checkpoint};
use engine::journal::{self, FileScan, FilesConfig};
use engine::memory::{AlignedBuf, BufPool};
use engine::store::recovery::{self, FoundFile, ReopenError, Reopened};
use engine::store::{Store, StoreLimits};
use engine::{GroupSeq, JournalFileId, LogId, Offset, SegmentName};

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
        if self.planted == Planted::RefuseWhateverIsDamaged && !self.disk.damaged_names().is_empty() {
            return Err(ReopenError::Misfit("something is damaged".to_owned()));
        }
        let (saved, older) = self.checkpoints();
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
        let heads: Vec<_> = files.iter().map(|(id, buf)| (*id, &buf[..buf.len().min(2 * BLOCK_BYTES)])).collect();
        let older_from = match older {
            _ if self.planted == Planted::ForgetOlderCheckpoint => from,
            Some(older) => older.replay_from,
            None => GroupSeq::NONE,
        };
        let unread = recovery::unread(&heads, from, older_from);
        let found: Vec<_> =
            files[unread.len()..].iter().map(|(file, bytes)| FoundFile { file: *file, bytes }).collect();
        let reopened =
            recovery::reopen((self.shard, limits, config), pool.clone(), saved, &found, (&unread, older_from));
        if reopened.is_err() && self.planted == Planted::CutWhateverIsDamaged && !files.is_empty() {
            files.iter().for_each(|(file, _)| self.disk.unlink(Name::Journal(*file)));
            return self.reopen(limits, config, pool);
        }
        let reopened = reopened?;
        self.set_damaged_aside();
        if self.planted == Planted::OpeningRemovesTheCheckpoint {
            let newest = self.disk.names().filter(|name| matches!(name, Name::Checkpoint(_))).last();
            newest.into_iter().for_each(|name| self.disk.unlink(name));
        }
        Ok(reopened)
    }

    /// Opens the shard while one file cannot be read: it does not open, and has changed nothing.
    pub fn reopen_unreadable(
        &mut self,
        name: Name,
        limits: StoreLimits,
        config: FilesConfig,
        pool: &BufPool,
    ) -> Option<Reopened> {
        self.sync_found();
        if self.planted != Planted::TakeUnreadableForAbsent {
            return None;
        }
        let disk = self.disk.clone();
        self.disk.unlink(name);
        let reopened = self.reopen(limits, config, pool);
        self.disk = disk;
        reopened.ok()
    }

    /// What the journal files hold, as recovery sees it.
    pub fn scan(&self) -> Vec<FileScan> {
        let scan = |name: Name| {
            let Name::Journal(id) = name else { return None };
            let bytes = self.disk.read(name).expect("listed");
            let mut buf = AlignedBuf::zeroed(bytes.len());
            buf.copy_from_slice(bytes);
            Some(journal::scan_file(id, &buf))
        };
        self.disk.names().filter_map(scan).collect()
    }

    /// Directories are synced before anything is decided, and the journal files that were found.
    fn sync_found(&mut self) {
        self.disk.sync_dir(Dir::Journal);
        self.disk.sync_dir(Dir::Shard);
        self.disk.sync_dir(Dir::Copies);
        let copies: Vec<Name> = self.disk.names().filter(|name| matches!(name, Name::Copy(_))).collect();
        copies.into_iter().for_each(|name| self.disk.sync(name));
        if self.planted != Planted::TrustFoundJournalUnsynced {
            let journal: Vec<Name> = self.disk.names().filter(|name| matches!(name, Name::Journal(_))).collect();
            journal.into_iter().for_each(|name| self.disk.sync(name));
        }
    }

    /// The two newest sound ones. The next gets a name that none has had.
    fn checkpoints(&self) -> (Option<Checkpoint>, Option<Checkpoint>) {
        let newest_seq = self.checkpoint_seqs().last().copied().unwrap_or(0);
        let mut sound = self.sound_checkpoints().into_iter().rev();
        (sound.next().map(|newest| Checkpoint { seq: newest_seq, ..newest }), sound.next())
    }

    /// Of all that there are, damaged ones included, but for damaged copies.
    fn checkpoint_seqs(&self) -> BTreeSet<u64> {
        let seq = |name| match name {
            Name::Checkpoint(seq) => Some(seq),
            Name::Copy(_) => self.sound_copy(name).map(|copy| copy.seq),
            _ => None,
        };
        self.disk.names().filter_map(seq).collect()
    }

    /// The highest sequence that the name of a checkpoint bears.
    pub fn newest_checkpoint_seq(&self) -> Option<u64> {
        self.checkpoint_seqs().last().copied()
    }

    /// Oldest first.
    pub fn sound_checkpoints(&self) -> Vec<Checkpoint> {
        let sound = |seq| self.named_checkpoint(seq).or_else(|| self.copy_of_checkpoint(seq));
        self.checkpoint_seqs().into_iter().filter_map(sound).collect()
    }

    fn named_checkpoint(&self, seq: u64) -> Option<Checkpoint> {
        checkpoint::decode_named(self.disk.read(Name::Checkpoint(seq))?, self.shard, seq).ok()
    }

    fn copy_of_checkpoint(&self, seq: u64) -> Option<Checkpoint> {
        let copies = self.disk.names().filter(|name| matches!(name, Name::Copy(_)));
        copies.filter_map(|name| self.sound_copy(name)).find(|copy| copy.seq == seq)
    }

    fn sound_copy(&self, name: Name) -> Option<Checkpoint> {
        checkpoint::decode(self.disk.read(name)?).ok().filter(|copy| copy.shard == self.shard)
    }

    /// The files that hold this checkpoint as it was written.
    pub fn sound_files_of(&self, seq: u64) -> Vec<Name> {
        let named = self.named_checkpoint(seq).map(|_| Name::Checkpoint(seq));
        let copies = self.disk.names().filter(|name| matches!(name, Name::Copy(_)));
        named
            .into_iter()
            .chain(copies.filter(|name| self.sound_copy(*name).is_some_and(|copy| copy.seq == seq)))
            .collect()
    }

    fn set_damaged_aside(&mut self) {
        let names: Vec<Name> = self.disk.names().collect();
        for name in names {
            if let Name::Checkpoint(seq) = name
                && self.named_checkpoint(seq).is_none()
            {
                self.disk.rename(name, Name::Damaged(seq));
                self.disk.sync_dir(Dir::Shard);
            }
        }
    }

    /// Removes what a process before this one had no time to remove.
    pub fn remove_leftovers(&mut self, store: &Store, log: LogId, others: &[SegmentName]) {
        let may_go = |name: &Name| match name {
            Name::Segment(id, segment) | Name::Index(id, segment) => {
                *id == log && !others.contains(segment) && store.may_sweep(log, *segment)
            }
            _ => false,
        };
        let names: Vec<Name> = self.disk.names().filter(may_go).collect();
        for name in names.into_iter().rev() {
            if let Name::Segment(log, segment) = name
                && self.take_damaged(log, segment)
            {
                self.disk.sync_dir(Dir::Quarantine(log));
                self.disk.sync_dir(Dir::Log(log));
            }
            self.remove_segment(name);
        }
    }

    /// Segment files of logs that the store does not have.
    pub fn orphans(&self, store: &Store) -> Vec<Name> {
        let is_orphan =
            |name: &Name| matches!(name.dir(), Dir::Log(log) | Dir::Quarantine(log) if store.log(log).is_none());
        self.disk.names().filter(is_orphan).collect()
    }

    /// Files for segments to come.
    pub fn next_files(&self) -> Vec<(LogId, Offset)> {
        let next = |name| if let Name::Next(log, name) = name { Some((log, name)) } else { None };
        self.disk.names().filter_map(next).collect()
    }

    pub fn leftovers(&self, store: &Store) -> Vec<Name> {
        let is_leftover = |name: &Name| match name {
            Name::Segment(log, segment) | Name::Index(log, segment) => store.is_leftover(*log, *segment),
            _ => false,
        };
        self.disk.names().filter(is_leftover).collect()
    }
}
