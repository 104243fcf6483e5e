//! Where a log starts: which segments are too old or too many, and how they leave.
//!
//! ```text
//!   base          start_offset    start_wanted                                 end_offset
//!    |--- dead ---|---- live -----|------------- live --------|---- active ----|
//! ```
//! The start moves in three steps, so that it never falls back once anybody has seen it, and no file is missed by a recovery:
//! it is *wanted* when its frame is put into a write group, *moves* when that group is durable, and the segments before it are
//! *forgotten* when a checkpoint without them is on stable storage. Only then are their files removed.

#![forbid(unsafe_code)]

use batch::{BatchInfo, Offset};

use super::{Log, Segment};
use crate::ids::SegmentName;
use crate::memory::Leaving;

impl Log {
    /// Where the log is to start by its configuration, if further on than now. As in Kafka a segment goes by the largest timestamp
    /// in it, and the active one goes too when all of it is past retention. Records without timestamps do not age.
    pub fn retention_cut(&self, now_ms: i64) -> Option<Offset> {
        let live = || self.segments.range(self.first_live()..).filter(|segment| !segment.is_empty());
        let mut bytes: u64 = live().map(|segment| segment.bytes).sum();
        let mut cut = None;
        for segment in live().take_while(|segment| segment.next_offset <= self.durable_end) {
            bytes -= segment.bytes;
            let age_ms = u64::try_from(now_ms.saturating_sub(segment.max_timestamp)).unwrap_or(0);
            let expired = self.config.retention_ms.is_some_and(|max| segment.max_timestamp >= 0 && age_ms > max);
            let over = self.config.retention_bytes.is_some_and(|max| bytes >= max);
            if !expired && !over {
                break;
            }
            cut = Some(segment.next_offset);
        }
        cut
    }

    /// Whether `segment` is too old to take a batch. Both times are the records' own, as in Kafka.
    pub(super) fn is_old(&self, segment: &Segment, info: &BatchInfo) -> bool {
        let age_ms = u64::try_from(info.max_timestamp.saturating_sub(segment.first_timestamp)).unwrap_or(0);
        self.config.segment_ms.is_some_and(|max| segment.first_timestamp >= 0 && age_ms > max)
    }

    /// The first segment that holds something at or after the start, or else the active one.
    pub(super) fn first_live(&self) -> usize {
        let first = self.segments.partition_point(|segment| segment.next_offset <= self.start_wanted);
        first.min(self.segments.len() - 1)
    }

    /// The log is to start at `start`; the frame that says so travels in the open write group. When nothing is left, what comes
    /// next goes to a new segment, so that the old one can go.
    pub fn want_start(&mut self, start: Offset) {
        assert!(start <= self.end_offset(), "a log starts within itself");
        self.start_wanted = self.start_wanted.max(start);
        if self.start_wanted == self.end_offset() && !self.active().is_empty() {
            self.roll();
        }
        self.dirty = true;
        self.check_ladder();
    }

    /// It is on stable storage that the log starts at `start`. Returns whether there are segments that only a checkpoint keeps.
    pub fn on_start_durable(&mut self, start: Offset) -> bool {
        self.start_offset = self.start_offset.max(start);
        self.check_ladder();
        self.first_live() > 0
    }

    /// A checkpoint that begins with the segment `first` is on stable storage: those before it are forgotten and returned, for
    /// their files to be removed. All of them are whole in their files, because the checkpoint has waited for that.
    pub fn forget_before(&mut self, first: Offset, leaving: &mut Leaving) -> Vec<SegmentName> {
        let mut forgotten = Vec::new();
        // One that compaction has made since the checkpoint's picture was taken may begin before `first` and be live.
        let is_dead = |segment: &mut Segment| segment.base_offset < first && segment.next_offset <= first;
        while let Some(segment) = self.segments.pop_front_if(is_dead) {
            assert!(segment.is_closed() && segment.next_offset <= self.start_offset);
            forgotten.push(segment.name());
        }
        assert!(!self.segments.is_empty());
        self.tail.forget_before(first, leaving);
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};

    use crate::ids::{GroupSeq, LogId};
    use crate::log::{Log, LogConfig};
    use crate::memory::BufPool;

    /// One durable record at each of these times, and segments as `config` says.
    fn log(config: LogConfig, times_ms: &[i64]) -> Log {
        let pool = BufPool::new(1 << 20);
        let mut log = Log::new(LogId { topic: 1, partition: 0 }, config);
        for time_ms in times_ms {
            let mut builder = BatchBuilder::new(Compression::None);
            builder.append(*time_ms, None, Some(&[1; 1000]), &[]);
            let bytes = builder.build();
            log.append(&pool, &batch::check(&bytes).expect("sound"), LeaderEpoch(0), GroupSeq(1), 0);
        }
        log.on_durable(GroupSeq(1));
        log
    }

    fn config(segment_bytes: u64) -> LogConfig {
        LogConfig { segment_bytes, ..LogConfig::default() }
    }

    #[test]
    fn a_segment_goes_when_its_newest_record_is_too_old() {
        let mut log = log(LogConfig { retention_ms: Some(100), ..config(2500) }, &[10, 20, 30, 15, 90, 95]);
        assert_eq!(log.segments().len(), 3);
        assert_eq!(log.retention_cut(120), None, "exactly as old as it may be");
        assert_eq!(log.retention_cut(121), Some(Offset(2)));
        log.want_start(Offset(2));
        assert_eq!(log.retention_cut(121), None, "it is wanted already");
        assert_eq!(log.retention_cut(131), Some(Offset(4)));
        assert_eq!(log.retention_cut(1000), Some(Offset(6)), "the active one too");
        log.want_start(Offset(6));
        assert_eq!((log.segments().len(), log.retention_cut(1000)), (4, None), "it was rolled");
    }

    #[test]
    fn the_oldest_segments_go_when_the_others_have_enough() {
        let log = log(LogConfig { retention_bytes: Some(4000), ..config(2500) }, &[1; 7]);
        assert_eq!(log.segments().len(), 4);
        assert_eq!(log.retention_cut(1), Some(Offset(2)), "about 7000 bytes, of which 5000 stay");
    }

    #[test]
    fn nothing_goes_without_a_bound_or_a_timestamp_or_before_it_is_durable() {
        assert_eq!(log(config(2500), &[1; 7]).retention_cut(i64::MAX), None);
        let bounded = LogConfig { retention_ms: Some(0), ..config(2500) };
        assert_eq!(log(bounded, &[-1; 7]).retention_cut(i64::MAX), None);
        assert_eq!(log(bounded, &[5; 7]).retention_cut(4), None, "the clock went back");
        let mut not_durable = log(bounded, &[]);
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(1, None, None, &[]);
        let bytes = builder.build();
        let checked = batch::check(&bytes).expect("sound");
        not_durable.append(&BufPool::new(1 << 20), &checked, LeaderEpoch(0), GroupSeq(1), 0);
        assert_eq!(not_durable.retention_cut(1000), None);
    }

    #[test]
    fn a_segment_takes_no_record_much_later_than_its_first() {
        let log = log(LogConfig { segment_ms: Some(100), ..config(1 << 20) }, &[1000, 1100, 1101, 1050, 1202]);
        let bases: Vec<i64> = log.segments().iter().map(|segment| segment.base_offset.0).collect();
        assert_eq!(bases, [0, 2, 4]);
    }
}
