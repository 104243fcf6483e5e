//! One shard's storage as decisions: appends go into logs and write groups, and come out as effects for the shell to carry
//! out; what the shell reports back moves the durable ends, frees the journal, the memory and the waiting appends.
//! No clock, no file: the same code runs on a ring and on a simulated disk.
//!
//! Invariants: an append is acknowledged (shows up in `Durable`) only after its group and every group before it are on
//! stable storage; after the first failed write or sync nothing is acknowledged any more.

#![forbid(unsafe_code)]

mod ahead;
mod checkpointing;
mod checkpoints;
mod cold_read;
mod compaction;
mod continuity;
mod damage;
mod eviction;
mod groups;
mod index_cache;
mod indexes;
mod levels;
mod log_start;
pub mod lost_checkpoints;
mod pieces;
mod producers;
mod read_ahead;
pub mod recovery;
mod removals;
mod replaying;
mod rest;
mod resting;
pub mod scrub;
mod space;
mod store_limits;

use std::collections::{BTreeMap, VecDeque};

use batch::{Checked, LeaderEpoch, Offset};

use crate::checkpoint::Checkpoint;
use crate::frame::{FrameFields, FrameKind};
use crate::ids::{GroupSeq, LogId, SegmentName};
use crate::journal::{ChainEnd, FileRequest, JournalFiles};
use crate::limits::{
    BATCH_BYTES_MAX, BLOCK_BYTES, LEAVING_BYTES_AT_ONCE, SEGMENT_WRITES_IN_FLIGHT_MAX, SMALL_WRITES_IN_FLIGHT_MAX,
    SMALL_WRITES_LOGS_MIN,
};
pub use crate::log::LogConfig;
pub use crate::log::producers::SequenceError;
use crate::log::{BlockWrite, FileWrite, Log, SealWrite};
use crate::memory::{BufPool, Leaving};
use ahead::Ahead;
use checkpointing::Checkpointing;
pub use cold_read::{ColdRead, Wanted};
use compaction::Compacting;
pub use damage::ToldDamage;
use eviction::Eviction;
pub use groups::GroupWrite;
use groups::Groups;
use index_cache::IndexCache;
pub use indexes::{IndexError, RebuildError};
pub use levels::Levels;
pub use log_start::CutError;
pub use pieces::{PieceKey, PieceRead};
use producers::KnownProducers;
use read_ahead::ReadAhead;
pub use read_ahead::Sought;
use removals::Removals;
use resting::{Idleness, Resting};
use space::Space;
pub use store_limits::StoreLimits;

/// A closing mark is written after this long without another group.
const IDLE_MARK_DELAY_MS: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    /// The append is durable once this group and all before it are.
    pub group: GroupSeq,
    pub log_start: Offset,
    /// The largest timestamp of the batch as it lies there, in milliseconds since the Unix epoch; -1 for none.
    pub max_timestamp: i64,
    /// Its producer has sent it before, and it lies where it was appended then.
    pub is_duplicate: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("this shard has no such log")]
    UnknownLog,
    #[error("the batch is larger than {BATCH_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the journal or the memory of the shard is full for the moment")]
    Busy,
    #[error("the shard's storage has failed; it takes nothing until it is opened again")]
    Failed,
    #[error("the disk is full; appends go on when there is space again")]
    DiskFull,
    #[error(transparent)]
    Sequence(#[from] SequenceError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    #[error("this shard has no such log")]
    UnknownLog,
    #[error("the offset is outside the log")]
    OutOfRange,
    #[error("the segment file does not hold what was written to it")]
    Corrupt,
    #[error("the segment file cannot be read")]
    Failed,
}

/// A log's ladder of offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogView {
    pub start: Offset,
    pub end: Offset,
    pub durable_end: Offset,
    /// What readers may see.
    pub committed_end: Offset,
    pub bytes: u64,
}

