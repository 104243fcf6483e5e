//! Life after life of one shard on a simulated disk. A seed decides everything.

mod checks;
mod compacting;
mod counts;
mod damage;
mod lies;
mod quarantine;
mod reading;
mod rebuilding;
mod starting;
mod stopping;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use batch::LeaderEpoch;
use engine::journal::FileRequest;
use engine::memory::BufPool;
use engine::store::{AppendError, CutError, Effect, PieceRead, Store};
use engine::{LogId, Offset, SegmentName};

use crate::disk::{Disk, Name};
use crate::model::{Expected, Fate, Keyed, Model};
use crate::random::Random;
use crate::shell::{Order, Planted, Shell};
use compacting::Compacting;
pub use counts::Counts;
use reading::Reading;
use starting::reopen;
use world::RESERVE_BYTES;
pub use world::World;

const SHARD: u32 = 5;
const LOGS_MAX: usize = 6;
/// More system calls than any of this can need: who needs more is stuck.
const STEPS_MAX: usize = 20_000;
/// Free space that no seed comes near to using up.
const PLENTY_BYTES: u64 = 1 << 40;

pub struct Simulation {
    random: Random,
    world: World,
    shell: Shell,
    store: Store,
    model: Model,
    pool: BufPool,
    reading: Vec<Reading>,
    /// Pieces of segment files that are being read.
    pieces: Vec<PieceRead>,
    /// Whoever read some more of them rests.
    pieces_resting: usize,
    consumers: Vec<(LogId, Offset)>,
    compacting: Option<Compacting>,
    /// What the records say that were read, where somebody collects them.
    seen: Option<BTreeMap<i64, Keyed>>,
    /// Indexes that were damaged since they were written.
    rotten: BTreeSet<Name>,
    /// A checkpoint was damaged, and none was written since. A power cut may bring back older ones than those that are kept.
    lives_on_one_checkpoint: bool,
    /// Writes of this life that the disk will still lie about.
    lies_left: usize,
    /// Logs in whose segments batches of others pass for their own.
    taken_in: BTreeSet<LogId>,
    /// Segments whose damage this process has met.
    told_damaged: BTreeSet<(LogId, SegmentName)>,
    /// Somebody was told that records cannot be read.
    was_refused: bool,
    /// The shard does not open any more, or has lost what it had acknowledged.
    is_over: bool,
    /// What the files of segments hold that are marked as damaged, durably.
    marked: BTreeMap<(LogId, SegmentName), Vec<u8>>,
    effects: Vec<Effect>,
    /// What waited for the files after the step before.
    unflushed_before: u64,
    now_ms: u64,
    salt: u32,
    logs_made: u32,
    epoch: LeaderEpoch,
    counts: Counts,
}

/// Runs one seed; panics when something is not as it must be.
pub fn run(seed: u64, planted: Planted) -> Counts {
    run_in(seed, planted, |_| {})
}

/// As [`run`], in a world that is made a little different.
pub fn run_in(seed: u64, planted: Planted, change: impl Fn(&mut World)) -> Counts {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let mut world = World::random(&mut random);
    change(&mut world);
    let mut simulation = Simulation::start(random, world, planted);
    for _ in 0..1 + simulation.random.below(7) {
        simulation.live();
        if simulation.is_over {
            break;
        }
    }
    simulation.count_lies();
    simulation.counts
}

impl Simulation {
    fn start(random: Random, world: World, planted: Planted) -> Simulation {
        let pool = BufPool::new(4 << 20);
        let mut shell = Shell::new(Disk::default(), planted, SHARD, world.journal_file_bytes);
        let store = reopen(&mut shell, &world, &pool, 1).store;
        Simulation {
            random,
            world,
            shell,
            store,
            model: Model::new(planted == Planted::ServeUncommitted),
            pool,
            reading: Vec::new(),
            pieces: Vec::new(),
            pieces_resting: 0,
            consumers: Vec::new(),
            compacting: None,
            seen: None,
            rotten: BTreeSet::new(),
            lives_on_one_checkpoint: false,
            lies_left: 0,
            taken_in: BTreeSet::new(),
            told_damaged: BTreeSet::new(),
            was_refused: false,
            is_over: false,
            marked: BTreeMap::new(),
            effects: Vec::new(),
            unflushed_before: 0,
            now_ms: 0,
            salt: 1,
            logs_made: 0,
            epoch: LeaderEpoch(0),
            counts: Counts::default(),
        }
    }

