//! The purgatory's rules one by one, and against a model that keeps everything in plain lists.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ids::ShardId;

const A: LogId = LogId { topic: 1, partition: 0 };
const B: LogId = LogId { topic: 1, partition: 1 };

#[expect(clippy::disallowed_methods, reason = "an origin for the tests' own time")]
fn origin() -> Instant {
    Instant::now()
}

fn key(number: u64) -> WatchKey {
    WatchKey { asker: ShardId(0), number }
}

fn after(purgatory: &mut Purgatory, event: impl FnOnce(&mut Purgatory, &mut Vec<Effect>)) -> Vec<Effect> {
    let mut effects = Vec::new();
    event(purgatory, &mut effects);
    effects
}

#[test]
fn an_append_is_answered_when_its_last_log_is_committed() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_append(AckId(1), &[(A, Offset(10)), (B, Offset(5))], start + Duration::from_secs(1));
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(9), e)), []);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(12), e)), []);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(B, Offset(5), e)), [Effect::Acked(AckId(1))]);
    assert_eq!(purgatory.next_deadline(), None);
}

#[test]
fn an_append_that_expired_is_answered_once() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_append(AckId(1), &[(A, Offset(10))], start);
    assert_eq!(after(&mut purgatory, |p, e| p.on_time(start, e)), [Effect::AckExpired(AckId(1))]);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(10), e)), []);
}

#[test]
fn a_dropped_log_fails_its_batches_and_no_others() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_append(AckId(1), &[(A, Offset(1)), (B, Offset(1))], start);
    purgatory.on_append(AckId(2), &[(A, Offset(2))], start);
    let lost = [Effect::AckLost(AckId(1), A), Effect::AckLost(AckId(2), A), Effect::Acked(AckId(2))];
    assert_eq!(after(&mut purgatory, |p, e| p.on_log_dropped(A, e)), lost);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(B, Offset(1), e)), [Effect::Acked(AckId(1))]);
}

#[test]
fn a_watch_wakes_for_the_first_of_its_logs_and_is_gone_then() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_watch(key(1), &[(A, Offset(0)), (B, Offset(0))], start);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(B, Offset(1), e)), [Effect::Wake(key(1))]);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(1), e)), []);
    assert_eq!(after(&mut purgatory, |p, e| p.on_time(start, e)), []);
}

#[test]
fn a_watch_sleeps_over_what_it_has_seen() {
    // A relaxed log is readable before it is durable: that it becomes durable later is no news to a reader.
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_watch(key(1), &[(A, Offset(5))], start);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(4), e)), []);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(5), e)), []);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(6), e)), [Effect::Wake(key(1))]);
}

#[test]
fn a_cancelled_watch_is_answered_and_a_cancelled_twice_one_is_not() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_watch(key(1), &[(A, Offset(0))], start);
    assert_eq!(after(&mut purgatory, |p, e| p.on_watch_cancelled(key(1), e)), [Effect::Expire(key(1))]);
    assert_eq!(after(&mut purgatory, |p, e| p.on_watch_cancelled(key(1), e)), []);
    assert_eq!(after(&mut purgatory, |p, e| p.on_committed(A, Offset(1), e)), []);
}

#[test]
fn deadlines_fire_in_order_and_not_early() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    let at = |ms| start + Duration::from_millis(ms);
    purgatory.on_watch(key(1), &[(A, Offset(0))], at(20));
    purgatory.on_append(AckId(1), &[(A, Offset(1))], at(10));
    assert_eq!(purgatory.next_deadline(), Some(at(10)));
    assert_eq!(after(&mut purgatory, |p, e| p.on_time(at(9), e)), []);
    let both = [Effect::AckExpired(AckId(1)), Effect::Expire(key(1))];
    assert_eq!(after(&mut purgatory, |p, e| p.on_time(at(20), e)), both);
}