/// What the shell is to do. Each is reported back through the `on_` method named, or given back through
/// [`Store::on_no_space`] where it needs space and there is none.
#[derive(Debug)]
pub enum Effect {
    /// Write durably, then `on_group_written`.
    WriteGroup(GroupWrite),
    /// Create or recycle a journal file durably, then `on_journal_file_ready`.
    PrepareJournalFile(FileRequest),
    /// Write to the segment file, then `on_blocks_written`. The file that was prepared under the name `next` becomes the segment's before.
    WriteBlocks { log: LogId, write: BlockWrite, next: Option<Offset> },
    /// Write the last block padded, cut the file, write the index beside it, then `on_sealed`.
    SealSegment { log: LogId, write: SealWrite },
    /// Make the files, their indexes and their directories durable, then `on_segments_synced`.
    SyncSegments { files: Vec<(LogId, Offset)> },
    /// Write durably under a new name, remove the older ones but one, then `on_checkpoint_written`.
    WriteCheckpoint(Checkpoint),
    /// Remove the log's directory, then `on_log_removed`.
    RemoveLog(LogId),
    /// Remove all other files for which [`Store::may_sweep`] holds, then these segments with their indexes; nothing is reported back. But
    /// those in `kept` stay for segments to come, named by their base offsets, unless they are damaged or still read; then `on_next_file`.
    RemoveSegments { log: LogId, segments: Vec<SegmentName>, kept: Vec<SegmentName> },
    /// Prepare a file for the log's next segment, with extents for so many bytes, then `on_next_file`.
    MakeNextFile { log: LogId, name: Offset, bytes: u64 },
    /// Remove a file that was prepared for a segment to come, then `on_next_file`. If its name may be about to become a segment's it only
    /// loses that name, `at_once`: a file that is cut down might be the segment's by then.
    RemoveNextFile { log: LogId, name: Offset, at_once: bool },
    /// Read this piece of a segment file, then `on_piece_read`, also where that failed; rest, then `on_piece_rested`.
    ReadPiece(PieceRead),
}

/// What became durable.
#[derive(Debug, Default)]
pub struct Durable {
    pub group: GroupSeq,
    pub ends: Vec<(LogId, Offset)>,
}

struct Slot {
    log: Log,
    /// It stands in the queue of logs that may have something to write.
    queued: bool,
    /// It stands in the queue of logs that may have memory to give up.
    may_evict: bool,
    idleness: Idleness,
}

impl Slot {
    fn new(log: Log) -> Self {
        Self { log, queued: false, may_evict: false, idleness: Idleness::default() }
    }
}

/// One shard's logs, journal and checkpoint.
pub struct Store {
    limits: StoreLimits,
    pool: BufPool,
    logs: BTreeMap<LogId, Slot>,
    groups: Groups,
    files: JournalFiles,
    checkpointing: Checkpointing,
    indexes: IndexCache,
    read_ahead: ReadAhead,
    removals: Removals,
    ahead: Ahead,
    write_queue: VecDeque<LogId>,
    writes_in_flight: usize,
    /// Appended and not yet in a segment file.
    unflushed_bytes: u64,
    memory_bytes: usize,
    eviction: Eviction,
    /// Memory that counts no more and is given back bit by bit.
    leaving: Leaving,
    resting: Resting,
    journalled_bytes: u64,
    checkpoint_wanted: bool,
    space: Space,
    compacting: Compacting,
    producers: KnownProducers,
    failure: Option<String>,
}

