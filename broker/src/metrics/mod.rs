//! What a shard counts and measures, always on.
//!
//! ```text
//!   shard: Metrics --asked for, a little at a time (run)--> Snapshot --> endpoint, a thread of its own --> Prometheus, `ringmain latency`
//! ```
//! [`Metrics`] lives on one shard, and nothing of it is shared: recording costs no more than a few additions. A scrape asks every shard for a
//! [`Snapshot`]; merging, joining and formatting are the endpoint's.

pub mod endpoint;
mod exposition;
pub mod latency;
pub mod latency_wire;
pub mod limits;
pub mod run;
mod snapshot;
mod stage;
mod text_format;
mod topics_named;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};

use batch::BatchInfo;
use engine::GroupTimes;

use self::latency::{ApiLatency, Distribution};
pub use self::snapshot::{Figure, GroupOffsets, Snapshot, TopicFigures};
pub use self::stage::{Stage, Timeline};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    pub fn add(&self, count: usize) {
        self.0.set(self.0.get() + count as u64);
    }

    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// What one shard has taken and given of a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    pub produced_bytes: u64,
    pub produced_records: u64,
    pub produced_batches: u64,
    pub consumed_bytes: u64,
}

/// Durations of the journal's writes on one shard.
#[derive(Clone, Debug, Default)]
pub struct JournalLatency {
    pub write: Distribution,
    pub sync: Distribution,
}

/// The figures of one shard.
#[derive(Default)]
pub struct Metrics {
    pub connections_accepted: Counter,
    pub connections_refused: Counter,
    pub connections_closed: Counter,
    /// Closed because what the peer sent was no valid request.
    pub connections_violated: Counter,
    /// Closed because a deadline passed: idle, a frame that never ended, an answer that nobody took.
    pub connections_expired: Counter,
    pub requests: Counter,
    pub request_bytes: Counter,
    /// Bytes copied out of receive buffers. What a frame's rest is received into is its own memory.
    pub receive_copied_bytes: Counter,
    pub response_bytes: Counter,
    pub sends: Counter,
    pub mesh_calls: Counter,
    pub mesh_served: Counter,
    /// Answers whose clients were throttled by a quota.
    pub throttled: Counter,
    /// Sealed segments that the scrub found not to be as they were written.
    pub damaged_segments: Counter,
    latencies: RefCell<BTreeMap<i16, ApiLatency>>,
    journal: RefCell<JournalLatency>,
    /// By topic id.
    topics: RefCell<HashMap<u128, Traffic>>,
}

impl Metrics {
    /// Notes that a request of API `api_key` was answered, and its way.
    pub fn answered(&self, api_key: i16, timeline: &Timeline) {
        self.latencies.borrow_mut().entry(api_key).or_default().record(timeline);
    }

    /// Notes a write group that is on stable storage.
    pub fn group_written(&self, times: &GroupTimes) {
        let mut journal = self.journal.borrow_mut();
        journal.write.record(times.written.saturating_duration_since(times.submitted).as_nanos() as u64);
        journal.sync.record(times.durable.saturating_duration_since(times.written).as_nanos() as u64);
    }

    /// Notes a batch that was appended to a topic.
    pub fn produced(&self, topic: u128, batch: &BatchInfo) {
        let mut topics = self.topics.borrow_mut();
        let traffic = topics.entry(topic).or_default();
        traffic.produced_bytes += batch.length as u64;
        traffic.produced_records += u64::try_from(batch.record_count).unwrap_or(0);
        traffic.produced_batches += 1;
    }

    /// Notes records of a topic that are on their way to a client.
    pub fn consumed(&self, topic: u128, bytes: usize) {
        self.topics.borrow_mut().entry(topic).or_default().consumed_bytes += bytes as u64;
    }

    /// The topic is gone, and its figures with it.
    pub fn forget_topic(&self, topic: u128) {
        self.topics.borrow_mut().remove(&topic);
    }

    pub(super) fn traffic(&self, topic: u128) -> Traffic {
        self.topics.borrow().get(&topic).copied().unwrap_or_default()
    }
}
