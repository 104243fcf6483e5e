//! SHELL: one shard's storage engine on its ring. It carries out what the store decides and tells it what came of it.
//! It lives on the shard's core; clones share it.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use batch::{Checked, LeaderEpoch, Offset};

use crate::disk::checkpoint_files;
use crate::disk::journal_files::JournalShelf;
use crate::disk::layout::Layout;
use crate::disk::segment_files::SegmentShelf;
use crate::ids::{Generation, GroupSeq, LogId, SegmentName};
use crate::limits::{
    COMPACTION_BYTES_PER_S_DEFAULT, COMPACTION_CHECK_MS_DEFAULT, GROUP_BYTES, JOURNAL_BYTES_DEFAULT,
    OPEN_SEGMENTS_DEFAULT, PRODUCER_EXPIRY_MS, RETENTION_CHECK_MS_DEFAULT, SCRUB_BYTES_PER_S_DEFAULT,
};
use crate::log::producers::Producer;
use crate::log::{ReadPlan, ReadRequest};
use crate::memory::Span;
use crate::ring::sync::Notify;
use crate::ring::{self, Ring, SyncMethod};
use crate::store::scrub::Damage;
use crate::store::{
    AppendError, Appended, ColdRead, CutError, Effect, GroupWrite, Levels, LogConfig, LogView, ReadError, Store,
    ToldDamage,
};

mod ahead;
mod compaction;
mod damage;
mod idle;
mod index;
mod producers;
mod read;
mod recovery;
mod retention;
mod scrub;
mod settle;
mod space;

use index::IndexReads;
pub use recovery::{OpenError, Recovered};
pub use settle::{SettleError, settle};
use space::Lookout;

/// What the node's configuration decides about one shard's storage.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The node's data directory.
    pub dir: PathBuf,
    /// The shards that count, of those in the directory.
    pub generation: Generation,
    pub shard: u16,
    /// Bound on the shard's journal.
    pub journal_bytes_max: u64,
    /// See [`crate::limits::GROUP_BYTES`]. A multiple of the block.
    pub group_bytes: usize,
    /// Memory for the tails of the shard's logs: what readers close behind the end are served from.
    pub memory_bytes_max: usize,
    pub sync: SyncMethod,
    /// What appends leave free in the file system; `None` chooses by its size.
    pub disk_reserve_bytes: Option<u64>,
    /// Shards that share the file system, this one included.
    pub disk_sharers: u16,
    /// How often the shard looks for segments that are past retention.
    pub retention_check: Duration,
    /// Idempotent producers that have been silent for longer are forgotten.
    pub producer_expiry: Duration,
    /// How often the shard looks for logs to compact.
    pub compaction_check: Duration,
    /// What compaction reads and writes in a second at most.
    pub compaction_bytes_per_s: u64,
    /// Segment files that the shard keeps open.
    pub open_segments_max: usize,
    /// How fast the shard checks its sealed segments when it has nothing else to do; 0 for not at all.
    pub scrub_bytes_per_s: u64,
}

impl EngineConfig {
    pub fn new(dir: PathBuf, shard: u16) -> Self {
        let sync = SyncMethod::LinkedFsync;
        let retention_check = Duration::from_millis(RETENTION_CHECK_MS_DEFAULT);
        Self {
            dir,
            generation: Generation::FIRST,
            shard,
            journal_bytes_max: JOURNAL_BYTES_DEFAULT,
            group_bytes: GROUP_BYTES,
            memory_bytes_max: 512 << 20,
            sync,
            disk_reserve_bytes: None,
            disk_sharers: 1,
            retention_check,
            producer_expiry: Duration::from_millis(PRODUCER_EXPIRY_MS),
            compaction_check: Duration::from_millis(COMPACTION_CHECK_MS_DEFAULT),
            compaction_bytes_per_s: COMPACTION_BYTES_PER_S_DEFAULT,
            open_segments_max: OPEN_SEGMENTS_DEFAULT,
            scrub_bytes_per_s: SCRUB_BYTES_PER_S_DEFAULT,
        }
    }
}

/// The shard's storage has failed, or did so on the way.
#[derive(Debug, Clone, thiserror::Error)]
#[error("storage failed: {0}")]
pub struct StorageError(pub String);

/// What a read comes to: at once from memory, or after reading the segment file. Back to back, the spans are whole batches
/// of which the first holds the offset asked for.
pub enum Read {
    Ready(Vec<Span>),
    Disk(Pin<Box<dyn Future<Output = Result<Vec<Span>, ReadError>>>>),
}