    /// From one start to the stop and the next start.
    fn live(&mut self) {
        let steps = 1 + self.random.below(self.world.steps);
        let fails_at = if self.world.fails { self.random.below(steps * 2) } else { usize::MAX };
        let orders = [Order::Any, Order::Newest, Order::Oldest, Order::GroupsLast, Order::GroupsFirst];
        self.shell.order = orders[self.random.below(orders.len())];
        self.shell.slow_share = [0, 0, 3, 10][self.random.below(4)];
        self.lies_left = self.world.lies;
        for step in 0..steps {
            self.act();
            self.check_step();
            if step >= fails_at && !self.shell.is_idle() && self.store.failure().is_none() {
                self.shell.fail(&mut self.random, &mut self.store, &mut self.effects);
                self.start_effects();
                self.counts.failures += u64::from(self.store.failure().is_some());
            }
        }
        self.model.check_ladders(&self.store);
        let ends_well = self.store.failure().is_none() && self.random.one_in(2);
        if ends_well {
            self.settle();
            if self.random.one_in(2) {
                self.close();
                self.counts.clean_stops += 1;
            }
        }
        let power = self.random.one_in(2);
        *if power { &mut self.counts.power_cuts } else { &mut self.counts.kills } += 1;
        let disk = self.shell.crash(&mut self.random, power);
        self.restart(disk);
    }

    fn act(&mut self) {
        if self.world.fill_share != usize::MAX && self.random.one_in(self.world.fill_share) {
            if self.shell.is_full { self.clear_disk() } else { self.shell.is_full = true }
        }
        if self.random.one_in(10) {
            self.look_at_space();
        }
        if self.random.one_in(self.world.compact_share) {
            (0..=self.random.below(8)).for_each(|_| self.compact());
        }
        if self.random.one_in(30) {
            self.mark_damaged();
        }
        self.let_disk_lie();
        if self.random.one_in(100) {
            self.find_next_files();
        }
        match self.random.below(20) {
            0 if self.model.alive().len() < LOGS_MAX => self.create_log(),
            1 if self.random.one_in(self.world.drop_share) => self.drop_log(),
            2 if self.random.one_in(4) => self.store.want_checkpoint(),
            2 if self.random.one_in(self.world.cut_share) => self.move_starts(),
            3 => self.now_ms += self.random.below(60) as u64,
            4..=5 => self.read(),
            6..=7 if !self.reading.is_empty() || !self.pieces.is_empty() || self.pieces_resting > 0 => self.read_on(),
            8..=12 => self.append(),
            _ if self.random.below(self.world.disk_share) == 0 => self.step(),
            _ => {}
        }
        if !self.random.one_in(4) {
            self.poll();
        }
    }

    fn clear_disk(&mut self) {
        self.counts.disk_cleared += u64::from(std::mem::take(&mut self.shell.is_full));
    }

    fn look_at_space(&mut self) {
        // A file system that gives nothing may still say that it has some.
        let says = [0, RESERVE_BYTES + 1000, PLENTY_BYTES][self.random.below(3)];
        self.store.on_free_space(if self.shell.is_full { says } else { PLENTY_BYTES });
    }

    fn poll(&mut self) {
        self.store.poll(self.now_ms, &mut self.effects);
        if self.store.failure().is_none() {
            self.check_memory();
        }
        self.start_effects();
    }

    fn start_effects(&mut self) {
        for effect in self.effects.drain(..) {
            match &effect {
                Effect::ReadPiece(read) => {
                    self.pieces.push(*read);
                    continue;
                }
                Effect::WriteCheckpoint(_) => self.counts.checkpoints += 1,
                Effect::SealSegment { .. } => self.counts.sealed += 1,
                Effect::MakeNextFile { .. } => self.counts.next_files_made += 1,
                Effect::RemoveNextFile { .. } => self.counts.next_files_given_back += 1,
                Effect::RemoveSegments { segments, .. } => self.counts.segments_removed += segments.len() as u64,
                Effect::PrepareJournalFile(FileRequest::Recycle { .. }) => self.counts.recycled += 1,
                _ => {}
            }
            if let Effect::WriteBlocks { log, write, next } = &effect
                && self.shell.planted == Planted::StartEffectsTwice
            {
                self.shell.start(Effect::WriteBlocks { log: *log, write: write.clone(), next: *next });
            }
            self.shell.start(effect);
        }
    }

    /// Files that a process before this one has left go.
    fn find_next_files(&mut self) {
        for (log, name) in self.shell.next_files() {
            self.store.on_next_file_found(log, name, &mut self.effects);
        }
        self.start_effects();
    }

