//! The figures that the broker is held against from its first day.
//!
//! ```text
//! a round:  ceilings -> starts on empty directories -> start, idle
//!           -> produce durable -> produce relaxed -> consume what was just produced, from memory
//!           -> stop, start -> consume what was produced before, from disk -> end to end -> stop
//! ```
//! Rounds repeat all of it, so that everything is interleaved with everything else and with the ceilings; a drift of the
//! machine then shows as spread and not as a difference.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Settings;
use super::run_dir::RunDir;
use crate::ceilings::{self, Effort, disk, loopback};
use crate::client::Client;
use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;
use crate::load::{Load, Loadgen};
use crate::machine;
use crate::process::{Broker, ServeOptions};
use crate::report::{Better, Bound, Ceiling, Cost, Report, Row};
use crate::stats;

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

/// In the target directory.
const BROKER_TRACE: &str = "bench-ringmain.log";
const LOADGEN_TRACE: &str = "bench-loadgen.log";

/// What a figure's bound is made of.
#[derive(Clone, Copy)]
enum Limit {
    /// Nothing to compare with.
    None,
    /// The slower of loopback and the best durable write.
    DurableWrite,
    /// The slower of loopback and the best read.
    DiskRead,
    Loopback,
    /// A round trip over loopback and one small durable write.
    DurableRoundTrip,
}

/// Case, unit, which way is better, bound, target.
type Aim = (&'static str, &'static str, Better, Limit, Option<f64>);

