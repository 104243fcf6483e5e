//! Appending the batches of one request, in order, and what is still to be waited for then.
//!
//! ```text
//!   Append --advance--> Finished --await_commit--> nothing to wait for: answer
//!             |  ^                       '--------> waits: purgatory, then on_lost, on_expired, into_results
//!             v  | the engine has room again
//!           Blocked
//! ```
//! The engine is called through closures, so that what is decided here can be tested without one.

use std::collections::VecDeque;
use std::time::Instant;

use batch::{Checked, LeaderEpoch, Offset};
use engine::{AppendError, Appended, GroupSeq, LogId};

use super::Partition;
use crate::mesh::message::{Acks, Append, AppendBatch, AppendFault, Placed};

/// An append on its way into the logs of this shard.
///
/// Invariant: `outcomes` has one entry for each batch that left `batches`, in order.
#[derive(Debug)]
pub struct AppendRun {
    batches: VecDeque<AppendBatch>,
    acks: Acks,
    outcomes: Vec<Outcome>,
}

/// How far an append has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// Every batch has been appended or refused.
    Finished,
    /// The engine has no room for the next batch.
    Blocked,
}

#[derive(Debug)]
struct Outcome {
    log: LogId,
    result: Result<Placed, AppendFault>,
    /// The offset after the batch, as long as the answer has to wait for it to be committed.
    uncommitted_end: Option<Offset>,
}

impl AppendRun {
    pub fn new(append: Append) -> Self {
        let batches = VecDeque::from(append.batches);
        Self { outcomes: Vec::with_capacity(batches.len()), batches, acks: append.acks }
    }

