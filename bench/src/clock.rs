//! The only clock of this program: it measures how long things took, and waits where waiting is the measurement.
#![expect(
    clippy::disallowed_methods,
    reason = "a measuring program is a shell; every look at the clock goes through this file"
)]

use std::time::{Duration, Instant};

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

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    /// Milliseconds since the start.
    pub fn ms(self) -> f64 {
        self.seconds() * 1e3
    }
}

/// Does nothing for so long.
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
