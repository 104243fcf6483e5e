//! What the logs must hold, by what was appended and what the store has said about it. Everything here is a check.

mod compacted;
mod producers;

use std::collections::{BTreeMap, BTreeSet};

use batch::{BatchBuilder, Compression, LeaderEpoch};
use engine::log::ReadRequest;
use engine::store::{Durable, Store};
use engine::{GroupSeq, LogConfig, LogId, Offset};

use crate::random::Random;
pub use compacted::{Keyed, keyed};
pub use producers::{Expected, Made};

/// A retention of tombstones that no run comes to the end of.
pub const TOMBSTONES_KEPT_MS: u64 = 1 << 40;

/// Records have one of so many keys.
const KEYS: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Alive,
    /// Its deletion travels in this group.
    Dropping(GroupSeq),
    /// Its deletion was acknowledged, or it was found gone after one that was not: it must never be seen again.
    Gone,
}

struct Batch {
    base: i64,
    last: i64,
    group: GroupSeq,
    /// The group that brought it, also when that is long durable.
    brought_by: GroupSeq,
    /// It was acknowledged, or readers may have seen it: it stays for ever.
    settled: bool,
    bytes: Vec<u8>,
    records: Vec<Keyed>,
}

pub struct ModelLog {
    pub fate: Fate,
    pub config: LogConfig,
    /// Where the log starts: never anywhere before this again.
    pub start: i64,
    /// Where it was told to start, by groups that are not durable yet.
    starts: Vec<(GroupSeq, i64)>,
    /// Compaction may have taken records before this.
    pub compacted_until: i64,
    /// Some configuration let tombstones go.
    tombstones_expire: bool,
    batches: Vec<Batch>,
    /// Batches that recoveries have cut.
    cut: Vec<Vec<u8>>,
    /// Where start, durable end and committed end were seen.
    seen: (i64, i64, i64),
    /// Everything before was read as committed, from a log whose answers wait for the device.
    served: i64,
}

impl ModelLog {
    pub fn end(&self) -> i64 {
        self.batches.last().map_or(0, |batch| batch.last + 1)
    }

    /// A random offset from 0 to the end, both included.
    pub fn any_offset(&self, random: &mut Random) -> Offset {
        Offset(random.below(self.end() as usize + 1) as i64)
    }

    /// Every batch that begins from `from` on and ends before `until`.
    pub fn whole_batches(&self, from: Offset, until: Offset) -> impl Iterator<Item = (Offset, &[u8])> {
        let within = move |batch: &&Batch| batch.base >= from.0 && batch.last < until.0;
        self.batches.iter().filter(within).map(|batch| (Offset(batch.base), batch.bytes.as_slice()))
    }

    /// Whether just this was appended there and is there still.
    pub fn was_appended(&self, base: Offset, bytes: &[u8]) -> bool {
        self.batches.binary_search_by_key(&base.0, |batch| batch.base).is_ok_and(|at| self.batches[at].bytes == bytes)
    }

    /// Whether this was appended, and then cut by a recovery.
    pub fn was_cut(&self, bytes: &[u8]) -> bool {
        self.cut.iter().any(|cut| cut == bytes)
    }

    fn cut_from(&mut self, end: i64) {
        let kept = self.batches.partition_point(|batch| batch.last < end);
        self.cut.extend(self.batches.split_off(kept).into_iter().map(|batch| batch.bytes));
    }

    /// All bytes from `base` on, up to `next`.
    pub fn bytes(&self, base: Offset, next: Offset) -> Vec<u8> {
        let within = |batch: &&Batch| batch.base >= base.0 && batch.last < next.0;
        self.batches.iter().filter(within).flat_map(|batch| batch.bytes.iter().copied()).collect()
    }
}

#[derive(Default)]
pub struct Model {
    pub logs: BTreeMap<LogId, ModelLog>,
    durable_group: GroupSeq,
    appended: u64,
    /// A fault: whatever was read is taken for committed.
    trusts_all_reads: bool,
}

impl Model {
    pub fn new(trusts_all_reads: bool) -> Model {
        Model { trusts_all_reads, ..Model::default() }
    }

