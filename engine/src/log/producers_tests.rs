use batch::{BatchBuilder, Compression};
use proptest::prelude::*;

use super::*;

fn info(id: i64, epoch: i16, sequence: i32, records: i32) -> BatchInfo {
    built(BatchBuilder::new(Compression::None).producer(id, epoch, sequence), records)
}

fn built(mut builder: BatchBuilder, records: i32) -> BatchInfo {
    (0..records).for_each(|_| builder.append(1, None, None, &[]));
    BatchInfo::peek(&builder.build()).expect("built here").expect("whole")
}

/// Appends at the next offset what is taken.
#[derive(Default)]
struct Log {
    producers: Producers,
    end: i64,
}

impl Log {
    /// The offset at which the batch lies then.
    fn append(&mut self, batch: &BatchInfo) -> Result<i64, SequenceError> {
        if let Some(known) = self.producers.judge(batch)? {
            return Ok(known.base_offset().0);
        }
        let base = self.end;
        self.producers.on_batch(batch, Offset(base), Some(base));
        self.end += i64::from(batch.record_count);
        Ok(base)
    }
}

#[test]
fn any_of_the_last_five_batches_is_known_again_and_an_older_one_is_out_of_order() {
    let mut log = Log::default();
    for sequence in 0..6 {
        assert_eq!(log.append(&info(7, 0, sequence * 10, 10)), Ok(i64::from(sequence) * 10));
    }
    for sequence in 1..6 {
        assert_eq!(log.append(&info(7, 0, sequence * 10, 10)), Ok(i64::from(sequence) * 10));
    }
    let too_old = SequenceError::OutOfOrder { producer_id: 7, found: 0, expected: 60 };
    assert_eq!(log.append(&info(7, 0, 0, 10)), Err(too_old));
    let cut_elsewhere = SequenceError::OutOfOrder { producer_id: 7, found: 50, expected: 60 };
    assert_eq!(log.append(&info(7, 0, 50, 9)), Err(cut_elsewhere), "no batch is these nine");
    assert_eq!(log.end, 60);
}

#[test]
fn a_gap_is_refused_and_what_fills_it_is_taken() {
    let mut log = Log::default();
    log.append(&info(7, 0, 0, 3)).expect("the first");
    let gap = SequenceError::OutOfOrder { producer_id: 7, found: 5, expected: 3 };
    assert_eq!(log.append(&info(7, 0, 5, 1)), Err(gap));
    assert_eq!(log.append(&info(7, 0, 3, 2)), Ok(3));
    assert_eq!(log.append(&info(7, 0, 5, 1)), Ok(5));
}

#[test]
fn a_new_epoch_begins_at_0_and_fences_the_one_before() {
    let mut log = Log::default();
    log.append(&info(7, 3, 40, 2)).expect("an unknown producer may begin anywhere");
    let begun = SequenceError::EpochBegun { producer_id: 7, epoch: 4, found: 42 };
    assert_eq!(log.append(&info(7, 4, 42, 1)), Err(begun));
    assert_eq!(log.append(&info(7, 4, 0, 1)), Ok(2));
    let old = SequenceError::OldEpoch { producer_id: 7, epoch: 3, newest: 4 };
    assert_eq!(log.append(&info(7, 3, 42, 1)), Err(old));
    assert_eq!(log.append(&info(7, 3, 40, 2)), Err(old), "nor what was appended then");
    assert_eq!(log.append(&info(8, 0, 0, 1)), Ok(3), "others are not touched");
}

#[test]
fn behind_the_last_sequence_comes_0_also_within_a_batch() {
    for (first, records) in [(i32::MAX, 1), (i32::MAX - 1, 5), (i32::MAX - 4, 5)] {
        let mut log = Log::default();
        log.append(&info(7, 0, first, records)).expect("the first");
        let next = (i64::from(first) + i64::from(records)) % (1 << 31);
        assert_eq!(log.append(&info(7, 0, first, records)), Ok(0), "{first} {records}");
        assert!(log.append(&info(7, 0, next as i32 + 1, 1)).is_err());
        assert_eq!(log.append(&info(7, 0, next as i32, 1)), Ok(i64::from(records)));
    }
}

