//! The start after a stop, a kill or a power cut.

use std::collections::{BTreeMap, BTreeSet};

use engine::checkpoint::{self, Checkpoint, ProducerCheckpoint};
use engine::memory::BufPool;
use engine::store::recovery::Reopened;
use engine::{GroupSeq, LeaderEpoch, LogId, LogView, Offset, SegmentName};

use super::{SHARD, Simulation, World};
use crate::disk::{Disk, Kind, Name};
use crate::random::Random;
use crate::shell::{Planted, Shell};

impl Simulation {
    /// Seeds 300633 and 600033 thought that a checkpoint was left which had rotted with its copy; seed 503517 lived on a copy that a killed
    /// process had not synced.
    ///
    /// Now and then checkpoints and their copies rot while the shard is down: never all that there is of the two newest, and not
    /// all of the newest again before another was written.
    pub(super) fn damage_checkpoint(&mut self) {
        let mut sound = self.shell.sound_checkpoints();
        let has_lied = self.shell.disk.damaged_names().iter().any(|name| name.kind() == Kind::Checkpoint);
        let rots = self.world.rots && !has_lied;
        let (Some(newest), true) = (sound.pop(), rots && self.random.one_in(4)) else { return };
        let of = |checkpoint: &Checkpoint| {
            let bits = checkpoint::encode(checkpoint).len() * 8;
            let names = self.shell.sound_files_of(checkpoint.seq);
            names.into_iter().map(|name| (name, bits)).collect::<Vec<_>>()
        };
        let (mut of_newest, mut of_older) = (of(&newest), sound.pop().map_or_else(Vec::new, |older| of(&older)));
        let keeps_one = self.shell.planted == Planted::KeepOneCheckpoint && newest.seq > 1;
        let may_fall_back = !of_older.is_empty() && !self.lives_on_one_checkpoint;
        if keeps_one || (may_fall_back && self.random.one_in(3)) {
            spare_one(&mut self.random, &mut of_older);
            self.lives_on_one_checkpoint = true;
        } else if self.shell.planted != Planted::LeaveOutCopies || of_older.is_empty() {
            spare_one(&mut self.random, &mut of_newest);
        }
        let of_older_before = of_older.len();
        of_older.retain(|_| self.random.one_in(2));
        // Before the older one there may be another, which a power cut has brought back, and nothing leads from it to here.
        self.lives_on_one_checkpoint |= of_older_before > 0 && of_older.len() == of_older_before;
        for (name, bits) in of_newest.into_iter().chain(of_older) {
            self.shell.disk.flip(name, self.random.below(bits));
            self.counts.checkpoints_damaged += 1;
        }
    }

    /// Some indexes rot, or get lost.
    fn damage_indexes(&mut self) {
        if !self.world.rots {
            return;
        }
        let names: Vec<Name> = self.shell.disk.names().filter(|name| matches!(name, Name::Index(..))).collect();
        for name in names {
            let bits = self.shell.disk.read(name).map_or(0, |bytes| bytes.len() * 8);
            // Few bits of an index are such that the rest of it still looks sound.
            let share = if self.shell.planted == Planted::TrustIndexChecksums { 1 } else { 12 };
            match self.random.below(share) {
                0 if bits > 0 => self.shell.disk.flip(name, self.random.below(bits)),
                1 => {
                    self.shell.disk.unlink(name);
                    self.shell.disk.sync_dir(name.dir());
                }
                _ => continue,
            }
            self.rotten.insert(name);
        }
    }

    pub(super) fn restart(&mut self, disk: Disk) {
        self.counts.disk_refusals += self.shell.refusals;
        self.counts.stalls += self.shell.stalls;
        self.counts.next_files_kept += self.shell.next_files_kept;
        self.counts.next_files_taken += self.shell.next_files_taken;
        let planted = self.shell.planted;
        self.salt += 1;
        self.reading.clear();
        self.pieces.clear();
        self.pieces_resting = 0;
        self.consumers.clear();
        self.compacting = None;
        self.told_damaged.clear();
        self.effects.clear();
        let abandoned = std::mem::take(&mut self.shell.abandoned);
        let written = self.shell.newest_checkpoint;
        let overflowed = std::mem::take(&mut self.shell.overflowed);
        self.lives_on_one_checkpoint &= written.is_none();
        self.shell = Shell::new(disk, planted, SHARD, self.world.journal_file_bytes);
        let files = written.map(|seq| self.files_of_checkpoint(seq));
        let is_known = planted == Planted::KeepOneCheckpoint;
        assert!(
            is_known || files.is_none_or(|files| files == 2),
            "checkpoint {written:?} was written, and is not there twice"
        );
        self.damage_checkpoint();
        self.damage_indexes();
        let Some(reopened) = self.open_twice() else {
            self.is_over = true;
            return;
        };
        (self.shell.abandoned, self.shell.overflowed) = (abandoned, overflowed);
        self.go_on_with(reopened);
        if self.shell.disk.damaged_names().is_empty() {
            self.examine_damage();
            if self.world.damages > 0 {
                self.examine_rebuild();
            }
        } else {
            self.check_scrub();
        }
        self.read_everything();
    }

