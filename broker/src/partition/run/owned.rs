//! What a shard keeps of its partitions and of those who wait for them. SHELL.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Instant;

use batch::Checked;
use engine::ring::sync::{Notify, oneshot};
use engine::{Engine, GroupTimes, LogId};

use crate::mesh::message::{AppendFault, AppendReply, AppendTimes, Reply, Watch, WatchKey, Woken};
use crate::metrics::Metrics;
use crate::partition::Partition;
use crate::partition::append::{Advance, AppendRun};
use crate::partition::purgatory::{AckId, Effect, Purgatory};

/// The partitions of one shard. Lives on that shard, in its context; no borrow of it outlives a call.
///
/// Invariants: an append is in exactly one of `blocked` and `parked` until it is answered; appends enter `blocked` at its
/// end and leave at its front, and while it is not empty no append passes by.
#[derive(Default)]
pub struct Partitions {
    by_log: HashMap<LogId, Partition>,
    purgatory: Purgatory,
    /// Appends that wait to be committed.
    parked: HashMap<AckId, Unanswered>,
    /// Appends that the engine has no room for yet.
    blocked: VecDeque<Unanswered>,
    watchers: HashMap<WatchKey, oneshot::Sender<Reply>>,
    appends_numbered: u64,
    watches_numbered: u64,
    /// Logs that the engine brought along from before the start and no topic has claimed.
    unclaimed: BTreeSet<LogId>,
    /// When the task for deadlines wakes by itself.
    armed: Option<Instant>,
    /// Tells that task of an earlier deadline.
    rearm: Rc<Notify>,
}

/// An append and who waits for its answer.
pub(super) struct Unanswered {
    pub(super) run: AppendRun,
    pub(super) answer: oneshot::Sender<Reply>,
    pub(super) times: AppendTimes,
}

impl Unanswered {
    fn answer(self) {
        // Nobody waits any more if the connection is gone.
        let _ = self.answer.send(Reply::Append(AppendReply { results: self.run.into_results(), times: self.times }));
    }
}

impl Partitions {
    /// A partition this shard owns.
    pub fn get(&self, log: LogId) -> Option<&Partition> {
        self.by_log.get(&log)
    }

    /// The partitions that this shard owns.
    pub fn logs(&self) -> impl Iterator<Item = LogId> {
        self.by_log.keys().copied()
    }

    /// Appends that wait for room, appends that wait to be durable, and fetches that wait for records.
    pub fn waiting(&self) -> [usize; 3] {
        [self.blocked.len(), self.parked.len(), self.watchers.len()]
    }

    /// A number for a watch that this shard sets, here or elsewhere.
    pub fn next_watch_number(&mut self) -> u64 {
        self.watches_numbered += 1;
        self.watches_numbered
    }

    /// The shard owns this partition from here on, or it has changed.
    pub fn insert(&mut self, log: LogId, partition: Partition) {
        self.unclaimed.remove(&log);
        self.by_log.insert(log, partition);
    }

    /// The shard does not own this partition any more: who waits for it is told.
    pub(super) fn remove(&mut self, log: LogId) {
        self.unclaimed.remove(&log);
        self.by_log.remove(&log);
        let mut effects = Vec::new();
        self.purgatory.on_log_dropped(log, &mut effects);
        self.carry_out(effects, AppendFault::UnknownPartition, &|_| None);
    }

    /// These logs were there before the start.
    pub(super) fn found(&mut self, logs: Vec<LogId>) {
        self.unclaimed = logs.into_iter().collect();
    }

    /// Logs that were there before the start and that nobody has claimed.
    pub(super) fn unclaimed(&mut self) -> &mut BTreeSet<LogId> {
        &mut self.unclaimed
    }

    /// Whether an append has to queue behind others.
    pub(super) fn is_blocked(&self) -> bool {
        !self.blocked.is_empty()
    }

    /// Queues an append. True if it is the only one, so that nobody works on the queue yet.
    pub(super) fn block(&mut self, unanswered: Unanswered) -> bool {
        self.blocked.push_back(unanswered);
        self.blocked.len() == 1
    }

    /// When the append at the head of the queue stops waiting. None if there is none, or if it waits for ever.
    pub(super) fn blocked_until(&self) -> Option<Instant> {
        self.blocked.front()?.run.deadline()
    }

    /// Appends from the head of the queue what the engine takes, and gives up what came too late.
    pub(super) fn unblock(&mut self, engine: &Engine, metrics: &Metrics, now: Instant, now_ms: i64) {
        while let Some(mut unanswered) = self.blocked.pop_front() {
            let committed_end = |log| Some(engine.log(log)?.committed_end);
            if unanswered.run.is_expired(now) {
                unanswered.run.on_expired(committed_end, AppendFault::TimedOut);
            } else if self.advance(engine, metrics, &mut unanswered.run, now_ms) == Advance::Blocked {
                self.blocked.push_front(unanswered);
                return;
            }
            (unanswered.times.had_room, unanswered.times.appended) = (Some(now), now);
            // What was appended before the append was blocked may have been committed while it was.
            unanswered.run.on_committed(committed_end);
            self.on_appended(engine, &unanswered.run);
            self.park(unanswered);
        }
    }

