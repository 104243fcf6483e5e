//! One partition's log as decisions: where a batch goes, which bytes a reader gets, which blocks go to the file next.
//! It owns memory (the tail) but touches no file and knows no clock.
//!
//! ```text
//!   start_offset         durable_end        end_offset
//!      |------- durable ------|--- in flight ---|         start <= durable_end <= end
//! ```

mod compaction;
pub mod producers;
mod read;
mod retention;
mod segment;
mod sparse_index;
mod tail;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::VecDeque;

use batch::{BatchInfo, Checked, LeaderEpoch, Offset};

pub use read::{Cut, DiskRead, IndexedRead, MemoryRead, ReadPlan, ReadRequest, TimePlan, cut, last_offset, peek_at};
pub use segment::Segment;
pub use sparse_index::SparseIndex;
pub use tail::{BlockWrite, block_start};
pub use walk::{SegmentWalk, WalkError, WalkFault};

use crate::checkpoint::LogCheckpoint;
use crate::compaction::CompactionConfig;
use crate::ids::{GroupSeq, LogId, SegmentName};
use crate::limits::{CHUNK_BYTES_MIN, SEALED_INDEX_INTERVAL_BYTES};
use crate::memory::{BufPool, Leaving, Span};
use crate::segment_index::SegmentIndex;
use producers::Producers;
use tail::Tail;

/// What the owner of a log decides about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment is sealed before it grows past this.
    pub segment_bytes: u64,
    /// Answers do not wait for the device; readers see records at once.
    pub relaxed: bool,
    /// A segment is sealed before it takes a record so much later than its first one.
    pub segment_ms: Option<u64>,
    /// Segments go when their newest record is older than this.
    pub retention_ms: Option<u64>,
    /// The oldest segments go when those behind them have so many bytes.
    pub retention_bytes: Option<u64>,
    /// Of records with one key the last stays.
    pub compaction: Option<CompactionConfig>,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: crate::limits::SEGMENT_BYTES_DEFAULT,
            relaxed: false,
            segment_ms: None,
            retention_ms: None,
            retention_bytes: None,
            compaction: None,
        }
    }
}

/// What appending a batch came to.
#[derive(Debug)]
pub struct AppendedBatch {
    pub base_offset: Offset,
    pub next_offset: Offset,
    /// The stamped bytes where they lie in memory.
    pub span: Span,
}

/// The last, partly filled block of a sealed segment: it is written zero-padded, then the file is cut to `bytes`, then the
/// index is written beside it.
#[derive(Debug, Clone)]
pub struct SealWrite {
    pub segment: Offset,
    pub position: u64,
    pub partial_block: Vec<u8>,
    pub bytes: u64,
    /// Absent for a segment that goes on after a restart.
    pub index: Option<Box<SegmentIndex>>,
}

/// What goes to the log's files next.
#[derive(Debug)]
pub enum FileWrite {
    Blocks(BlockWrite),
    Seal(SealWrite),
}

/// The log of one partition.
pub struct Log {
    id: LogId,
    config: LogConfig,
    start_offset: Offset,
    /// Where the log starts once the groups under way are durable.
    start_wanted: Offset,
    durable_end: Offset,
    /// What readers have seen while the log was relaxed: they keep seeing it when it is no longer.
    shown_end: Offset,
    segments: VecDeque<Segment>,
    leader_epochs: Vec<(LeaderEpoch, Offset)>,
    producers: Producers,
    /// Compaction has been through everything before this offset.
    cleaned_until: Offset,
    /// Files that compaction has replaced and that a checkpoint may still name.
    retired: Vec<SegmentName>,
    /// Compaction has not found it damaged.
    is_cleanable: bool,
    /// Groups on their way to the device and where the log ends with each.
    pending: VecDeque<(GroupSeq, Offset)>,
    tail: Tail,
    write_in_flight: bool,
    /// Changed since the last checkpoint took its picture.
    dirty: bool,
}

impl Log {
    pub fn new(id: LogId, config: LogConfig) -> Self {
        Self {
            id,
            config,
            start_offset: Offset(0),
            start_wanted: Offset(0),
            durable_end: Offset(0),
            shown_end: Offset(0),
            segments: VecDeque::from([Segment::new(Offset(0))]),
            leader_epochs: Vec::new(),
            producers: Producers::default(),
            cleaned_until: Offset(0),
            retired: Vec::new(),
            is_cleanable: true,
            pending: VecDeque::new(),
            tail: Tail::default(),
            write_in_flight: false,
            dirty: true,
        }
    }

