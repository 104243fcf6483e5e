//! What a run is asked to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use batch::Compression;

use crate::gate::Gate;
use crate::{Failure, Sizes};

/// Which side of the broker is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Produce,
    Consume,
    /// Both, with the time from a record's due time to its arrival at a consumer.
    EndToEnd,
}

/// How many records are due per second, over all producers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// As many as the in-flight cap lets through: a closed loop.
    Max,
    PerSecond(u64),
}

/// What a produce request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    None,
    Leader,
    All,
}

impl Acks {
    pub(crate) fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Whether records have keys, and how many different ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Keys {
    /// Batches go to the partitions in turn.
    None,
    /// So many keys in turn. Records go where Kafka's own partitioner puts their key.
    Count(u32),
    /// So many keys, drawn one as often as the other.
    Uniform(u32),
    /// So many keys, the n-th drawn with the weight 1 / n^exponent.
    Zipf { count: u32, exponent: f64 },
}

impl Keys {
    /// How many different keys there are; 0 for none.
    pub(crate) fn count(self) -> u32 {
        match self {
            Keys::None => 0,
            Keys::Count(count) | Keys::Uniform(count) | Keys::Zipf { count, .. } => count,
        }
    }
}

/// Where consumers start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    Earliest,
    Latest,
}

/// When consumers stop; the duration bounds all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    Duration,
    /// At the end that the log had when the run started.
    End,
    Messages(u64),
}

/// The default promise of the embedded broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    Durable,
    Relaxed,
}

/// The broker that is started in this process when no other is named.
#[derive(Clone, Debug)]
pub struct EmbeddedOptions {
    /// Where it keeps its data; a temporary directory if not given.
    pub data_dir: Option<PathBuf>,
    /// The cores it runs on; all if not given.
    pub cores: Option<Vec<usize>>,
    pub durability: Durability,
}

/// What a run is asked to do. [`Options::new`] has sensible defaults.
#[derive(Clone, Debug)]
pub struct Options {
    pub mode: Mode,
    /// `HOST:PORT` of a broker; none starts one in this process.
    pub bootstrap: Option<String>,
    pub embedded: EmbeddedOptions,
    pub topic: String,
    /// For a topic that does not exist yet.
    pub partitions: u32,
    /// For a topic that does not exist yet.
    pub replication_factor: i16,
    /// Settings for a topic that does not exist yet.
    pub topic_configs: Vec<(String, String)>,
    /// Bytes of a record's value.
    pub sizes: Sizes,
    pub compression: Compression,
    /// The part of a value that no codec makes smaller, 0 to 1.
    pub random_share: f64,
    /// Records carry a number and a checksum also where nobody consumes them in this run.
    pub stamp: bool,
    pub producers: usize,
    pub consumers: usize,
    /// Every consumer reads everything, instead of its share of the partitions.
    pub fan_out: bool,
    /// Threads of the generator; producers and consumers are spread over them.
    pub threads: usize,
    pub rate: Rate,
    /// Other rates from these times on, counted from the start of the measured time; ascending.
    pub rate_steps: Vec<(Duration, u64)>,
    /// Measured time, after the warm-up.
    pub duration: Duration,
    pub warm_up: Duration,
    /// How long what is in flight at the end may take to be answered and consumed.
    pub drain: Duration,
    pub acks: Acks,
    /// Producers have ids and number their batches, as Kafka's clients do by default.
    pub idempotent: bool,
    /// Most bytes of a record batch.
    pub batch_bytes: usize,
    /// How long a record waits for its batch to fill.
    pub linger: Duration,
    pub keys: Keys,
    /// Most requests in flight per producer connection.
    pub in_flight_max: usize,
    /// Most batches in one produce request; none means one, or with keys all that are ready.
    pub request_batches_max: Option<usize>,
    pub fetch_bytes_max: usize,
    pub fetch_partition_bytes_max: usize,
    pub fetch_bytes_min: usize,
    pub fetch_wait: Duration,
    pub from: From,
    pub until: Until,
    /// Whether consumers check the checksum of every batch, and the stamps of records that have them.
    pub verify: bool,
    /// Where HdrHistogram's interval log goes, a line a second.
    pub hdr_log: Option<PathBuf>,
    /// Whether a line per second goes to standard error.
    pub progress: bool,
    /// Waited at when everything is prepared.
    pub gate: Option<Arc<Gate>>,
    /// Set it to end the run early; the report is then invalid and says so.
    pub stop: Arc<AtomicBool>,
}

/// Room that a stamp needs: magic, length, run, due time, sequence, checksum.
pub(crate) const STAMP_BYTES: usize = 4 + 4 + 8 + 8 + 8 + 4;
const BATCH_BYTES_MAX: usize = 64 << 20;
const CONNECTIONS_MAX: usize = 10_000;
/// Batches of a producer that a broker remembers.
const IDEMPOTENT_IN_FLIGHT_MAX: usize = 5;
const KEYS_MAX: u32 = 10_000_000;
const RECORDS_PER_SECOND_MAX: u64 = 1_000_000_000;