    pub fn create(&mut self, id: LogId, config: LogConfig) {
        let log = ModelLog {
            fate: Fate::Alive,
            config,
            start: 0,
            starts: Vec::new(),
            compacted_until: 0,
            tombstones_expire: false,
            batches: Vec::new(),
            cut: Vec::new(),
            seen: (0, 0, 0),
            served: 0,
        };
        self.logs.insert(id, log);
        self.configure(id, config);
    }

    pub fn configure(&mut self, id: LogId, config: LogConfig) {
        let log = self.logs.get_mut(&id).expect("known logs are configured");
        log.config = config;
        log.tombstones_expire |=
            config.compaction.is_some_and(|compaction| compaction.delete_retention_ms < TOMBSTONES_KEPT_MS);
    }

    pub fn alive(&self) -> Vec<LogId> {
        self.logs.iter().filter(|(_, log)| log.fate == Fate::Alive).map(|(id, _)| *id).collect()
    }

    /// The timestamp of the newest batch: the time of day in this world.
    pub fn timestamp(&self) -> i64 {
        self.appended as i64
    }

    /// A batch that no other equals, as a client sends it.
    pub fn next_batch(&mut self, random: &mut Random, value_bytes: usize, made: Option<Made>) -> Vec<u8> {
        self.appended += 1;
        let codec = if random.one_in(8) { Compression::Lz4 } else { Compression::None };
        let mut builder = BatchBuilder::new(codec);
        if let Some(made) = made {
            builder = builder.producer(made.producer_id, made.epoch, made.sequence);
        }
        let mut value = vec![self.appended as u8; value_bytes];
        for word in value.chunks_exact_mut(256) {
            word[..8].copy_from_slice(&random.next().to_le_bytes());
        }
        let records = made.map_or_else(|| 1 + random.below(3) as i32, |made| made.records);
        for record in 0..records {
            let value = if record == 0 { Some(&value[..]) } else { None };
            builder.append(self.appended as i64, Some(&[random.below(KEYS) as u8]), value, &[]);
        }
        builder.build()
    }

    /// A batch was taken: at the next offset and no other.
    pub fn on_appended(&mut self, id: LogId, appended: &engine::Appended, mut bytes: Vec<u8>, epoch: LeaderEpoch) {
        let log = self.logs.get_mut(&id).expect("appends go to known logs");
        assert!(!appended.is_duplicate, "log {id}: an offset is given and nothing appended");
        assert_eq!(appended.base_offset.0, log.end(), "log {id}: an offset is given twice or left out");
        assert!(appended.group > self.durable_group, "a batch travels in a group that is durable already");
        batch::stamp(&mut bytes, appended.base_offset, epoch);
        let (base, last) = (appended.base_offset.0, appended.last_offset.0);
        let records = keyed(&batch::BatchView::first(&bytes).expect("sound").expect("whole").0);
        let group = appended.group;
        log.batches.push(Batch { base, last, group, brought_by: group, settled: false, bytes, records });
    }

    /// The log was told to start at `start`, by a frame in `group`.
    pub fn on_cut(&mut self, id: LogId, group: GroupSeq, start: i64) {
        let log = self.logs.get_mut(&id).expect("cuts go to known logs");
        if start > log.start {
            assert!(group > self.durable_group, "a cut travels in a group that is durable already");
            log.starts.push((group, start));
        }
    }

    /// The store says that groups are durable: from now on their batches must survive everything.
    pub fn on_durable(&mut self, durable: &Durable, store: &Store) {
        assert!(durable.group >= self.durable_group, "the durable mark never goes back");
        self.durable_group = durable.group;
        for (id, log) in &mut self.logs {
            if log.fate == Fate::Alive {
                let moved =
                    log.batches.iter().rev().take_while(|batch| !batch.settled).any(|b| b.group <= durable.group);
                let end = log.batches.iter().rev().find(|batch| batch.settled || batch.group <= durable.group);
                let end = Offset(end.map_or(0, |batch| batch.last + 1));
                let told = durable.ends.iter().rfind(|(told, _)| told == id).map(|(_, end)| *end);
                assert_eq!(told, moved.then_some(end), "log {id}: the new durable end is told");
                assert_eq!(store.view(*id).expect("alive").durable_end, end, "log {id}");
                let told = log.starts.iter().filter(|(group, _)| *group <= durable.group).map(|(_, start)| *start);
                log.start = told.max().unwrap_or(0).max(log.start);
                log.starts.retain(|(group, _)| *group > durable.group);
                assert_eq!(store.view(*id).expect("alive").start.0, log.start, "log {id}: starts elsewhere");
            }
            if matches!(log.fate, Fate::Dropping(group) if group <= durable.group) {
                log.fate = Fate::Gone;
            }
            log.batches.iter_mut().rev().take_while(|b| !b.settled).for_each(|b| b.settled = b.group <= durable.group);
        }
    }

