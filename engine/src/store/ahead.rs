//! Files for segments to come: there before the log rolls, so that the roll only has to give one its name.
//!
//! ```text
//!            the segment fills fast, or one goes that retention has left behind
//!   none ---------------------------------------------------------------------> coming
//!    ^                                                                             |
//!    +--- a new segment's first blocks are written: the file is the segment's ------ ready
//!    |                                                                             |
//!    +------------------- going <--- the log slows down or rests, or space is short --+
//! ```
//! Only a log that rolls often has such files: one that was made for it, or some that retention has left. All that is known of them is a
//! hint: where one turns out not to be there the segment gets a file as if none had been prepared. A file is named by a segment: the one that
//! it was, or the one that was filling when it was made. So no two of a log ever have the same name at the same time.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, BTreeSet};

use batch::Offset;

use super::{Effect, Store};
use crate::ids::{LogId, SegmentName};
use crate::limits::{
    NEXT_FILES_MAX, SEGMENT_AHEAD_SHARE, SEGMENT_AHEAD_WITHIN_MS, SEGMENT_BYTES_MAX, SEGMENT_PREALLOCATE_BYTES_MAX,
    SEGMENT_PREALLOCATE_SHARE,
};
use crate::log::FileWrite;

/// Where a file is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextFile {
    Coming,
    /// It is coming, and goes as soon as it is there.
    Unwanted,
    Ready,
    Going,
}

/// A log that has begun a segment and has not rested since, or has files that are on their way.
#[derive(Debug, Default)]
struct Rolling {
    /// When the first blocks of its newest segment were written.
    begun_ms: u64,
    is_resting: bool,
    files: BTreeMap<Offset, NextFile>,
}

impl Rolling {
    /// The oldest one that is ready is taken.
    fn take(&mut self) -> Option<Offset> {
        let name = self.files.iter().find(|(_, file)| **file == NextFile::Ready).map(|(name, _)| *name)?;
        self.files.remove(&name);
        Some(name)
    }

    /// Whether the segment to come has no file yet; then one is on its way.
    fn wants(&mut self, name: Offset) -> bool {
        let wants = !self.is_resting && self.files.is_empty();
        if wants {
            self.files.insert(name, NextFile::Coming);
        }
        wants
    }

    fn keeps(&mut self, name: Offset) -> bool {
        let keeps = !self.is_resting && self.files.len() < NEXT_FILES_MAX && !self.files.contains_key(&name);
        if keeps {
            self.files.insert(name, NextFile::Coming);
        }
        keeps
    }

    /// Wants none any more. Returns those that have to go.
    fn give_back(&mut self) -> Vec<Offset> {
        let mut going = Vec::new();
        for (name, file) in &mut self.files {
            match file {
                NextFile::Ready => {
                    *file = NextFile::Going;
                    going.push(*name);
                }
                NextFile::Coming => *file = NextFile::Unwanted,
                NextFile::Unwanted | NextFile::Going => {}
            }
        }
        going
    }

    /// Files that the shell is at work on.
    fn under_way(&self) -> usize {
        self.files.values().filter(|file| **file != NextFile::Ready).count()
    }
}

/// What one shard knows of its logs' files to come. Of logs at rest it knows nothing.
#[derive(Debug, Default)]
pub struct Ahead {
    logs: BTreeMap<LogId, Rolling>,
    /// Segments that a process before this one has left behind. Nobody knows whether all that is in them was ever the log's, so they are not
    /// kept.
    leftovers: BTreeSet<(LogId, SegmentName)>,
    /// When the store was last polled.
    now_ms: u64,
    /// The shard stops.
    has_ended: bool,
}

impl Ahead {
    /// The first blocks of a segment are about to be written. Returns the file that is there for it.
    fn on_segment_begun(&mut self, log: LogId) -> Option<Offset> {
        let rolling = self.logs.entry(log).or_default();
        (rolling.begun_ms, rolling.is_resting) = (self.now_ms, false);
        rolling.take()
    }

    /// The newest segment of the log has its share. Returns whether the next one is to get a file now, under this name.
    fn on_share_filled(&mut self, log: LogId, name: Offset) -> bool {
        self.rolls_fast(log) && self.logs.get_mut(&log).is_some_and(|rolling| rolling.wants(name))
    }

