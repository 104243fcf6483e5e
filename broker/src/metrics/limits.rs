//! Bounds of what metrics show and keep.

use std::time::Duration;

/// Where the endpoint listens unless it is told: the port that Redpanda has taught monitoring to expect.
pub const METRICS_LISTEN_DEFAULT: &str = "127.0.0.1:9644";
/// What turns the endpoint off, in place of an address.
pub const METRICS_OFF: &str = "none";

/// Topics with rows of their own. Those beyond, in the order in which they came, share the rows of [`OTHER`].
pub const TOPICS_NAMED_MAX: usize = 500;
/// Pairs of group and topic with rows of their own. Those beyond share one row.
pub const GROUP_TOPICS_NAMED_MAX: usize = 1_000;
/// What rows are called that several share. Brackets are not allowed in a topic's name.
pub const OTHER: &str = "(other)";
/// Committed offsets that one shard tells in a snapshot, and ends of partitions. What is beyond is not in the lag.
pub const OFFSETS_TOLD_MAX: usize = 200_000;
/// Logs or offsets that are looked at before the shard's other tasks get their turn.
pub const LOOKED_AT_ONCE: usize = 256;

/// Connections that the endpoint serves at a time; one more is closed.
pub const ENDPOINT_CONNECTIONS_MAX: usize = 8;
/// Bytes of a request's head.
pub const REQUEST_HEAD_BYTES_MAX: usize = 8 * 1024;
/// Time that a client of the endpoint may take to send its request, and to take its answer.
pub const ENDPOINT_PATIENCE: Duration = Duration::from_secs(5);

/// Bounds of the histograms that Prometheus gets, in nanoseconds.
pub const BUCKETS_NS: [u64; 14] = [
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    1_000_000_000,
    5_000_000_000,
];
