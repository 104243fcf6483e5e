//! Where requests wait: acknowledgements for records to be committed, fetches for records to arrive.
//!
//! ```text
//!   ack     park --every log committed far enough--> Acked
//!             |----a log dropped------------------> AckLost (for that log; the others go on)
//!             '----deadline-----------------------> AckExpired
//!   watch   watch --a log committed further, or dropped--> Wake
//!             |-----cancelled--------------------------->  Expire
//!             '-----deadline---------------------------->  Expire
//! ```
//! Pure: the time comes as an argument, what is to be done goes out as effects.
//!
//! Invariants: an ack or watch is in `deadlines` exactly as long as it is in `acks` or `watches`; `Ack::left` is the
//! number of logs it still waits for; offsets in a log's queue never fall.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use batch::Offset;
use engine::LogId;

use crate::mesh::message::WatchKey;

/// Names an append that waits. Numbers grow and are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AckId(pub u64);

/// What the shell has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Everything the append waited for is committed or lost: answer.
    Acked(AckId),
    /// One log of the append is gone: its batch gets an error. [`Effect::Acked`] follows when nothing else is waited for.
    AckLost(AckId, LogId),
    /// Answer: what is not committed by now has timed out.
    AckExpired(AckId),
    /// There is more to read for the fetch.
    Wake(WatchKey),
    /// The fetch has waited long enough.
    Expire(WatchKey),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waiter {
    Ack(AckId),
    Watch(WatchKey),
}

#[derive(Debug)]
struct Ack {
    left: usize,
    deadline: Instant,
}

#[derive(Debug)]
struct WatchEntry {
    logs: Vec<LogId>,
    deadline: Instant,
}

#[derive(Debug, Default)]
struct LogWaiters {
    /// Appends, each with the end that has to be committed. One that expired stays until its turn.
    acks: VecDeque<(Offset, AckId)>,
    /// Fetches, each with the committed end it has seen: a later one wakes it.
    watches: BTreeMap<WatchKey, Offset>,
}

/// All waiting requests of one shard.
#[derive(Debug, Default)]
pub struct Purgatory {
    acks: Acks,
    watches: BTreeMap<WatchKey, WatchEntry>,
    by_log: HashMap<LogId, LogWaiters>,
    deadlines: Deadlines,
}

impl Purgatory {
    /// An append waits until each of these logs is committed up to the given end. Call it before anything further
    /// is committed: what is committed already is not asked again.
    pub fn on_append(&mut self, id: AckId, waits: &[(LogId, Offset)], deadline: Instant) {
        assert!(!waits.is_empty(), "an append that waits for nothing is answered, not parked");
        for &(log, end) in waits {
            let queue = &mut self.by_log.entry(log).or_default().acks;
            // Appends are placed in order, but for a batch that is sent again: it waits where its original does.
            let place = queue.iter().rposition(|&(other, _)| other <= end).map_or(0, |before| before + 1);
            queue.insert(place, (end, id));
        }
        let replaced = self.acks.insert(id, Ack { left: waits.len(), deadline });
        assert!(replaced.is_none(), "an ack id is used once");
        self.deadlines.insert((deadline, Waiter::Ack(id)));
    }

    /// A fetch waits for any of these logs to be committed further than it has seen. Nothing is looked up: what is
    /// committed further already has to be noticed before.
    pub fn on_watch(&mut self, key: WatchKey, seen: &[(LogId, Offset)], deadline: Instant) {
        for &(log, end) in seen {
            let watches = &mut self.by_log.entry(log).or_default().watches;
            // A client may name a partition twice.
            watches.entry(key).and_modify(|known| *known = end.min(*known)).or_insert(end);
        }
        let logs = seen.iter().map(|&(log, _)| log).collect();
        let replaced = self.watches.insert(key, WatchEntry { logs, deadline });
        assert!(replaced.is_none(), "a watch key is used once");
        self.deadlines.insert((deadline, Waiter::Watch(key)));
    }