    fn rolls_fast(&self, log: LogId) -> bool {
        let is_fast = |rolling: &Rolling| self.now_ms - rolling.begun_ms <= SEGMENT_AHEAD_WITHIN_MS;
        !self.has_ended && self.logs.get(&log).is_some_and(is_fast)
    }

    /// A segment goes. Returns whether its file is to be kept.
    fn on_segment_leaves(&mut self, log: LogId, name: Offset) -> bool {
        self.rolls_fast(log) && self.logs.get_mut(&log).is_some_and(|rolling| rolling.keeps(name))
    }

    /// The shell is done: the file is there, or not. Returns whether it has to go again.
    fn on_settled(&mut self, log: LogId, name: Offset, is_there: bool) -> bool {
        let Some(rolling) = self.logs.get_mut(&log) else { return false };
        let is_unwanted = rolling.files.remove(&name) == Some(NextFile::Unwanted);
        if is_there {
            rolling.files.insert(name, if is_unwanted { NextFile::Going } else { NextFile::Ready });
        }
        self.forget_resting(log);
        is_there && is_unwanted
    }

    /// The log is appended to. Returns the files that have to go, if it does not roll often any more.
    fn on_look(&mut self, log: LogId) -> Vec<Offset> {
        if self.rolls_fast(log) {
            return Vec::new();
        }
        self.logs.get_mut(&log).map_or_else(Vec::new, Rolling::give_back)
    }

    /// Nobody appends to the log. Returns the files that have to go.
    fn on_rest(&mut self, log: LogId) -> Vec<Offset> {
        let Some(rolling) = self.logs.get_mut(&log) else { return Vec::new() };
        rolling.is_resting = true;
        let going = rolling.give_back();
        self.forget_resting(log);
        going
    }

    fn forget_resting(&mut self, log: LogId) {
        if self.logs.get(&log).is_some_and(|rolling| rolling.is_resting && rolling.files.is_empty()) {
            self.logs.remove(&log);
        }
    }

    /// The log is gone. Returns how many of its files the shell is at work on.
    pub(super) fn on_log_dropped(&mut self, log: LogId) -> usize {
        self.logs.remove(&log).map_or(0, |rolling| rolling.under_way())
    }

    /// A process before this one has left such a file, unless it is this one's. Returns whether it has to go, and if so at once: where the
    /// log rolls the file may just have been taken.
    fn on_found(&mut self, log: LogId, name: Offset) -> Option<bool> {
        let rolling = self.logs.entry(log).or_insert_with(|| Rolling { is_resting: true, ..Rolling::default() });
        if rolling.files.contains_key(&name) {
            return None;
        }
        rolling.files.insert(name, NextFile::Going);
        Some(!rolling.is_resting)
    }

    /// Nobody wants any of them. Returns those that have to go.
    fn give_back(&mut self) -> Vec<(LogId, Offset)> {
        let going =
            |(log, rolling): (&LogId, &mut Rolling)| rolling.give_back().into_iter().map(|name| (*log, name)).collect();
        self.logs.iter_mut().map(going).collect::<Vec<Vec<_>>>().concat()
    }

    /// No file is on its way.
    pub(super) fn is_idle(&self) -> bool {
        self.logs.values().all(|rolling| rolling.under_way() == 0)
    }
}

impl Store {
    /// A write is about to start. Returns the file that is there for the segment, if the write begins one. What a checkpoint wants written of
    /// a log at rest is no sign that it rolls: seed 760645.
    pub(super) fn begin_segment(&mut self, log: LogId, write: &FileWrite) -> Option<Offset> {
        let is_at_rest = self.logs.get(&log).is_none_or(|slot| !slot.idleness.is_watched());
        let begins = !is_at_rest && matches!(write, FileWrite::Blocks(write) if write.position == 0);
        begins.then(|| self.ahead.on_segment_begun(log))?
    }

    /// A write is about to start, and perhaps it is time to make a file for the segment after this one.
    pub(super) fn look_ahead(&mut self, log: LogId, write: &FileWrite, effects: &mut Vec<Effect>) {
        let FileWrite::Blocks(write) = write else { return };
        let segment_bytes = self.segment_bytes(log);
        let has_share = write.position + write.bytes() >= segment_bytes / SEGMENT_AHEAD_SHARE;
        let (name, bytes) = (write.segment, segment_bytes.min(SEGMENT_PREALLOCATE_BYTES_MAX));
        let has_space = || self.space.has_left(bytes.saturating_mul(SEGMENT_PREALLOCATE_SHARE));
        if has_share && self.rolls_ahead(segment_bytes) && has_space() && self.ahead.on_share_filled(log, name) {
            effects.push(Effect::MakeNextFile { log, name, bytes });
        }
    }