    /// Appends as many batches as the engine takes, at `now_ms` in milliseconds since 1970. `partition` looks a partition up;
    /// `append` is the engine's.
    pub fn advance(
        &mut self,
        now_ms: i64,
        partition: impl Fn(LogId) -> Option<Partition>,
        mut append: impl FnMut(LogId, &Checked<'_>, LeaderEpoch) -> Result<Appended, AppendError>,
    ) -> Advance {
        while let Some(AppendBatch { log, batch }) = self.batches.front() {
            let log = *log;
            let outcome = match partition(log) {
                None => Outcome::refused(log, AppendFault::UnknownPartition),
                Some(partition) => {
                    let stamped = partition.stamps_append_time.then(|| batch.appended_at(now_ms));
                    let batch = stamped.as_ref().unwrap_or(batch);
                    match append(log, &batch.as_checked(), partition.leader_epoch) {
                        Ok(appended) => {
                            // One that its producer sends again has had its time.
                            let append_time = if appended.is_duplicate { appended.max_timestamp } else { now_ms };
                            self.placed(log, partition, appended, stamped.map(|_| append_time))
                        }
                        Err(AppendError::Busy) => return Advance::Blocked,
                        Err(error) => Outcome::refused(log, fault_of(error)),
                    }
                }
            };
            self.outcomes.push(outcome);
            // The request's bytes are not needed any more: they are in the log.
            self.batches.pop_front();
        }
        Advance::Finished
    }

    /// The ends that have to be committed before the answer, in the order of the batches, and the deadline for them.
    pub fn waits(&self) -> Option<(Vec<(LogId, Offset)>, Instant)> {
        let Acks::Committed { deadline } = self.acks else { return None };
        let waits: Vec<_> =
            self.outcomes.iter().filter_map(|outcome| Some((outcome.log, outcome.uncommitted_end?))).collect();
        (!waits.is_empty()).then_some((waits, deadline))
    }

    /// Logs to which something was appended that is committed at once.
    pub fn committed_at_once(&self) -> impl Iterator<Item = LogId> {
        self.outcomes
            .iter()
            .filter(|outcome| outcome.result.is_ok() && outcome.uncommitted_end.is_none())
            .map(|o| o.log)
    }

    /// Whether the deadline is over.
    pub fn is_expired(&self, now: Instant) -> bool {
        matches!(self.acks, Acks::Committed { deadline } if deadline <= now)
    }

    /// When the client stops waiting.
    pub fn deadline(&self) -> Option<Instant> {
        match self.acks {
            Acks::Committed { deadline } => Some(deadline),
            Acks::None => None,
        }
    }

    /// What is committed (`committed_end` of its log) is not waited for.
    pub fn on_committed(&mut self, committed_end: impl Fn(LogId) -> Option<Offset>) {
        for outcome in &mut self.outcomes {
            let log = outcome.log;
            outcome.uncommitted_end =
                outcome.uncommitted_end.filter(|&end| committed_end(log).is_none_or(|at| at < end));
        }
    }

    /// Nothing more will be committed to a log.
    pub fn on_lost(&mut self, log: LogId, fault: AppendFault) {
        for outcome in self.outcomes.iter_mut().filter(|outcome| outcome.log == log) {
            if outcome.uncommitted_end.take().is_some() {
                outcome.result = Err(fault);
            }
        }
    }

    /// The deadline is over: what is neither appended nor committed (`committed_end` of its log) gets the fault.
    pub fn on_expired(&mut self, committed_end: impl Fn(LogId) -> Option<Offset>, fault: AppendFault) {
        for outcome in &mut self.outcomes {
            if let Some(end) = outcome.uncommitted_end.take()
                && committed_end(outcome.log).is_none_or(|committed| committed < end)
            {
                outcome.result = Err(fault);
            }
        }
        let refused = self.batches.drain(..).map(|batch| Outcome::refused(batch.log, fault));
        self.outcomes.extend(refused);
    }

    /// The answer for each batch, in order.
    pub fn into_results(self) -> Vec<Result<Placed, AppendFault>> {
        assert!(self.batches.is_empty(), "an append is answered when every batch has its outcome");
        self.outcomes.into_iter().map(|outcome| outcome.result).collect()
    }

    fn placed(&self, log: LogId, partition: Partition, appended: Appended, append_time_ms: Option<i64>) -> Outcome {
        let placed = Placed { base_offset: appended.base_offset, log_start: appended.log_start, append_time_ms };
        // A batch that its producer sends again is as durable as it was the first time: it waits for that group, if for any.
        let waits = !partition.is_relaxed && appended.group != GroupSeq::NONE;
        let uncommitted_end = waits.then(|| appended.last_offset.next());
        Outcome { log, result: Ok(placed), uncommitted_end }
    }
}

impl Outcome {
    fn refused(log: LogId, fault: AppendFault) -> Self {
        Self { log, result: Err(fault), uncommitted_end: None }
    }
}

fn fault_of(error: AppendError) -> AppendFault {
    match error {
        AppendError::TooLarge => AppendFault::TooLarge,
        // The partition is known here, so its log should be: something is wrong with the storage.
        AppendError::UnknownLog | AppendError::Failed => AppendFault::StorageFailed,
        AppendError::DiskFull => AppendFault::DiskFull,
        AppendError::Sequence(error) => AppendFault::Sequence(error),
        AppendError::Busy => unreachable!("a busy engine blocks the append"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use batch::{BatchBuilder, CheckedBytes, Compression, TimestampType};

    use super::*;

    const DURABLE: LogId = LogId { topic: 9, partition: 0 };
    const RELAXED: LogId = LogId { topic: 9, partition: 1 };
    const UNKNOWN: LogId = LogId { topic: 9, partition: 2 };
    const STAMPED: LogId = LogId { topic: 9, partition: 3 };
    const NOW_MS: i64 = 1_700_000_000_000;

    #[expect(clippy::disallowed_methods, reason = "an origin for the tests' own time")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn batch(records: usize) -> CheckedBytes {
        let mut builder = BatchBuilder::new(Compression::None);
        (0..records).for_each(|_| builder.append(1, None, Some(b"x"), &[]));
        CheckedBytes::check(builder.build().into()).expect("a sound batch")
    }

    fn run(logs: &[LogId], acks: Acks) -> AppendRun {
        let batches = logs.iter().map(|&log| AppendBatch { log, batch: batch(2) }).collect();
        AppendRun::new(Append { batches, acks })
    }

    fn partition(log: LogId) -> Option<Partition> {
        (log != UNKNOWN).then_some(Partition {
            leader_epoch: LeaderEpoch(0),
            is_relaxed: log == RELAXED,
            stamps_append_time: log == STAMPED,
        })
    }

    /// Appends without storing, up to `room` batches.
    struct Ends {
        by_log: BTreeMap<LogId, i64>,
        room: usize,
    }

    impl Ends {
        fn with_room(room: usize) -> Self {
            Self { by_log: BTreeMap::new(), room }
        }

        fn append(&mut self, log: LogId, batch: &Checked<'_>) -> Result<Appended, AppendError> {
            self.room = self.room.checked_sub(1).ok_or(AppendError::Busy)?;
            let end = self.by_log.entry(log).or_default();
            let base_offset = Offset(*end);
            *end += i64::from(batch.info.record_count);
            let last_offset = Offset(*end - 1);
            Ok(Appended {
                base_offset,
                last_offset,
                group: GroupSeq(1),
                log_start: Offset(0),
                max_timestamp: 1,
                is_duplicate: false,
            })
        }
    }

    fn advance(run: &mut AppendRun, ends: &mut Ends) -> Advance {
        run.advance(NOW_MS, partition, |log, batch, _| ends.append(log, batch))
    }

    fn placed(base: i64) -> Result<Placed, AppendFault> {
        Ok(Placed { base_offset: Offset(base), log_start: Offset(0), append_time_ms: None })
    }

    #[test]
    fn durable_batches_wait_and_relaxed_and_refused_ones_do_not() {
        let deadline = origin();
        let mut run = run(&[DURABLE, RELAXED, UNKNOWN, DURABLE], Acks::Committed { deadline });
        assert_eq!(advance(&mut run, &mut Ends::with_room(9)), Advance::Finished);
        assert_eq!(run.waits(), Some((vec![(DURABLE, Offset(2)), (DURABLE, Offset(4))], deadline)));
        assert_eq!(run.committed_at_once().collect::<Vec<_>>(), [RELAXED]);
        assert_eq!(run.into_results(), [placed(0), placed(0), Err(AppendFault::UnknownPartition), placed(2)]);
    }

    #[test]
    fn where_the_broker_s_time_counts_the_batch_has_it_and_the_answer_says_so() {
        let mut run = run(&[DURABLE, STAMPED], Acks::Committed { deadline: origin() });
        let mut times = Vec::new();
        let mut ends = Ends::with_room(9);
        run.advance(NOW_MS, partition, |log, batch, _| {
            times.push((batch.info.timestamp_type(), batch.info.max_timestamp));
            ends.append(log, batch)
        });
        assert_eq!(times, [(TimestampType::CreateTime, 1), (TimestampType::LogAppendTime, NOW_MS)]);
        let results: Vec<_> =
            run.into_results().into_iter().map(|result| result.expect("placed").append_time_ms).collect();
        assert_eq!(results, [None, Some(NOW_MS)]);
    }

    #[test]
    fn without_acks_nothing_waits() {
        let mut run = run(&[DURABLE], Acks::None);
        advance(&mut run, &mut Ends::with_room(9));
        assert_eq!(run.waits(), None);
    }

    #[test]
    fn a_batch_sent_again_waits_for_its_original_as_long_as_that_is_not_durable() {
        for (group, waits) in [(GroupSeq(7), true), (GroupSeq::NONE, false)] {
            let deadline = origin();
            let mut run = run(&[DURABLE], Acks::Committed { deadline });
            let known = Appended {
                base_offset: Offset(3),
                last_offset: Offset(4),
                group,
                log_start: Offset(0),
                max_timestamp: 1,
                is_duplicate: true,
            };
            assert_eq!(run.advance(NOW_MS, partition, |_, _, _| Ok(known)), Advance::Finished);
            assert_eq!(run.waits(), waits.then(|| (vec![(DURABLE, Offset(5))], deadline)));
            assert_eq!(run.into_results(), [placed(3)]);
        }
    }

    #[test]
    fn a_blocked_append_goes_on_where_it_stopped() {
        let mut ends = Ends::with_room(1);
        let mut run = run(&[DURABLE, DURABLE], Acks::None);
        assert_eq!(advance(&mut run, &mut ends), Advance::Blocked);
        assert_eq!(advance(&mut run, &mut ends), Advance::Blocked);
        ends.room = 1;
        assert_eq!(advance(&mut run, &mut ends), Advance::Finished);
        assert_eq!(run.into_results(), [placed(0), placed(2)]);
    }

    #[test]
    fn what_was_committed_while_the_append_was_blocked_is_not_waited_for() {
        let deadline = origin();
        let mut ends = Ends::with_room(1);
        let mut run = run(&[DURABLE, DURABLE], Acks::Committed { deadline });
        assert_eq!(advance(&mut run, &mut ends), Advance::Blocked);
        ends.room = 1;
        assert_eq!(advance(&mut run, &mut ends), Advance::Finished);
        run.on_committed(|_| Some(Offset(2)));
        assert_eq!(run.waits(), Some((vec![(DURABLE, Offset(4))], deadline)));
        assert_eq!(run.into_results(), [placed(0), placed(2)]);
    }

    #[test]
    fn at_the_deadline_what_is_committed_is_still_acknowledged() {
        let start = origin();
        let mut run = run(&[DURABLE, DURABLE, DURABLE], Acks::Committed { deadline: start + Duration::from_secs(1) });
        assert_eq!(advance(&mut run, &mut Ends::with_room(2)), Advance::Blocked);
        assert!(!run.is_expired(start));
        assert!(run.is_expired(start + Duration::from_secs(1)));
        run.on_expired(|_| Some(Offset(2)), AppendFault::TimedOut);
        assert_eq!(run.into_results(), [placed(0), Err(AppendFault::TimedOut), Err(AppendFault::TimedOut)]);
    }

    #[test]
    fn a_lost_log_fails_what_waited_for_it() {
        let mut run = run(&[DURABLE, RELAXED], Acks::Committed { deadline: origin() });
        advance(&mut run, &mut Ends::with_room(9));
        run.on_lost(DURABLE, AppendFault::UnknownPartition);
        run.on_lost(RELAXED, AppendFault::UnknownPartition);
        assert_eq!(run.into_results(), [Err(AppendFault::UnknownPartition), placed(0)]);
    }
}
