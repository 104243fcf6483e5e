//! How cost grows: one thing is raised step by step and all else stays, each step on a broker and a directory of its own.

use super::loads;
use super::test_bed::TestBed;
use super::{Scenario, Settings, filling};
use crate::ceilings::{disk, loopback};
use crate::curves::{Curve, Curves, Point};
use crate::failure::Failure;
use crate::machine;
use crate::process::Broker;
use crate::report::Better;
use crate::stats;

/// One thing that is raised.
struct Sweep {
    name: &'static str,
    /// What stays.
    about: &'static str,
    flag: &'static str,
    /// With how each is written under the curve.
    values: &'static [(&'static str, &'static str)],
    /// Those of a run that only shows that every path works.
    smoke_values: usize,
    rest: &'static [&'static [&'static str]],
    figure: &'static str,
    unit: &'static str,
    better: Better,
    pointer: &'static str,
    scale: f64,
    /// How often each step is loaded; the median is shown. The device stalls now and then after much was written, which one
    /// look at a percentile would take for a property of the step.
    repeats: usize,
}

const MAX: &[&str] = &["--rate", "max", "--acks", "all"];
const PRODUCE: &[&str] = &["produce"];
const EIGHT: &[&str] = &["--producers", "8"];
const SIXTEEN: &[&str] = &["--partitions", "16"];
const BATCH: &[&str] = &["--batch-bytes", "65536"];
const KIB: &[&str] = &["--size", "1024"];
const MB_PER_S: &str = "/produced/mb_per_s";

const fn throughput(
    name: &'static str,
    about: &'static str,
    flag: &'static str,
    values: &'static [(&'static str, &'static str)],
    rest: &'static [&'static [&'static str]],
) -> Sweep {
    Sweep {
        name,
        about,
        flag,
        values,
        smoke_values: 2,
        rest,
        figure: "durable produce",
        unit: "MB/s",
        better: Better::Higher,
        pointer: MB_PER_S,
        scale: 1.0,
        repeats: 1,
    }
}

const SWEEPS: &[Sweep] = &[
    throughput(
        "partitions",
        "8 producers, records of 1 KiB, batches of 64 KiB",
        "--partitions",
        &[("1", "1"), ("16", "16"), ("100", "100"), ("1000", "1,000")],
        &[PRODUCE, EIGHT, BATCH, KIB, MAX, loads::DURABLE],
    ),
    throughput(
        "producers",
        "16 partitions, records of 1 KiB, batches of 64 KiB",
        "--producers",
        &[("1", "1"), ("2", "2"), ("8", "8"), ("32", "32"), ("128", "128")],
        &[PRODUCE, SIXTEEN, BATCH, KIB, MAX, loads::DURABLE],
    ),
    throughput(
        "message size",
        "8 producers, 16 partitions, batches of 64 KiB",
        "--size",
        &[("100", "100 B"), ("1024", "1 KiB"), ("10240", "10 KiB"), ("102400", "100 KiB")],
        &[PRODUCE, EIGHT, SIXTEEN, BATCH, MAX, loads::DURABLE],
    ),
    throughput(
        "batch size",
        "8 producers, 16 partitions, records of 1 KiB",
        "--batch-bytes",
        &[("2200", "2 KiB"), ("16384", "16 KiB"), ("65536", "64 KiB"), ("262144", "256 KiB"), ("900000", "900 KB")],
        &[PRODUCE, EIGHT, SIXTEEN, KIB, MAX, loads::DURABLE],
    ),
    Sweep {
        name: "connections",
        about: "1,000 records of 100 B a second over all of them, durable",
        flag: "--connections",
        values: &[("10", "10"), ("100", "100"), ("1000", "1,000"), ("5000", "5,000")],
        smoke_values: 2,
        rest: &[&["connections", "--rate", "1000", "--size", "100"], SIXTEEN, loads::DURABLE],
        figure: "p99 to the acknowledgement",
        unit: "ms",
        better: Better::Lower,
        pointer: "/latency/p99_ns",
        scale: 1e-6,
        repeats: 3,
    },
];

/// Sizes of the log, in GiB, and the step of a smoke run.
const LOG_GIB: &[f64] = &[0.0, 0.5, 1.5, 3.0, 5.0];
const LOG_GIB_SMOKE: &[f64] = &[0.0, 0.1];

const SCENARIO: Scenario = Scenario {
    name: "curves",
    about: "how cost grows",
    knobs: &[loads::SECONDS],
    aims: &[],
    notes: &[],
    round: |_| Ok(()),
};

/// Measures all curves once; `seconds` is how long each step is loaded.
pub fn run(settings: &Settings, seconds: f64) -> Result<Curves, Failure> {
    let mut bed = TestBed::new(&SCENARIO, settings)?;
    let mut machine = machine::describe(bed.dir());
    let ticks = machine::cpu_ticks();
    bed.round = 1;
    bed.ceilings()?;
    let (network, writes) = (bed.newest_ceiling(loopback::is_rate), bed.newest_ceiling(disk::is_write_rate));
    let ceiling_mb_per_s = network.min(writes);
    let mut curves = Vec::new();
    for sweep in SWEEPS {
        curves.push(curve(&mut bed, sweep, seconds)?);
    }
    curves.push(restarts(&mut bed)?);
    machine.steal_percent = machine::steal_percent(ticks, machine::cpu_ticks());
    Ok(Curves { machine, smoke: settings.smoke, seconds, ceiling_mb_per_s, curves })
}

fn curve(bed: &mut TestBed, sweep: &Sweep, seconds: f64) -> Result<Curve, Failure> {
    let duration = format!("{seconds}");
    let mut points = Vec::new();
    let count = if bed.is_smoke() { sweep.smoke_values } else { sweep.values.len() };
    for (value, label) in &sweep.values[..count] {
        let mut arguments = sweep.rest.concat();
        arguments.extend([sweep.flag, *value, "--warm-up", "1", "--duration", &duration]);
        let figures: Result<Vec<f64>, Failure> = (0..sweep.repeats).map(|_| step(bed, sweep, &arguments)).collect();
        let value = stats::median(&figures?);
        eprintln!("  {} {label}: {value:.2} {}", sweep.name, sweep.unit);
        points.push(Point { label: (*label).to_owned(), value });
    }
    let Sweep { name, about, figure, unit, better, .. } = *sweep;
    let [name, about, figure, unit] = [name, about, figure, unit].map(str::to_owned);
    Ok(Curve { name, about, figure, unit, better, points })
}

/// One load on a broker of its own.
fn step(bed: &mut TestBed, sweep: &Sweep, arguments: &[&str]) -> Result<f64, Failure> {
    let options = bed.serve_options("data");
    let mut broker = Broker::start(&options)?;
    let load = bed.load(&broker, sweep.name, arguments).map_err(|failure| broker.explain(failure))?;
    if load.number("/records/acked")? == 0.0 {
        return Err(Failure::NoRoom(format!("the load {}", arguments.join(" "))));
    }
    broker.stop()?;
    bed.remove(&options.data_dir)?;
    Ok(load.number(sweep.pointer)? * sweep.scale)
}

/// From the start of the process to its first line, over logs of more and more bytes.
fn restarts(bed: &mut TestBed) -> Result<Curve, Failure> {
    let options = bed.serve_options("data");
    let mut points = Vec::new();
    for gib in if bed.is_smoke() { LOG_GIB_SMOKE } else { LOG_GIB } {
        let broker = Broker::start(&options)?;
        filling::fill(bed, &broker, &options, "filled", *gib)?;
        broker.stop()?;
        // What is there, which is a little more than was asked for.
        let label = format!("{:.1} GiB", filling::log_bytes(&options)? / filling::GIB);
        let broker = Broker::start(&options)?;
        points.push(Point { label, value: broker.ready_ms });
        broker.stop()?;
    }
    bed.remove(&options.data_dir)?;
    Ok(Curve {
        name: "log size".to_owned(),
        about: "written before; a clean stop between".to_owned(),
        figure: "start until ready".to_owned(),
        unit: "ms".to_owned(),
        better: Better::Lower,
        points,
    })
}
