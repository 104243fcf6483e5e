//! What of a log may be compacted, and how new segments take the place of old ones.
//!
//! ```text
//!   segments:  |0 |100 |250 |400 ...          a round makes one file of 0, 100 and 250
//!              |0.r1        |400 ...          from here on reads go there; the old files are *retired*
//! ```
//! Retired files stay until a checkpoint that does not name them is on stable storage, as those that retention leaves behind.

#![forbid(unsafe_code)]

use batch::Offset;

use super::{Log, Segment};
use crate::checkpoint::LogCheckpoint;
use crate::compaction::{CompactionConfig, Replacement, Round, Source};
use crate::ids::SegmentName;
use crate::memory::Leaving;

/// One part in a million.
const PPM: u64 = 1_000_000;

impl Log {
    /// Compaction has been through everything before this offset.
    pub fn cleaned_until(&self) -> Offset {
        self.cleaned_until
    }

    /// A segment could not be read by compaction: the log is left alone until the next start.
    pub fn leave_uncleaned(&mut self) {
        self.is_cleanable = false;
    }

    /// What there is to clean, with files of any revision, if the configuration wants it cleaned now. As in Kafka the active segment is never cleaned, nor what
    /// is not durable, nor from the first segment on that has a record younger than it must be.
    pub fn compaction_round(&self, now_ms: i64) -> Option<Round> {
        let config = self.config.compaction.filter(|_| self.is_cleanable)?;
        let live = self.segments.range(self.first_live()..);
        let may_be_cleaned = |segment: &&Segment| {
            segment.is_closed() && segment.next_offset <= self.durable_end && !is_young(segment, &config, now_ms)
        };
        let sources: Vec<&Segment> = live.clone().take_while(may_be_cleaned).collect();
        let last = sources.last()?;
        // The base offset of the segment behind, if records are missing between the two.
        let behind = live.clone().find(|segment| segment.base_offset >= last.next_offset)?;
        let dirty_from = self.cleaned_until.max(sources[0].base_offset);
        let is_dirty = |segment: &&&Segment| segment.next_offset > dirty_from;
        let dirty_bytes: u64 = sources.iter().filter(is_dirty).map(|segment| segment.bytes).sum();
        let bytes: u64 = sources.iter().map(|segment| segment.bytes).sum();
        let dirty_ppm = (dirty_bytes.saturating_mul(PPM) / bytes.max(1)) as u32;
        let is_overdue = || {
            let first =
                sources.iter().filter(is_dirty).map(|segment| segment.first_timestamp).filter(|at| *at >= 0).min();
            let age_ms = first.map_or(0, |at| u64::try_from(now_ms.saturating_sub(at)).unwrap_or(0));
            config.lag_ms_max.is_some_and(|max| age_ms > max)
        };
        if dirty_bytes == 0 || (dirty_ppm <= config.dirty_ratio_min_ppm && !is_overdue()) {
            return None;
        }
        Some(Round {
            log: self.id,
            until: last.next_offset.max(dirty_from).min(behind.base_offset),
            sources: sources.into_iter().map(Source::from).collect(),
            dirty_from,
            dirty_ppm,
            segment_bytes: self.config.segment_bytes,
            config,
            revision_min: 1,
            now_ms,
        })
    }

    /// Lets new segments, which are on stable storage, take the place of old ones. Returns whether it did: not if the log has changed in
    /// between, so that the old ones are not all there any more.
    #[must_use]
    pub fn replace_segments(&mut self, replacement: &Replacement, leaving: &mut Leaving) -> bool {
        let Replacement { old, new, cleaned_until } = replacement;
        let Some(at) = self.segments.iter().position(|segment| Some(&segment.name()) == old.first()) else {
            return false;
        };
        let replaced: Vec<&Segment> = self.segments.range(at..).take(old.len()).collect();
        if !replaced.iter().map(|segment| segment.name()).eq(old.iter().copied())
            || !replaced.iter().all(|segment| segment.is_closed())
        {
            return false;
        }
        let (base, next) = (replaced[0].base_offset, replaced[replaced.len() - 1].next_offset);
        assert!(
            new.iter().all(|segment| segment.is_closed() && segment.base_offset >= base && segment.next_offset <= next)
        );
        assert!(new.is_sorted_by(|a, b| a.next_offset <= b.base_offset));
        for name in old {
            self.tail.forget(name.base, leaving);
        }
        let behind = self.segments.split_off(at + old.len());
        self.segments.truncate(at);
        self.segments.extend(new.iter().cloned());
        self.segments.extend(behind);
        self.retired.extend(old);
        self.cleaned_until = cleaned_until.map_or(self.cleaned_until, |until| until.max(self.cleaned_until));
        self.dirty = true;
        self.check_ladder();
        true
    }

    /// A checkpoint with this picture is on stable storage: the files that were replaced before it was taken can go.
    pub fn forget_retired(&mut self, picture: &LogCheckpoint) -> Vec<SegmentName> {
        if self.retired.is_empty() {
            return Vec::new();
        }
        let is_named = |name: &SegmentName| picture.segments.iter().any(|segment| segment.name() == *name);
        let (kept, gone) = std::mem::take(&mut self.retired).into_iter().partition(is_named);
        self.retired = kept;
        gone
    }

    /// Whether nothing needs a file of the log's directory: it lies before the log's first segment, or where compaction has been, and
    /// neither the log nor its last checkpoint names it. Behind that there may be files that the log will get to.
    pub fn is_leftover(&self, name: SegmentName) -> bool {
        let compacted = self.segments.iter().rfind(|segment| segment.revision > 0);
        let compacted_end = compacted.map_or(self.cleaned_until, |segment| segment.next_offset.max(self.cleaned_until));
        let is_past = name.revision > 0 || name.base < self.segments[0].base_offset.max(compacted_end);
        is_past && !self.retired.contains(&name) && self.segments.iter().all(|segment| segment.name() != name)
    }
}

fn is_young(segment: &Segment, config: &CompactionConfig, now_ms: i64) -> bool {
    let lag_ms = i64::try_from(config.lag_ms_min).unwrap_or(i64::MAX);
    lag_ms > 0 && segment.max_timestamp > now_ms.saturating_sub(lag_ms)
}
