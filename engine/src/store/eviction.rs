//! Which logs may have memory to give up when the shard has too much: those whose oldest chunk may have become free since somebody last
//! looked. With thousands of logs nearly none has one at any moment, so nobody goes round asking.
//!
//! ```text
//!            blocks arrived, a segment closed, or another chunk begun        memory over its bound: looked at
//!   not queued ---------------------------------------------> queued ---------------------------------------+
//!        ^                                                      ^                                            |
//!        |                                                      +------- gave up its oldest chunk -----------+
//!        +-------------------------------- has none to give ------------------------------------------------+
//! ```

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use super::Store;
use crate::ids::LogId;

/// Logs that have nothing to give, looked at in one go.
const VAIN_LOOKS_MAX: usize = 64;

/// The queue, in the order in which the logs came to have something.
#[derive(Debug, Default)]
pub struct Eviction {
    queue: VecDeque<LogId>,
}

impl Eviction {
    /// The log's oldest chunk may have become free. `is_queued` is the log's own mark that it stands in the queue.
    pub fn on_chance(&mut self, id: LogId, is_queued: &mut bool) {
        if !std::mem::replace(is_queued, true) {
            self.queue.push_back(id);
        }
    }
}

impl Store {
    /// Frees tail memory over the bound, log after log, the oldest chunk of each, as far as the files have it.
    pub(super) fn evict(&mut self) {
        let mut vain_looks = 0;
        while self.memory_bytes > self.limits.memory_bytes_max && vain_looks < VAIN_LOOKS_MAX {
            let Some(id) = self.eviction.queue.pop_front() else { break };
            // It may have been dropped.
            let Some(slot) = self.logs.get_mut(&id) else { continue };
            match slot.log.evict_oldest() {
                Some(freed) => {
                    self.memory_bytes -= freed;
                    self.eviction.queue.push_back(id);
                }
                None => {
                    slot.may_evict = false;
                    vain_looks += 1;
                }
            }
        }
    }
}