    /// The log as a checkpoint remembers it. What came later is replayed from the journal on top.
    pub fn restore(saved: &LogCheckpoint, config: LogConfig, pool: &BufPool) -> Self {
        let last = saved.segments.len() - 1;
        let segments: VecDeque<Segment> = saved
            .segments
            .iter()
            .enumerate()
            .map(|(i, segment)| {
                let is_active = i == last;
                let flushed = if is_active { saved.flushed_position } else { segment.bytes };
                Segment::from_checkpoint(segment, flushed, is_active.then_some(&saved.active_index[..]))
            })
            .collect();
        let mut tail = Tail::default();
        tail.restore(pool, segments[last].base_offset, saved.flushed_position, &saved.tail_block);
        Self {
            id: saved.log,
            config,
            start_offset: saved.log_start_offset,
            start_wanted: saved.log_start_offset,
            durable_end: saved.next_offset,
            shown_end: Offset(0),
            segments,
            leader_epochs: saved.leader_epochs.clone(),
            producers: Producers::restore(&saved.producers),
            cleaned_until: saved.cleaned_until,
            retired: Vec::new(),
            is_cleanable: true,
            pending: VecDeque::new(),
            tail,
            write_in_flight: false,
            dirty: false,
        }
    }

    pub fn id(&self) -> LogId {
        self.id
    }

    pub fn config(&self) -> LogConfig {
        self.config
    }

    pub fn configure(&mut self, config: LogConfig) {
        self.shown_end = self.committed_end();
        self.config = config;
    }

    pub fn start_offset(&self) -> Offset {
        self.start_offset
    }

    pub fn end_offset(&self) -> Offset {
        self.active().next_offset
    }

    pub fn durable_end(&self) -> Offset {
        self.durable_end
    }

    /// What readers may see: everything durable, or on a relaxed log everything. It never falls.
    pub fn committed_end(&self) -> Offset {
        if self.config.relaxed { self.end_offset() } else { self.durable_end.max(self.shown_end) }
    }

    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub fn memory_bytes(&self) -> usize {
        self.tail.memory_bytes()
    }

    pub fn segments(&self) -> &VecDeque<Segment> {
        &self.segments
    }

    pub fn segment(&self, name: SegmentName) -> Option<&Segment> {
        let at = self.segments.partition_point(|segment| segment.base_offset < name.base);
        self.segments.get(at).filter(|segment| segment.name() == name)
    }

    pub fn leader_epochs(&self) -> &[(LeaderEpoch, Offset)] {
        &self.leader_epochs
    }

    pub fn producers(&self) -> &Producers {
        &self.producers
    }

    pub(crate) fn producers_mut(&mut self) -> &mut Producers {
        &mut self.producers
    }

    /// The group with which everything before `end` is durable; none if it is already.
    pub fn group_of(&self, end: Offset) -> GroupSeq {
        let group = self.pending.iter().find(|(_, pending_end)| *pending_end >= end).map(|(group, _)| *group);
        group.filter(|_| end > self.durable_end).unwrap_or(GroupSeq::NONE)
    }

    fn active(&self) -> &Segment {
        self.segments.back().expect("a log has an active segment")
    }

    /// Appends one checked batch that will travel in `group`.
    pub fn append(
        &mut self,
        pool: &BufPool,
        batch: &Checked<'_>,
        epoch: LeaderEpoch,
        group: GroupSeq,
        unix_ms: i64,
    ) -> AppendedBatch {
        let appended = self.take(pool, batch, self.end_offset(), epoch);
        self.producers.on_batch(&batch.info, appended.base_offset, Some(unix_ms));
        match self.pending.back_mut() {
            Some((seq, end)) if *seq == group => *end = appended.next_offset,
            _ => self.pending.push_back((group, appended.next_offset)),
        }
        self.check_ladder();
        appended
    }

    /// Takes a batch back from the journal: it is durable already, and its offset is given.
    pub fn replay(&mut self, pool: &BufPool, batch: &Checked<'_>, base_offset: Offset, epoch: LeaderEpoch) {
        let appended = self.take(pool, batch, base_offset, epoch);
        self.producers.on_batch(&batch.info, base_offset, None);
        self.durable_end = appended.next_offset;
        self.check_ladder();
    }