type DamageObserver = Box<dyn FnMut(&Damage)>;
type DurableObserver = Box<dyn FnMut(&[(LogId, Offset)], GroupTimes)>;

/// When a write group passed on its way to stable storage.
#[derive(Debug, Clone, Copy)]
pub struct GroupTimes {
    /// The write was handed to the device.
    pub submitted: Instant,
    /// It was done, and the sync began. The same as `durable` where write and sync are one operation.
    pub written: Instant,
    pub durable: Instant,
}

/// An append copies a batch into the log's tail and into the write group.
const APPEND_COPIES: u64 = 2;

/// Counters of what went to the device.
#[derive(Debug, Clone, Copy, Default)]
pub struct EngineStats {
    /// Of batches, into the tails of logs and into write groups.
    pub copied_bytes: u64,
    pub groups_written: u64,
    pub group_bytes: u64,
    pub segment_writes: u64,
    pub segment_bytes: u64,
    pub checkpoints: u64,
    pub cold_reads: u64,
    pub cold_read_bytes: u64,
    /// Rounds of compaction that came to their end, and the bytes of the segments they replaced and made.
    pub compactions: u64,
    pub compacted_bytes_before: u64,
    pub compacted_bytes_after: u64,
    /// Of sealed segments, by the scrub.
    pub scrubbed_bytes: u64,
    pub scrub_passes: u64,
    /// Segments that the scrub found damaged.
    pub damaged_segments: u64,
}

/// One shard's storage.
#[derive(Clone)]
pub struct Engine {
    inner: Rc<Inner>,
}

struct Inner {
    ring: Ring,
    config: EngineConfig,
    layout: Layout,
    store: RefCell<Store>,
    journal: JournalShelf,
    segments: SegmentShelf,
    started: Instant,
    /// Something happened that `poll` should look at.
    work: Notify,
    /// The store may be ready for appends again, or has gone quiet.
    progress: Notify,
    /// A piece of a segment file has been read, or could not be.
    pieces: Notify,
    /// The engine is being shut down.
    ending: Notify,
    is_ending: Cell<bool>,
    observer: RefCell<Option<DurableObserver>>,
    damage_observer: RefCell<Option<DamageObserver>>,
    /// Appends and reads since the scrub last looked.
    calls: Cell<u64>,
    stats: Cell<EngineStats>,
    stopping: Cell<bool>,
    indexes: IndexReads,
    told_damage: RefCell<ToldDamage>,
    reserve_bytes: u64,
    lookout: Lookout,
}

impl Engine {
    /// Opens the shard's storage: reads the checkpoint and the journal, and is ready to serve.
    pub async fn open(ring: Ring, config: EngineConfig) -> Result<(Engine, Recovered), OpenError> {
        let (inner, recovered) = recovery::open(ring, config).await?;
        let engine = Engine { inner: Rc::new(inner) };
        engine.inner.look_at_space();
        ring::spawn(space::keep_looking(Rc::downgrade(&engine.inner)));
        ring::spawn(idle::keep_closing_files(Rc::downgrade(&engine.inner)));
        ring::spawn(pump(engine.inner.clone()));
        ring::spawn(retention::keep(engine.clone()));
        ring::spawn(compaction::keep(engine.clone()));
        engine.inner.store.borrow_mut().on_time_of_day(engine.inner.now_ms(), retention::unix_ms());
        ring::spawn(producers::keep(engine.clone()));
        scrub::start(&engine.inner);
        Ok((engine, recovered))
    }

    /// Makes sure that the log exists.
    pub fn create_log(&self, id: LogId, config: LogConfig) -> Result<(), StorageError> {
        self.check()?;
        self.inner.store.borrow_mut().create_log(id, config);
        Ok(())
    }

    /// The log may be appended to although the disk is full: what frees space has to be written down.
    pub fn exempt_from_reserve(&self, id: LogId) {
        self.inner.store.borrow_mut().exempt_from_reserve(id);
    }

    pub fn configure_log(&self, id: LogId, config: LogConfig) {
        let mut store = self.inner.store.borrow_mut();
        if store.log(id).is_some() {
            store.create_log(id, config);
        }
    }

