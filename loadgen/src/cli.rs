//! Flags to [`Options`], a [`crate::Report`] to text, files and an exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::{Acks, Durability, Failure, From, Keys, Mode, Options, Rate, Report, Until};

/// Loads a Kafka-protocol broker and shows how it answered. Without --bootstrap it starts a Ringmain broker in this
/// process on a temporary directory. Without a command it produces.
#[derive(Parser)]
#[command(name = "loadgen", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Produce, and measure the time to the acknowledgement.
    Produce(Flags),
    /// Consume what is there.
    Consume(Flags),
    /// Produce and consume, and measure the time from a record's due time to its consumer.
    E2e(Flags),
}

#[derive(Args, Clone)]
struct Flags {
    /// HOST:PORT of a broker.
    #[arg(long)]
    bootstrap: Option<String>,
    #[arg(long, default_value = "loadgen")]
    topic: String,
    /// Partitions of the topic, if it has to be created.
    #[arg(long, default_value_t = 16)]
    partitions: u32,
    /// Replicas of the topic, if it has to be created.
    #[arg(long, default_value_t = 1)]
    replication_factor: i16,
    /// KEY=VALUE for the topic, if it has to be created; may be repeated.
    #[arg(long, value_parser = key_value)]
    topic_config: Vec<(String, String)>,
    /// Bytes of a record's value.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 8)]
    producers: usize,
    #[arg(long, default_value_t = 2)]
    consumers: usize,
    /// Threads of the generator.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Records per second over all producers, or max.
    #[arg(long, default_value = "max", value_parser = rate)]
    rate: Rate,
    /// Measured seconds.
    #[arg(long, default_value = "5", value_parser = seconds)]
    duration: Duration,
    /// Seconds before measuring.
    #[arg(long, default_value = "2", value_parser = seconds)]
    warm_up: Duration,
    /// 0, 1 or all.
    #[arg(long, default_value = "all", value_parser = acks)]
    acks: Acks,
    /// Give producers ids and let them number their batches, as Kafka's clients do by default.
    #[arg(long)]
    idempotent: bool,
    #[arg(long, default_value_t = 64 << 10)]
    batch_bytes: usize,
    #[arg(long, default_value = "1", value_parser = milliseconds)]
    linger_ms: Duration,
    /// none, or the number of different keys.
    #[arg(long, default_value = "none", value_parser = keys)]
    keys: Keys,
    /// Most requests in flight per producer connection; this closes the loop at rate max.
    #[arg(long, default_value_t = 5)]
    in_flight: usize,
    /// Most batches per produce request [default: 1, or with keys all that are ready].
    #[arg(long)]
    request_batches: Option<usize>,
    /// Most bytes of a fetch answer.
    #[arg(long, default_value_t = 4 << 20)]
    fetch_max_bytes: usize,
    /// Most bytes per partition of a fetch answer.
    #[arg(long, default_value_t = 1 << 20)]
    fetch_partition_max_bytes: usize,
    #[arg(long, default_value_t = 1)]
    fetch_min_bytes: usize,
    #[arg(long, default_value = "500", value_parser = milliseconds)]
    fetch_wait_ms: Duration,
    /// Where to start consuming.
    #[arg(long, value_enum, default_value = "earliest")]
    from: FromFlag,
    /// Consume up to the end that the log has at the start.
    #[arg(long)]
    until_end: bool,
    /// Consume this many records.
    #[arg(long, conflicts_with = "until_end")]
    messages: Option<u64>,
    /// Check the checksum of every batch that is consumed.
    #[arg(long)]
    verify: bool,
    /// Write the latency distribution as HdrHistogram text (milliseconds).
    #[arg(long)]
    hdr_out: Option<PathBuf>,
    /// Write the report as JSON; - for standard output instead of the text.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Directory of the embedded broker.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cores of the embedded broker.
    #[arg(long, value_delimiter = ',')]
    cores: Option<Vec<usize>>,
    /// What the embedded broker's acknowledgement means.
    #[arg(long, value_enum, default_value = "durable")]
    durability: DurabilityFlag,
}

#[derive(Clone, Copy, ValueEnum)]
enum FromFlag {
    Earliest,
    Latest,
}

#[derive(Clone, Copy, ValueEnum)]
enum DurabilityFlag {
    Durable,
    Relaxed,
}

