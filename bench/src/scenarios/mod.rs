//! What can be run. Each scenario is a file; each gives ours, the ceiling of the same run, and the target.

mod baseline;
mod ceilings_alone;
mod density;
mod run_dir;

use std::path::PathBuf;

use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::report::Report;

/// What the command line says about a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub binaries: Binaries,
    /// Data of the run is made below it and removed again.
    pub data_dir: PathBuf,
    /// Cores of the broker, as its flag wants them.
    pub cores: String,
    /// Repetitions of everything.
    pub rounds: usize,
    /// Seconds only, and every path.
    pub smoke: bool,
}

/// A scenario by name.
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub run: fn(&Settings) -> Result<Report, Failure>,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "baseline",
        about: "produce (durable and relaxed), consume (memory and disk), end-to-end latency, idle cost, start",
        run: baseline::run,
    },
    Scenario {
        name: "density",
        about: "the same load on 1 to 10,000 partitions: throughput, latency, device writes, memory",
        run: density::run,
    },
    Scenario {
        name: "ceilings",
        about: "the machine alone: durable writes and reads of the disk, loopback TCP, checksum, copy",
        run: ceilings_alone::run,
    },
];
