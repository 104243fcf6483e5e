//! Many partitions: the same load spread over more and more of them, and what one costs that nobody uses.
//!
//! ```text
//! a round:  for each number of partitions, on an empty directory:
//!             create the topic -> a fixed rate, whose first records make the partitions' files -> as fast as it goes
//!           then the most partitions again: a few KiB each -> wait -> memory and open files -> stop
//! ```

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use super::Settings;
use super::run_dir::RunDir;
use crate::client::Client;
use crate::clock::{Stopwatch, pause};
use crate::device::Counting;
use crate::failure::Failure;
use crate::load::{Load, Loadgen};
use crate::machine;
use crate::process::{Broker, ServeOptions};
use crate::report::{Better, Cost, Report, Row};

/// What the others are compared with.
const FEW: i32 = 16;

const TOPIC: &str = "dense";
const BROKER_TRACE: &str = "bench-ringmain.log";
const LOADGEN_TRACE: &str = "bench-loadgen.log";

/// Partitions that one request of the idle part carries records for.
const PARTITIONS_A_REQUEST: i32 = 500;
const IDLE_VALUE_BYTES: usize = 3000;

/// One figure of each number of partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    CreateMs,
    P50,
    P99,
    P999,
    FixedWrites,
    FixedSyncs,
    FixedWritten,
    Throughput,
    Writes,
    Syncs,
    Written,
    Resident,
}

/// Figure, what it is, unit, which way is better.
const FIGURES: &[(Figure, &str, &str, Better)] = &[
    (Figure::CreateMs, "CreateTopics", "ms", Better::Lower),
    (Figure::P50, "fixed rate, p50", "ms", Better::Lower),
    (Figure::P99, "fixed rate, p99", "ms", Better::Lower),
    (Figure::P999, "fixed rate, p99.9", "ms", Better::Lower),
    (Figure::FixedWrites, "fixed rate, device writes", "/s", Better::Lower),
    (Figure::FixedSyncs, "fixed rate, device syncs", "/s", Better::Lower),
    (Figure::FixedWritten, "fixed rate, bytes written per byte produced", "", Better::Lower),
    (Figure::Throughput, "rate max", "MB/s", Better::Higher),
    (Figure::Writes, "rate max, device writes", "/s", Better::Lower),
    (Figure::Syncs, "rate max, device syncs", "/s", Better::Lower),
    (Figure::Written, "rate max, bytes written per byte produced", "", Better::Lower),
    (Figure::Resident, "resident memory after it", "MiB", Better::Lower),
];

/// The most partitions against 16 of them: figure, what it is, which way is better, target.
const RATIOS: &[(Figure, &str, Better, f64)] = &[
    (Figure::Throughput, "throughput", Better::Higher, 0.5),
    (Figure::P99, "p99 at the fixed rate", Better::Lower, 3.0),
    (Figure::FixedWrites, "device writes at the fixed rate", Better::Lower, 1.0),
];

const IDLE_KIB_MAX: f64 = 16.0;

/// How much of everything.
#[derive(Clone, Copy)]
struct Plan {
    partitions: &'static [i32],
    fixed_rate: &'static str,
    warm_up_s: &'static str,
    fixed_s: &'static str,
    max_s: &'static str,
    /// From the last record of the idle part to the look at its memory.
    idle: Duration,
}

const FULL: Plan = Plan {
    partitions: &[1, FEW, 100, 1_000, 10_000],
    fixed_rate: "40000",
    warm_up_s: "1",
    fixed_s: "15",
    max_s: "8",
    idle: Duration::from_secs(20),
};

const SMOKE: Plan = Plan {
    partitions: &[FEW, 300],
    fixed_rate: "4000",
    warm_up_s: "0.2",
    fixed_s: "1",
    max_s: "1",
    idle: Duration::from_secs(2),
};

const NOTES: &[&str] = &[
    "1 KiB records, 8 producers, batches of at most 64 KiB that go to the partitions in turn, acks=all, durable; the fixed rate is \
     40,000/s with a linger of 1 ms and begins on partitions that have no files yet",
    "device writes and syncs are those of the whole device (/proc/diskstats), those of the file system's own journal and of other processes included; \
     bytes written are the broker's (/proc/PID/io)",
    "an idle partition has had one record of 3,000 bytes; its memory is the growth of resident memory since before the topic was made",
    "broker and load generator share the same cores",
];