/// Runs what the process's arguments ask for.
pub fn main() -> ExitCode {
    let (mode, flags) = match Cli::parse().command {
        Some(Command::Produce(flags)) => (Mode::Produce, flags),
        Some(Command::Consume(flags)) => (Mode::Consume, flags),
        Some(Command::E2e(flags)) => (Mode::EndToEnd, flags),
        None => (Mode::Produce, defaults()),
    };
    match load(mode, &flags) {
        Ok(report) if report.outcome.is_good() => ExitCode::SUCCESS,
        Ok(report) => {
            for reason in report.outcome.complaints() {
                eprintln!("loadgen: {reason}");
            }
            ExitCode::FAILURE
        }
        Err(failure) => {
            eprintln!("loadgen: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn load(mode: Mode, flags: &Flags) -> Result<Report, Failure> {
    let options = options(mode, flags);
    stop_on_interrupt(&options.stop)?;
    let report = crate::run(options)?;
    match flags.json.as_deref() {
        Some(path) if path == Path::new("-") => println!("{}", report.to_json()),
        json => {
            print!("{report}");
            if let Some(path) = json {
                write(path, &report.to_json())?;
            }
        }
    }
    if let Some(path) = &flags.hdr_out {
        for (suffix, text) in report.distributions() {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            write(Path::new(&name), &text)?;
        }
    }
    Ok(report)
}

/// The first interrupt ends the run in order, so that a temporary directory does not stay behind; a second one kills.
fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

fn options(mode: Mode, flags: &Flags) -> Options {
    let flags = flags.clone();
    let mut options = Options::new(mode);
    options.bootstrap = flags.bootstrap;
    options.embedded.data_dir = flags.data;
    options.embedded.cores = flags.cores;
    options.embedded.durability = match flags.durability {
        DurabilityFlag::Durable => Durability::Durable,
        DurabilityFlag::Relaxed => Durability::Relaxed,
    };
    options.topic = flags.topic;
    options.partitions = flags.partitions;
    options.replication_factor = flags.replication_factor;
    options.topic_configs = flags.topic_config;
    options.record_bytes = flags.size;
    options.producers = flags.producers;
    options.consumers = flags.consumers;
    options.threads = flags.threads;
    options.rate = flags.rate;
    options.duration = flags.duration;
    options.warm_up = flags.warm_up;
    options.acks = flags.acks;
    options.idempotent = flags.idempotent;
    options.batch_bytes = flags.batch_bytes;
    options.linger = flags.linger_ms;
    options.keys = flags.keys;
    options.in_flight_max = flags.in_flight;
    options.request_batches_max = flags.request_batches;
    options.fetch_bytes_max = flags.fetch_max_bytes;
    options.fetch_partition_bytes_max = flags.fetch_partition_max_bytes;
    options.fetch_bytes_min = flags.fetch_min_bytes;
    options.fetch_wait = flags.fetch_wait_ms;
    options.from = match flags.from {
        FromFlag::Earliest => From::Earliest,
        FromFlag::Latest => From::Latest,
    };
    options.until = match flags.messages {
        Some(count) => Until::Messages(count),
        None if flags.until_end => Until::End,
        None => Until::Duration,
    };
    options.verify = flags.verify;
    options.progress = true;
    options
}

fn defaults() -> Flags {
    match Cli::parse_from(["loadgen", "produce"]).command {
        Some(Command::Produce(flags)) => flags,
        _ => unreachable!("produce was asked for"),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| Failure::Output { path: path.to_owned(), source })
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "max" => Ok(Rate::Max),
        _ => text.parse().map(Rate::PerSecond).map_err(|_| "it must be max or records per second".to_owned()),
    }
}

fn acks(text: &str) -> Result<Acks, String> {
    match text {
        "0" => Ok(Acks::None),
        "1" => Ok(Acks::Leader),
        "all" | "-1" => Ok(Acks::All),
        _ => Err("it must be 0, 1 or all".to_owned()),
    }
}

fn keys(text: &str) -> Result<Keys, String> {
    match text {
        "none" => Ok(Keys::None),
        _ => text.parse().map(Keys::Count).map_err(|_| "it must be none or a number".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let milliseconds: f64 = text.parse().map_err(|_| "it must be a number of milliseconds".to_owned())?;
    Duration::try_from_secs_f64(milliseconds / 1e3).map_err(|error| error.to_string())
}