impl Store {
    pub fn new(
        limits: StoreLimits,
        pool: BufPool,
        shard: u32,
        files: JournalFiles,
        end: ChainEnd,
        saved: Option<Checkpoint>,
    ) -> Self {
        let (seq, replay_from, pictures) =
            saved.map_or((0, GroupSeq::NONE, Vec::new()), |saved| (saved.seq, saved.replay_from, saved.logs));
        let logs: BTreeMap<LogId, Slot> = pictures
            .iter()
            .map(|picture| (picture.log, Slot::new(Log::restore(picture, LogConfig::default(), &pool))))
            .collect();
        let memory_bytes = logs.values().map(|slot| slot.log.memory_bytes()).sum();
        let unflushed_bytes = logs.values().map(|slot| slot.log.unflushed_bytes()).sum();
        let producers = logs.values().map(|slot| slot.log.producers().len()).sum();
        Self {
            limits,
            pool,
            logs,
            groups: Groups::new(end, limits.group_bytes),
            files,
            checkpointing: Checkpointing::new(shard, seq, replay_from, pictures),
            indexes: IndexCache::new(limits.index_cache_bytes_max),
            read_ahead: ReadAhead::new(
                limits.read_piece_bytes,
                limits.read_memory_bytes_max,
                limits.read_ahead_bytes_max,
            ),
            removals: Removals::default(),
            ahead: Ahead::default(),
            write_queue: VecDeque::new(),
            writes_in_flight: 0,
            unflushed_bytes,
            memory_bytes,
            eviction: Eviction::default(),
            leaving: Leaving::default(),
            resting: Resting::new(limits.rest_after_ms),
            journalled_bytes: 0,
            checkpoint_wanted: false,
            space: Space::new(limits.disk_reserve_bytes, limits.disk_sharers),
            compacting: Compacting::default(),
            producers: KnownProducers::new(producers),
            failure: None,
        }
    }