    fn take(&mut self, pool: &BufPool, batch: &Checked<'_>, base_offset: Offset, epoch: LeaderEpoch) -> AppendedBatch {
        let info = &batch.info;
        if self.must_roll(info) {
            self.roll();
        }
        if self.leader_epochs.last().is_none_or(|(last, _)| *last < epoch) {
            self.leader_epochs.push((epoch, base_offset));
        }
        let next_offset = Offset(base_offset.0 + i64::from(info.last_offset_delta) + 1);
        let segment = self.segments.back_mut().expect("a log has an active segment");
        let span = self.tail.append(pool, segment.base_offset, segment.bytes, base_offset, epoch, batch.bytes);
        segment.on_append(base_offset, next_offset, info);
        self.dirty = true;
        AppendedBatch { base_offset, next_offset, span }
    }

    fn must_roll(&self, info: &BatchInfo) -> bool {
        let active = self.active();
        let full =
            || active.bytes + info.length as u64 > self.config.segment_bytes.min(crate::limits::SEGMENT_BYTES_MAX);
        !active.is_empty() && (full() || self.is_old(active, info))
    }

    fn roll(&mut self) {
        let next = Segment::new(self.end_offset());
        self.segments.back_mut().expect("a log has an active segment").seal();
        self.tail.finish();
        self.segments.push_back(next);
    }

    /// Every group up to `seq` is on stable storage. Returns the new durable end when it moved.
    pub fn on_durable(&mut self, seq: GroupSeq) -> Option<Offset> {
        let before = self.durable_end;
        while let Some((_, end)) = self.pending.pop_front_if(|(group, _)| *group <= seq) {
            self.durable_end = end;
        }
        self.check_ladder();
        (self.durable_end != before).then_some(self.durable_end)
    }

    /// The next write to a segment file: at least `bytes_min` of whole blocks (or the rest of a finished chunk), or the end of
    /// a sealed segment. One is under way at a time.
    pub fn next_write(&mut self, bytes_min: u64) -> Option<FileWrite> {
        if self.write_in_flight {
            return None;
        }
        let write =
            self.next_seal().map(FileWrite::Seal).or_else(|| self.tail.next_write(bytes_min).map(FileWrite::Blocks));
        self.write_in_flight = write.is_some();
        write
    }

    /// The end of the oldest sealed segment whose whole blocks are all in the file.
    fn next_seal(&self) -> Option<SealWrite> {
        let segment = self.segments.iter().find(|segment| segment.sealed && !segment.is_closed())?;
        (segment.flushed == block_start(segment.bytes)).then(|| SealWrite {
            segment: segment.base_offset,
            position: segment.flushed,
            partial_block: self.tail.partial_block(segment.base_offset, segment.bytes),
            bytes: segment.bytes,
            index: Some(Box::new(segment.to_index(self.id))),
        })
    }

    /// The segment before the active one is not complete in its file. It does not wait for more to come: retention and compaction
    /// want it.
    pub fn awaits_seal(&self) -> bool {
        self.segments.iter().rev().nth(1).is_some_and(|segment| !segment.is_closed())
    }

    /// The active segment's partly filled block, for a clean shutdown: written padded, and the file cut to its exact size.
    pub fn closing_write(&self) -> Option<SealWrite> {
        let active = self.active();
        (!active.is_empty()).then(|| SealWrite {
            segment: active.base_offset,
            position: block_start(active.bytes),
            partial_block: self.tail.partial_block(active.base_offset, active.bytes),
            bytes: active.bytes,
            index: None,
        })
    }

    /// Whole blocks have arrived in the file.
    pub fn on_blocks_written(&mut self, segment: Offset, position: u64, len: u64) {
        self.write_in_flight = false;
        self.dirty = true;
        self.tail.on_written(segment, position, len);
        let segment = self.segment_mut(segment);
        assert_eq!(segment.flushed, position, "blocks of a segment arrive in order");
        segment.flushed = position + len;
        assert!(segment.flushed <= segment.bytes);
    }

    /// A sealed segment is complete in its file.
    pub fn on_sealed(&mut self, segment: Offset) {
        self.write_in_flight = false;
        self.dirty = true;
        self.segment_mut(segment).close();
        self.forget_indexes();
    }