    /// `None` where the disk has lied too much.
    fn open_twice(&mut self) -> Option<Reopened> {
        let unreadable = self.reopen_unreadable();
        let first = self.open()?;
        let second = reopen(&mut self.shell, &self.world, &self.pool, self.salt);
        assert_eq!(
            outcome(&first),
            outcome(&second),
            "a recovery that is interrupted and done again comes to the same"
        );
        assert!(
            unreadable.is_none_or(|reopened| outcome(&reopened) == outcome(&first)),
            "what cannot be read is taken for absent"
        );
        Some(second)
    }

    fn go_on_with(&mut self, reopened: Reopened) {
        reopened.dropped.iter().for_each(|log| self.shell.remove_log(*log));
        self.counts.groups_replayed += reopened.groups_replayed as u64;
        self.counts.groups_cut += reopened.groups_cut as u64;
        self.counts.drops_replayed += reopened.dropped.len() as u64;
        self.store = reopened.store;
        self.unflushed_before = self.store.unflushed_bytes();
        self.counts.leftovers += self.shell.leftovers(&self.store).len() as u64;
        let mut found: BTreeMap<LogId, BTreeSet<SegmentName>> = BTreeMap::new();
        for name in self.shell.leftovers(&self.store) {
            if let Name::Segment(id, segment) | Name::Index(id, segment) = name {
                found.entry(id).or_default().insert(segment);
            }
        }
        found.into_iter().for_each(|(id, segments)| self.store.on_segments_found(id, segments));
        self.shell.abandoned.extend(self.model.forgotten(&self.store, &reopened.dropped));
        self.model.on_reopened(&self.store);
        self.check_quarantine();
        for id in self.model.alive() {
            // Some run on with the default of one gibibyte, as until somebody configures them.
            if self.random.one_in(2) {
                let config = self.world.log_config(&mut self.random);
                self.model.configure(id, config);
            }
            self.store.create_log(id, self.model.logs[&id].config);
        }
        self.model.check_ladders(&self.store);
    }

    /// In how many files a checkpoint was written, be they sound or not.
    fn files_of_checkpoint(&self, seq: u64) -> usize {
        if self.shell.disk.damaged_names().is_empty() {
            return self.shell.sound_files_of(seq).len();
        }
        self.shell_on(self.shell.disk.honest()).sound_files_of(seq).len()
    }

    /// The device may fail to give back one file, and the next time give it.
    fn reopen_unreadable(&mut self) -> Option<Reopened> {
        let needed = |name: &Name| matches!(name, Name::Journal(_) | Name::Checkpoint(_));
        let names: Vec<Name> = self.shell.disk.names().filter(needed).collect();
        if !self.world.fails || names.is_empty() {
            return None;
        }
        self.counts.openings_failed += 1;
        let name = names[self.random.below(names.len())];
        self.shell.reopen_unreadable(name, self.world.limits, self.world.files(self.salt), &self.pool)
    }
}

pub(super) fn reopen(shell: &mut Shell, world: &World, pool: &BufPool, salt: u32) -> Reopened {
    let reopened = shell.reopen(world.limits, world.files(salt), pool);
    reopened.unwrap_or_else(|error| panic!("the shard does not open: {error}"))
}

fn spare_one(random: &mut Random, files: &mut Vec<(Name, usize)>) {
    if !files.is_empty() {
        files.swap_remove(random.below(files.len()));
    }
}

/// All that two recoveries of the same disk must agree on.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    logs: Vec<LogOutcome>,
    /// The last blocks, which are in no file, by their lengths and checksums.
    last_blocks: Vec<(LogId, usize, u32)>,
    durable_group: GroupSeq,
    groups_replayed: usize,
    bytes_replayed: u64,
    groups_cut: usize,
    dropped: BTreeSet<LogId>,
}

#[derive(Debug, PartialEq, Eq)]
struct LogOutcome {
    id: LogId,
    view: LogView,
    /// Name, next offset, bytes, and how many of them are in the file.
    segments: Vec<(SegmentName, Offset, u64, u64)>,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    producers: Vec<ProducerCheckpoint>,
    memory_bytes: usize,
}

fn last_block(id: LogId, bytes: &[u8]) -> (LogId, usize, u32) {
    (id, bytes.len(), batch::crc32c(bytes))
}

fn outcome(reopened: &Reopened) -> Outcome {
    let store = &reopened.store;
    let log_outcome = |id| {
        let log = store.log(id).expect("listed");
        let segments = log.segments().iter();
        LogOutcome {
            id,
            view: store.view(id).expect("listed"),
            segments: segments.map(|s| (s.name(), s.next_offset, s.bytes, s.flushed)).collect(),
            leader_epochs: log.leader_epochs().to_vec(),
            producers: log.producers().to_checkpoint(),
            memory_bytes: log.memory_bytes(),
        }
    };
    Outcome {
        logs: store.log_ids().map(log_outcome).collect(),
        last_blocks: store.closing_writes().iter().map(|(id, write)| last_block(*id, &write.partial_block)).collect(),
        durable_group: store.durable_group(),
        groups_replayed: reopened.groups_replayed,
        bytes_replayed: reopened.bytes_replayed,
        groups_cut: reopened.groups_cut,
        dropped: reopened.dropped.clone(),
    }
}
