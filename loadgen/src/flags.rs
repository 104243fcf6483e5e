//! The flags that all loads share, and the [`Options`] that they come to.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::workloads::guarantee::Guarantee;
use crate::{Acks, Compression, Durability, Failure, From, Keys, Mode, Options, Rate, Sizes, Until};

#[derive(Args, Clone)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) broker: BrokerFlags,
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
    /// Bytes of a record's value: one size, or MIN-MAX for all sizes between.
    #[arg(long, default_value = "1024", value_parser = sizes)]
    size: Sizes,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, default_value = "none", value_parser = compression)]
    compression: Compression,
    /// The part of a value that no codec makes smaller, 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    random_share: f64,
    /// Number the records and give each a checksum also where nobody consumes them in this run; `consume --verify` checks them.
    #[arg(long)]
    stamp: bool,
    /// [default: 8; fanout: 1; connections: as many as there are]
    #[arg(long)]
    pub(crate) producers: Option<usize>,
    /// [default: 2; fanout: 8; backfill: 1]
    #[arg(long)]
    pub(crate) consumers: Option<usize>,
    /// Every consumer reads everything, instead of its share of the partitions.
    #[arg(long)]
    fan_out: bool,
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
    /// none; N for so many keys in turn; uniform:N; zipf:N or zipf:N:EXPONENT.
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
    /// Check every batch that is consumed, and the number and checksum of every record that has them.
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Which broker is loaded.
#[derive(Args, Clone)]
pub(crate) struct BrokerFlags {
    /// HOST:PORT of a broker.
    #[arg(long)]
    pub(crate) bootstrap: Option<String>,
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

impl BrokerFlags {
    /// Options that say nothing but this.
    pub(crate) fn options(&self, mode: Mode) -> Options {
        let flags = self.clone();
        let mut options = Options::new(mode);
        options.bootstrap = flags.bootstrap;
        options.embedded.data_dir = flags.data;
        options.embedded.cores = flags.cores;
        options.embedded.durability = match flags.durability {
            DurabilityFlag::Durable => Durability::Durable,
            DurabilityFlag::Relaxed => Durability::Relaxed,
        };
        options.progress = true;
        options
    }
}

/// A second broker, loaded in turn with the first.
#[derive(Args, Clone)]
pub(crate) struct PeerFlags {
    /// HOST:PORT of a second broker: the same workload is put on --bootstrap and on it in turn, and their medians stand beside
    /// each other.
    #[arg(long, requires = "bootstrap")]
    pub(crate) peer: Option<String>,
    /// How often each of the two is loaded.
    #[arg(long, default_value_t = 3, requires = "peer", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub(crate) rounds: u16,
    /// What an acknowledgement of --bootstrap means [default: asked, which Ringmain answers].
    #[arg(long, value_enum, requires = "peer")]
    pub(crate) durability_of: Option<GuaranteeFlag>,
    /// The same of --peer.
    #[arg(long, value_enum, requires = "peer")]
    pub(crate) peer_durability: Option<GuaranteeFlag>,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum GuaranteeFlag {
    None,
    PageCache,
    Device,
}

impl GuaranteeFlag {
    pub(crate) fn guarantee(self) -> Guarantee {
        match self {
            GuaranteeFlag::None => Guarantee::None,
            GuaranteeFlag::PageCache => Guarantee::PageCache,
            GuaranteeFlag::Device => Guarantee::Device,
        }
    }
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

/// Where the figures go, besides the terminal.
#[derive(Args, Clone)]
pub(crate) struct Output {
    /// Write the latency distribution as HdrHistogram text (milliseconds).
    #[arg(long)]
    pub(crate) hdr_out: Option<PathBuf>,
    /// Write HdrHistogram's interval log, a line a second; logs of several runs can be added up.
    #[arg(long)]
    pub(crate) hdr_log: Option<PathBuf>,
    /// Write the report as JSON; - for standard output instead of the text.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Write all three, as NAME.hgrm, NAME.hlog and NAME.json, for `loadgen compare NAME ...`.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["hdr_out", "hdr_log", "json"])]
    save: Option<PathBuf>,
}

impl Output {
    /// The files that --save stands for, with `suffix` behind their name; without --save those that are named one by one.
    pub(crate) fn named(&self, suffix: &str) -> Output {
        let Some(name) = &self.save else { return self.clone() };
        let with = |ending: &str| {
            let mut path = name.clone().into_os_string();
            path.push(suffix);
            path.push(ending);
            Some(PathBuf::from(path))
        };
        Output { hdr_out: with(".hgrm"), hdr_log: with(".hlog"), json: with(".json"), save: None }
    }

    /// What a workload of several runs cannot be asked for.
    pub(crate) fn check_for_many(&self) -> Result<(), Failure> {
        match self.hdr_out.is_some() || self.hdr_log.is_some() {
            true => Err(Failure::Options("this workload is several runs; keep them with --save or --json".to_owned())),
            false => Ok(()),
        }
    }

    /// Whether --save was given.
    pub(crate) fn saves(&self) -> bool {
        self.save.is_some()
    }
}

/// The options that the flags stand for.
pub(crate) fn options(mode: Mode, flags: &Flags) -> Options {
    let flags = flags.clone();
    let mut options = flags.broker.options(mode);
    options.topic = flags.topic;
    options.partitions = flags.partitions;
    options.replication_factor = flags.replication_factor;
    options.topic_configs = flags.topic_config;
    options.sizes = flags.size;
    options.compression = flags.compression;
    options.random_share = flags.random_share;
    options.stamp = flags.stamp;
    options.fan_out = flags.fan_out;
    options.producers = flags.producers.unwrap_or(options.producers);
    options.consumers = flags.consumers.unwrap_or(options.consumers);
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
    options.hdr_log = flags.output.named("").hdr_log;
    options
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

pub(crate) fn acks(text: &str) -> Result<Acks, String> {
    match text {
        "0" => Ok(Acks::None),
        "1" => Ok(Acks::Leader),
        "all" | "-1" => Ok(Acks::All),
        _ => Err("it must be 0, 1 or all".to_owned()),
    }
}

fn keys(text: &str) -> Result<Keys, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number of keys"));
    let exponent = |text: &str| text.parse().map_err(|_| format!("{text} is no exponent"));
    match *text.split(':').collect::<Vec<_>>() {
        ["none"] => Ok(Keys::None),
        [count] => Ok(Keys::Count(number(count)?)),
        ["uniform", count] => Ok(Keys::Uniform(number(count)?)),
        ["zipf", count] => Ok(Keys::Zipf { count: number(count)?, exponent: 1.0 }),
        ["zipf", count, power] => Ok(Keys::Zipf { count: number(count)?, exponent: exponent(power)? }),
        _ => Err("it must be none, N, uniform:N, zipf:N or zipf:N:EXPONENT".to_owned()),
    }
}

fn sizes(text: &str) -> Result<Sizes, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number of bytes"));
    match text.split_once('-') {
        None => Ok(Sizes::Fixed(number(text)?)),
        Some((min, max)) => Ok(Sizes::Uniform { min: number(min)?, max: number(max)? }),
    }
}

pub(crate) fn compression(text: &str) -> Result<Compression, String> {
    let found = Compression::ALL.into_iter().find(|compression| compression.name() == text);
    found.ok_or_else(|| "it must be none, gzip, snappy, lz4 or zstd".to_owned())
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let milliseconds: f64 = text.parse().map_err(|_| "it must be a number of milliseconds".to_owned())?;
    Duration::try_from_secs_f64(milliseconds / 1e3).map_err(|error| error.to_string())
}
