//! The figures that the broker is held against from its first day.
//!
//! ```text
//! a round:  ceilings -> starts on empty directories -> start, idle
//!           -> produce durable -> produce relaxed -> consume what was just produced, from memory
//!           -> stop, start -> consume what was produced before, from disk -> end to end -> stop
//! ```
//! Rounds repeat all of it, so that everything is interleaved with everything else and with the ceilings; a drift of the
//! machine then shows as spread and not as a difference.

use std::time::Duration;

use super::Scenario;
use super::aim::{Aim, Limit};
use super::test_bed::TestBed;
use crate::client::Client;
use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;
use crate::load::Load;
use crate::process::Broker;

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "baseline",
    about: "produce (durable and relaxed), consume (memory and disk), end-to-end latency, idle cost, start",
    knobs: &[],
    aims: &[AIMS],
    notes: NOTES,
    round,
};

const DURABLE: &str = "produce, durable acks";
const DURABLE_P99: &str = "produce, durable acks, p99";
const RELAXED: &str = "produce, relaxed acks";
const RELAXED_P99: &str = "produce, relaxed acks, p99";
const RATIO: &str = "durable / relaxed";
const TAIL: &str = "consume, tail in memory";
const DISK: &str = "consume, from disk after restart";
const E2E: &str = "end to end, durable, 20,000/s";
const E2E_P50: &str = "end to end, durable, 20,000/s, p50";
const E2E_P99: &str = "end to end, durable, 20,000/s, p99";
const E2E_P999: &str = "end to end, durable, 20,000/s, p99.9";
const IDLE_CPU: &str = "idle: CPU of one core";
const IDLE_MEMORY: &str = "idle: resident memory";
const LOADED_MEMORY: &str = "resident memory after the load";
const READY: &str = "start on an empty directory: ready";
const FIRST_ACK: &str = "start on an empty directory: first ack";
const RESTART: &str = "start on written data: ready";

const AIMS: &[Aim] = &[
    Aim::higher(DURABLE, "MB/s").within(Limit::DurableWrite).target(500.0),
    Aim::higher(RELAXED, "MB/s").within(Limit::Loopback),
    Aim::higher(RATIO, "").target(0.8),
    Aim::lower(DURABLE_P99, "ms"),
    Aim::lower(RELAXED_P99, "ms"),
    Aim::higher(TAIL, "MB/s").within(Limit::Loopback).target(1200.0),
    Aim::higher(DISK, "MB/s").within(Limit::DiskRead).target(1000.0),
    Aim::lower(E2E_P50, "us").within(Limit::DurableRoundTrip).target(1000.0),
    Aim::lower(E2E_P99, "us").target(3000.0),
    Aim::lower(E2E_P999, "us"),
    Aim::lower(IDLE_CPU, "%").target(1.0),
    Aim::lower(IDLE_MEMORY, "MiB").target(64.0),
    Aim::lower(LOADED_MEMORY, "MiB"),
    Aim::lower(READY, "ms"),
    Aim::lower(FIRST_ACK, "ms").target(150.0),
    Aim::lower(RESTART, "ms"),
];

const NOTES: &[&str] = &[
    "produce: 1 KiB records, 8 producers, 16 partitions, 64 KiB batches, acks=all, rate max (a closed loop, capped by \
     requests in flight); MB/s count record values, 10^6 bytes",
    "a durable byte is written twice, to the journal and in the background to its segment, so half of the disk's rate \
     is what a broker can have that is bound by the disk alone",
    "consume: MB/s count record batches; from memory what a durable topic was given just before, from disk what another \
     was given before a stop and a start; reads bypass the page cache (O_DIRECT), so there is none to drop, but a \
     hypervisor's own cache may answer for the disk, for the broker as for the ceiling",
    "end to end: one producer without linger, one consumer, one partition, from the record's due time to its arrival; the \
     floor is one loopback round trip of 1 KiB and one durable write of 16 KiB (O_DSYNC or a linked fdatasync, the faster), medians of this run",
    "broker, load generator and ceilings share the same cores",
];