    fn segment_bytes(&self, log: LogId) -> u64 {
        self.log(log).map_or(0, |log| log.config().segment_bytes.min(SEGMENT_BYTES_MAX))
    }

    fn rolls_ahead(&self, segment_bytes: u64) -> bool {
        segment_bytes >= self.limits.next_file_bytes_min
    }

    /// Of segments that go, those whose files are kept for segments to come: the newest. Their blocks have been written before, which
    /// spares the file system a change of its own records for every write.
    pub(super) fn keep_next_files(&mut self, log: LogId, segments: &[SegmentName]) -> Vec<SegmentName> {
        let segment_bytes = self.segment_bytes(log);
        let mut own = segments.to_vec();
        own.retain(|segment| !self.ahead.leftovers.remove(&(log, *segment)));
        if !self.rolls_ahead(segment_bytes) || !self.space.has_left(segment_bytes) {
            return Vec::new();
        }
        let appended = own.into_iter().rev().filter(|segment| segment.revision == 0);
        appended.filter(|segment| self.ahead.on_segment_leaves(log, segment.base)).collect()
    }

    /// These segments were left by a process before this one.
    pub(super) fn never_keep(&mut self, log: LogId, leftovers: &[SegmentName]) {
        self.ahead.leftovers.extend(leftovers.iter().map(|segment| (log, *segment)));
    }

    /// What was to be done about a file for a segment to come is done: it is there now, or it is not.
    pub fn on_next_file(&mut self, log: LogId, name: Offset, is_there: bool, effects: &mut Vec<Effect>) {
        if !self.logs.contains_key(&log) {
            self.removals.on_write_ended(log);
        } else if self.ahead.on_settled(log, name, is_there) {
            effects.push(Effect::RemoveNextFile { log, name, at_once: false });
        }
    }

    /// There was no space for it. Nobody waits for it either.
    pub(super) fn on_next_file_refused(&mut self, log: LogId, name: Offset) {
        self.on_next_file(log, name, false, &mut Vec::new());
    }

    /// A process before this one has left a file for a segment to come.
    pub fn on_next_file_found(&mut self, log: LogId, name: Offset, effects: &mut Vec<Effect>) {
        if self.logs.contains_key(&log)
            && let Some(at_once) = self.ahead.on_found(log, name)
        {
            effects.push(Effect::RemoveNextFile { log, name, at_once });
        }
    }

    /// Nobody appends to the log any more.
    pub(super) fn rest_ahead(&mut self, log: LogId, effects: &mut Vec<Effect>) {
        effects.extend(self.ahead.on_rest(log).into_iter().map(|name| Effect::RemoveNextFile {
            log,
            name,
            at_once: false,
        }));
    }

    /// The log is appended to, perhaps so slowly that its next segment is far away.
    pub(super) fn slow_down_ahead(&mut self, log: LogId, effects: &mut Vec<Effect>) {
        effects.extend(self.ahead.on_look(log).into_iter().map(|name| Effect::RemoveNextFile {
            log,
            name,
            at_once: false,
        }));
    }

    /// What is there for segments to come goes where space is short.
    pub(super) fn poll_ahead(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        self.ahead.now_ms = now_ms;
        if self.space.is_full() || self.space.holds_back() {
            self.give_back_ahead(effects);
        }
    }

    fn give_back_ahead(&mut self, effects: &mut Vec<Effect>) {
        effects.extend(self.ahead.give_back().into_iter().map(|(log, name)| Effect::RemoveNextFile {
            log,
            name,
            at_once: false,
        }));
    }

