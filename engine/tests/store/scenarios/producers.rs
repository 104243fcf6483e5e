//! Idempotent producers of one shard, each case on its own.

use engine::SequenceError;

use super::*;

fn sequenced(producer_id: i64, sequence: i32) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None).producer(producer_id, 0, sequence);
    builder.append(1, None, Some(b"value"), &[]);
    builder.build()
}

impl Shard {
    fn send(&mut self, producer_id: i64, sequence: i32) -> Result<Appended, AppendError> {
        let bytes = sequenced(producer_id, sequence);
        self.store.append(LOG, &batch::check(&bytes).expect("sound"), LeaderEpoch(0), self.now_ms)
    }

    fn is_known(&mut self, producer_id: i64, sequence: i32) -> bool {
        self.send(producer_id, sequence).expect("taken").is_duplicate
    }
}

const HOUR_MS: u64 = 60 * 60 * 1000;

fn limits() -> StoreLimits {
    StoreLimits { producers_max: 32, producer_expiry_ms: 24 * HOUR_MS, ..StoreLimits::new(0, u64::MAX) }
}

/// Its original may still be cut by a crash.
#[test]
fn a_duplicate_is_promised_with_the_group_of_its_original() {
    let mut shard = Shard::with(4, limits());
    shard.holds_groups = true;
    let original = shard.send(7, 0).expect("taken");
    shard.run();
    let other = shard.send(8, 0).expect("taken");
    assert!(other.group > original.group);
    let again = shard.send(7, 0).expect("taken");
    assert!(again.is_duplicate);
    assert_eq!((again.base_offset, again.group), (original.base_offset, original.group));
    shard.restart();
    assert!(!shard.is_known(7, 0), "the original was cut: this is the first that is stored");
    shard.run();
    let again = shard.send(7, 0).expect("taken");
    assert_eq!((again.is_duplicate, again.group), (true, engine::GroupSeq::NONE), "durable already");
}

#[test]
fn a_full_disk_does_not_hinder_what_is_stored_already() {
    let mut shard = Shard::with(4, StoreLimits { disk_reserve_bytes: 1 << 20, ..limits() });
    assert_eq!(shard.send(7, 0).map(|appended| appended.base_offset), Ok(Offset(0)));
    shard.run();
    shard.store.on_free_space(0);
    assert_eq!(shard.send(7, 1), Err(AppendError::DiskFull));
    assert!(shard.is_known(7, 0));
}

/// Where the time of day comes from another start of the machine, the node's own clock begins at 0 again.
#[test]
fn producers_that_were_silent_for_a_day_are_forgotten_also_across_restarts() {
    let mut shard = Shard::with(4, limits());
    let noon_ms = 1_700_000_000_000;
    shard.store.on_time_of_day(shard.now_ms, noon_ms);
    shard.send(7, 0).expect("taken");
    shard.now_ms = 20 * HOUR_MS;
    shard.send(8, 0).expect("taken");
    shard.store.want_checkpoint();
    shard.run();
    shard.restart();
    shard.now_ms = 0;
    shard.store.on_time_of_day(shard.now_ms, noon_ms + 25 * HOUR_MS as i64);
    shard.store.expire_producers(LOG, shard.now_ms);
    assert_eq!(shard.store.producers(), 1);
    assert!(shard.is_known(8, 0) && !shard.is_known(7, 0));
}

/// What is replayed was heard of at some time that nobody knows: it is not forgotten for that.
#[test]
fn producers_that_are_replayed_are_not_forgotten_at_once() {
    let mut shard = Shard::with(4, limits());
    shard.send(7, 0).expect("taken");
    shard.run();
    shard.kill();
    let noon_ms = 1_700_000_000_000;
    shard.store.on_time_of_day(0, noon_ms);
    shard.store.expire_producers(LOG, 0);
    assert!(shard.is_known(7, 0));
    shard.store.expire_producers(LOG, 24 * HOUR_MS);
    assert_eq!(shard.store.producers(), 0);
}

#[test]
fn of_too_many_producers_those_that_were_silent_for_longest_go() {
    let mut shard = Shard::with(4, limits());
    for producer_id in 0..33 {
        shard.now_ms += 1;
        shard.send(producer_id, 0).expect("taken");
    }
    // Room for the one too many, and for the sixteenth part.
    assert_eq!(shard.store.producers(), 30);
    for producer_id in (0..33).rev() {
        shard.now_ms += 1;
        assert_eq!(shard.is_known(producer_id, 0), producer_id > 2, "{producer_id}");
        if producer_id == 3 {
            break;
        }
    }
    shard.store.drop_log(LOG, shard.now_ms).expect("there");
    assert_eq!(shard.store.producers(), 0);
}

#[test]
fn what_a_log_knows_of_its_producers_outlives_their_batches() {
    let mut shard = Shard::with(4, limits());
    (0..3).for_each(|sequence| assert!(shard.send(7, sequence).is_ok()));
    shard.run();
    shard.store.cut_log(LOG, Offset(3), shard.now_ms).expect("within the log");
    shard.store.want_checkpoint();
    shard.run();
    shard.restart();
    assert_eq!(shard.store.view(LOG).map(|view| (view.start, view.end)), Some((Offset(3), Offset(3))));
    assert!(shard.is_known(7, 2));
    let gap = SequenceError::OutOfOrder { producer_id: 7, found: 4, expected: 3 };
    assert_eq!(shard.send(7, 4), Err(AppendError::Sequence(gap)));
    assert_eq!(shard.send(7, 3).map(|appended| appended.base_offset), Ok(Offset(3)));
}