impl Options {
    pub fn new(mode: Mode) -> Self {
        Options {
            mode,
            bootstrap: None,
            embedded: EmbeddedOptions { data_dir: None, cores: None, durability: Durability::Durable },
            topic: "loadgen".to_owned(),
            partitions: 16,
            replication_factor: 1,
            topic_configs: Vec::new(),
            sizes: Sizes::Fixed(1024),
            compression: Compression::None,
            random_share: 1.0,
            stamp: false,
            producers: 8,
            consumers: 2,
            fan_out: false,
            threads: 1,
            rate: Rate::Max,
            rate_steps: Vec::new(),
            duration: Duration::from_secs(5),
            warm_up: Duration::from_secs(2),
            drain: Duration::from_secs(10),
            acks: Acks::All,
            idempotent: false,
            batch_bytes: 64 << 10,
            linger: Duration::from_millis(1),
            keys: Keys::None,
            in_flight_max: 5,
            request_batches_max: None,
            fetch_bytes_max: 4 << 20,
            fetch_partition_bytes_max: 1 << 20,
            fetch_bytes_min: 1,
            fetch_wait: Duration::from_millis(500),
            from: From::Earliest,
            until: Until::Duration,
            verify: false,
            hdr_log: None,
            progress: false,
            gate: None,
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    pub(crate) fn check(&self) -> Result<(), Failure> {
        let refuse = |reason: &str| Err(Failure::Options(reason.to_owned()));
        if self.topic.is_empty() || self.topic.len() > 249 {
            return refuse("a topic's name has 1 to 249 characters");
        }
        if self.producers == 0 || self.consumers == 0 || self.producers + self.consumers > CONNECTIONS_MAX {
            return refuse("there must be at least one producer and consumer, and at most 10000 of both");
        }
        if self.threads == 0 || self.in_flight_max == 0 || self.request_batches_max == Some(0) || self.partitions == 0 {
            return refuse("threads, partitions, requests in flight and batches per request start at 1");
        }
        if self.partitions > 1_000_000 || self.threads > 1024 {
            return refuse("at most 1000000 partitions and 1024 threads are possible");
        }
        if self.sizes.max() > BATCH_BYTES_MAX || self.batch_bytes > BATCH_BYTES_MAX {
            return refuse("a record or batch has at most 64 MiB");
        }
        if let Some(fault) = self.sizes.fault() {
            return refuse(fault);
        }
        if self.has_stamps() && self.sizes.min() < STAMP_BYTES {
            return refuse("a record that carries its due time, number and checksum needs at least 36 bytes");
        }
        if self.keys != Keys::None && !(1..=KEYS_MAX).contains(&self.keys.count()) {
            return refuse("there are 1 to 10000000 keys, or none");
        }
        if matches!(self.keys, Keys::Zipf { exponent, .. } if !(0.0..=10.0).contains(&exponent)) {
            return refuse("the exponent of zipf lies between 0 and 10");
        }
        if !(0.0..=1.0).contains(&self.random_share) {
            return refuse("the random share of a value lies between 0 and 1");
        }
        self.check_rate()?;
        if self.fetch_bytes_max > 1 << 30 || self.fetch_partition_bytes_max > 1 << 30 || self.fetch_bytes_max == 0 {
            return refuse("a fetch asks for 1 byte to 1 GiB");
        }
        if self.idempotent && (self.acks != Acks::All || self.in_flight_max > IDEMPOTENT_IN_FLIGHT_MAX) {
            return refuse("idempotent producers need acks=all and at most 5 requests in flight");
        }
        if self.duration.is_zero() {
            return refuse("the duration must be more than nothing");
        }
        Ok(())
    }

    fn check_rate(&self) -> Result<(), Failure> {
        let refuse = |reason: &str| Err(Failure::Options(reason.to_owned()));
        if matches!(self.rate, Rate::PerSecond(rate) if rate == 0 || rate > RECORDS_PER_SECOND_MAX) {
            return refuse("a rate is 1 to 1000000000 records per second, or max");
        }
        if self.rate == Rate::Max && !self.rate_steps.is_empty() {
            return refuse("a rate that changes must not begin with max");
        }
        let rise = self.rate_steps.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let starts = self.rate_steps.first().is_none_or(|(at, _)| !at.is_zero());
        if !rise || !starts || self.rate_steps.iter().any(|(_, rate)| *rate > RECORDS_PER_SECOND_MAX) {
            return refuse("the times of a changing rate rise from above 0, and each rate is at most 1000000000");
        }
        Ok(())
    }

    /// Whether the records carry stamps.
    pub(crate) fn has_stamps(&self) -> bool {
        self.mode == Mode::EndToEnd || (self.stamp && self.has_producers())
    }

    /// How many readers there are that read everything.
    pub(crate) fn readers(&self) -> usize {
        if self.fan_out { self.consumers } else { 1 }
    }

    pub(crate) fn has_producers(&self) -> bool {
        self.mode != Mode::Consume
    }

    pub(crate) fn has_consumers(&self) -> bool {
        self.mode != Mode::Produce
    }
}
