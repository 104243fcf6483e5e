//! Write groups between an append and the device: one is open and fills, closed ones wait, a few are under way.
//!
//! ```text
//!   append -> [open] -> [closed, closed, ..] -> (in flight, in flight) -> durable
//! ```
//! This is group commit without a timer: a group leaves as soon as the device is free, so it holds what came while the one
//! before was being written. Only relaxed records wait on purpose, for a bounded time.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use batch::Offset;

use crate::frame::{FrameFields, frame_bytes};
use crate::ids::{GroupSeq, JournalFileId, LogId};
use crate::journal::{Chain, ChainEnd, GROUP_HEADER_BYTES, GroupBuilder, JournalFiles, Predecessor};
use crate::limits::{
    BLOCK_BYTES, GROUP_BYTES, GROUP_OVERLAP_BYTES_MIN, GROUPS_WAITING_MAX, JOURNAL_FILE_BYTES, RELAXED_JOURNAL_DELAY_MS,
};
use crate::memory::{AlignedBuf, BufPool};

/// A sealed group to be written durably: all of `buf` at `position` of the journal file.
#[derive(Debug)]
pub struct GroupWrite {
    pub seq: GroupSeq,
    pub file: JournalFileId,
    pub position: u64,
    pub buf: AlignedBuf,
}

/// What a group has touched, told when it is durable.
#[derive(Debug, Default)]
pub struct GroupContent {
    pub logs: Vec<LogId>,
    pub dropped: Vec<LogId>,
    /// Logs that start further on, and where.
    pub starts: Vec<(LogId, Offset)>,
}

struct Filling {
    builder: GroupBuilder,
    buf: AlignedBuf,
    content: GroupContent,
    /// Somebody waits for it.
    urgent: bool,
    opened_ms: u64,
}

/// The queue of groups of one shard.
pub struct Groups {
    chain: Chain,
    open: Option<Filling>,
    closed: VecDeque<Filling>,
    in_flight: VecDeque<(GroupSeq, GroupContent)>,
    last_write_ms: u64,
    group_bytes: usize,
}

impl Groups {
    pub fn new(end: ChainEnd, group_bytes: usize) -> Self {
        Self {
            chain: Chain::new(end),
            open: None,
            closed: VecDeque::new(),
            in_flight: VecDeque::new(),
            last_write_ms: 0,
            group_bytes,
        }
    }

    pub fn durable_seq(&self) -> GroupSeq {
        self.chain.durable_seq()
    }

    /// Every group up to this one is on stable storage or was never written.
    pub fn settled_seq(&self) -> GroupSeq {
        self.chain.settled_seq()
    }

    /// The group that the next frame will travel in, unless it has to open another.
    fn open_seq(&self) -> GroupSeq {
        GroupSeq(self.chain.next_seq().0 + self.closed.len() as u64)
    }

    /// No more may be queued before the device has caught up.
    pub fn is_full(&self) -> bool {
        self.closed.len() >= GROUPS_WAITING_MAX
    }

    /// Whether all that waits, and one more payload, find their places in the journal before any file is freed. A checkpoint waits for
    /// the groups before it, and files are freed only by a checkpoint: a group without a place would wait for ever.
    pub fn has_room(&self, files: &JournalFiles, payload_bytes: usize) -> bool {
        // No group needs more than one file.
        if files.files_left() > self.closed.len() + 2 {
            return true;
        }
        let waiting = self.closed.iter().chain(&self.open).map(|filling| filling.builder.bytes());
        let new = GROUP_HEADER_BYTES + frame_bytes(payload_bytes);
        files.has_room(waiting.chain([new]).map(|bytes| bytes.next_multiple_of(BLOCK_BYTES)))
    }

    /// Groups that are closed and wait, and groups that are under way.
    pub fn queued(&self) -> (usize, usize) {
        (self.closed.len(), self.in_flight.len())
    }

    pub fn is_idle(&self) -> bool {
        self.open.is_none() && self.closed.is_empty() && self.in_flight.is_empty()
    }

    /// Makes sure that the open group has room for a payload, and says which group that is.
    pub fn reserve(&mut self, pool: &BufPool, payload_bytes: usize, now_ms: u64) -> GroupSeq {
        if self.open.as_ref().is_some_and(|open| !open.builder.fits(payload_bytes, open.buf.len())) {
            self.close();
        }
        if self.open.is_none() {
            let needed = (GROUP_HEADER_BYTES + frame_bytes(payload_bytes)).next_multiple_of(BLOCK_BYTES);
            let buf = pool.take(needed.max(self.group_bytes));
            let builder = GroupBuilder::new(buf.len());
            self.open =
                Some(Filling { builder, buf, content: GroupContent::default(), urgent: false, opened_ms: now_ms });
        }
        self.open_seq()
    }

