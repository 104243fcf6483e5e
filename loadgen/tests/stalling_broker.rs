//! The load generator against a broker of a few lines whose behaviour is known, so that its figures can be checked.

#[path = "broker_in_memory/mod.rs"]
mod broker_in_memory;

use std::time::Duration;

use broker_in_memory::{Broker, Temper};
use loadgen::{Acks, Keys, Mode, Options, Rate, Report, Until};

fn options(mode: Mode, broker: &Broker) -> Options {
    let mut options = Options::new(mode);
    options.bootstrap = Some(broker.address.to_string());
    options.partitions = 4;
    options.record_bytes = 100;
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
