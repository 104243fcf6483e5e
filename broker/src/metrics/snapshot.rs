//! The figures of one shard at one moment, as they leave it.

use std::collections::BTreeMap;
use std::fmt;

use super::latency::ApiLatency;
use super::{JournalLatency, Traffic};
use crate::ids::ShardId;

/// The level that is 1 once a shard's storage has failed.
pub(super) const STORAGE_FAILED: &str = "storage_failed";

/// A number with its name and a sentence about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    pub name: &'static str,
    pub meaning: &'static str,
    pub value: u64,
}

/// What one shard knows of a topic.
#[derive(Clone, Debug)]
pub struct TopicFigures {
    pub id: u128,
    pub name: String,
    pub traffic: Traffic,
    /// Of the partitions that are this shard's.
    pub log_bytes: u64,
    /// Each with the offset after its last committed record.
    pub ends: Vec<(u32, i64)>,
}

/// What a group has committed in a topic: partition and offset.
#[derive(Clone, Debug)]
pub struct GroupOffsets {
    pub group: String,
    pub topic: String,
    pub offsets: Vec<(i32, i64)>,
}

/// Figures of one shard at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub shard: ShardId,
    /// Numbers that only grow.
    pub counters: Vec<Figure>,
    /// Numbers that rise and fall.
    pub levels: Vec<Figure>,
    /// By API key.
    pub latencies: BTreeMap<i16, ApiLatency>,
    pub journal: JournalLatency,
    pub topics: Vec<TopicFigures>,
    /// Of the groups that this shard coordinates.
    pub groups: Vec<GroupOffsets>,
}

impl Snapshot {
    /// The value of one counter; 0 if there is none of that name.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.iter().find(|figure| figure.name == name).map_or(0, |figure| figure.value)
    }

    /// Whether the shard takes nothing more.
    pub fn has_failed_storage(&self) -> bool {
        self.levels.iter().any(|figure| figure.name == STORAGE_FAILED && figure.value > 0)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Figure { name, value, .. } in self.counters.iter().filter(|figure| figure.value > 0) {
            write!(f, "{name}={value} ")?;
        }
        for (api_key, latency) in &self.latencies {
            let at = |quantile| latency.total.quantile_ns(quantile) / 1000;
            let (p50, p99, p999, max) = (at(0.5), at(0.99), at(0.999), latency.total.max_ns() / 1000);
            let count = latency.total.count();
            write!(f, "api{api_key}_us(n={count} p50={p50} p99={p99} p99.9={p999} max={max}) ")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::metrics::{Metrics, Timeline};

    #[test]
    fn a_snapshot_shows_what_was_counted() {
        let metrics = Metrics::default();
        metrics.answered(0, &Timeline::new(Clock.monotonic()));
        let latencies = metrics.latencies.borrow().clone();
        let snapshot = Snapshot {
            shard: ShardId(3),
            counters: vec![Figure { name: "requests", meaning: "", value: 2 }],
            levels: Vec::new(),
            latencies,
            journal: JournalLatency::default(),
            topics: Vec::new(),
            groups: Vec::new(),
        };
        assert_eq!((snapshot.counter("requests"), snapshot.counter("unknown")), (2, 0));
        assert!(snapshot.to_string().starts_with("requests=2 api0_us(n=1 p50=0"), "{snapshot}");
    }
}