    /// Deletes a log. When this returns it cannot come back.
    pub async fn drop_log(&self, id: LogId) -> Result<(), StorageError> {
        let group = loop {
            let dropped = self.inner.store.borrow_mut().drop_log(id, self.inner.now_ms());
            match dropped {
                Err(AppendError::UnknownLog) => return Ok(()),
                Err(AppendError::Busy) => self.writable().await,
                result => break result.map_err(|error| StorageError(error.to_string()))?,
            }
        };
        self.inner.work.notify_one();
        self.durable(group).await
    }

    /// Lets a log start at `start` if it starts before, and returns where it starts. When this returns it never falls back. The
    /// files follow at the next checkpoint, which is taken at once.
    pub async fn cut_log(&self, id: LogId, start: Offset) -> Result<Offset, CutError> {
        let group = loop {
            let cut = self.inner.store.borrow_mut().cut_log(id, start, self.inner.now_ms());
            match cut {
                Err(CutError::Busy) => self.writable().await,
                result => break result?,
            }
        };
        self.inner.work.notify_one();
        self.durable(group).await.map_err(|_| CutError::Failed)?;
        self.log(id).map(|log| log.start).ok_or(CutError::UnknownLog)
    }

    /// Waits until a group is on stable storage.
    pub async fn durable(&self, group: GroupSeq) -> Result<(), StorageError> {
        while self.durable_group() < group {
            self.check()?;
            self.inner.progress.notified().await;
        }
        Ok(())
    }

    /// Appends one checked batch. Never waits; the append is durable when its group is.
    pub fn append(&self, id: LogId, batch: &Checked<'_>, epoch: LeaderEpoch) -> Result<Appended, AppendError> {
        let appended = self.inner.store.borrow_mut().append(id, batch, epoch, self.inner.now_ms())?;
        if !appended.is_duplicate {
            self.inner.count(|stats| stats.copied_bytes += APPEND_COPIES * batch.info.length as u64);
        }
        self.inner.work.notify_one();
        self.inner.note_call();
        Ok(appended)
    }

    /// Waits until an append would not be refused as busy, or never will be taken, or is refused as the disk has become full.
    pub async fn writable(&self) {
        let was_full = self.inner.store.borrow().is_disk_full();
        loop {
            {
                let store = self.inner.store.borrow();
                if store.failure().is_some() || !store.is_busy() || store.is_disk_full() != was_full {
                    return;
                }
            }
            self.inner.progress.notified().await;
        }
    }

    pub fn log(&self, id: LogId) -> Option<LogView> {
        self.inner.store.borrow().view(id)
    }

    /// Tells of every idempotent producer that a log knows.
    pub fn producers<T>(&self, id: LogId, tell: impl Fn(i64, &Producer) -> T) -> Option<Vec<T>> {
        let store = self.inner.store.borrow();
        Some(store.log(id)?.producers().iter().map(|(producer_id, producer)| tell(producer_id, producer)).collect())
    }

    /// All logs of this shard.
    pub fn logs(&self) -> Vec<LogId> {
        self.inner.store.borrow().log_ids().collect()
    }

    /// The one observer of what becomes durable: each log's new durable end, after every group, and when that group travelled. Where
    /// groups overtake each other, the last to arrive lets those before it become durable, and it is the one told of.
    pub fn on_durable(&self, observer: DurableObserver) {
        *self.inner.observer.borrow_mut() = Some(observer);
    }

    /// The one observer of damage that the scrub finds, each time in another segment: where a good copy of it is to come from.
    pub fn on_damage(&self, observer: DamageObserver) {
        *self.inner.damage_observer.borrow_mut() = Some(observer);
    }

    pub fn durable_group(&self) -> GroupSeq {
        self.inner.store.borrow().durable_group()
    }

    /// Why this shard takes nothing any more, if so.
    pub fn failure(&self) -> Option<String> {
        self.inner.store.borrow().failure().map(str::to_owned)
    }

    pub fn failed(&self) -> bool {
        self.inner.store.borrow().failure().is_some()
    }

    pub fn memory_bytes(&self) -> usize {
        self.inner.store.borrow().memory_bytes()
    }

    pub fn stats(&self) -> EngineStats {
        self.inner.stats.get()
    }

    /// How full everything is at this moment.
    pub fn levels(&self) -> Levels {
        self.inner.store.borrow().levels()
    }

    fn check(&self) -> Result<(), StorageError> {
        self.failure().map_or(Ok(()), |failure| Err(StorageError(failure)))
    }

