//! SHELL: what each command of the command line does: options, runs, what is printed and kept. Each gives what is wrong with
//! the figures, a sentence for each fault.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::flags::{BrokerFlags, Flags, Output, PeerFlags, options};
use crate::workloads::{self, Part, backfill, file, peers, steps};
use crate::{Failure, Mode, Options, Rate, Report, sink};

/// What went wrong.
pub(crate) type Complaints = Vec<String>;

/// Readers of a fan-out.
const FAN_OUT_READERS: usize = 8;
/// Standard output instead of a file.
const STANDARD_OUTPUT: &str = "-";
/// Files that are open besides connections.
const FILES_BESIDES: u64 = 64;

/// One run; or with a peer the same on two brokers in turn.
pub(crate) fn load(mode: Mode, flags: &Flags, peer: &PeerFlags) -> Result<Complaints, Failure> {
    let options = options(mode, flags);
    begin(&options)?;
    match &peer.peer {
        None => one(options, &flags.output),
        Some(address) => beside(address, &options, peer, &flags.output),
    }
}

fn one(options: Options, output: &Output) -> Result<Complaints, Failure> {
    let report = crate::run(options)?;
    let output = output.named("");
    match output.json.as_deref() {
        Some(path) if path == Path::new(STANDARD_OUTPUT) => println!("{}", report.to_json()),
        _ => {
            print!("{report}");
            keep(&report, &output)?;
        }
    }
    keep_distributions(&report, &output)?;
    Ok(report.outcome.complaints().collect())
}

fn beside(address: &str, options: &Options, flags: &PeerFlags, output: &Output) -> Result<Complaints, Failure> {
    output.check_for_many()?;
    let own = options.bootstrap.as_deref().expect("the command line asks for it beside a peer");
    let told = [flags.durability_of, flags.peer_durability].map(|told| told.map(|told| told.guarantee()));
    let mut options = options.clone();
    options.hdr_log = None;
    let compared = peers::run([own, address], told, &options, usize::from(flags.rounds))?;
    show(&compared.text(), &output.json, &compared)?;
    for (name, side) in ["a", "b"].into_iter().zip(&compared.sides) {
        for (round, report) in side.reports.iter().enumerate() {
            keep_part(report, output, &format!("-{name}{}", round + 1))?;
        }
    }
    Ok(compared.complaints())
}

/// Latency at parts of the maximum.
pub(crate) fn latency(flags: &Flags, ack_only: bool) -> Result<Complaints, Failure> {
    let mode = if ack_only { Mode::Produce } else { Mode::EndToEnd };
    let options = options(mode, flags);
    let names: Vec<String> = steps::names().collect();
    many(&options, &flags.output, &names, |broker, named| steps::run(broker, &options, named))
}

/// One producer, and readers that each read everything.
pub(crate) fn fan_out(flags: &Flags) -> Result<Complaints, Failure> {
    let mut options = options(Mode::EndToEnd, flags);
    options.producers = flags.producers.unwrap_or(1);
    options.consumers = flags.consumers.unwrap_or(FAN_OUT_READERS);
    options.fan_out = true;
    begin(&options)?;
    one(options, &flags.output)
}

/// A consumer that catches up beside producers.
pub(crate) fn catch_up(flags: &Flags, fill: Duration) -> Result<Complaints, Failure> {
    let mut options = options(Mode::Produce, flags);
    options.consumers = flags.consumers.unwrap_or(1);
    let names = backfill::NAMES.map(str::to_owned);
    many(&options, &flags.output, &names, |broker, named| backfill::run(broker, &options, fill, named))
}

/// Many connections, each of which sends a record now and then.
pub(crate) fn connections(flags: &Flags, connections: usize, every: Duration) -> Result<Complaints, Failure> {
    let mut options = options(Mode::Produce, flags);
    options.producers = flags.producers.unwrap_or(connections);
    if options.rate == Rate::Max {
        let per_second = options.producers as f64 / every.as_secs_f64().max(1e-3);
        options.rate = Rate::PerSecond((per_second as u64).max(1));
    }
    options.linger = Duration::ZERO;
    // A request has one record, and thousands of larger buffers would be filled for nothing.
    options.batch_bytes = options.batch_bytes.min(options.sizes.max() + 256);
    begin(&options)?;
    one(options, &flags.output)
}

