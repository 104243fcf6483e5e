//! The load generator against a broker of a few lines whose behaviour is known, so that its figures can be checked.

use std::time::Duration;

use crate::broker_in_memory::{Broker, Deceit, Temper};
use loadgen::{Acks, Compression, Keys, Mode, Options, Rate, Report, Sizes, Until};

fn options(mode: Mode, broker: &Broker) -> Options {
    let mut options = Options::new(mode);
    options.bootstrap = Some(broker.address.to_string());
    options.partitions = 4;
    options.sizes = Sizes::Fixed(100);
    options.producers = 2;
    options.warm_up = Duration::ZERO;
    options.duration = Duration::from_millis(1000);
    options
}

fn assert_no_errors(report: &Report) {
    assert!(report.outcome.errors.is_empty(), "{:?}", report.outcome);
}

#[test]
fn a_stall_shows_in_every_record_that_was_due_meanwhile() {
    let stall = Duration::from_millis(400);
    let broker = Broker::start(Temper { stall: Some((100, stall)), ..Temper::default() });
    let mut options = options(Mode::Produce, &broker);
    options.rate = Rate::PerSecond(1_000);
    options.producers = 1;
    options.in_flight_max = 1;
    let report = loadgen::run(options).unwrap();
    assert_no_errors(&report);
    let latency = report.latency.unwrap();
    assert_eq!(latency.records, 1_000, "every record that was due is counted once");
    // About 400 of the 1,000 records were due during the stall; their mean wait is half of it.
    assert!(latency.max_ns >= stall.as_nanos() as u64);
    assert!(latency.p90_ns > 200_000_000, "p90 {} ns hides the stall", latency.p90_ns);
    // One request alone met the stall, which is all that the time from the send would show.
    assert!(report.service.unwrap().p50_ns < 100_000_000);
}

#[test]
fn all_records_of_the_schedule_are_sent_with_and_without_keys() {
    for keys in [Keys::None, Keys::Count(10)] {
        let broker = Broker::start(Temper::default());
        let mut options = options(Mode::Produce, &broker);
        options.rate = Rate::PerSecond(20_000);
        options.keys = keys;
        let report = loadgen::run(options).unwrap();
        assert_no_errors(&report);
        assert_eq!((report.records.sent, report.records.acked), (20_000, 20_000), "{keys:?}");
        let stored: i64 = broker.partitions.lock().unwrap().iter().map(|partition| partition.next_offset).sum();
        assert_eq!(stored, 20_000, "{keys:?}");
    }
}

#[test]
fn rate_max_is_a_closed_loop_and_says_so() {
    let broker = Broker::start(Temper::default());
    let mut options = options(Mode::Produce, &broker);
    options.duration = Duration::from_millis(300);
    let report = loadgen::run(options).unwrap();
    assert_no_errors(&report);
    assert!(report.records.acked > 0);
    assert_eq!(report.records.sent, report.records.acked);
    assert_eq!(report.workload.loop_kind, "closed");
    assert!(report.to_string().contains("closed by 5 requests in flight"));
}

#[test]
fn end_to_end_every_acknowledged_record_arrives_once() {
    let broker = Broker::start(Temper::default());
    let mut options = options(Mode::EndToEnd, &broker);
    options.rate = Rate::PerSecond(5_000);
    options.threads = 2;
    let report = loadgen::run(options).unwrap();
    assert_no_errors(&report);
    assert_eq!((report.records.acked, report.records.arrived, report.records.repeated), (5_000, 5_000, 0));
    assert_eq!(report.end_to_end.unwrap().records, 5_000);
}

#[test]
fn what_was_produced_is_consumed_to_the_end() {
    let broker = Broker::start(Temper::default());
    let mut produce = options(Mode::Produce, &broker);
    produce.rate = Rate::PerSecond(3_000);
    loadgen::run(produce).unwrap();
    let mut consume = options(Mode::Consume, &broker);
    consume.until = Until::End;
    consume.verify = true;
    let report = loadgen::run(consume).unwrap();
    assert!(report.outcome.is_good(), "{:?}", report.outcome);
    assert_eq!(report.consumed.unwrap().records, 3_000);
}

#[test]
fn refusals_are_counted_by_their_code() {
    let broker = Broker::start(Temper { refuse_every: Some(10), ..Temper::default() });
    let mut options = options(Mode::Produce, &broker);
    options.rate = Rate::PerSecond(2_000);
    let report = loadgen::run(options).unwrap();
    assert!(!report.outcome.is_good());
    let refused = report.outcome.errors["NOT_ENOUGH_REPLICAS"];
    assert!(refused > 0);
    assert_eq!(report.records.acked + refused, 2_000);
}

#[test]
fn without_acknowledgements_nothing_is_waited_for() {
    let broker = Broker::start(Temper::default());
    let mut options = options(Mode::Produce, &broker);
    options.rate = Rate::PerSecond(2_000);
    options.acks = Acks::None;
    let report = loadgen::run(options).unwrap();
    assert_no_errors(&report);
    assert_eq!(report.records.sent, 2_000);
}