    fn step(&mut self) {
        if self.shell.is_idle() {
            return;
        }
        let failed = self.store.failure().is_some();
        let before = self.store.durable_group();
        if let Some(durable) = self.shell.step(&mut self.random, &mut self.store, &mut self.effects) {
            assert!(!failed || (durable.group == before && durable.ends.is_empty()), "acknowledged after a failure");
            self.counts.acknowledged_groups += u64::from(durable.group > before);
            self.model.on_durable(&durable, &self.store);
        }
        self.on_marked();
        self.start_effects();
    }

    fn create_log(&mut self) {
        self.logs_made += 1;
        let id = LogId { topic: 77, partition: self.logs_made };
        let config = self.world.log_config(&mut self.random);
        self.store.create_log(id, config);
        self.model.create(id, config);
    }

    fn any_log(&mut self) -> Option<LogId> {
        let alive = self.model.alive();
        (!alive.is_empty()).then(|| alive[self.random.below(alive.len())])
    }

    fn drop_log(&mut self) {
        let Some(id) = self.any_log() else { return };
        match self.store.drop_log(id, self.now_ms) {
            Ok(group) => {
                self.model.logs.get_mut(&id).expect("alive").fate = Fate::Dropping(group);
                self.counts.logs_dropped += 1;
            }
            Err(AppendError::Busy) => self.check_not_stuck(),
            Err(error) => assert!(error == AppendError::Failed && self.store.failure().is_some(), "{error}"),
        }
    }

    /// Some log loses records from its front, or each as much as its configuration says.
    fn move_starts(&mut self) {
        let cuts = if self.random.one_in(2) {
            self.store.retention_cuts(self.model.timestamp())
        } else {
            let Some(id) = self.any_log() else { return };
            let most = self.store.view(id).expect("alive").committed_end.0 as usize;
            vec![(id, Offset(self.random.below(most + 1) as i64))]
        };
        for (id, start) in cuts {
            match self.store.cut_log(id, start, self.now_ms) {
                Ok(group) => {
                    self.model.on_cut(id, group, start.0);
                    self.counts.cuts += 1;
                }
                Err(CutError::Busy) => self.check_not_stuck(),
                Err(error) => assert!(error == CutError::Failed && self.store.failure().is_some(), "{error}"),
            }
        }
    }

    fn append(&mut self) {
        let Some(id) = self.any_log() else { return };
        let size = if self.random.one_in(3) { self.world.value_bytes_max } else { self.world.value_bytes_max / 8 };
        let value_bytes = self.random.below(size + 1);
        let made = self.random.one_in(2).then(|| self.model.logs[&id].any_made(&mut self.random));
        let expected = made.map_or(Expected::Appended, |made| self.model.logs[&id].expected(&made));
        let bytes = self.model.next_batch(&mut self.random, value_bytes, made);
        self.epoch.0 += i32::from(self.random.one_in(50));
        let checked = batch::check(&bytes).expect("built here");
        match self.store.append(id, &checked, self.epoch, self.now_ms) {
            Ok(appended) if appended.is_duplicate => {
                assert_eq!(expected, Expected::Known(appended.base_offset.0), "log {id}: {made:?}");
                let trusted = self.shell.planted == Planted::AnswerDuplicatesAtOnce;
                self.model.on_known(id, &appended, trusted);
                self.counts.duplicates += 1;
            }
            Ok(appended) => {
                assert_eq!(expected, Expected::Appended, "log {id}: {made:?} is appended at {}", appended.base_offset);
                self.model.on_appended(id, &appended, bytes, self.epoch);
            }
            Err(AppendError::Sequence(error)) => {
                assert_eq!(expected, Expected::Refused, "log {id}: {made:?}: {error}");
                self.counts.out_of_sequence += 1;
            }
            Err(AppendError::Busy) => {
                self.counts.busy += 1;
                self.check_not_stuck();
            }
            Err(AppendError::DiskFull) => {
                self.counts.disk_full += 1;
                assert!(self.store.is_disk_full());
            }
            Err(error) => assert!(error == AppendError::Failed && self.store.failure().is_some(), "{error}"),
        }
    }

    /// Who is refused as busy has something to wait for. The store may have work of its own first, as it says: seed 510078 met one that was
    /// drawing the pictures of a checkpoint, a few with each poll.
    fn check_not_stuck(&mut self) {
        self.poll();
        for _ in 0..STEPS_MAX {
            let is_at_work = self.store.deadline_ms().is_some_and(|deadline| deadline <= self.now_ms);
            if !is_at_work || !self.shell.is_idle() {
                break;
            }
            self.poll();
        }
        let waits = self.store.waits_for_free_space();
        assert!(!self.shell.is_idle() || !self.store.is_busy() || waits, "busy for ever: nothing is under way");
    }
}