    pub fn log_ids(&self) -> impl Iterator<Item = LogId> + '_ {
        self.logs.keys().copied()
    }

    pub fn log(&self, id: LogId) -> Option<&Log> {
        self.logs.get(&id).map(|slot| &slot.log)
    }

    pub fn view(&self, id: LogId) -> Option<LogView> {
        self.log(id).map(|log| LogView {
            start: log.start_offset(),
            end: log.end_offset(),
            durable_end: log.durable_end(),
            committed_end: log.committed_end(),
            bytes: log.bytes(),
        })
    }

    pub fn durable_group(&self) -> GroupSeq {
        self.groups.durable_seq()
    }

    pub fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Appended and not yet in a segment file.
    pub fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes
    }

    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// A write or a sync has failed. What it was to make durable is in doubt for good: trying again may succeed although the
    /// data is gone. So this shard acknowledges nothing more.
    pub fn on_failed(&mut self, what: String) {
        self.failure.get_or_insert(what);
    }

    /// The log may be appended to although the disk is full: what frees space has to be written down.
    pub fn exempt_from_reserve(&mut self, id: LogId) {
        self.space.exempt(id);
    }

    /// The disk has no room for appends.
    pub fn is_disk_full(&self) -> bool {
        self.space.is_full()
    }

    /// Something found no space and is to be tried again.
    pub fn waits_for_free_space(&self) -> bool {
        self.space.holds_back() || self.files.lacks_space()
    }

    /// All that is acknowledged is on stable storage, and what would still be written finds no space.
    pub fn is_settled_without_space(&self) -> bool {
        self.space.holds_back() && self.groups.is_idle()
    }

    /// So much is free in the file system. To be called regularly, and soon after an effect has found no space: what waits is tried
    /// again with the next `poll`.
    pub fn on_free_space(&mut self, free_bytes: u64) {
        self.files.on_free_space();
        self.space.on_free_space(free_bytes, self.unflushed_bytes + self.files.missing_bytes());
    }

    /// An effect found no space. Nothing was acknowledged on its strength, so it is given out again when there is some. A journal file
    /// that could not be prepared has been removed by the shell.
    ///
    /// # Panics
    /// Panics on effects that need no space, or whose failure is final.
    pub fn on_no_space(&mut self, effect: Effect) {
        let waits = match effect {
            Effect::PrepareJournalFile(request) => {
                self.files.on_file_refused(request);
                None
            }
            Effect::WriteBlocks { log, .. } | Effect::SealSegment { log, .. } if !self.logs.contains_key(&log) => {
                self.writes_in_flight -= 1;
                self.space.on_written();
                self.removals.on_write_ended(log);
                return;
            }
            Effect::WriteBlocks { .. } | Effect::SealSegment { .. } | Effect::WriteCheckpoint(_) => Some(effect),
            Effect::MakeNextFile { log, name, .. } => return self.on_next_file_refused(log, name),
            Effect::WriteGroup(_)
            | Effect::SyncSegments { .. }
            | Effect::RemoveLog(_)
            | Effect::RemoveSegments { .. }
            | Effect::RemoveNextFile { .. }
            | Effect::ReadPiece(_) => {
                panic!("a full disk is no excuse for {effect:?}")
            }
        };
        self.space.on_no_space(waits);
    }

    /// Makes sure that the log exists.
    pub fn create_log(&mut self, id: LogId, config: LogConfig) {
        let slot = self.logs.entry(id).or_insert_with(|| Slot::new(Log::new(id, config)));
        slot.log.configure(config);
    }

    /// Forgets the log. It is gone for good once the returned group is durable; its files are removed then.
    pub fn drop_log(&mut self, id: LogId, now_ms: u64) -> Result<GroupSeq, AppendError> {
        if self.failure.is_some() {
            return Err(AppendError::Failed);
        }
        if !self.logs.contains_key(&id) {
            return Err(AppendError::UnknownLog);
        }
        if !self.groups.has_room(&self.files, 0) {
            return Err(AppendError::Busy);
        }
        let group = self.groups.reserve(&self.pool, 0, now_ms);
        self.forget(id, group);
        self.groups.push(&FrameFields::drop_log(id), &[], true);
        self.groups.note_dropped(id);
        Ok(group)
    }

    fn forget(&mut self, id: LogId, group: GroupSeq) {
        let given_up = self.space.on_log_dropped(id);
        self.writes_in_flight -= given_up;
        if let Some(slot) = self.logs.remove(&id) {
            self.memory_bytes -= slot.log.memory_bytes();
            self.unflushed_bytes -= slot.log.unflushed_bytes();
            self.producers.count -= slot.log.producers().len();
            let is_writing = slot.log.is_writing() && given_up == 0;
            let writes = usize::from(is_writing) + usize::from(self.compacting.writes_to(id));
            let writes = writes + self.ahead.on_log_dropped(id);
            self.removals.on_log_dropped(id, group, writes);
            slot.log.leave(&mut self.leaving);
        }
        self.indexes.remove_log(id);
        self.read_ahead.forget(id, None);
        self.checkpointing.on_log_dropped(id, group);
    }

    /// Whether an append could be refused as busy.
    pub fn is_busy(&self) -> bool {
        !self.takes(BATCH_BYTES_MAX.min(self.files.group_bytes_max() as usize - BLOCK_BYTES))
    }

    fn takes(&self, payload_bytes: usize) -> bool {
        !self.groups.is_full() && !self.files_lag() && self.groups.has_room(&self.files, payload_bytes)
    }

    /// Too much waits for its segment file. The last block of a log waits until it is whole, so it does not count.
    fn files_lag(&self) -> bool {
        let last_blocks = (self.logs.len() * BLOCK_BYTES) as u64;
        self.unflushed_bytes.saturating_sub(last_blocks) > self.limits.unflushed_bytes_max
    }

    /// Appends one checked batch: into the log's tail, and from there into the open write group. One that its producer has sent
    /// before is not appended again, and is durable when it was then.
    pub fn append(
        &mut self,
        id: LogId,
        batch: &Checked<'_>,
        epoch: LeaderEpoch,
        now_ms: u64,
    ) -> Result<Appended, AppendError> {
        if self.failure.is_some() {
            return Err(AppendError::Failed);
        }
        if batch.info.length > BATCH_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        if let Some(known) = self.judge_sequence(id, batch)? {
            return Ok(known);
        }
        if !self.space.admits(id, batch.info.length as u64) {
            return Err(AppendError::DiskFull);
        }
        if !self.takes(batch.info.length) {
            return Err(AppendError::Busy);
        }
        let chunk_bytes_max = self.chunk_bytes_max();
        self.draw(id);
        let slot = self.logs.get_mut(&id).ok_or(AppendError::UnknownLog)?;
        let group = self.groups.reserve(&self.pool, batch.info.length, now_ms);
        let (memory_before, producers_before) = (slot.log.memory_bytes(), slot.log.producers().len());
        slot.log.limit_chunks(chunk_bytes_max);
        self.resting.on_append(id, &mut slot.idleness, now_ms);
        let unix_ms = self.producers.unix_ms(now_ms);
        let appended = slot.log.append(&self.pool, batch, epoch, group, unix_ms);
        let memory_added = slot.log.memory_bytes() - memory_before;
        if memory_added > 0 {
            // The chunk before the new one is not appended to any more.
            self.eviction.on_chance(id, &mut slot.may_evict);
        }
        self.memory_bytes += memory_added;
        self.producers.count += slot.log.producers().len() - producers_before;
        let last_offset = Offset(appended.next_offset.0 - 1);
        let fields = FrameFields {
            kind: FrameKind::Batch,
            log: id,
            base_offset: appended.base_offset,
            last_offset,
            leader_epoch: epoch,
            payload_len: batch.info.length as u32,
            payload_crc: batch.info.crc,
        };
        self.groups.push(&fields, &appended.span, !slot.log.config().relaxed);
        self.unflushed_bytes += batch.info.length as u64;
        self.space.on_append(batch.info.length as u64);
        let log_start = slot.log.start_offset();
        self.queue_if_ready(id);
        self.bound_producers();
        let (base_offset, max_timestamp) = (appended.base_offset, batch.info.max_timestamp);
        Ok(Appended { base_offset, last_offset, group, log_start, max_timestamp, is_duplicate: false })
    }

    fn queue_if_ready(&mut self, id: LogId) {
        let Some(slot) = self.logs.get_mut(&id) else { return };
        let is_ready = slot.log.unwritten_bytes() >= self.limits.segment_write_bytes_min || slot.log.awaits_seal();
        if !slot.queued && is_ready {
            slot.queued = true;
            self.write_queue.push_back(id);
        }
    }

    /// Gives out everything that can be done now. To be called after appends and after each report.
    pub fn poll(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        self.leaving.let_go(LEAVING_BYTES_AT_ONCE);
        self.poll_reads(now_ms, effects);
        if self.failure.is_some() {
            return;
        }
        effects.append(&mut self.space.retries());
        effects.extend(self.removals.ready().into_iter().map(Effect::RemoveLog));
        while let Some(request) = self.files.wants_file() {
            effects.push(Effect::PrepareJournalFile(request));
        }
        // A checkpoint closes the open group, which leaves at once: nobody may come by to send it later.
        self.poll_checkpoint(effects);
        while let Some(write) = self.groups.next_write(&mut self.files, now_ms) {
            self.journalled_bytes += write.buf.len() as u64;
            effects.push(Effect::WriteGroup(write));
        }
        if self.groups.idle_since_ms().is_some_and(|since| now_ms >= since + IDLE_MARK_DELAY_MS)
            && let Some(write) = self.groups.closing_mark(&self.pool, &mut self.files, now_ms)
        {
            effects.push(Effect::WriteGroup(write));
        }
        self.poll_ahead(now_ms, effects);
        self.poll_idle(now_ms, effects);
        self.poll_segments(effects);
        self.poll_resting(effects);
        self.evict();
    }

    /// When `poll` should be called even if nothing else happens.
    pub fn deadline_ms(&self) -> Option<u64> {
        let mark = self.groups.idle_since_ms().map(|since| since + IDLE_MARK_DELAY_MS);
        let is_at_work = !self.leaving.is_empty() || self.checkpointing.next_undrawn().is_some();
        let soon = is_at_work.then_some(0);
        let deadlines = self.groups.due_ms().into_iter().chain(mark).chain(self.resting.deadline_ms());
        deadlines.chain(self.read_ahead.deadline_ms()).chain(soon).min()
    }

    fn poll_segments(&mut self, effects: &mut Vec<Effect>) {
        let many = self.checkpointing.waiting() >= SMALL_WRITES_LOGS_MIN;
        let in_flight_max = if many { SMALL_WRITES_IN_FLIGHT_MAX } else { SEGMENT_WRITES_IN_FLIGHT_MAX };
        while self.writes_in_flight < in_flight_max {
            let Some(id) = self.write_queue.pop_front() else { break };
            let bytes_min = if self.checkpointing.waits_for(id) { 1 } else { self.limits.segment_write_bytes_min };
            let Some(slot) = self.logs.get_mut(&id) else { continue };
            slot.queued = false;
            let Some(write) = slot.log.next_write(bytes_min) else { continue };
            let next = self.begin_segment(id, &write);
            self.look_ahead(id, &write, effects);
            self.start_write(id, write, next, effects);
        }
    }

    fn start_write(&mut self, log: LogId, write: FileWrite, next: Option<Offset>, effects: &mut Vec<Effect>) {
        self.writes_in_flight += 1;
        effects.push(match write {
            FileWrite::Blocks(write) => Effect::WriteBlocks { log, write, next },
            FileWrite::Seal(write) => Effect::SealSegment { log, write },
        });
    }

    pub fn on_group_written(&mut self, seq: GroupSeq, effects: &mut Vec<Effect>) -> Durable {
        let mut durable = Durable { group: self.groups.durable_seq(), ends: Vec::new() };
        if self.failure.is_some() {
            return durable;
        }
        for (seq, content) in self.groups.on_written(seq) {
            durable.group = seq;
            for id in content.logs {
                if let Some(slot) = self.logs.get_mut(&id)
                    && let Some(end) = slot.log.on_durable(seq)
                {
                    durable.ends.push((id, end));
                }
            }
            self.on_starts_durable(&content.starts);
            self.removals.on_durable(&content.dropped);
            effects.extend(self.removals.ready().into_iter().map(Effect::RemoveLog));
        }
        durable
    }

    pub fn on_journal_file_ready(&mut self, request: FileRequest) {
        self.space.on_written();
        self.files.on_file_ready(request.file());
    }

    pub fn on_blocks_written(&mut self, id: LogId, segment: Offset, position: u64, len: u64) {
        self.writes_in_flight -= 1;
        self.space.on_written();
        let Some(slot) = self.logs.get_mut(&id) else { return self.removals.on_write_ended(id) };
        slot.log.on_blocks_written(segment, position, len);
        self.unflushed_bytes -= len;
        self.on_file_written(id, segment);
    }

    pub fn on_sealed(&mut self, id: LogId, segment: Offset, partial_bytes: u64) {
        self.writes_in_flight -= 1;
        self.space.on_written();
        let Some(slot) = self.logs.get_mut(&id) else { return self.removals.on_write_ended(id) };
        slot.log.on_sealed(segment);
        self.unflushed_bytes -= partial_bytes;
        self.on_file_written(id, segment);
    }

    fn on_file_written(&mut self, id: LogId, segment: Offset) {
        let slot = self.logs.get_mut(&id).expect("the caller found it");
        self.eviction.on_chance(id, &mut slot.may_evict);
        self.checkpointing.on_file_written(&slot.log, segment);
        let hurried = self.checkpointing.waits_for(id)
            || slot.log.awaits_seal()
            || slot.log.unwritten_bytes() >= self.limits.segment_write_bytes_min;
        if hurried && !std::mem::replace(&mut slot.queued, true) {
            self.write_queue.push_back(id);
        }
    }

    /// The files of a deleted log are gone, or could not be removed and stay.
    pub fn on_log_removed(&mut self, id: LogId) {
        self.removals.on_removed(id);
    }

    /// Nothing is under way and nothing waits.
    pub fn is_quiet(&self) -> bool {
        self.groups.is_idle()
            && self.writes_in_flight == 0
            && self.checkpointing.is_idle()
            && !self.checkpoint_wanted
            && self.ahead.is_idle()
    }

    /// For a clean shutdown, after the last checkpoint: the partly filled last block of each log.
    pub fn closing_writes(&self) -> Vec<(LogId, SealWrite)> {
        self.logs.iter().filter_map(|(id, slot)| slot.log.closing_write().map(|write| (*id, write))).collect()
    }
}
