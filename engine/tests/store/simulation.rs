//! Life after life of one shard on a simulated disk. A seed decides everything.

use batch::LeaderEpoch;
use engine::checkpoint;
use engine::journal::{FileRequest, FilesConfig};
use engine::log::{ReadPlan, ReadRequest};
use engine::memory::{AlignedBuf, BufPool, Chunk, Span};
use engine::store::recovery::Reopened;
use engine::store::{AppendError, ColdRead, CutError, Effect, IndexError, ReadError, Store, StoreLimits, Wanted};
use engine::{LogConfig, LogId, LogView};

use crate::disk::{Disk, Name};
use crate::model::{Fate, Model};
use crate::random::Random;
use crate::shell::{Order, Planted, Shell};

const SHARD: u32 = 5;
const LOGS_MAX: usize = 6;
const READS_MAX: usize = 4;
/// More system calls than any of this can need: who needs more is stuck.
const STEPS_MAX: usize = 20_000;
const RESERVE_BYTES: u64 = 64 << 10;
/// Free space that no seed comes near to using up.
const PLENTY_BYTES: u64 = 1 << 40;

/// Sizes of one seed's world.
struct World {
    limits: StoreLimits,
    journal_file_bytes: u64,
    journal_files_max: u64,
    value_bytes_max: usize,
    segment_bytes_max: usize,
    steps: usize,
    /// Of so many actions one lets the disk do a step more; below, the disk lags behind.
    disk_share: usize,
    fails: bool,
    /// Of so many actions one fills the disk or clears it.
    fill_share: usize,
    /// Of so many chances to delete a log one is taken.
    drop_share: usize,
    /// Of so many chances to move a log's start one is taken.
    cut_share: usize,
}

impl World {
    fn random(random: &mut Random) -> World {
        let journal_files_max = 4 + random.below(4) as u64;
        let journal_file_bytes = [128u64, 256, 512][random.below(3)] << 10;
        let journal_bytes = journal_files_max * journal_file_bytes;
        let limits = StoreLimits {
            group_bytes: [16usize, 32, 64][random.below(3)] << 10,
            segment_write_bytes_min: [4u64, 16, 64][random.below(3)] << 10,
            unflushed_bytes_max: [128u64, 512, 4096][random.below(3)] << 10,
            disk_reserve_bytes: RESERVE_BYTES,
            disk_sharers: 1,
            index_cache_bytes_max: [0usize, 1000, 1 << 20][random.below(3)],
            ..StoreLimits::new([0usize, 64, 512][random.below(3)] << 10, journal_bytes / 4)
        };
        World {
            limits,
            journal_file_bytes,
            journal_files_max,
            value_bytes_max: [50, 700, 9000, 60_000][random.below(4)],
            segment_bytes_max: [20_000, 90_000, 600_000][random.below(3)],
            steps: [60, 300, 900][random.below(3)],
            disk_share: [1, 3, 6][random.below(3)],
            fails: random.one_in(4),
            fill_share: [usize::MAX, 300, 60][random.below(3)],
            drop_share: [2, 10, 1000][random.below(3)],
            cut_share: [1, 5, 1000][random.below(3)],
        }
    }

    fn files(&self, salt: u32) -> FilesConfig {
        FilesConfig {
            file_bytes: self.journal_file_bytes,
            bytes_max: self.journal_files_max * self.journal_file_bytes,
            salt,
        }
    }

    fn log_config(&self, random: &mut Random) -> LogConfig {
        LogConfig {
            segment_bytes: 4096 + random.below(self.segment_bytes_max) as u64,
            relaxed: random.one_in(4),
            // Timestamps are the numbers of the batches.
            segment_ms: random.one_in(4).then(|| random.below(200) as u64),
            retention_ms: random.one_in(4).then(|| random.below(400) as u64),
            retention_bytes: random.one_in(4).then(|| random.below(self.segment_bytes_max * 4) as u64),
        }
    }
}