#[test]
fn a_broker_that_is_not_there_is_one_sentence() {
    let mut options = Options::new(Mode::Produce);
    options.bootstrap = Some("127.0.0.1:1".to_owned());
    let failure = loadgen::run(options).unwrap_err().to_string();
    assert!(failure.starts_with("cannot connect to 127.0.0.1:1"), "{failure}");
}

/// What a run has counted of records that were lost, repeated, out of order and altered.
fn faults(report: &Report) -> (u64, u64, u64, u64) {
    let records = &report.records;
    (records.lost, records.repeated, records.overtaken, records.corrupt)
}

#[test]
fn what_a_broker_does_to_acknowledged_records_is_counted_record_by_record() {
    for (deceit, is_as_expected) in [
        (Deceit::Lose, (|faults, batch| faults == (batch, 0, 0, 0)) as fn((u64, u64, u64, u64), u64) -> bool),
        (Deceit::Repeat, |faults, batch| faults == (0, batch, 0, 0)),
        (Deceit::Overtake, |faults, batch| faults == (0, 0, batch, 0)),
        // An altered record has not arrived as what it was.
        (Deceit::Alter, |faults, _| faults == (1, 0, 0, 1)),
    ] {
        let broker = Broker::start(Temper { deceit: Some((20, deceit)), ..Temper::default() });
        let mut options = options(Mode::EndToEnd, &broker);
        options.rate = Rate::PerSecond(5_000);
        options.partitions = 1;
        options.producers = 1;
        options.duration = Duration::from_millis(500);
        options.drain = Duration::from_secs(1);
        let report = loadgen::run(options).unwrap();
        assert_eq!(report.records.acked, 2_500);
        let (lost, repeated, overtaken, _) = faults(&report);
        let batch = lost.max(repeated).max(overtaken);
        assert!(batch > 0 && is_as_expected(faults(&report), batch), "{deceit:?}: {:?}", report.records);
        assert!(!report.outcome.invalid.is_empty(), "{deceit:?} makes a run invalid");
    }
}

#[test]
fn numbered_records_are_checked_by_a_later_consumer() {
    for (deceit, wanted) in [(None, (0, 0, 0, 0)), (Some(Deceit::Alter), (1, 0, 0, 1))] {
        let broker = Broker::start(Temper { deceit: deceit.map(|deceit| (20, deceit)), ..Temper::default() });
        let mut produce = options(Mode::Produce, &broker);
        produce.rate = Rate::PerSecond(3_000);
        produce.stamp = true;
        loadgen::run(produce).unwrap();
        let mut consume = options(Mode::Consume, &broker);
        consume.until = Until::End;
        consume.verify = true;
        let report = loadgen::run(consume).unwrap();
        assert_eq!(report.records.arrived + report.records.corrupt, 3_000);
        assert_eq!(faults(&report), wanted, "{deceit:?}");
    }
}

#[test]
fn every_reader_of_a_fan_out_gets_every_record() {
    let broker = Broker::start(Temper::default());
    let mut options = options(Mode::EndToEnd, &broker);
    options.rate = Rate::PerSecond(2_000);
    options.producers = 1;
    options.consumers = 5;
    options.fan_out = true;
    let report = loadgen::run(options).unwrap();
    assert_no_errors(&report);
    assert_eq!((report.records.acked, report.records.arrived), (2_000, 10_000));
    assert_eq!(faults(&report), (0, 0, 0, 0));
    assert_eq!(report.end_to_end.unwrap().records, 10_000);
}

#[test]
fn sizes_keys_codecs_and_a_changing_rate_lose_no_record() {
    for compression in [Compression::None, Compression::Lz4] {
        let broker = Broker::start(Temper::default());
        let mut options = options(Mode::EndToEnd, &broker);
        options.sizes = Sizes::Uniform { min: 50, max: 900 };
        options.compression = compression;
        options.random_share = 0.3;
        options.keys = Keys::Zipf { count: 200, exponent: 1.0 };
        options.rate = Rate::PerSecond(1_000);
        options.rate_steps = vec![(Duration::from_millis(400), 0), (Duration::from_millis(600), 5_000)];
        let report = loadgen::run(options).unwrap();
        assert_no_errors(&report);
        assert_eq!(report.records.acked, 400 + 2_000);
        assert_eq!((report.records.arrived, faults(&report)), (2_400, (0, 0, 0, 0)));
        let produced = report.produced.unwrap();
        let mean = produced.payload_bytes as f64 / produced.records as f64;
        // The key has 12 bytes.
        assert!((440.0..535.0).contains(&mean), "{mean}");
        assert_eq!(compression == Compression::Lz4, produced.batch_bytes < produced.payload_bytes * 2 / 3);
    }
}