    /// Reads whole batches, the first of which holds `from`, up to the offset `until` and about `bytes_max` bytes.
    pub fn read(
        &self,
        id: LogId,
        from: Offset,
        until: Offset,
        bytes_max: usize,
        at_least_one: bool,
    ) -> Result<Read, ReadError> {
        let request = ReadRequest { from, until, bytes_max, at_least_one };
        self.inner.note_call();
        let plan = self.inner.store.borrow_mut().plan_read(id, request)?;
        let read = match plan {
            ReadPlan::OutOfRange => return Err(ReadError::OutOfRange),
            ReadPlan::Empty => return Ok(Read::Ready(Vec::new())),
            ReadPlan::Memory(memory) => return Ok(Read::Ready(memory.spans)),
            ReadPlan::Disk(plan) => ColdRead::new(id, plan),
            ReadPlan::Index(read) => ColdRead::indexed(id, read),
        };
        Ok(Read::Disk(Box::pin(read::from_disk(self.inner.clone(), read))))
    }

    /// The first record at or after a time: its offset and timestamp.
    pub async fn offset_for_timestamp(&self, id: LogId, timestamp_ms: i64) -> Result<Option<(Offset, i64)>, ReadError> {
        read::offset_for_timestamp(&self.inner, id, timestamp_ms).await
    }

    /// The record with the largest timestamp: its offset and timestamp.
    pub async fn max_timestamp(&self, id: LogId) -> Result<Option<(Offset, i64)>, ReadError> {
        read::max_timestamp(&self.inner, id).await
    }

    /// Waits for what is under way, takes a checkpoint, and leaves exact segment files behind.
    pub async fn shutdown(&self) -> Result<(), StorageError> {
        self.inner.is_ending.set(true);
        self.inner.ending.notify_waiters();
        let mut effects = Vec::new();
        self.inner.store.borrow_mut().end_ahead(&mut effects);
        start(&self.inner, &mut effects);
        self.inner.store.borrow_mut().want_checkpoint();
        self.inner.work.notify_one();
        loop {
            self.check()?;
            if self.inner.store.borrow().is_quiet() {
                self.close_segments().await?;
                break;
            }
            if self.inner.leaves_to_recovery() {
                break;
            }
            self.inner.progress.notified().await;
        }
        self.inner.stopping.set(true);
        self.inner.work.notify_one();
        Ok(())
    }

