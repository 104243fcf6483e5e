//! Logs that nobody appends to give up their memory: what is whole goes to the files, and all but the last block is freed.
//!
//! ```text
//!            append                  nothing appended for a while       the files have all whole blocks
//!   resting --------> watched ------------------------------> writing --------------------------------> resting
//!                        ^                                       |
//!                        +------------------ append -------------+
//! ```
//! Their writes are nobody's hurry: one at a time, when no other is under way.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::{Effect, Store};
use crate::ids::LogId;
use crate::limits::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, OPEN_CHUNKS_SHARE};

/// What the store knows of one log's idleness.
#[derive(Debug, Default)]
pub struct Idleness {
    last_append_ms: u64,
    /// It stands in the queue of logs to look at.
    is_watched: bool,
    /// It is written out, to rest then.
    is_writing: bool,
}

impl Idleness {
    /// Somebody has appended lately.
    pub fn is_watched(&self) -> bool {
        self.is_watched
    }
}

/// The logs of a shard that are appended to now and then.
#[derive(Debug)]
pub struct Resting {
    after_ms: u64,
    /// Each log that holds memory to spare, with the time at which to look at it. An entry comes too late by `after_ms` at most.
    watched: VecDeque<(u64, LogId)>,
    writing: VecDeque<LogId>,
}

impl Resting {
    pub fn new(after_ms: u64) -> Self {
        Self { after_ms, watched: VecDeque::new(), writing: VecDeque::new() }
    }

    /// The log was appended to.
    pub fn on_append(&mut self, id: LogId, idleness: &mut Idleness, now_ms: u64) {
        idleness.last_append_ms = now_ms;
        idleness.is_writing = false;
        if !std::mem::replace(&mut idleness.is_watched, true) {
            self.watched.push_back((now_ms + self.after_ms, id));
        }
    }

    /// When to look at the next log.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.watched.front().map(|(due_ms, _)| *due_ms)
    }

    fn next_due(&mut self, now_ms: u64) -> Option<LogId> {
        self.watched.pop_front_if(|(due_ms, _)| *due_ms <= now_ms).map(|(_, id)| id)
    }
}

impl Store {
    /// How large the chunks of each log may become: all that are open at once must leave memory for what readers want.
    pub(super) fn chunk_bytes_max(&self) -> usize {
        let share = self.limits.memory_bytes_max / OPEN_CHUNKS_SHARE / self.logs.len().max(1);
        let share = share.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        // A power of two is one of the pool's sizes.
        1 << share.ilog2()
    }

    /// Looks at the logs whose time has come.
    pub(super) fn poll_idle(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        while let Some(id) = self.resting.next_due(now_ms) {
            let Some(slot) = self.logs.get_mut(&id) else { continue };
            let due_ms = slot.idleness.last_append_ms + self.resting.after_ms;
            if due_ms > now_ms {
                self.resting.watched.push_back((due_ms, id));
                self.slow_down_ahead(id, effects);
                continue;
            }
            slot.idleness.is_watched = false;
            if slot.log.holds_spare_memory() {
                slot.idleness.is_writing = true;
                self.resting.writing.push_back(id);
            }
            self.rest_ahead(id, effects);
        }
    }

    /// Lets the next idle log have its whole blocks written, if the device has nothing else to do for segments.
    pub(super) fn poll_resting(&mut self, effects: &mut Vec<Effect>) {
        while self.writes_in_flight == 0
            && let Some(id) = self.resting.writing.pop_front()
        {
            let Some(slot) = self.logs.get_mut(&id).filter(|slot| slot.idleness.is_writing) else { continue };
            match slot.log.next_write(1) {
                Some(write) => {
                    self.resting.writing.push_back(id);
                    self.start_write(id, write, None, effects);
                }
                None => {
                    self.lay_to_rest(id);
                    self.rest_ahead(id, effects);
                }
            }
        }
    }

    fn lay_to_rest(&mut self, id: LogId) {
        let slot = self.logs.get_mut(&id).expect("the caller found it");
        slot.idleness.is_writing = false;
        let freed = slot.log.rest(&self.pool, &mut self.leaving).expect("nothing of it is left to be written");
        self.memory_bytes -= freed;
    }
}