#[test]
fn a_failed_storage_answers_everybody() {
    let (mut purgatory, start) = (Purgatory::default(), origin());
    purgatory.on_append(AckId(1), &[(A, Offset(1)), (B, Offset(1))], start);
    purgatory.on_watch(key(1), &[(B, Offset(0))], start);
    let effects = after(&mut purgatory, Purgatory::on_storage_failed);
    assert_eq!(
        effects,
        [Effect::AckLost(AckId(1), A), Effect::AckLost(AckId(1), B), Effect::Acked(AckId(1)), Effect::Wake(key(1))]
    );
}

/// What may happen, with small numbers so that things meet.
#[derive(Debug, Clone)]
enum Event {
    Append { logs: Vec<u32>, wait_ms: u64 },
    Again { log: u32, back: i64, wait_ms: u64 },
    Watch { logs: Vec<u32>, wait_ms: u64 },
    Cancel { which: usize },
    Commit { log: u32, records: i64 },
    Drop { log: u32 },
    Pass { ms: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    let logs = || prop::collection::vec(0u32..4, 1..4);
    prop_oneof![
        4 => (logs(), 0u64..50).prop_map(|(logs, wait_ms)| Event::Append { logs, wait_ms }),
        2 => (0u32..4, 0i64..5, 0u64..50).prop_map(|(log, back, wait_ms)| Event::Again { log, back, wait_ms }),
        3 => (logs(), 0u64..50).prop_map(|(logs, wait_ms)| Event::Watch { logs, wait_ms }),
        1 => (0usize..20).prop_map(|which| Event::Cancel { which }),
        5 => (0u32..4, 0i64..4).prop_map(|(log, records)| Event::Commit { log, records }),
        1 => (0u32..4).prop_map(|log| Event::Drop { log }),
        2 => (0u64..20).prop_map(|ms| Event::Pass { ms }),
    ]
}

#[derive(Debug, Clone)]
struct ModelAck {
    id: AckId,
    waits: Vec<(LogId, Offset)>,
    deadline: Instant,
}

#[derive(Debug, Clone)]
struct ModelWatch {
    key: WatchKey,
    logs: Vec<(LogId, Offset)>,
    deadline: Instant,
}

/// The same rules without an index: every event looks at everything.
#[derive(Debug, Default)]
struct Model {
    acks: Vec<ModelAck>,
    watches: Vec<ModelWatch>,
}

impl Model {
    fn commit(&mut self, log: LogId, end: Offset) -> Vec<Effect> {
        let mut effects = self.settle(log, |required| required <= end, false);
        let is_news = |watch: &mut ModelWatch| watch.logs.iter().any(|&(known, seen)| known == log && seen < end);
        effects.extend(self.watches.extract_if(.., is_news).map(|watch| Effect::Wake(watch.key)));
        effects
    }

    fn drop_log(&mut self, log: LogId) -> Vec<Effect> {
        let mut effects = self.settle(log, |_| true, true);
        let is_over = |watch: &mut ModelWatch| watch.logs.iter().any(|&(known, _)| known == log);
        effects.extend(self.watches.extract_if(.., is_over).map(|watch| Effect::Wake(watch.key)));
        effects
    }

    fn settle(&mut self, log: LogId, is_over: impl Fn(Offset) -> bool, is_lost: bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        for ack in &mut self.acks {
            while let Some(at) = ack.waits.iter().position(|&(other, required)| other == log && is_over(required)) {
                ack.waits.remove(at);
                effects.extend(is_lost.then_some(Effect::AckLost(ack.id, log)));
                effects.extend(ack.waits.is_empty().then_some(Effect::Acked(ack.id)));
            }
        }
        self.acks.retain(|ack| !ack.waits.is_empty());
        effects
    }

    fn pass(&mut self, now: Instant) -> Vec<Effect> {
        let acks = self.acks.extract_if(.., |ack| ack.deadline <= now);
        let mut effects: Vec<Effect> = acks.map(|ack| Effect::AckExpired(ack.id)).collect();
        effects
            .extend(self.watches.extract_if(.., |watch| watch.deadline <= now).map(|watch| Effect::Expire(watch.key)));
        effects
    }