/// A run against nothing: what the generator itself can do.
pub(crate) fn sink(flags: &Flags) -> Result<Complaints, Failure> {
    let mut options = options(Mode::Produce, flags);
    options.bootstrap = Some(sink::start(options.partitions)?.to_string());
    begin(&options)?;
    let report = crate::run(options)?;
    let bytes = report.produced.as_ref().map_or(0, |flow| flow.payload_bytes);
    let per_core = bytes as f64 / 1e9 / report.cpu_s;
    let text = format!("{report}\none core of the generator drives {per_core:.2} GB/s into a sink\n");
    show(&text, &flags.output.named("").json, &report)?;
    keep_distributions(&report, &flags.output.named(""))?;
    Ok(report.outcome.complaints().collect())
}

/// The streams of a file, all at the same time.
pub(crate) fn mixed(path: &Path, broker: &BrokerFlags, output: &Output) -> Result<Complaints, Failure> {
    let refuse = |reason: String| Failure::Options(format!("{}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let mut base = broker.options(Mode::Produce);
    base.progress = false;
    let workload = file::parse(&text).map_err(refuse)?;
    let runs = file::runs(&workload, &base).map_err(refuse)?;
    let names: Vec<String> = runs.iter().map(|(name, _)| name.clone()).collect();
    many(&base, output, &names, |broker, named| {
        let all = runs.iter().map(|(name, options)| named(options.clone(), name)).collect();
        let reports = workloads::together(broker, all)?;
        Ok(names.iter().zip(reports).map(|(name, report)| Part::new(name.clone(), report)).collect())
    })
}

/// Runs a workload of several runs on one broker, shows all in a table, and keeps each under its own name.
fn many(
    options: &Options,
    output: &Output,
    names: &[String],
    work: impl FnOnce(&crate::Broker, &dyn Fn(Options, &str) -> Options) -> Result<Vec<Part>, Failure>,
) -> Result<Complaints, Failure> {
    output.check_for_many()?;
    begin(options)?;
    let named = |mut options: Options, name: &str| {
        options.hdr_log = output.saves().then(|| output.named(&format!("-{name}")).hdr_log).flatten();
        options
    };
    let parts = workloads::on_broker(options, |broker| work(broker, &named))?;
    show(&workloads::table(&parts), &output.json, &parts)?;
    for (part, name) in parts.iter().zip(names) {
        keep_part(&part.report, output, &format!("-{name}"))?;
    }
    let complaints = parts.iter().flat_map(|part| {
        part.report.outcome.complaints().map(|complaint| format!("{}: {complaint}", part.name)).collect::<Vec<_>>()
    });
    Ok(complaints.collect())
}

fn show(text: &str, json: &Option<PathBuf>, value: &impl serde::Serialize) -> Result<(), Failure> {
    let json_text = || serde_json::to_string_pretty(value).expect("reports are plain data") + "\n";
    match json.as_deref() {
        Some(path) if path == Path::new(STANDARD_OUTPUT) => print!("{}", json_text()),
        Some(path) => {
            print!("{text}");
            write(path, &json_text())?;
        }
        None => print!("{text}"),
    }
    Ok(())
}

/// Keeps one run of several, if --save was given.
fn keep_part(report: &Report, output: &Output, suffix: &str) -> Result<(), Failure> {
    if !output.saves() {
        return Ok(());
    }
    let output = output.named(suffix);
    keep(report, &output)?;
    keep_distributions(report, &output)
}

fn keep(report: &Report, output: &Output) -> Result<(), Failure> {
    output.json.as_ref().map_or(Ok(()), |path| write(path, &report.to_json()))
}

fn keep_distributions(report: &Report, output: &Output) -> Result<(), Failure> {
    let Some(path) = &output.hdr_out else { return Ok(()) };
    for (suffix, text) in report.distributions() {
        let mut name = path.clone().into_os_string();
        name.push(suffix);
        write(Path::new(&name), &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| Failure::Output { path: path.to_owned(), source })
}

/// What has to be so before any run of the process.
fn begin(options: &Options) -> Result<(), Failure> {
    stop_on_interrupt(&options.stop)?;
    allow_connections((options.producers + options.consumers) as u64)
}

/// The first interrupt ends the run in order, so that a temporary directory does not stay behind; a second one kills.
fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// Raises the limit of open files as far as it may be raised. An embedded broker has the other ends open as well.
fn allow_connections(connections: u64) -> Result<(), Failure> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = 2 * connections + FILES_BESIDES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let limit = Rlimit { current: Some(raised), maximum };
    if raised < connections + FILES_BESIDES || setrlimit(Resource::Nofile, limit).is_err() {
        return Err(Failure::Options(format!(
            "{connections} connections need more open files than this process may have ({raised}); raise ulimit -n",
        )));
    }
    Ok(())
}