struct Run<'a> {
    settings: &'a Settings,
    plan: Plan,
    dir: RunDir,
    loadgen: Loadgen,
    samples: Vec<(Figure, i32, f64)>,
    idle_kib: Vec<f64>,
    open_files: Vec<f64>,
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
    let (samples, idle_kib, open_files, costs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut run = Run { settings, plan, dir, loadgen, samples, idle_kib, open_files, costs, notes };
    let ticks = machine::cpu_ticks();
    for round in 1..=settings.rounds {
        eprintln!("round {round} of {}", settings.rounds);
        run.round()?;
    }
    machine.steal_percent = machine::steal_percent(ticks, machine::cpu_ticks());
    let rows = run.rows();
    let Run { costs, notes, .. } = run;
    let (rounds, smoke, ceilings) = (settings.rounds, settings.smoke, Vec::new());
    Ok(Report { scenario: "density", rounds, smoke, machine, ceilings, rows, costs, notes })
}

impl Run<'_> {
    fn round(&mut self) -> Result<(), Failure> {
        for &partitions in self.plan.partitions {
            self.with_broker(|run, broker| run.loads(broker, partitions))?;
        }
        let most = self.most();
        self.with_broker(|run, broker| run.idle(broker, most))
    }

    fn with_broker(&mut self, work: impl FnOnce(&mut Self, &Broker) -> Result<(), Failure>) -> Result<(), Failure> {
        let options = ServeOptions {
            ringmain: self.settings.binaries.ringmain.clone(),
            data_dir: self.dir.0.join("data"),
            cores: self.settings.cores.clone(),
            trace_path: self.settings.binaries.target_dir.join(BROKER_TRACE),
        };
        let mut broker = Broker::start(&options)?;
        work(self, &broker).map_err(|failure| broker.explain(failure))?;
        broker.stop()?;
        remove(&options.data_dir)
    }

    fn loads(&mut self, broker: &Broker, partitions: i32) -> Result<(), Failure> {
        let watch = Stopwatch::start();
        Client::connect(broker.kafka)?.create_topic(TOPIC, partitions, &[("ringmain.durability", "durable")])?;
        self.note(Figure::CreateMs, partitions, watch.ms());

        let figures = [Figure::FixedWrites, Figure::FixedSyncs, Figure::FixedWritten];
        let fixed = self.load(broker, partitions, (self.plan.fixed_rate, self.plan.fixed_s), figures)?;
        for (figure, pointer) in
            [(Figure::P50, "/latency/p50_ns"), (Figure::P99, "/latency/p99_ns"), (Figure::P999, "/latency/p999_ns")]
        {
            self.note(figure, partitions, fixed.number(pointer)? / 1e6);
        }

        let figures = [Figure::Writes, Figure::Syncs, Figure::Written];
        let max = self.load(broker, partitions, ("max", self.plan.max_s), figures)?;
        self.note(Figure::Throughput, partitions, max.number("/produced/mb_per_s")?);
        self.note(Figure::Resident, partitions, broker.resident_mib()?);
        Ok(())
    }

    /// Produces, and notes what that was to the device: writes, syncs, bytes.
    fn load(
        &mut self,
        broker: &Broker,
        partitions: i32,
        (rate, duration_s): (&str, &str),
        [writes, syncs, written]: [Figure; 3],
    ) -> Result<Load, Failure> {
        let shape = ["produce", "--topic", TOPIC, "--size", "1024", "--producers", "8", "--batch-bytes", "65536"];
        let load = ["--acks", "all", "--rate", rate, "--warm-up", self.plan.warm_up_s, "--duration", duration_s];
        let arguments: Vec<&str> = shape.into_iter().chain(load).collect();
        let (counting, bytes_before) = (Counting::start(&self.dir.0)?, broker.written_bytes()?);
        let watch = Stopwatch::start();
        let load = self.loadgen.run(broker, &arguments)?;
        let wall_s = watch.seconds();
        if let Some(rates) = counting.rates() {
            self.note(writes, partitions, rates.writes_per_s);
            self.note(syncs, partitions, rates.syncs_per_s);
        }
        let produced_bytes = load.number("/records/acked")? * 1024.0;
        self.note(written, partitions, (broker.written_bytes()? - bytes_before) / produced_bytes);
        self.count_cost(if rate == "max" { "rate max" } else { "fixed rate" }, wall_s, &load);
        let complaint = load.complaint.as_ref().map(|complaint| format!("{partitions} partitions: {complaint}"));
        self.notes.extend(complaint);
        Ok(load)
    }

    fn count_cost(&mut self, case: &'static str, wall_s: f64, load: &Load) {
        let (broker_cpu_s, loadgen_cpu_s) = (load.broker_cpu_s, load.loadgen_cpu_s);
        match self.costs.iter_mut().find(|cost| cost.case == case) {
            Some(cost) => {
                cost.wall_s += wall_s;
                cost.broker_cpu_s += broker_cpu_s;
                cost.loadgen_cpu_s += loadgen_cpu_s;
            }
            None => self.costs.push(Cost { case, wall_s, broker_cpu_s, loadgen_cpu_s }),
        }
    }

    /// A record for each partition, and then nothing.
    fn idle(&mut self, broker: &Broker, partitions: i32) -> Result<(), Failure> {
        let before_mib = broker.resident_mib()?;
        let mut client = Client::connect(broker.kafka)?;
        client.create_topic(TOPIC, partitions, &[("ringmain.durability", "durable")])?;
        for some in requests(partitions) {
            client.produce_to_each(TOPIC, some, IDLE_VALUE_BYTES)?;
        }
        pause(self.plan.idle);
        let grown_mib = broker.resident_mib()? - before_mib;
        self.idle_kib.push(grown_mib * 1024.0 / f64::from(partitions));
        self.open_files.push(broker.open_segments()?);
        eprintln!("  idle: {:?} KiB each, {:?} segment files open", self.idle_kib.last(), self.open_files.last());
        Ok(())
    }

    fn most(&self) -> i32 {
        self.plan.partitions.iter().copied().max().unwrap_or(FEW)
    }

    fn note(&mut self, figure: Figure, partitions: i32, value: f64) {
        eprintln!("  {partitions} partitions, {figure:?}: {value:.2}");
        self.samples.push((figure, partitions, value));
    }

    fn of(&self, figure: Figure, partitions: i32) -> Vec<f64> {
        let wanted = self.samples.iter().filter(|(of, count, _)| (*of, *count) == (figure, partitions));
        wanted.map(|(_, _, value)| *value).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for &(figure, what, unit, better) in FIGURES {
            let of = |&partitions: &i32| {
                Row::new(format!("{what}, {partitions} partitions"), unit, better, self.of(figure, partitions))
            };
            rows.extend(self.plan.partitions.iter().map(of));
        }
        // Seconds of a smoke run say nothing about a target.
        let target = |target: f64| (!self.settings.smoke).then_some(target);
        for &(figure, what, better, wanted) in RATIOS {
            let pairs = self.of(figure, self.most()).into_iter().zip(self.of(figure, FEW));
            let ratios = pairs.map(|(most, few)| most / few).collect();
            let case = format!("{what}, {} partitions / {FEW}", self.most());
            rows.push(Row::new(case, "", better, ratios).aimed(target(wanted)));
        }
        let idle = Row::new("memory of an idle partition", "KiB", Better::Lower, self.idle_kib.clone());
        rows.push(idle.aimed(target(IDLE_KIB_MAX)));
        let files = Row::new("segment files open for idle partitions", "", Better::Lower, self.open_files.clone());
        rows.push(files.aimed(target(0.0)));
        rows
    }
}

/// The partitions of each request.
fn requests(partitions: i32) -> impl Iterator<Item = Range<i32>> {
    let starts = (0..partitions).step_by(PARTITIONS_A_REQUEST as usize);
    starts.map(move |start| start..(start + PARTITIONS_A_REQUEST).min(partitions))
}

fn remove(dir: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(dir).map_err(Failure::machine(format!("removing {}", dir.display())))
}