const AIMS: &[Aim] = &[
    (DURABLE, "MB/s", Better::Higher, Limit::DurableWrite, Some(500.0)),
    (RELAXED, "MB/s", Better::Higher, Limit::Loopback, None),
    (RATIO, "", Better::Higher, Limit::None, Some(0.8)),
    (DURABLE_P99, "ms", Better::Lower, Limit::None, None),
    (RELAXED_P99, "ms", Better::Lower, Limit::None, None),
    (TAIL, "MB/s", Better::Higher, Limit::Loopback, Some(1200.0)),
    (DISK, "MB/s", Better::Higher, Limit::DiskRead, Some(1000.0)),
    (E2E_P50, "us", Better::Lower, Limit::DurableRoundTrip, Some(1000.0)),
    (E2E_P99, "us", Better::Lower, Limit::None, Some(3000.0)),
    (E2E_P999, "us", Better::Lower, Limit::None, None),
    (IDLE_CPU, "%", Better::Lower, Limit::None, Some(1.0)),
    (IDLE_MEMORY, "MiB", Better::Lower, Limit::None, Some(64.0)),
    (LOADED_MEMORY, "MiB", Better::Lower, Limit::None, None),
    (READY, "ms", Better::Lower, Limit::None, None),
    (FIRST_ACK, "ms", Better::Lower, Limit::None, Some(150.0)),
    (RESTART, "ms", Better::Lower, Limit::None, None),
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
    effort: Effort,
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
    effort: Effort::FULL,
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
    effort: Effort::SMOKE,
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

/// What has been measured so far, by case, in the order of the run.
#[derive(Default)]
struct Samples(Vec<(&'static str, Vec<f64>)>);

impl Samples {
    fn push(&mut self, case: &'static str, value: f64) {
        match self.0.iter_mut().find(|(name, _)| *name == case) {
            Some((_, samples)) => samples.push(value),
            None => self.0.push((case, vec![value])),
        }
    }

    fn of(&self, case: &str) -> Vec<f64> {
        self.0.iter().find(|(name, _)| *name == case).map_or_else(Vec::new, |(_, samples)| samples.clone())
    }
}

struct Run<'a> {
    settings: &'a Settings,
    plan: Plan,
    /// Everything of this run lies here and goes with it.
    dir: RunDir,
    loadgen: Loadgen,
    samples: Samples,
    ceilings: Vec<Ceiling>,
    costs: Vec<Cost>,
    notes: Vec<String>,
}

/// Runs all rounds.
pub fn run(settings: &Settings) -> Result<Report, Failure> {
    let dir = RunDir::create(&settings.data_dir)?;
    let loadgen = Loadgen {
        binary: settings.binaries.loadgen.clone(),
        scratch_dir: dir.0.clone(),
        trace_path: settings.binaries.target_dir.join(LOADGEN_TRACE),
    };
    let plan = if settings.smoke { SMOKE } else { FULL };
    let mut machine = machine::describe(&dir.0);
    let notes = NOTES.iter().map(|&note| note.to_owned()).collect();
    // The traces of this run only; they stay for whoever wonders about its figures.
    let _ = fs::remove_file(settings.binaries.target_dir.join(BROKER_TRACE));
    let (samples, ceilings, costs) = (Samples::default(), Vec::new(), Vec::new());
    let mut run = Run { settings, plan, dir, loadgen, samples, ceilings, costs, notes };
    let ticks = machine::cpu_ticks();
    for round in 1..=settings.rounds {
        eprintln!("round {round} of {}", settings.rounds);
        run.round()?;
    }
    machine.steal_percent = machine::steal_percent(ticks, machine::cpu_ticks());
    let rows = run.rows();
    let Run { ceilings, costs, notes, .. } = run;
    Ok(Report {
        scenario: "baseline",
        rounds: settings.rounds,
        smoke: settings.smoke,
        machine,
        ceilings,
        rows,
        costs,
        notes,
    })
}

impl Run<'_> {
    fn round(&mut self) -> Result<(), Failure> {
        ceilings::collect(&self.dir.0, self.plan.effort, &mut self.ceilings)?;
        for _ in 0..self.plan.starts {
            self.first_ack()?;
        }
        let options = self.serve_options("data");
        let mut broker = Broker::start(&options)?;
        let loaded = self.load_in_memory(&broker);
        let durable_records = loaded.map_err(|failure| broker.explain(failure))?;
        broker.stop()?;
        let mut broker = Broker::start(&options)?;
        self.note(RESTART, broker.ready_ms);
        let loaded = self.load_after_restart(&broker, durable_records);
        loaded.map_err(|failure| broker.explain(failure))?;
        broker.stop()?;
        remove(&options.data_dir)
    }

    /// Gives the number of records that were acknowledged durably, for the reading after the restart.
    fn load_in_memory(&mut self, broker: &Broker) -> Result<f64, Failure> {
        self.idle(broker)?;
        let durable_records = self.produce(broker, DURABLE, DURABLE_P99, "durable")?;
        self.produce(broker, RELAXED, RELAXED_P99, "relaxed")?;
        let ratio = self.last(DURABLE) / self.last(RELAXED);
        self.note(RATIO, ratio);
        self.consume_tail(broker)?;
        self.note(LOADED_MEMORY, broker.resident_mib()?);
        Ok(durable_records)
    }

    fn load_after_restart(&mut self, broker: &Broker, durable_records: f64) -> Result<(), Failure> {
        self.consume(broker, DISK, "durable", durable_records)?;
        self.end_to_end(broker)
    }

    /// From the making of the process to the acknowledgement of the first record of a new topic.
    fn first_ack(&mut self) -> Result<(), Failure> {
        let options = self.serve_options("empty");
        let mut broker = Broker::start(&options)?;
        let acknowledged = Client::connect(broker.kafka).and_then(|mut client| {
            client.create_topic("first", 1, &[("ringmain.durability", "durable")])?;
            client.produce_one("first")
        });
        acknowledged.map_err(|failure| broker.explain(failure))?;
        self.note(FIRST_ACK, broker.since_spawn.ms());
        self.note(READY, broker.ready_ms);
        broker.stop()?;
        remove(&options.data_dir)
    }

    fn idle(&mut self, broker: &Broker) -> Result<(), Failure> {
        pause(self.plan.settle);
        let (before_s, watch) = (broker.cpu_seconds()?, Stopwatch::start());
        pause(self.plan.idle);
        let used_s = broker.cpu_seconds()? - before_s;
        self.note(IDLE_CPU, 100.0 * used_s / watch.seconds());
        self.note(IDLE_MEMORY, broker.resident_mib()?);
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
        self.note(p99, load.number("/latency/p99_ns")? / 1e6);
        self.note(case, load.number("/produced/mb_per_s")?);
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
        self.note(case, load.number("/consumed/mb_per_s")?);
        let read = load.number("/consumed/records")?;
        if read < acked {
            self.notes.push(format!(
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
        self.note(E2E_P50, load.number("/end_to_end/p50_ns")? / 1e3);
        self.note(E2E_P99, load.number("/end_to_end/p99_ns")? / 1e3);
        self.note(E2E_P999, load.number("/end_to_end/p999_ns")? / 1e3);
        Ok(())
    }

    fn load(&mut self, broker: &Broker, case: &'static str, arguments: &[String]) -> Result<Load, Failure> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let watch = Stopwatch::start();
        let load = self.loadgen.run(broker, &arguments)?;
        let (wall_s, broker_cpu_s, loadgen_cpu_s) = (watch.seconds(), load.broker_cpu_s, load.loadgen_cpu_s);
        match self.costs.iter_mut().find(|cost| cost.case == case) {
            Some(cost) => {
                cost.wall_s += wall_s;
                cost.broker_cpu_s += broker_cpu_s;
                cost.loadgen_cpu_s += loadgen_cpu_s;
            }
            None => self.costs.push(Cost { case, wall_s, broker_cpu_s, loadgen_cpu_s }),
        }
        self.notes.extend(load.complaint.clone());
        Ok(load)
    }

    fn note(&mut self, case: &'static str, value: f64) {
        eprintln!("  {case}: {value:.2}");
        self.samples.push(case, value);
    }

    fn last(&self, case: &str) -> f64 {
        self.samples.of(case).last().copied().unwrap_or(f64::NAN)
    }

    fn serve_options(&self, name: &str) -> ServeOptions {
        ServeOptions {
            ringmain: self.settings.binaries.ringmain.clone(),
            data_dir: self.dir.0.join(name),
            cores: self.settings.cores.clone(),
            trace_path: self.settings.binaries.target_dir.join(BROKER_TRACE),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |&(case, unit, better, limit, target): &Aim| {
            // Seconds of a smoke run say nothing about a target.
            let target = target.filter(|_| !self.settings.smoke);
            Row::new(case, unit, better, self.samples.of(case)).bounded(self.bound(limit)).aimed(target)
        };
        AIMS.iter().map(row).collect()
    }

    fn bound(&self, limit: Limit) -> Option<Bound> {
        let network = self.best(loopback::is_rate);
        let slower = |a: Option<Bound>, b: Option<Bound>| a.zip(b).map(|(a, b)| if a.value <= b.value { a } else { b });
        match limit {
            Limit::None => None,
            Limit::Loopback => network,
            Limit::DurableWrite => slower(network, self.best(disk::is_write_rate)),
            Limit::DiskRead => slower(network, self.best(disk::is_read_rate)),
            Limit::DurableRoundTrip => {
                let only = |name: &'static str| self.best(move |found| found == name).map(|bound| bound.value);
                let write = disk::SMALL_WRITES_P50.into_iter().filter_map(only).min_by(f64::total_cmp)?;
                let value = only(loopback::SMALL_ECHO_P50)? + write;
                Some(Bound { name: "round trip + durable write".to_owned(), value })
            }
        }
    }

    /// The ceiling with the highest median of those that `wanted` names.
    fn best(&self, wanted: impl Fn(&str) -> bool) -> Option<Bound> {
        let matching = self.ceilings.iter().filter(|ceiling| wanted(&ceiling.name));
        let bounds = matching.map(|found| Bound { name: found.name.clone(), value: stats::median(&found.samples) });
        bounds.max_by(|a, b| a.value.total_cmp(&b.value))
    }
}

fn remove(dir: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(dir).map_err(Failure::machine(format!("removing {}", dir.display())))
}