/// How often things came up, so that the test can say what it has tested.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub acknowledged_groups: u64,
    pub busy: u64,
    pub checkpoints: u64,
    pub recycled: u64,
    pub sealed: u64,
    pub logs_dropped: u64,
    pub reads_from_memory: u64,
    pub reads_from_files: u64,
    /// Reads that began in a file and went on in memory.
    pub reads_from_both: u64,
    pub indexes_read: u64,
    pub failures: u64,
    pub checkpoints_damaged: u64,
    pub power_cuts: u64,
    pub kills: u64,
    pub clean_stops: u64,
    pub groups_replayed: u64,
    pub groups_cut: u64,
    pub drops_replayed: u64,
    pub disk_full: u64,
    pub disk_refusals: u64,
    pub disk_cleared: u64,
    pub cuts: u64,
    pub segments_removed: u64,
    /// Reads whose records went while they were under way.
    pub reads_cut_off: u64,
    pub leftovers: u64,
}

impl Counts {
    pub fn add(&mut self, more: Counts) {
        let pairs = self.each().into_iter().zip(more.each_copied());
        pairs.for_each(|((_, count), more)| *count += more);
    }

    pub fn each(&mut self) -> [(&'static str, &mut u64); 25] {
        [
            ("groups acknowledged", &mut self.acknowledged_groups),
            ("appends refused as busy", &mut self.busy),
            ("checkpoints", &mut self.checkpoints),
            ("journal files recycled", &mut self.recycled),
            ("segments sealed", &mut self.sealed),
            ("logs dropped", &mut self.logs_dropped),
            ("reads from memory", &mut self.reads_from_memory),
            ("reads from files", &mut self.reads_from_files),
            ("reads from both", &mut self.reads_from_both),
            ("indexes read", &mut self.indexes_read),
            ("failed calls", &mut self.failures),
            ("checkpoints damaged", &mut self.checkpoints_damaged),
            ("power cuts", &mut self.power_cuts),
            ("kills", &mut self.kills),
            ("clean stops", &mut self.clean_stops),
            ("groups replayed", &mut self.groups_replayed),
            ("groups cut", &mut self.groups_cut),
            ("deletions replayed", &mut self.drops_replayed),
            ("appends refused on a full disk", &mut self.disk_full),
            ("effects that found no space", &mut self.disk_refusals),
            ("times that space returned", &mut self.disk_cleared),
            ("starts moved", &mut self.cuts),
            ("segments removed", &mut self.segments_removed),
            ("reads cut off", &mut self.reads_cut_off),
            ("segments left over by a crash", &mut self.leftovers),
        ]
    }

    fn each_copied(mut self) -> [u64; 25] {
        self.each().map(|(_, count)| *count)
    }
}

struct Reading {
    read: ColdRead,
    request: ReadRequest,
}

pub struct Simulation {
    random: Random,
    world: World,
    shell: Shell,
    store: Store,
    model: Model,
    pool: BufPool,
    reading: Vec<Reading>,
    /// Files that no segment of the store had at its start. The process before had rolled where the replay did not; they go at a start
    /// after the log has got past them.
    strays: Vec<Name>,
    effects: Vec<Effect>,
    now_ms: u64,
    salt: u32,
    logs_made: u32,
    epoch: LeaderEpoch,
    counts: Counts,
}

/// Runs one seed; panics when something is not as it must be.
pub fn run(seed: u64, planted: Planted) -> Counts {
    let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
    let world = World::random(&mut random);
    let mut simulation = Simulation::start(random, world, planted);
    for _ in 0..1 + simulation.random.below(7) {
        simulation.live();
    }
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
            model: Model::default(),
            pool,
            reading: Vec::new(),
            strays: Vec::new(),
            effects: Vec::new(),
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
        for step in 0..steps {
            self.act();
            if step >= fails_at && !self.shell.is_idle() && self.store.failure().is_none() {
                self.shell.fail(&mut self.random, &mut self.store);
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
        let disk = self.damage_checkpoint(disk);
        self.restart(disk);
    }

    /// Now and then the newest checkpoint rots while the shard is down: never both of two, and no second one before
    /// another was written.
    fn damage_checkpoint(&mut self, disk: Disk) -> Disk {
        let mut shell = Shell::new(disk, self.shell.planted, SHARD, self.world.journal_file_bytes);
        let sound = shell.sound_checkpoints();
        let spare = sound.len() > 1 || sound.last().is_some_and(|only| only.seq == 1);
        if self.random.one_in(6)
            && let Some(newest) = sound.last().filter(|_| spare)
        {
            let name = Name::Checkpoint(newest.seq);
            let bytes = checkpoint::encode(newest).len();
            shell.disk.flip(name, self.random.below(bytes * 8));
            self.counts.checkpoints_damaged += 1;
        }
        std::mem::take(&mut shell.disk)
    }

    fn act(&mut self) {
        if self.world.fill_share != usize::MAX && self.random.one_in(self.world.fill_share) {
            if self.shell.is_full { self.clear_disk() } else { self.shell.is_full = true }
        }
        if self.random.one_in(10) {
            self.look_at_space();
        }
        match self.random.below(20) {
            0 if self.model.alive().len() < LOGS_MAX => self.create_log(),
            1 if self.random.one_in(self.world.drop_share) => self.drop_log(),
            2 if self.random.one_in(4) => self.store.want_checkpoint(),
            2 if self.random.one_in(self.world.cut_share) => self.move_starts(),
            3 => self.now_ms += self.random.below(60) as u64,
            4..=5 => self.read(),
            6..=7 if !self.reading.is_empty() => self.read_on(),
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
        self.start_effects();
    }

    fn start_effects(&mut self) {
        for effect in self.effects.drain(..) {
            match &effect {
                Effect::WriteCheckpoint(_) => self.counts.checkpoints += 1,
                Effect::SealSegment { .. } => self.counts.sealed += 1,
                Effect::RemoveSegments { segments, .. } => self.counts.segments_removed += segments.len() as u64,
                Effect::PrepareJournalFile(FileRequest::Recycle { .. }) => self.counts.recycled += 1,
                _ => {}
            }
            self.shell.start(effect);
        }
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
            vec![(id, engine::Offset(self.random.below(most + 1) as i64))]
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
        let bytes = self.model.next_batch(&mut self.random, value_bytes);
        self.epoch.0 += i32::from(self.random.one_in(50));
        let checked = batch::check(&bytes).expect("built here");
        match self.store.append(id, &checked, self.epoch, self.now_ms) {
            Ok(appended) => self.model.on_appended(id, &appended, bytes, self.epoch),
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

    /// Who is refused as busy has something to wait for.
    fn check_not_stuck(&mut self) {
        self.poll();
        let waits = self.store.waits_for_free_space();
        assert!(!self.shell.is_idle() || !self.store.is_busy() || waits, "busy for ever: nothing is under way");
    }

    fn read(&mut self) {
        let Some(id) = self.any_log() else { return };
        let view = self.store.view(id).expect("alive");
        let log = &self.model.logs[&id];
        let until = match self.random.below(4) {
            0 => view.end,
            1 => log.any_offset(&mut self.random),
            _ => view.committed_end,
        };
        let bytes_max = [0, 1, 60, 61, 500, 5000, 40_000, 1 << 20][self.random.below(8)];
        let request = ReadRequest {
            from: log.any_offset(&mut self.random),
            until,
            bytes_max,
            at_least_one: self.random.one_in(2),
        };
        self.plan_read(id, request);
    }

    fn plan_read(&mut self, id: LogId, request: ReadRequest) {
        match self.store.plan_read(id, request).expect("alive") {
            ReadPlan::OutOfRange => {
                let view = self.store.view(id).expect("alive");
                assert!(request.from < view.start, "log {id}: {request:?} is within {view:?}");
            }
            _ if request.from < self.store.view(id).expect("alive").start => {
                panic!("log {id}: {request:?} is too early")
            }
            ReadPlan::Empty => self.model.check_read(id, &request, &[]),
            ReadPlan::Memory(memory) => {
                let bytes: Vec<u8> = memory.spans.iter().flat_map(|span| span.to_vec()).collect();
                self.model.check_read(id, &request, &bytes);
                self.counts.reads_from_memory += 1;
            }
            ReadPlan::Disk(plan) if self.reading.len() < READS_MAX => {
                self.reading.push(Reading { read: ColdRead::new(id, plan), request });
            }
            ReadPlan::Index(read) if self.reading.len() < READS_MAX => {
                self.reading.push(Reading { read: ColdRead::indexed(id, read), request });
            }
            ReadPlan::Disk(_) | ReadPlan::Index(_) => {}
        }
    }

    /// One step of some read that is under way.
    fn read_on(&mut self) {
        let index = self.random.below(self.reading.len());
        let mut reading = self.reading.swap_remove(index);
        let id = reading.read.log();
        let alive = self.model.logs[&id].fate == Fate::Alive;
        let wanted = match reading.read.wanted() {
            Wanted::Bytes(range) => range,
            Wanted::Index => {
                let done = self.read_index(&mut reading);
                return self.on_read(reading, done, alive);
            }
        };
        let file = self.shell.disk.read(Name::Segment(id, reading.read.segment()));
        let bytes = file.and_then(|file| file.get(wanted.start as usize..file.len().min(wanted.end as usize)));
        let Some(bytes) = bytes else {
            let error = reading.read.check(&self.store);
            assert!(!alive || error == Err(ReadError::OutOfRange), "log {id}: its file does not reach to {wanted:?}");
            return;
        };
        let mut buf = AlignedBuf::zeroed(bytes.len());
        buf.copy_from_slice(bytes);
        let span = Chunk::sealed(buf).slice(0..bytes.len()).expect("all of it");
        let done = reading.read.on_bytes(&self.store, &span);
        self.on_read(reading, done, alive);
    }

    /// The index of a sealed segment, from its file: a checkpoint that names the segment has waited for it.
    fn read_index(&mut self, reading: &mut Reading) -> Result<Option<Vec<Span>>, ReadError> {
        let (id, segment) = (reading.read.log(), reading.read.segment());
        let bytes = self.shell.disk.read(Name::Index(id, segment)).unwrap_or_default();
        match self.store.on_index_read(id, segment, bytes) {
            Ok(index) => {
                self.counts.indexes_read += 1;
                reading.read.on_index(&self.store, &index)
            }
            Err(IndexError::Gone(error)) => Err(error),
            Err(IndexError::Damaged(error)) => panic!("log {id}: the index of segment {segment}: {error}"),
        }
    }

    fn on_read(&mut self, reading: Reading, done: Result<Option<Vec<Span>>, ReadError>, alive: bool) {
        let id = reading.read.log();
        match done {
            Ok(None) => self.reading.push(reading),
            Ok(Some(spans)) => {
                let bytes: Vec<u8> = spans.iter().flat_map(|span| span.to_vec()).collect();
                self.model.check_read(id, &reading.request, &bytes);
                self.counts.reads_from_files += 1;
                self.counts.reads_from_both += u64::from(spans.len() > 1);
            }
            Err(ReadError::OutOfRange) => {
                let start = self.store.view(id).expect("alive").start;
                assert!(reading.request.from < start, "log {id}: {:?} is not before {start}", reading.request);
                self.counts.reads_cut_off += 1;
            }
            Err(error) => assert!(!alive && error == ReadError::UnknownLog, "log {id}: {:?}: {error}", reading.request),
        }
    }

    /// Nobody appends any more: all that is under way comes to an end, and nothing stays behind.
    fn settle(&mut self) {
        self.store.want_checkpoint();
        self.clear_disk();
        self.look_at_space();
        for _ in 0..STEPS_MAX {
            self.poll();
            if self.shell.is_idle() {
                self.now_ms += 150;
                self.poll();
                if self.shell.is_idle() {
                    break;
                }
            }
            self.step();
        }
        assert!(self.shell.is_idle(), "{} tasks do not end", self.shell.tasks());
        self.look_at_space();
        assert!(!self.store.is_disk_full() && !self.store.waits_for_free_space(), "full although there is space");
        assert!(self.store.is_quiet() && !self.store.is_checkpointing(), "idle but not quiet");
        assert!(!self.store.is_busy(), "idle but busy");
        assert_eq!(self.store.deadline_ms(), None, "idle but with a deadline");
        self.model.check_ladders(&self.store);
        for id in self.model.alive() {
            let view = self.store.view(id).expect("alive");
            assert_eq!(view.durable_end, view.end, "log {id}: not all of it has become durable");
        }
        for log in self.model.logs.values() {
            assert!(!matches!(log.fate, Fate::Dropping(_)), "a deletion was never acknowledged");
        }
        let leftovers: Vec<Name> =
            self.shell.leftovers(&self.store).into_iter().filter(|name| !self.strays.contains(name)).collect();
        assert!(leftovers.is_empty() || self.shell.removals_failed, "{leftovers:?} stay for ever");
        for id in self.model.alive() {
            let log = self.store.log(id).expect("alive");
            let dead = log
                .segments()
                .iter()
                .filter(|segment| !segment.is_empty() && segment.next_offset <= log.start_offset());
            assert_eq!(dead.count(), 0, "log {id}: segments before its start stay for ever");
        }
        self.read_everything();
    }

    fn read_everything(&mut self) {
        while !self.reading.is_empty() {
            self.read_on();
        }
        for id in self.model.alive() {
            let LogView { start, end, .. } = self.store.view(id).expect("alive");
            let mut steps = 0;
            for from in start.0.saturating_sub(1).max(0)..end.0 {
                let bytes_max = if self.random.one_in(2) { 1 } else { 100_000 };
                self.plan_read(
                    id,
                    ReadRequest { from: engine::Offset(from), until: end, bytes_max, at_least_one: true },
                );
                while !self.reading.is_empty() {
                    self.read_on();
                    steps += 1;
                    assert!(steps < STEPS_MAX, "log {id}: a read at {from} does not end");
                }
            }
        }
    }

    /// A clean shutdown: every segment file is then exactly its batches.
    fn close(&mut self) {
        for (log, write) in self.store.closing_writes() {
            let segment = write.segment;
            self.shell.start(Effect::SealSegment { log, write });
            self.shell.finish(&[(log, segment)]);
        }
        for id in self.model.alive() {
            for segment in self.store.log(id).expect("alive").segments().iter().filter(|segment| segment.bytes > 0) {
                let file = self.shell.disk.read(Name::Segment(id, segment.base_offset)).expect("written");
                let expected = self.model.logs[&id].bytes(segment.base_offset, segment.next_offset);
                assert!(file == expected, "log {id}: segment {} is not exactly its batches", segment.base_offset);
            }
        }
    }

    fn restart(&mut self, disk: Disk) {
        self.counts.disk_refusals += self.shell.refusals;
        let planted = self.shell.planted;
        self.salt += 1;
        self.reading.clear();
        self.effects.clear();
        self.shell = Shell::new(disk, planted, SHARD, self.world.journal_file_bytes);
        let first = reopen(&mut self.shell, &self.world, &self.pool, self.salt);
        let second = reopen(&mut self.shell, &self.world, &self.pool, self.salt);
        assert_eq!(
            outcome(&first),
            outcome(&second),
            "a recovery that is interrupted and done again comes to the same"
        );
        second.dropped.iter().for_each(|log| self.shell.remove_log(*log));
        self.counts.groups_replayed += second.groups_replayed as u64;
        self.counts.groups_cut += second.groups_cut as u64;
        self.counts.drops_replayed += second.dropped.len() as u64;
        self.store = second.store;
        self.counts.leftovers += self.shell.leftovers(&self.store).len() as u64;
        let leftovers = self.shell.leftovers(&self.store);
        let names_segment = |name: &Name| match name {
            Name::Segment(id, base) | Name::Index(id, base) => {
                self.store.log(*id).is_some_and(|log| log.segments().iter().any(|segment| segment.base_offset == *base))
            }
            _ => true,
        };
        let is_stray = |name: &Name| !names_segment(name) && !leftovers.contains(name);
        self.strays = self.shell.disk.names().filter(is_stray).collect();
        for name in leftovers {
            if let Name::Segment(id, base) | Name::Index(id, base) = name {
                self.store.on_segments_found(id, [base]);
            }
        }
        self.model.on_reopened(&self.store);
        for id in self.model.alive() {
            // Some run on with the default of one gibibyte, as until somebody configures them.
            let log = self.model.logs.get_mut(&id).expect("alive");
            if self.random.one_in(2) {
                log.config = self.world.log_config(&mut self.random);
            }
            self.store.create_log(id, log.config);
        }
        self.model.check_ladders(&self.store);
        self.read_everything();
    }
}

fn reopen(shell: &mut Shell, world: &World, pool: &BufPool, salt: u32) -> Reopened {
    let reopened = shell.reopen(world.limits, world.files(salt), pool);
    reopened.unwrap_or_else(|error| panic!("the shard does not open: {error}"))
}

/// All that two recoveries of the same disk must agree on.
fn outcome(reopened: &Reopened) -> (Vec<(LogId, LogView)>, engine::GroupSeq, usize, u64, usize) {
    let store = &reopened.store;
    let views = store.log_ids().map(|id| (id, store.view(id).expect("listed"))).collect();
    (views, store.durable_group(), reopened.groups_replayed, reopened.bytes_replayed, reopened.groups_cut)
}
