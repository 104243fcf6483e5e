//! The tests' only clock. A test measures how long something took; it never waits by sleeping.
#![expect(clippy::disallowed_methods, reason = "the tests are a shell; every look at the clock goes through this file")]

use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Measures from its creation.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    /// Whole milliseconds since the start.
    pub fn elapsed_ms(self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).expect("a test that ran for less than an age")
    }
}

/// Wall time in milliseconds since 1970, as Kafka's record timestamps count it.
pub fn wall_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
    i64::try_from(since_epoch.as_millis()).expect("milliseconds fit")
}

/// Waits, where no event can be waited for: a random moment, or between two attempts. No verdict may rest on it.
pub fn pause(length: Duration) {
    let (_never_sent, moment) = mpsc::channel::<()>();
    let _ = moment.recv_timeout(length);
}