#[test]
fn producers_that_are_silent_for_long_are_forgotten_and_those_with_a_transaction_are_not() {
    let mut producers = Producers::default();
    producers.on_batch(&info(1, 0, 0, 1), Offset(0), Some(100));
    producers.on_batch(&info(2, 0, 0, 1), Offset(1), Some(200));
    producers.on_batch(
        &built(BatchBuilder::new(Compression::None).producer(3, 0, 0).transactional(), 1),
        Offset(2),
        Some(50),
    );
    producers.on_batch(&info(4, 0, 0, 1), Offset(3), None);
    assert_eq!(producers.first_open_transaction(), Some(Offset(2)));
    producers.on_time(1000, 150);
    assert_eq!(producers.iter().map(|(id, _)| id).collect::<Vec<_>>(), [2, 3, 4]);
    // The one whose time nobody knew was heard of at 1000, and the transaction has ended.
    producers.on_batch(
        &built(BatchBuilder::new(Compression::None).producer(3, 0, -1).transactional().control(), 1),
        Offset(4),
        Some(60),
    );
    assert_eq!(producers.first_open_transaction(), None);
    producers.on_time(2000, 999);
    assert_eq!(producers.iter().map(|(id, _)| id).collect::<Vec<_>>(), [4]);
    producers.on_time(3000, 1000);
    assert!(producers.is_empty());
}

#[test]
fn the_oldest_producers_go_when_there_are_too_many() {
    let mut producers = Producers::default();
    (0..10).for_each(|id| producers.on_batch(&info(id, 0, 0, 1), Offset(id), Some(100 - id)));
    assert_eq!(producers.evict(93, 2), 2);
    assert_eq!(producers.evict(93, 9), 1, "as many as are that old");
    assert_eq!(producers.iter().map(|(id, _)| id).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

/// What a client may send, by what it sent before.
#[derive(Debug, Clone)]
enum Sent {
    Next {
        records: i32,
    },
    /// The batch so many before the next one.
    Again {
        back: usize,
    },
    Gap {
        skipped: i32,
    },
    NewEpoch {
        sequence: i32,
    },
    OldEpoch,
    /// The node stops and starts.
    Restart,
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        6 => (1..5).prop_map(|records| Sent::Next { records }),
        5 => (1..8usize).prop_map(|back| Sent::Again { back }),
        1 => (1..4).prop_map(|skipped| Sent::Gap { skipped }),
        1 => (0..2).prop_map(|sequence| Sent::NewEpoch { sequence }),
        1 => Just(Sent::OldEpoch),
        1 => Just(Sent::Restart),
    ]
}

/// A client that keeps all it has sent in its epoch, by sequences that do not wrap.
struct Client {
    epoch: i16,
    next: i64,
    taken: Vec<(i64, i32, i64)>,
}

fn on_wire(sequence: i64) -> i32 {
    (sequence % (1 << 31)) as i32
}

proptest! {
    #[test]
    fn no_sequence_is_taken_twice_and_none_is_left_out(
        first in prop_oneof![Just(0), Just(i32::MAX - 6)],
        steps in prop::collection::vec((0..3i64, sent()), 1..200),
    ) {
        let mut log = Log::default();
        let mut clients: Vec<Client> = (0..3).map(|_| Client { epoch: 2, next: i64::from(first), taken: Vec::new() }).collect();
        for (id, sent) in steps {
            let client = &mut clients[id as usize];
            let end = log.end;
            match sent {
                Sent::Next { records } => {
                    prop_assert_eq!(log.append(&info(id, client.epoch, on_wire(client.next), records)), Ok(end));
                    client.taken.push((client.next, records, end));
                    client.next += i64::from(records);
                }
                Sent::Again { back } => {
                    let Some(at) = client.taken.len().checked_sub(back) else { continue };
                    let (sequence, records, base) = client.taken[at];
                    let again = log.append(&info(id, client.epoch, on_wire(sequence), records));
                    prop_assert_eq!(again.ok(), (back <= 5).then_some(base));
                    prop_assert_eq!(log.end, end);
                }
                Sent::Gap { skipped } if !client.taken.is_empty() => {
                    let gap = info(id, client.epoch, on_wire(client.next + i64::from(skipped)), 1);
                    let is_refused = matches!(log.append(&gap), Err(SequenceError::OutOfOrder { .. }));
                    prop_assert!(is_refused);
                }
                Sent::NewEpoch { sequence } if !client.taken.is_empty() => {
                    let begun = log.append(&info(id, client.epoch + 1, sequence, 1));
                    prop_assert_eq!(begun.ok(), (sequence == 0).then_some(end));
                    if sequence == 0 {
                        *client = Client { epoch: client.epoch + 1, next: 1, taken: vec![(0, 1, end)] };
                    }
                }
                Sent::OldEpoch if !client.taken.is_empty() => {
                    let old = log.append(&info(id, client.epoch - 1, on_wire(client.next), 1));
                    let is_refused = matches!(old, Err(SequenceError::OldEpoch { .. }));
                    prop_assert!(is_refused);
                }
                Sent::Restart => {
                    let saved = log.producers.to_checkpoint();
                    log.producers = Producers::restore(&saved);
                    prop_assert_eq!(log.producers.to_checkpoint(), saved);
                }
                Sent::Gap { .. } | Sent::NewEpoch { .. } | Sent::OldEpoch => {}
            }
        }
    }
}