/// How long each step takes.
#[derive(Clone, Copy)]
struct Plan {
    starts: usize,
    settle: Duration,
    idle: Duration,
    warm_up_s: &'static str,
    produce_s: &'static str,
    /// Seconds of production that memory still holds afterwards.
    tail_s: &'static str,
    tail_reads: usize,
    e2e_s: &'static str,
}

const FULL: Plan = Plan {
    starts: 3,
    settle: Duration::from_secs(1),
    idle: Duration::from_secs(5),
    warm_up_s: "2",
    produce_s: "5",
    tail_s: "1.5",
    tail_reads: 3,
    e2e_s: "8",
};

const SMOKE: Plan = Plan {
    starts: 1,
    settle: Duration::from_millis(200),
    idle: Duration::from_secs(1),
    warm_up_s: "0.5",
    produce_s: "1",
    tail_s: "0.5",
    tail_reads: 1,
    e2e_s: "1",
};

/// A consumer gives up on a slow broker after this many seconds.
const CONSUME_S_MAX: &str = "60";

struct Round<'a, 'b> {
    bed: &'a mut TestBed<'b>,
    plan: Plan,
}

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let plan = if bed.is_smoke() { SMOKE } else { FULL };
    Round { bed, plan }.run()
}

impl Round<'_, '_> {
    fn run(&mut self) -> Result<(), Failure> {
        self.bed.ceilings()?;
        for _ in 0..self.plan.starts {
            self.first_ack()?;
        }
        let options = self.bed.serve_options("data");
        let mut broker = Broker::start(&options)?;
        let loaded = self.load_in_memory(&broker);
        let durable_records = loaded.map_err(|failure| broker.explain(failure))?;
        broker.stop()?;
        let mut broker = Broker::start(&options)?;
        self.bed.note(RESTART, broker.ready_ms);
        let loaded = self.load_after_restart(&broker, durable_records);
        loaded.map_err(|failure| broker.explain(failure))?;
        broker.stop()?;
        self.bed.remove(&options.data_dir)
    }

    /// Gives the number of records that were acknowledged durably, for the reading after the restart.
    fn load_in_memory(&mut self, broker: &Broker) -> Result<f64, Failure> {
        self.idle(broker)?;
        let durable_records = self.produce(broker, DURABLE, DURABLE_P99, "durable")?;
        self.produce(broker, RELAXED, RELAXED_P99, "relaxed")?;
        let ratio = self.bed.last(DURABLE) / self.bed.last(RELAXED);
        self.bed.note(RATIO, ratio);
        self.consume_tail(broker)?;
        self.bed.note(LOADED_MEMORY, broker.resident_mib()?);
        Ok(durable_records)
    }

    fn load_after_restart(&mut self, broker: &Broker, durable_records: f64) -> Result<(), Failure> {
        self.consume(broker, DISK, "durable", durable_records)?;
        self.end_to_end(broker)
    }

    /// From the making of the process to the acknowledgement of the first record of a new topic.
    fn first_ack(&mut self) -> Result<(), Failure> {
        let options = self.bed.serve_options("empty");
        let mut broker = Broker::start(&options)?;
        let acknowledged = Client::connect(broker.kafka).and_then(|mut client| {
            client.create_topic("first", 1, &[("ringmain.durability", "durable")])?;
            client.produce_one("first")
        });
        acknowledged.map_err(|failure| broker.explain(failure))?;
        self.bed.note(FIRST_ACK, broker.since_spawn.ms());
        self.bed.note(READY, broker.ready_ms);
        broker.stop()?;
        self.bed.remove(&options.data_dir)
    }