    async fn close_segments(&self) -> Result<(), StorageError> {
        let closing = self.inner.store.borrow().closing_writes();
        for (log, write) in closing {
            let sealed = self.inner.segments.seal(log, &write).await;
            self.inner.excuse(sealed, format_args!("closing log {log}"))?;
            let synced = self.inner.segments.sync(&[(log, SegmentName::appended(write.segment))]).await;
            synced.map_err(|error| StorageError(format!("closing log {log}: {error}")))?;
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the engine's own clock: it only measures how long something has waited")]
fn now() -> Instant {
    Instant::now()
}

impl Inner {
    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn note_call(&self) {
        self.calls.set(self.calls.get() + 1);
    }

    fn count(&self, count: impl FnOnce(&mut EngineStats)) {
        let mut stats = self.stats.get();
        count(&mut stats);
        self.stats.set(stats);
    }
}

/// Asks the store what to do whenever something happened, and starts it. One such task runs on a shard.
async fn pump(inner: Rc<Inner>) {
    let mut effects = Vec::new();
    while !inner.stopping.get() {
        inner.store.borrow_mut().poll(inner.now_ms(), &mut effects);
        start(&inner, &mut effects);
        inner.progress.notify_waiters();
        let deadline = inner.store.borrow().deadline_ms();
        match deadline {
            Some(due) => {
                let wait = Duration::from_millis(due.saturating_sub(inner.now_ms()).max(1));
                // Either way the next poll finds out what there is to do.
                let _elapsed = inner.ring.timeout(inner.work.notified(), wait).await;
            }
            None => inner.work.notified().await,
        }
    }
}

fn start(inner: &Rc<Inner>, effects: &mut Vec<Effect>) {
    for effect in effects.drain(..) {
        let inner = inner.clone();
        ring::spawn(async move {
            let what = describe(&effect);
            if let Err(error) = carry_out(&inner, effect).await {
                tracing::error!(shard = inner.config.shard, %error, "{what} failed; this shard acknowledges nothing more");
                inner.store.borrow_mut().on_failed(format!("{what}: {error}"));
            }
            inner.work.notify_one();
            inner.progress.notify_waiters();
        });
    }
}

fn describe(effect: &Effect) -> &'static str {
    match effect {
        Effect::WriteGroup(_) => "writing to the journal",
        Effect::PrepareJournalFile(_) => "preparing a journal file",
        Effect::WriteBlocks { .. } => "writing to a segment",
        Effect::SealSegment { .. } => "sealing a segment",
        Effect::SyncSegments { .. } => "syncing segments",
        Effect::WriteCheckpoint(_) => "writing a checkpoint",
        Effect::RemoveLog(_) => "removing a deleted log",
        Effect::RemoveSegments { .. } => "removing segments",
        Effect::MakeNextFile { .. } => "making a file for the next segment",
        Effect::RemoveNextFile { .. } => "removing a file for the next segment",
        Effect::ReadPiece(_) => "reading a segment",
    }
}

async fn carry_out(inner: &Rc<Inner>, effect: Effect) -> io::Result<()> {
    let mut effects = Vec::new();
    match effect {
        Effect::WriteGroup(write) => write_group(inner, write, &mut effects).await?,
        Effect::PrepareJournalFile(request) => {
            if let Err(error) = inner.journal.prepare(request).await {
                return inner.give_back(error, effect);
            }
            inner.store.borrow_mut().on_journal_file_ready(request);
        }
        Effect::WriteBlocks { log, write, next } => {
            let (segment, position, len) = (write.segment, write.position, write.bytes());
            if let Err(error) = inner.segments.write_blocks(log, write.clone(), next).await {
                return inner.give_back(error, Effect::WriteBlocks { log, write, next });
            }
            inner.count(|stats| {
                (stats.segment_writes, stats.segment_bytes) = (stats.segment_writes + 1, stats.segment_bytes + len)
            });
            inner.store.borrow_mut().on_blocks_written(log, segment, position, len);
        }
        Effect::SealSegment { log, write } => {
            if let Err(error) = inner.segments.seal(log, &write).await {
                return inner.give_back(error, Effect::SealSegment { log, write });
            }
            inner.store.borrow_mut().on_sealed(log, write.segment, write.partial_block.len() as u64);
        }
        Effect::SyncSegments { files } => {
            let keys: Vec<_> = files.into_iter().map(|(log, base)| (log, SegmentName::appended(base))).collect();
            inner.segments.sync(&keys).await?;
            inner.store.borrow_mut().on_segments_synced(&mut effects);
        }
        Effect::WriteCheckpoint(checkpoint) => {
            if let Err(error) = checkpoint_files::write(&inner.ring, &inner.layout, &checkpoint).await {
                return inner.give_back(error, Effect::WriteCheckpoint(checkpoint));
            }
            inner.count(|stats| stats.checkpoints += 1);
            inner.store.borrow_mut().on_checkpoint_written(&mut effects);
        }
        Effect::RemoveLog(log) => {
            // The log is gone whatever becomes of its files.
            if let Err(error) = inner.segments.remove(log).await {
                tracing::warn!(%log, %error, "files of a deleted log are left behind");
            }
            inner.store.borrow_mut().on_log_removed(log);
        }
        Effect::RemoveSegments { log, segments, kept } => {
            retention::remove_segments(inner, log, segments, &kept, &mut effects).await;
        }
        Effect::MakeNextFile { log, name, bytes } => ahead::make(inner, (log, name), bytes, &mut effects).await,
        Effect::RemoveNextFile { log, name, at_once } => {
            ahead::remove(inner, (log, name), at_once, &mut effects).await;
        }
        Effect::ReadPiece(piece) => read::piece(inner, piece).await,
    }
    start(inner, &mut effects);
    Ok(())
}

/// Writes a group durably, and tells of what became durable with it.
async fn write_group(inner: &Rc<Inner>, write: GroupWrite, effects: &mut Vec<Effect>) -> io::Result<()> {
    let GroupWrite { seq, file, position, buf } = write;
    let file = inner.journal.file(file);
    let bytes = buf.len() as u64;
    let (submitted, mut written) = (now(), None);
    let (sync, on_written) = (inner.config.sync, || written = Some(now()));
    inner.ring.write_at_durable_telling(&file, buf, position, sync, on_written).await.0?;
    let arrived = now();
    let times = GroupTimes { submitted, written: written.unwrap_or(arrived), durable: arrived };
    inner.count(|stats| {
        (stats.groups_written, stats.group_bytes) = (stats.groups_written + 1, stats.group_bytes + bytes)
    });
    let durable = inner.store.borrow_mut().on_group_written(seq, effects);
    if let Some(observer) = inner.observer.borrow_mut().as_mut() {
        observer(&durable.ends, times);
    }
    Ok(())
}
