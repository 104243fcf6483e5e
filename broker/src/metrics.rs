//! What a shard counts and measures, always on. Lives on one shard; leaves it only as a [`Snapshot`].

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::ids::ShardId;

/// Latencies are kept to two digits, so a histogram stays at a few KiB: the load generator measures finer.
const LATENCY_DIGITS: u8 = 2;
const LATENCY_US_MAX: u64 = 600_000_000;

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

/// The figures of one shard.
pub struct Metrics {
    shard: ShardId,
    pub connections_accepted: Counter,
    pub connections_refused: Counter,
    pub connections_closed: Counter,
    /// Closed because what the peer sent was no valid request.
    pub connections_violated: Counter,
    /// Closed because a deadline passed: idle, a frame that never ended, an answer that nobody took.
    pub connections_expired: Counter,
    pub requests: Counter,
    pub request_bytes: Counter,
    pub response_bytes: Counter,
    pub sends: Counter,
    pub mesh_calls: Counter,
    pub mesh_served: Counter,
    /// Sealed segments that the scrub found not to be as they were written.
    pub damaged_segments: Counter,
    latencies: RefCell<BTreeMap<i16, Histogram<u64>>>,
}

/// Figures of one shard at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub shard: ShardId,
    /// Name and value of each counter.
    pub counters: Vec<(&'static str, u64)>,
    /// Microseconds from a request's last byte to its answer being handed to the socket, by API key.
    pub latency_us: BTreeMap<i16, Histogram<u64>>,
}

impl Metrics {
    pub fn new(shard: ShardId) -> Self {
        Self {
            shard,
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            connections_closed: Counter::default(),
            connections_violated: Counter::default(),
            connections_expired: Counter::default(),
            requests: Counter::default(),
            request_bytes: Counter::default(),
            response_bytes: Counter::default(),
            sends: Counter::default(),
            mesh_calls: Counter::default(),
            mesh_served: Counter::default(),
            damaged_segments: Counter::default(),
            latencies: RefCell::default(),
        }
    }

    /// Notes that a request of API `api_key` was answered after `latency`.
    pub fn answered(&self, api_key: i16, latency: Duration) {
        let mut latencies = self.latencies.borrow_mut();
        let histogram = latencies.entry(api_key).or_insert_with(|| {
            Histogram::new_with_bounds(1, LATENCY_US_MAX, LATENCY_DIGITS).expect("constant bounds are valid")
        });
        histogram.saturating_record(latency.as_micros() as u64);
    }

    /// A copy that may leave the shard.
    pub fn snapshot(&self) -> Snapshot {
        let counters = vec![
            ("connections_accepted", self.connections_accepted.get()),
            ("connections_refused", self.connections_refused.get()),
            ("connections_closed", self.connections_closed.get()),
            ("connections_violated", self.connections_violated.get()),
            ("connections_expired", self.connections_expired.get()),
            ("requests", self.requests.get()),
            ("request_bytes", self.request_bytes.get()),
            ("response_bytes", self.response_bytes.get()),
            ("sends", self.sends.get()),
            ("mesh_calls", self.mesh_calls.get()),
            ("mesh_served", self.mesh_served.get()),
            ("damaged_segments", self.damaged_segments.get()),
        ];
        Snapshot { shard: self.shard, counters, latency_us: self.latencies.borrow().clone() }
    }
}

impl Snapshot {
    /// The value of one counter; 0 if there is none of that name.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.iter().find(|(known, _)| *known == name).map_or(0, |(_, value)| *value)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.counters.iter().filter(|(_, value)| *value > 0) {
            write!(f, "{name}={value} ")?;
        }
        for (api_key, latency) in &self.latency_us {
            let at = |quantile| latency.value_at_quantile(quantile);
            let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
            write!(f, "api{api_key}_us(n={} p50={p50} p99={p99} p99.9={p999} max={}) ", latency.len(), latency.max())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_shows_what_was_counted() {
        let metrics = Metrics::new(ShardId(3));
        metrics.requests.add(2);
        metrics.answered(0, Duration::from_micros(150));
        metrics.answered(0, Duration::from_secs(100_000));
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.counter("requests"), 2);
        assert_eq!(snapshot.latency_us[&0].len(), 2);
        assert!(snapshot.to_string().starts_with("requests=2 api0_us(n=2 p50=15"), "{snapshot}");
    }
}