    /// Appends as much of a request as the engine takes.
    pub(super) fn advance(&self, engine: &Engine, metrics: &Metrics, run: &mut AppendRun, now_ms: i64) -> Advance {
        let append = |log, batch: &Checked<'_>, epoch| {
            let appended = engine.append(log, batch, epoch)?;
            if !appended.is_duplicate {
                metrics.produced(log.topic, &batch.info);
            }
            Ok(appended)
        };
        run.advance(now_ms, |log| self.get(log).copied(), append)
    }

    /// What was appended to relaxed logs may be read at once.
    pub(super) fn on_appended(&mut self, engine: &Engine, run: &AppendRun) {
        let ends: Vec<_> =
            run.committed_at_once().filter_map(|log| Some((log, engine.log(log)?.committed_end))).collect();
        self.on_committed(&ends);
    }

    /// Keeps an append until what it waits for is committed, or answers it.
    pub(super) fn park(&mut self, unanswered: Unanswered) {
        let Some((waits, deadline)) = unanswered.run.waits() else {
            unanswered.answer();
            return;
        };
        self.appends_numbered += 1;
        let id = AckId(self.appends_numbered);
        self.purgatory.on_append(id, &waits, deadline);
        self.parked.insert(id, unanswered);
        self.arm(deadline);
    }

    /// Keeps a watch until it ends.
    pub(super) fn watch(&mut self, watch: Watch, answer: oneshot::Sender<Reply>) {
        self.purgatory.on_watch(watch.key, &watch.logs, watch.deadline);
        self.watchers.insert(watch.key, answer);
        self.arm(watch.deadline);
    }

    pub(super) fn cancel_watch(&mut self, key: WatchKey) {
        let mut effects = Vec::new();
        self.purgatory.on_watch_cancelled(key, &mut effects);
        self.carry_out(effects, AppendFault::TimedOut, &|_| None);
    }

    /// A write group has made logs durable up to these ends.
    pub(super) fn on_durable(&mut self, ends: &[(LogId, engine::Offset)], times: GroupTimes) {
        self.on_ends(ends, Some(times));
    }

    /// Logs are committed up to these ends.
    fn on_committed(&mut self, ends: &[(LogId, engine::Offset)]) {
        self.on_ends(ends, None);
    }

    fn on_ends(&mut self, ends: &[(LogId, engine::Offset)], times: Option<GroupTimes>) {
        let mut effects = Vec::new();
        for &(log, end) in ends {
            self.purgatory.on_committed(log, end, &mut effects);
        }
        for effect in &effects {
            if let Effect::Acked(id) = effect
                && let Some(unanswered) = self.parked.get_mut(id)
            {
                unanswered.times.group = times;
            }
        }
        self.carry_out(effects, AppendFault::TimedOut, &|_| None);
    }

    /// Nothing more will be committed to any log.
    pub(super) fn on_storage_failed(&mut self) {
        let mut effects = Vec::new();
        self.purgatory.on_storage_failed(&mut effects);
        self.carry_out(effects, AppendFault::StorageFailed, &|_| None);
    }

    /// Time has passed. Returns the next deadline, at which this is to be called again.
    pub(super) fn on_time(&mut self, now: Instant, engine: &Engine) -> Option<Instant> {
        let mut effects = Vec::new();
        self.purgatory.on_time(now, &mut effects);
        self.carry_out(effects, AppendFault::TimedOut, &|log| Some(engine.log(log)?.committed_end));
        self.armed = self.purgatory.next_deadline();
        self.armed
    }

    /// Rings when a deadline comes earlier than the one returned by [`Partitions::on_time`].
    pub(super) fn rearm(&self) -> Rc<Notify> {
        Rc::clone(&self.rearm)
    }

    fn arm(&mut self, deadline: Instant) {
        if self.armed.is_none_or(|armed| deadline < armed) {
            self.armed = Some(deadline);
            self.rearm.notify_one();
        }
    }

    /// Answers who does not wait any more. `fault` is what an append gets that lost a log or its time; `committed_end`
    /// tells what of an expired append is stored after all.
    fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        fault: AppendFault,
        committed_end: &dyn Fn(LogId) -> Option<engine::Offset>,
    ) {
        const PARKED: &str = "an append that waits is parked";
        for effect in effects {
            match effect {
                Effect::Acked(id) => self.parked.remove(&id).expect(PARKED).answer(),
                Effect::AckLost(id, log) => self.parked.get_mut(&id).expect(PARKED).run.on_lost(log, fault),
                Effect::AckExpired(id) => {
                    let mut unanswered = self.parked.remove(&id).expect(PARKED);
                    unanswered.run.on_expired(committed_end, fault);
                    unanswered.answer();
                }
                Effect::Wake(key) => self.end_watch(key, Woken::Changed),
                Effect::Expire(key) => self.end_watch(key, Woken::Expired),
            }
        }
    }

    fn end_watch(&mut self, key: WatchKey, woken: Woken) {
        let answer = self.watchers.remove(&key).expect("a watch that waits has somebody waiting");
        // Nobody waits any more if the connection is gone.
        let _ = answer.send(Reply::Watch(woken));
    }
}