    fn idle(&mut self, broker: &Broker) -> Result<(), Failure> {
        pause(self.plan.settle);
        let (before_s, watch) = (broker.cpu_seconds()?, Stopwatch::start());
        pause(self.plan.idle);
        let used_s = broker.cpu_seconds()? - before_s;
        self.bed.note(IDLE_CPU, 100.0 * used_s / watch.seconds());
        self.bed.note(IDLE_MEMORY, broker.resident_mib()?);
        Ok(())
    }

    /// Gives the number of records that were acknowledged, those of the warm-up included.
    fn produce(
        &mut self,
        broker: &Broker,
        case: &'static str,
        p99: &'static str,
        durability: &str,
    ) -> Result<f64, Failure> {
        let arguments = self.produce_arguments(durability, durability, self.plan.warm_up_s, self.plan.produce_s);
        let load = self.load(broker, case, &arguments)?;
        self.bed.note(p99, load.number("/latency/p99_ns")? / 1e6);
        self.bed.note(case, load.number("/produced/mb_per_s")?);
        load.number("/records/acked")
    }

    fn produce_arguments(&self, topic: &str, durability: &str, warm_up_s: &str, duration_s: &str) -> Vec<String> {
        let config = format!("ringmain.durability={durability}");
        let shape = ["--partitions", "16", "--size", "1024", "--producers", "8", "--batch-bytes", "65536"];
        let load = ["--rate", "max", "--acks", "all", "--warm-up", warm_up_s, "--duration", duration_s];
        let mut arguments = vec!["produce", "--topic", topic, "--topic-config", &config];
        arguments.extend(shape.iter().chain(&load));
        arguments.into_iter().map(str::to_owned).collect()
    }

    /// Fills a topic with what memory can hold, and reads it at once, several times.
    fn consume_tail(&mut self, broker: &Broker) -> Result<(), Failure> {
        let arguments = self.produce_arguments("tail", "durable", "0", self.plan.tail_s);
        let tail_records = self.load(broker, "fill for the tail", &arguments)?.number("/records/acked")?;
        for _ in 0..self.plan.tail_reads {
            self.consume(broker, TAIL, "tail", tail_records)?;
        }
        Ok(())
    }

    /// Reads the whole topic. A run in which acknowledged records are missing is not a measurement but a finding.
    fn consume(&mut self, broker: &Broker, case: &'static str, topic: &str, acked: f64) -> Result<(), Failure> {
        let arguments = ["consume", "--topic", topic, "--until-end", "--warm-up", "0", "--duration", CONSUME_S_MAX];
        let load = self.load(broker, case, &arguments.map(str::to_owned))?;
        self.bed.note(case, load.number("/consumed/mb_per_s")?);
        let read = load.number("/consumed/records")?;
        if read < acked {
            self.bed.remark(format!(
                "WRONG: {case}: {acked} records of topic {topic} were acknowledged and {read} were read"
            ));
        }
        Ok(())
    }

    fn end_to_end(&mut self, broker: &Broker) -> Result<(), Failure> {
        let shape = ["e2e", "--topic", "latency", "--topic-config", "ringmain.durability=durable", "--partitions", "1"];
        let load = ["--size", "1024", "--producers", "1", "--consumers", "1", "--rate", "20000", "--linger-ms", "0"];
        let time = ["--acks", "all", "--warm-up", self.plan.warm_up_s, "--duration", self.plan.e2e_s];
        let arguments: Vec<String> = shape.iter().chain(&load).chain(&time).map(|&text| text.to_owned()).collect();
        let load = self.load(broker, E2E, &arguments)?;
        self.bed.note(E2E_P50, load.number("/end_to_end/p50_ns")? / 1e3);
        self.bed.note(E2E_P99, load.number("/end_to_end/p99_ns")? / 1e3);
        self.bed.note(E2E_P999, load.number("/end_to_end/p999_ns")? / 1e3);
        Ok(())
    }

    fn load(&mut self, broker: &Broker, case: &str, arguments: &[String]) -> Result<Load, Failure> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.bed.load(broker, case, &arguments)
    }
}