    fn next_deadline(&self) -> Option<Instant> {
        let acks = self.acks.iter().map(|ack| ack.deadline);
        acks.chain(self.watches.iter().map(|watch| watch.deadline)).min()
    }
}

/// Effects of one event as a set: requests that end together may be answered in any order.
fn sorted(mut effects: Vec<Effect>) -> Vec<String> {
    effects.sort_by_key(|effect| format!("{effect:?}"));
    effects.iter().map(|effect| format!("{effect:?}")).collect()
}

proptest! {
    #[test]
    fn does_what_plain_lists_would_do(events in prop::collection::vec(event(), 1..120)) {
        let log = |partition| LogId { topic: 1, partition };
        let (mut purgatory, mut model, mut now) = (Purgatory::default(), Model::default(), origin());
        let (mut placed, mut committed, mut number) = ([0i64; 4], [0i64; 4], 0u64);
        for event in events {
            number += 1;
            let mut effects = Vec::new();
            let expected = match event {
                Event::Append { logs, wait_ms } => {
                    let waits: Vec<(LogId, Offset)> = logs.iter().map(|&partition| {
                        placed[partition as usize] += 1;
                        (log(partition), Offset(placed[partition as usize]))
                    }).collect();
                    let (id, deadline) = (AckId(number), now + Duration::from_millis(wait_ms));
                    purgatory.on_append(id, &waits, deadline);
                    model.acks.push(ModelAck { id, waits, deadline });
                    Vec::new()
                }
                // Sent again while the original is not committed.
                Event::Again { log: partition, back, wait_ms } => {
                    let (placed, committed) = (placed[partition as usize], committed[partition as usize]);
                    if placed > committed {
                        let waits = vec![(log(partition), Offset(placed - back % (placed - committed)))];
                        let (id, deadline) = (AckId(number), now + Duration::from_millis(wait_ms));
                        purgatory.on_append(id, &waits, deadline);
                        model.acks.push(ModelAck { id, waits, deadline });
                    }
                    Vec::new()
                }
                Event::Watch { logs, wait_ms } => {
                    let logs: Vec<(LogId, Offset)> =
                        logs.into_iter().map(|partition| (log(partition), Offset(committed[partition as usize]))).collect();
                    let deadline = now + Duration::from_millis(wait_ms);
                    purgatory.on_watch(key(number), &logs, deadline);
                    model.watches.push(ModelWatch { key: key(number), logs, deadline });
                    Vec::new()
                }
                Event::Cancel { which } => {
                    let cancelled = model.watches.get(which).map_or(key(0), |watch| watch.key);
                    purgatory.on_watch_cancelled(cancelled, &mut effects);
                    model.watches.extract_if(.., |watch| watch.key == cancelled).map(|watch| Effect::Expire(watch.key)).collect()
                }
                Event::Commit { log: partition, records } => {
                    let at = partition as usize;
                    committed[at] = (committed[at] + records).min(placed[at]);
                    purgatory.on_committed(log(partition), Offset(committed[at]), &mut effects);
                    model.commit(log(partition), Offset(committed[at]))
                }
                Event::Drop { log: partition } => {
                    purgatory.on_log_dropped(log(partition), &mut effects);
                    model.drop_log(log(partition))
                }
                Event::Pass { ms } => {
                    now += Duration::from_millis(ms);
                    purgatory.on_time(now, &mut effects);
                    model.pass(now)
                }
            };
            prop_assert_eq!(sorted(effects), sorted(expected));
            prop_assert_eq!(purgatory.next_deadline(), model.next_deadline());
        }
        // Nothing is kept of requests that ended, but places in queues of logs that still owe a commit.
        let mut effects = Vec::new();
        purgatory.on_storage_failed(&mut effects);
        prop_assert!(purgatory.acks.is_empty() && purgatory.watches.is_empty());
        prop_assert!(purgatory.by_log.is_empty() && purgatory.deadlines.is_empty());
    }
}
