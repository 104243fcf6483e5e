//! The broker's clock: the one place that asks for the time. Pure rooms get the time as an argument.

#![allow(clippy::disallowed_methods, reason = "this module is what the ban on clocks refers to")]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Gives wall time for what is stored and monotonic time for what is measured. Lives on every shard.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Milliseconds since 1970-01-01 UTC: the unit of Kafka timestamps. May step when the machine's clock is set.
    pub fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    /// Time that never steps back, for deadlines and latencies.
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }
}
