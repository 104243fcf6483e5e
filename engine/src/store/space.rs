//! Free space of the data directory's file system as decisions: which appends still fit, and what found no space and waits.
//!
//! ```text
//!            an append does not fit, or a write finds no space
//!   taking ---------------------------------------------------> full
//!      ^                                                          |
//!      +----------------------------------------------------------+
//!        a look finds a margin above the reserve, and whatever found no space has been written
//! ```
//! What is acknowledged lies in the journal, whose files are written beforehand. It still has to get to the segment files and
//! into a checkpoint, so appends end while there is room for all of that. Where somebody else fills the file system
//! nevertheless, the segment writes and checkpoints wait for space: nothing was acknowledged on their strength.

#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use super::Effect;
use crate::ids::LogId;

/// Appends go on once so large a part of the reserve is free above it. Without a margin they would stop and go with each block
/// that is written.
const MARGIN_SHARE: u64 = 4;

/// What one shard knows of the space that is left.
#[derive(Debug, Default)]
pub struct Space {
    /// What appends leave free.
    reserve_bytes: u64,
    /// Shards that share the file system. Each takes its part of what is free above the reserve, so that together they
    /// cannot take more than there is between two looks.
    sharers: u64,
    /// What appends may take until the next look; `None` before the first.
    left_bytes: Option<u64>,
    is_full: bool,
    /// Logs that may be appended to all the same: deleting a topic takes a record.
    exempt: BTreeSet<LogId>,
    /// Effects that found no space. They still count as under way.
    waiting: Vec<Effect>,
    /// The last write that needed space found none.
    is_doubted: bool,
    looked: bool,
}

impl Space {
    pub fn new(reserve_bytes: u64, sharers: u64) -> Self {
        Self { reserve_bytes, sharers: sharers.max(1), ..Self::default() }
    }

    pub fn exempt(&mut self, log: LogId) {
        self.exempt.insert(log);
    }

    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Something waits until there is space.
    pub fn holds_back(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether an append of so many bytes may go on. If not, nothing may until a look has found space.
    pub fn admits(&mut self, log: LogId, bytes: u64) -> bool {
        if self.exempt.contains(&log) {
            return true;
        }
        self.is_full |= self.left_bytes.is_some_and(|left| left < bytes);
        !self.is_full
    }

    /// Whether appends may still take so many bytes, as far as is known.
    pub fn has_left(&self, bytes: u64) -> bool {
        !self.is_full && !self.holds_back() && self.left_bytes.is_none_or(|left| left >= bytes)
    }

    pub fn on_append(&mut self, bytes: u64) {
        self.left_bytes = self.left_bytes.map(|left| left.saturating_sub(bytes));
    }

    /// Somebody has looked: so many bytes are free in the file system, and so many this shard will still write, whatever is appended.
    pub fn on_free_space(&mut self, free_bytes: u64, owed_bytes: u64) {
        let left = (free_bytes.saturating_sub(self.reserve_bytes) / self.sharers).saturating_sub(owed_bytes);
        self.left_bytes = Some(left);
        self.is_full = self.is_doubted || if self.is_full { left <= self.margin_bytes() } else { left == 0 };
        self.looked = true;
    }

    fn margin_bytes(&self) -> u64 {
        self.reserve_bytes / MARGIN_SHARE / self.sharers
    }

    /// Takes an effect that found no space; it waits for the next look.
    pub fn on_no_space(&mut self, effect: Option<Effect>) {
        self.waiting.extend(effect);
        (self.is_doubted, self.is_full, self.looked) = (true, true, false);
    }

    /// A write that needed space has got it.
    pub fn on_written(&mut self) {
        self.is_doubted = false;
    }

    /// The log is gone. Returns how many of its writes waited: nobody will carry them out.
    pub fn on_log_dropped(&mut self, log: LogId) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|effect| {
            !matches!(effect, Effect::WriteBlocks { log: id, .. } | Effect::SealSegment { log: id, .. } if *id == log)
        });
        let given_up = before - self.waiting.len();
        self.is_doubted &= given_up == 0 || self.holds_back();
        given_up
    }

    /// What waited and is worth another try, now that somebody has looked.
    pub fn retries(&mut self) -> Vec<Effect> {
        if !std::mem::take(&mut self.looked) {
            return Vec::new();
        }
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId { topic: 1, partition: 0 };
    const OTHER: LogId = LogId { topic: 0, partition: 0 };

    #[test]
    fn before_the_first_look_everything_fits() {
        assert!(Space::new(1000, 1).admits(LOG, u64::MAX));
    }

    #[test]
    fn appends_stop_at_the_reserve_and_at_what_is_still_to_be_written() {
        let mut space = Space::new(1000, 1);
        space.on_free_space(1500, 300);
        assert!(space.admits(LOG, 200));
        space.on_append(200);
        assert!(!space.admits(LOG, 1));
        assert!(space.is_full());
        space.on_free_space(1500, 400);
        assert!(!space.admits(LOG, 1), "100 bytes are less than the margin");
        space.on_free_space(1800, 400);
        assert!(space.admits(LOG, 1) && !space.is_full());
    }

    #[test]
    fn shards_together_do_not_take_more_than_there_is() {
        let mut space = Space::new(1000, 4);
        space.on_free_space(1400, 0);
        assert!(space.admits(LOG, 100));
        assert!(!space.admits(LOG, 101));
    }

    #[test]
    fn an_exempt_log_is_appended_to_when_nothing_is_left() {
        let mut space = Space::new(1000, 1);
        space.exempt(OTHER);
        space.on_free_space(0, 0);
        assert!(space.admits(OTHER, 100) && !space.admits(LOG, 100));
    }

    #[test]
    fn what_found_no_space_is_tried_after_a_look_and_appends_wait_until_it_is_written() {
        let mut space = Space::new(0, 1);
        space.on_no_space(Some(Effect::RemoveLog(LOG)));
        assert!(space.holds_back() && space.retries().is_empty() && !space.admits(LOG, 1));
        space.on_free_space(1 << 30, 0);
        assert_eq!(space.retries().len(), 1);
        assert!(!space.admits(LOG, 1), "the numbers of a file system may say more than it gives");
        space.on_written();
        space.on_free_space(1 << 30, 0);
        assert!(space.admits(LOG, 1));
    }
}