    /// The offsets of a log keep their order, and none of them ever goes back.
    pub fn check_order(&mut self, store: &Store) {
        for (id, log) in &mut self.logs {
            let Some(view) = store.view(*id) else { continue };
            let (start, durable, committed) = log.seen;
            assert!(view.start <= view.durable_end && view.durable_end <= view.committed_end, "log {id}: {view:?}");
            assert!(view.committed_end <= view.end, "log {id}: {view:?}");
            assert!(view.start.0 >= start && view.durable_end.0 >= durable, "log {id}: {view:?} after {:?}", log.seen);
            assert!(view.committed_end.0 >= committed, "log {id}: {view:?} after {:?}", log.seen);
            log.seen = (view.start.0, view.durable_end.0, view.committed_end.0);
        }
    }

    pub fn check_ladders(&self, store: &Store) {
        for (id, log) in &self.logs {
            let Some(view) = store.view(*id) else {
                assert_ne!(log.fate, Fate::Alive, "log {id} is gone");
                continue;
            };
            assert_eq!(log.fate, Fate::Alive, "log {id} is back");
            assert!(view.start <= view.durable_end && view.durable_end <= view.end, "log {id}: {view:?}");
            assert_eq!(view.end.0, log.end(), "log {id}");
            assert_eq!(view.start.0, log.start, "log {id}");
            log.check_sequences(*id);
            let first = store.log(*id).expect("alive").segments()[0].base_offset;
            if log.compacted_until > 0 {
                continue;
            }
            assert!(first <= view.start, "log {id}: a segment is missing at its start");
            let kept = log.batches.iter().filter(|batch| batch.base >= first.0);
            assert_eq!(view.bytes, kept.map(|batch| batch.bytes.len() as u64).sum::<u64>(), "log {id}");
        }
        let memory: usize = store.log_ids().filter_map(|id| store.log(id)).map(|log| log.memory_bytes()).sum();
        assert_eq!(store.memory_bytes(), memory, "the memory of all logs is summed up right");
        let unflushed: u64 = store.log_ids().filter_map(|id| store.log(id)).map(|log| log.unflushed_bytes()).sum();
        assert_eq!(store.unflushed_bytes(), unflushed, "what waits for the files is summed up right");
    }

    /// A read's answer must be whole batches, the first of which holds `from`, none beyond `until`.
    pub fn check_read(&mut self, id: LogId, request: &ReadRequest, got: &[u8]) {
        let trusts_all = self.trusts_all_reads;
        if request.from.0 < self.logs[&id].compacted_until {
            return self.check_compacted_read(id, request, got);
        }
        let log = self.logs.get_mut(&id).expect("reads are of known logs");
        let first = log.batches.partition_point(|batch| batch.last < request.from.0);
        let mut rest = got;
        let mut taken = 0;
        for batch in &log.batches[first..] {
            if rest.is_empty() {
                break;
            }
            assert!(rest.starts_with(&batch.bytes), "log {id}: {request:?}: wrong bytes at offset {}", batch.base);
            assert!(batch.last < request.until.0, "log {id}: {request:?}: more than may be read");
            rest = &rest[batch.bytes.len()..];
            taken += 1;
        }
        assert!(rest.is_empty(), "log {id}: {request:?}: {} bytes behind the end", rest.len());
        if taken > 0 && (trusts_all || (!log.config.relaxed && request.until.0 <= log.seen.2)) {
            log.served = log.served.max(log.batches[first + taken - 1].last + 1);
        }
        let alone = taken == 1 && request.at_least_one;
        assert!(got.len() <= request.bytes_max || alone, "log {id}: {request:?}: {} bytes", got.len());
        if let Some(batch) = log.batches.get(first)
            && taken == 0
        {
            let fits = request.at_least_one || batch.bytes.len() <= request.bytes_max;
            let wanted = request.from < request.until && batch.last < request.until.0 && fits;
            assert!(
                !wanted,
                "log {id}: {request:?}: nothing came of the {} bytes at {}",
                batch.bytes.len(),
                batch.base
            );
        }
    }