    /// Puts a frame into the open group, which has room: `reserve` saw to it.
    pub fn push(&mut self, fields: &FrameFields, payload: &[u8], urgent: bool) {
        let open = self.open.as_mut().expect("reserve opened a group");
        open.builder.push(&mut open.buf, fields, payload).expect("reserve made room");
        open.urgent |= urgent;
        if open.content.logs.last() != Some(&fields.log) && !open.content.logs.contains(&fields.log) {
            open.content.logs.push(fields.log);
        }
    }

    pub fn note_dropped(&mut self, log: LogId) {
        self.open.as_mut().expect("the frame that drops the log was pushed").content.dropped.push(log);
    }

    pub fn note_start(&mut self, log: LogId, start: Offset) {
        self.open.as_mut().expect("the frame that moves the start was pushed").content.starts.push((log, start));
    }

    /// Closes the open group, so that everything appended up to now lies in groups before the returned one.
    pub fn close(&mut self) -> GroupSeq {
        if let Some(open) = self.open.take_if(|open| !open.builder.is_empty()) {
            self.closed.push_back(open);
        }
        self.open_seq()
    }

    /// Closes the open group for a checkpoint that needs the journal from the returned group on.
    pub fn close_for_checkpoint(&mut self) -> GroupSeq {
        let replay_from = self.close();
        self.chain.set_boundary(replay_from);
        replay_from
    }

    /// The last group before the one that the checkpoint under way needs first.
    pub fn before_checkpoint(&self) -> Predecessor {
        self.chain.before_boundary()
    }

    /// The next group to write, if the device should have one now and the journal has room.
    pub fn next_write(&mut self, files: &mut JournalFiles, now_ms: u64) -> Option<GroupWrite> {
        if !self.chain.may_seal() {
            return None;
        }
        if self.closed.is_empty() && self.open_is_due(now_ms) {
            self.close();
        }
        let len = self.closed.front()?.builder.bytes().next_multiple_of(BLOCK_BYTES);
        let (file, position) = files.place(self.chain.next_seq(), len)?;
        let filling = self.closed.pop_front().expect("looked at above");
        Some(self.seal(filling, file, position, now_ms))
    }

    /// A group without frames that tells the disk what is durable, once the shard is idle: it ends recovery's doubt about
    /// whether the last group was acknowledged.
    pub fn closing_mark(&mut self, pool: &BufPool, files: &mut JournalFiles, now_ms: u64) -> Option<GroupWrite> {
        if !self.is_idle() || !self.chain.mark_is_owed() {
            return None;
        }
        let (file, position) = files.place(self.chain.next_seq(), BLOCK_BYTES)?;
        let buf = pool.take(BLOCK_BYTES);
        let builder = GroupBuilder::new(buf.len());
        let filling = Filling { builder, buf, content: GroupContent::default(), urgent: false, opened_ms: now_ms };
        Some(self.seal(filling, file, position, now_ms))
    }

    /// Whether a closing mark is owed and since when nothing was written.
    pub fn idle_since_ms(&self) -> Option<u64> {
        (self.is_idle() && self.chain.mark_is_owed()).then_some(self.last_write_ms)
    }

    fn seal(&mut self, filling: Filling, file: JournalFileId, position: u64, now_ms: u64) -> GroupWrite {
        let Filling { builder, mut buf, content, .. } = filling;
        let context = self.chain.context(file, position);
        self.last_write_ms = now_ms;
        let sealed = builder.seal(&mut buf, context);
        buf.set_len(sealed.len);
        let seq = self.chain.on_sealed(sealed);
        self.in_flight.push_back((seq, content));
        GroupWrite { seq, file, position, buf }
    }

    /// With the device free, whatever somebody waits for goes out; beside a write under way only what is worth a write of its
    /// own; relaxed records when they are many or old.
    fn open_is_due(&self, now_ms: u64) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| !open.builder.is_empty()) else { return false };
        let large = open.builder.bytes() >= GROUP_OVERLAP_BYTES_MIN;
        let old = now_ms >= open.opened_ms + RELAXED_JOURNAL_DELAY_MS;
        large || old || (open.urgent && self.in_flight.is_empty())
    }

    /// When the open group must leave although nobody waits for it. One that somebody waits for needs no clock: it leaves
    /// with the end of the write under way.
    pub fn due_ms(&self) -> Option<u64> {
        let waits = |open: &&Filling| !open.urgent && !open.builder.is_empty();
        let due = self.open.as_ref().filter(waits).map(|open| open.opened_ms + RELAXED_JOURNAL_DELAY_MS);
        due.filter(|_| self.chain.may_seal())
    }

    /// A group's write is on stable storage. Returns what became durable in order, perhaps nothing yet.
    pub fn on_written(&mut self, seq: GroupSeq) -> Vec<(GroupSeq, GroupContent)> {
        let durable = self.chain.on_durable(seq);
        let mut done = Vec::new();
        while let Some(group) = self.in_flight.pop_front_if(|(seq, _)| *seq <= durable) {
            done.push(group);
        }
        done
    }
}

const _: () = assert!(GROUP_BYTES as u64 * 4 <= JOURNAL_FILE_BYTES, "a file holds several groups");