    /// A fetch no longer waits, if it did.
    pub fn on_watch_cancelled(&mut self, key: WatchKey, effects: &mut Vec<Effect>) {
        if self.forget_watch(key) {
            effects.push(Effect::Expire(key));
        }
    }

    /// A log is committed up to `end`.
    pub fn on_committed(&mut self, log: LogId, end: Offset, effects: &mut Vec<Effect>) {
        let Some(waiters) = self.by_log.get_mut(&log) else { return };
        while let Some(&(required, id)) = waiters.acks.front()
            && required <= end
        {
            waiters.acks.pop_front();
            count_down(&mut self.acks, &mut self.deadlines, id, effects);
        }
        let woken: Vec<WatchKey> =
            waiters.watches.iter().filter(|&(_, &seen)| seen < end).map(|(&key, _)| key).collect();
        self.wake(woken, effects);
    }

    /// A log is gone: nothing more will be committed to it.
    pub fn on_log_dropped(&mut self, log: LogId, effects: &mut Vec<Effect>) {
        let Some(waiters) = self.by_log.remove(&log) else { return };
        for (_, id) in waiters.acks {
            if self.acks.contains_key(&id) {
                effects.push(Effect::AckLost(id, log));
                count_down(&mut self.acks, &mut self.deadlines, id, effects);
            }
        }
        self.wake(waiters.watches.into_keys(), effects);
    }

    /// The storage failed: nothing more will be committed to any log.
    pub fn on_storage_failed(&mut self, effects: &mut Vec<Effect>) {
        let mut logs: Vec<LogId> = self.by_log.keys().copied().collect();
        logs.sort_unstable();
        for log in logs {
            self.on_log_dropped(log, effects);
        }
    }

    /// Time has passed.
    pub fn on_time(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while let Some(&(deadline, waiter)) = self.deadlines.first()
            && deadline <= now
        {
            match waiter {
                Waiter::Ack(id) => {
                    forget_ack(&mut self.acks, &mut self.deadlines, id);
                    effects.push(Effect::AckExpired(id));
                }
                Waiter::Watch(key) => {
                    self.forget_watch(key);
                    effects.push(Effect::Expire(key));
                }
            }
        }
    }

    /// When [`Purgatory::on_time`] has something to do next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    fn wake(&mut self, watches: impl IntoIterator<Item = WatchKey>, effects: &mut Vec<Effect>) {
        for key in watches {
            let is_known = self.forget_watch(key);
            assert!(is_known, "a log lists only watches that wait");
            effects.push(Effect::Wake(key));
        }
    }

    fn forget_watch(&mut self, key: WatchKey) -> bool {
        let Some(watch) = self.watches.remove(&key) else { return false };
        let had_deadline = self.deadlines.remove(&(watch.deadline, Waiter::Watch(key)));
        assert!(had_deadline, "whoever waits has a deadline");
        for log in watch.logs {
            if let Some(waiters) = self.by_log.get_mut(&log) {
                waiters.watches.remove(&key);
                if waiters.watches.is_empty() && waiters.acks.is_empty() {
                    self.by_log.remove(&log);
                }
            }
        }
        true
    }
}

type Acks = HashMap<AckId, Ack>;
type Deadlines = BTreeSet<(Instant, Waiter)>;

fn count_down(acks: &mut Acks, deadlines: &mut Deadlines, id: AckId, effects: &mut Vec<Effect>) {
    // One that is not there has expired before.
    let Some(ack) = acks.get_mut(&id) else { return };
    ack.left -= 1;
    if ack.left == 0 {
        forget_ack(acks, deadlines, id);
        effects.push(Effect::Acked(id));
    }
}

fn forget_ack(acks: &mut Acks, deadlines: &mut Deadlines, id: AckId) {
    let ack = acks.remove(&id).expect("an ack that ends has waited");
    let had_deadline = deadlines.remove(&(ack.deadline, Waiter::Ack(id)));
    assert!(had_deadline, "whoever waits has a deadline");
}

#[cfg(test)]
#[path = "purgatory_tests.rs"]
mod tests;