    /// Logs that were being deleted and of which recovery knows nothing, not even that: neither the deletion nor any record was ever
    /// durable. Blocks of these records may lie in files.
    pub fn forgotten(&self, store: &Store, dropped: &BTreeSet<LogId>) -> Vec<LogId> {
        let is_forgotten = |id: &LogId, log: &ModelLog| {
            matches!(log.fate, Fate::Dropping(_)) && store.log(*id).is_none() && !dropped.contains(id)
        };
        self.logs.iter().filter(|(id, log)| is_forgotten(id, log)).map(|(id, _)| *id).collect()
    }

    /// The shard has opened, and what is left of its journal ends with `last`. All that was acknowledged up to there must be there.
    pub fn check_cut(&self, store: &Store, last: GroupSeq) {
        for (id, log) in self.logs.iter().filter(|(_, log)| log.fate == Fate::Alive) {
            let mut batches = log.batches.iter().rev();
            let kept =
                batches.find(|batch| batch.settled && batch.brought_by <= last).map_or(0, |batch| batch.last + 1);
            let end = store.view(*id).map_or(0, |view| view.end.0);
            assert!(end >= kept, "log {id}: ends at {end} but {kept} was acknowledged by groups that are there");
        }
    }

    /// What recovery has found becomes history. All that was acknowledged must be there; what was not may be there, in order and
    /// without a gap, and can be read from now on, so that it must stay as well.
    pub fn on_reopened(&mut self, store: &Store) {
        for id in store.log_ids() {
            assert!(self.logs.contains_key(&id), "log {id} was never made");
        }
        self.durable_group = store.durable_group();
        for (id, log) in &mut self.logs {
            let Some(view) = store.view(*id) else {
                let settled = log.batches.iter().filter(|batch| batch.settled).count();
                assert!(
                    log.fate != Fate::Alive || settled == 0,
                    "log {id} is lost with {settled} acknowledged batches"
                );
                assert!(log.fate != Fate::Alive || log.start == 0, "log {id} is lost, with its start");
                let was_seen = log.served > 0 || log.seen.1 > 0;
                assert!(log.fate != Fate::Alive || !was_seen, "log {id} is lost, and readers have seen it");
                log.cut_from(0);
                log.starts.clear();
                log.seen = (0, 0, 0);
                log.fate = if log.fate == Fate::Alive { Fate::Alive } else { Fate::Gone };
                continue;
            };
            assert_ne!(log.fate, Fate::Gone, "log {id} has come back");
            log.fate = Fate::Alive;
            let acknowledged = log.batches.iter().rev().find(|batch| batch.settled).map_or(0, |batch| batch.last + 1);
            assert!(view.end.0 >= acknowledged, "log {id}: ends at {} but {acknowledged} was acknowledged", view.end);
            assert_eq!(view.durable_end, view.end, "log {id}: all that recovery took is durable");
            assert!(view.end.0 >= log.served, "log {id}: ends at {}, but was read to {}", view.end, log.served);
            // Of a relaxed log the end may be lost.
            log.seen.2 = log.seen.2.min(view.end.0);
            log.cut_from(view.end.0);
            assert!(view.start.0 >= log.start, "log {id}: starts at {} again, and did at {}", view.start, log.start);
            let known = view.start.0 == log.start || log.starts.iter().any(|(_, start)| *start == view.start.0);
            assert!(known, "log {id}: starts at {}, where nobody told it to", view.start);
            log.start = view.start.0;
            log.starts.clear();
            assert_eq!(log.end(), view.end.0, "log {id}: ends between two batches");
            log.batches.iter_mut().for_each(|batch| (batch.settled, batch.group) = (true, GroupSeq::NONE));
        }
    }
}
