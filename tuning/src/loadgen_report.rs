//! What is read of the report that `loadgen --json -` prints.

use std::io;
use std::process::{Command, Stdio};

use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct LoadgenReport {
    pub produced: Option<Throughput>,
    pub latency: Option<Latency>,
    pub end_to_end: Option<Latency>,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Throughput {
    pub mb_per_s: f64,
    pub records_per_s: f64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Latency {
    pub p50_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// Why the figures do not say what they seem to; a generator that shares its cores with a broker is late, and says so.
    pub invalid: Vec<String>,
}

impl LoadgenReport {
    /// Runs loadgen to its end. One that finds its own figures invalid has still measured.
    pub fn of(command: &mut Command) -> io::Result<LoadgenReport> {
        let output = command.stderr(Stdio::piped()).output()?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let said = String::from_utf8_lossy(&output.stderr);
            io::Error::other(format!("loadgen has ended with {}: {}", output.status, said.trim_end()))
        })
    }
}
