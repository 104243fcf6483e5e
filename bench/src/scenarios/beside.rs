//! What something costs those who produce: the same load without it and with it, at half of what the broker can take, in
//! turn, and the latencies of both as ratios.

use std::path::Path;

use super::aim::{Aim, Limit};
use super::test_bed::TestBed;
use crate::device;
use crate::failure::Failure;
use crate::load::Load;
use crate::process::Broker;
use crate::stats;

/// How the load is to be read.
pub const LOAD_NOTE: &str = "load: 1 KiB records, 8 producers, 16 partitions, 64 KiB batches, acks=all, durable, at half of the \
                             measured maximum of this run; latency from a record's due time to its acknowledgement";
/// `segment.bytes` so small that segments fill within seconds: 4 MiB.
pub const SMALL_SEGMENT_BYTES: &str = "4194304";
/// Nothing goes by time or size.
pub const ALL_KEPT: [(&str, &str); 2] = [("retention.ms", "-1"), ("retention.bytes", "-1")];

const RECORD_BYTES: f64 = 1024.0;

const MAXIMUM: &str = "produce, rate max";
const P50: [&str; 2] = ["p50 at half rate, without", "p50 at half rate, with"];
const P99: [&str; 2] = ["p99 at half rate, without", "p99 at half rate, with"];
const P999: [&str; 2] = ["p99.9 at half rate, without", "p99.9 at half rate, with"];
const RATIOS: [&str; 3] = ["p50, with / without", "p99, with / without", "p99.9, with / without"];
/// Percentiles of the load generator's report, beside the cases that show them.
const PERCENTILES: [(&str, [&str; 2]); 3] =
    [("/latency/p50_ns", P50), ("/latency/p99_ns", P99), ("/latency/p999_ns", P999)];

/// The rows that [`measure_maximum`], [`note_latencies`] and [`note_ratios`] fill.
pub const AIMS: &[Aim] = &aims(Aim::lower(RATIOS[1], ""), Aim::lower(RATIOS[2], "").target(1.5));

/// The same rows where it is the p99 that has a target.
pub const P99_AIMS: &[Aim] = &aims(Aim::lower(RATIOS[1], "").target(1.3), Aim::lower(RATIOS[2], ""));

const fn aims(p99_ratio: Aim, p999_ratio: Aim) -> [Aim; 10] {
    [
        Aim::higher(MAXIMUM, "records/s"),
        Aim::lower(P50[0], "us"),
        Aim::lower(P50[1], "us").within(Limit::Case(P50[0])),
        Aim::lower(P99[0], "us"),
        Aim::lower(P99[1], "us").within(Limit::Case(P99[0])),
        Aim::lower(P999[0], "us"),
        Aim::lower(P999[1], "us").within(Limit::Case(P999[0])),
        Aim::lower(RATIOS[0], ""),
        p99_ratio,
        p999_ratio,
    ]
}

/// Which half of the comparison a load belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    Without,
    With,
}

impl Half {
    /// Both, in an order that turns round from round to round, so that no half always finds the machine warmer.
    pub fn in_turn(round: usize) -> [Half; 2] {
        if round % 2 == 1 { [Half::Without, Half::With] } else { [Half::With, Half::Without] }
    }

    fn index(self) -> usize {
        usize::from(self == Half::With)
    }
}

/// How long the loads last.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pub warm_up_s: &'static str,
    pub seconds: &'static str,
}

impl Pace {
    /// For a run of this kind.
    pub fn of(bed: &TestBed) -> Pace {
        if bed.is_smoke() { Pace { warm_up_s: "0.3", seconds: "1" } } else { Pace { warm_up_s: "2", seconds: "6" } }
    }
}

/// A round: the maximum before the first, then both halves by `run_half`, which calls [`note_latencies`], then their ratios.
pub fn round(
    bed: &mut TestBed,
    run_half: impl Fn(&mut TestBed, Half, Pace) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let pace = Pace::of(bed);
    if bed.round == 1 {
        measure_maximum(bed, pace)?;
    }
    for half in Half::in_turn(bed.round) {
        run_half(bed, half, pace)?;
    }
    note_ratios(bed);
    Ok(())
}

/// What part of the acknowledged bytes of a load the log files below `dir` hold.
pub fn kept_share(dir: &Path, load: &Load) -> Result<f64, Failure> {
    let kept = device::files(dir, ".log").map_err(Failure::machine("measuring the log"))?;
    Ok(kept.bytes as f64 / (load.number("/records/acked")? * RECORD_BYTES))
}

/// Produces as fast as it goes to a broker of its own, to know what half of it is.
pub fn measure_maximum(bed: &mut TestBed, pace: Pace) -> Result<(), Failure> {
    let options = bed.serve_options("maximum");
    let mut broker = Broker::start(&options)?;
    let load = produce(bed, &broker, MAXIMUM, &Topic::durable("maximum", &[]), "max", pace);
    let load = load.map_err(|failure| broker.explain(failure))?;
    bed.note(MAXIMUM, load.number("/produced/records_per_s")?);
    broker.stop()?;
    bed.remove(&options.data_dir)
}

/// Produces to `topic` at half of the maximum and notes the latencies for this half of the comparison.
pub fn note_latencies(
    bed: &mut TestBed,
    broker: &Broker,
    half: Half,
    topic: &Topic,
    pace: Pace,
) -> Result<Load, Failure> {
    let rate = (stats::median(bed.samples(MAXIMUM)) / 2.0).max(1.0) as u64;
    let case = ["half rate, without", "half rate, with"][half.index()];
    let load = produce(bed, broker, case, topic, &rate.to_string(), pace)?;
    for (pointer, cases) in PERCENTILES {
        bed.note(cases[half.index()], load.number(pointer)? / 1e3);
    }
    Ok(load)
}

/// Notes the ratios of the round's two halves.
pub fn note_ratios(bed: &mut TestBed) {
    for (ratio, (_, [without, with])) in RATIOS.into_iter().zip(PERCENTILES) {
        let value = bed.last(with) / bed.last(without);
        bed.note(ratio, value);
    }
}

/// A topic that a load makes.
#[derive(Clone, Debug)]
pub struct Topic {
    pub name: String,
    /// `KEY=VALUE`.
    pub configs: Vec<String>,
}

impl Topic {
    /// A topic with durable acknowledgements.
    pub fn durable(name: &str, configs: &[(&str, &str)]) -> Topic {
        let configs = [("ringmain.durability", "durable")].iter().chain(configs);
        Topic { name: name.to_owned(), configs: configs.map(|(key, value)| format!("{key}={value}")).collect() }
    }
}

fn produce(
    bed: &mut TestBed,
    broker: &Broker,
    case: &str,
    topic: &Topic,
    rate: &str,
    pace: Pace,
) -> Result<Load, Failure> {
    let mut arguments = vec!["produce", "--topic", &topic.name, "--partitions", "16", "--size", "1024"];
    for config in &topic.configs {
        arguments.extend(["--topic-config", config]);
    }
    arguments.extend(["--producers", "8", "--batch-bytes", "65536", "--acks", "all", "--rate", rate]);
    arguments.extend(["--warm-up", pace.warm_up_s, "--duration", pace.seconds]);
    bed.load(broker, case, &arguments)
}