    /// The shard stops: no log gets such a file any more, and those that are there go.
    pub fn end_ahead(&mut self, effects: &mut Vec<Effect>) {
        self.ahead.has_ended = true;
        self.give_back_ahead(effects);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId { topic: 1, partition: 0 };
    const NAME: Offset = Offset(7);

    /// The file for the log's next segment is there.
    fn ready() -> Ahead {
        let mut ahead = Ahead::default();
        assert!(ahead.on_segment_begun(LOG).is_none() && ahead.on_share_filled(LOG, NAME));
        assert!(!ahead.on_settled(LOG, NAME, true));
        ahead
    }

    #[test]
    fn a_segment_that_fills_fast_gets_one_file_and_the_next_one_takes_it() {
        let mut ahead = ready();
        assert!(!ahead.on_share_filled(LOG, NAME), "there is one");
        assert_eq!([(); 2].map(|()| ahead.on_segment_begun(LOG)), [Some(NAME), None], "it is taken once");
        assert!(ahead.on_share_filled(LOG, NAME) && !ahead.is_idle());
        assert!(!ahead.on_settled(LOG, NAME, false) && ahead.on_segment_begun(LOG).is_none(), "it was not made");
    }

    #[test]
    fn a_log_that_rolls_seldom_has_none_and_one_that_slows_down_gives_them_back() {
        let mut ahead = ready();
        ahead.now_ms = SEGMENT_AHEAD_WITHIN_MS;
        assert!(ahead.on_look(LOG).is_empty());
        ahead.now_ms += 1;
        assert_eq!([(); 2].map(|()| ahead.on_look(LOG)), [vec![NAME], Vec::new()]);
        assert!(!ahead.on_settled(LOG, NAME, false));
        assert!(!ahead.on_share_filled(LOG, NAME) && !ahead.on_segment_leaves(LOG, NAME));
        assert!(ahead.on_segment_begun(LOG).is_none() && ahead.on_share_filled(LOG, NAME), "it has begun one just now");
    }

    #[test]
    fn files_of_segments_that_go_are_kept_up_to_a_bound_and_taken_one_by_one() {
        let mut ahead = ready();
        let kept: Vec<Offset> = (10..20).map(Offset).filter(|name| ahead.on_segment_leaves(LOG, *name)).collect();
        assert_eq!(kept.len(), NEXT_FILES_MAX - 1, "one is there");
        assert!(kept.iter().all(|name| !ahead.on_settled(LOG, *name, *name != Offset(10))));
        let taken: Vec<Offset> = (0..10).filter_map(|_| ahead.on_segment_begun(LOG)).collect();
        assert_eq!(taken, [&[NAME][..], &kept[1..]].concat(), "the first one could not be kept");
        assert!(!ahead.on_segment_leaves(LogId { partition: 1, ..LOG }, NAME), "that one does not roll");
    }

    #[test]
    fn nothing_is_known_of_a_log_at_rest() {
        let mut ahead = ready();
        assert_eq!(ahead.on_rest(LOG), [NAME]);
        assert!(!ahead.is_idle() && !ahead.on_share_filled(LOG, NAME), "the file is on its way off the disk");
        assert!(!ahead.on_settled(LOG, NAME, false) && ahead.logs.is_empty());
        assert!(!ahead.on_share_filled(LOG, NAME) && !ahead.on_segment_leaves(LOG, NAME) && ahead.logs.is_empty());
    }

    #[test]
    fn a_file_that_is_not_wanted_any_more_goes_when_it_has_come() {
        let mut ahead = Ahead::default();
        assert!(ahead.on_segment_begun(LOG).is_none() && ahead.on_share_filled(LOG, NAME));
        assert!(ahead.on_rest(LOG).is_empty() && ahead.give_back().is_empty());
        assert!(ahead.on_settled(LOG, NAME, true) && !ahead.is_idle());
        assert!(!ahead.on_settled(LOG, NAME, false) && ahead.is_idle() && ahead.logs.is_empty());
    }

    #[test]
    fn what_an_earlier_process_has_left_goes_unless_it_is_this_ones() {
        let mut ahead = ready();
        let found = [NAME, Offset(3), Offset(3)].map(|name| ahead.on_found(LOG, name));
        assert_eq!(found, [None, Some(true), None]);
        let mut ahead = Ahead::default();
        assert_eq!(ahead.on_found(LOG, NAME), Some(false));
        assert!(!ahead.on_settled(LOG, NAME, false) && ahead.logs.is_empty());
    }

    #[test]
    fn a_deletion_waits_for_the_shell_where_it_is_at_work() {
        assert_eq!(ready().on_log_dropped(LOG), 0);
        let mut ahead = ready();
        assert_eq!(ahead.give_back(), [(LOG, NAME)]);
        assert_eq!((ahead.on_log_dropped(LOG), ahead.is_idle()), (1, true));
    }
}