    /// Gives up the indexes of closed segments of which memory holds nothing: who reads them reads files.
    fn forget_indexes(&mut self) {
        let in_memory = self.tail.first_segment().unwrap_or(Offset::MAX);
        let before = self.segments.partition_point(|segment| segment.base_offset < in_memory);
        let closed = self.segments.range_mut(..before).rev().filter(|segment| segment.is_closed());
        closed.take_while(|segment| segment.index.is_some()).for_each(|segment| segment.index = None);
    }

    fn segment_mut(&mut self, base: Offset) -> &mut Segment {
        let at = self.segments.partition_point(|segment| segment.base_offset < base);
        let segment = &mut self.segments[at];
        assert_eq!(segment.base_offset, base);
        segment
    }

    /// A write to one of its files is under way.
    pub fn is_writing(&self) -> bool {
        self.write_in_flight
    }

    /// Bytes in whole blocks that are not on their way to a file yet.
    pub fn unwritten_bytes(&self) -> u64 {
        self.tail.unwritten_bytes()
    }

    /// Bytes that are not in a file yet.
    pub fn unflushed_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes - segment.flushed).sum()
    }

    /// Everything that `saved` says lies in files is there.
    pub fn has_reached(&self, saved: &LogCheckpoint) -> bool {
        let last = saved.segments.last().expect("a log has an active segment");
        self.segments.iter().take_while(|segment| segment.base_offset <= last.base_offset).all(|segment| {
            if segment.base_offset == last.base_offset {
                segment.flushed >= saved.flushed_position
            } else {
                segment.is_closed()
            }
        })
    }

    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The log's picture for a checkpoint: what its files will hold once every whole block of this moment is written, and the
    /// bytes of the last block, which is not whole.
    pub fn to_checkpoint(&mut self) -> LogCheckpoint {
        self.dirty = false;
        let active = self.active();
        LogCheckpoint {
            log: self.id,
            log_start_offset: self.start_wanted,
            segments: self.segments.range(self.first_live()..).map(Segment::to_checkpoint).collect(),
            next_offset: active.next_offset,
            flushed_position: block_start(active.bytes),
            tail_block: self.tail.partial_block(active.base_offset, active.bytes),
            active_index: active.index.as_ref().map_or_else(Vec::new, |i| i.thinned(SEALED_INDEX_INTERVAL_BYTES)),
            leader_epochs: self.leader_epochs.clone(),
            cleaned_until: self.cleaned_until,
            producers: self.producers.to_checkpoint(),
        }
    }

    /// New chunks of the tail have at most so many bytes, unless a batch needs more.
    pub fn limit_chunks(&mut self, bytes_max: usize) {
        self.tail.limit_chunks(bytes_max);
    }

    /// Whether it holds more memory than a log needs that nobody appends to.
    pub fn holds_spare_memory(&self) -> bool {
        self.tail.memory_bytes() > CHUNK_BYTES_MIN
    }

    /// Gives up all memory but the last, partly filled block, if the files hold everything else. Returns the memory freed.
    pub fn rest(&mut self, pool: &BufPool, leaving: &mut Leaving) -> Option<usize> {
        let in_file = |segment: &Segment| {
            segment.is_closed() || (!segment.sealed && segment.flushed == block_start(segment.bytes))
        };
        let all_in_files = !self.write_in_flight && self.segments.iter().all(in_file);
        let (segment, end) = (self.active().base_offset, self.active().bytes);
        let freed = all_in_files.then(|| self.tail.rest(pool, segment, end, leaving))?;
        self.forget_indexes();
        Some(freed)
    }

    /// The log is gone, and its memory follows.
    pub fn leave(self, leaving: &mut Leaving) {
        self.tail.leave(leaving);
    }

    /// Frees the oldest chunk of the tail if nobody needs it. Returns the memory freed.
    pub fn evict_oldest(&mut self) -> Option<usize> {
        let segments = &self.segments;
        let freed = self.tail.evict_oldest(|base| {
            let at = segments.partition_point(|segment| segment.base_offset < base);
            segments.get(at).is_none_or(|segment| segment.base_offset != base || segment.is_closed())
        });
        if freed.is_some() {
            self.forget_indexes();
        }
        freed
    }

    fn check_ladder(&self) {
        assert!(self.start_offset <= self.durable_end && self.durable_end <= self.end_offset());
        assert!(self.start_offset <= self.start_wanted && self.start_wanted <= self.end_offset());
    }
}
