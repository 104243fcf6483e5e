//! A log that is there before anything is measured.

use super::test_bed::TestBed;
use crate::device;
use crate::failure::Failure;
use crate::process::{Broker, ServeOptions};

pub const GIB: f64 = (1_u64 << 30) as f64;
/// How long one step of filling lasts, at least and at most.
const STEP_SECONDS: [f64; 2] = [0.2, 10.0];

/// Produces to `topic` until the files of all logs have `gib`.
pub fn fill(bed: &mut TestBed, broker: &Broker, options: &ServeOptions, topic: &str, gib: f64) -> Result<(), Failure> {
    let (mut bytes, mut bytes_per_second) = (log_bytes(options)?, 0.5e9);
    while bytes < gib * GIB {
        let seconds = ((gib * GIB - bytes) / bytes_per_second).clamp(STEP_SECONDS[0], STEP_SECONDS[1]);
        let duration = format!("{seconds:.2}");
        let shape = ["produce", "--topic", topic, "--size", "1024", "--producers", "8", "--batch-bytes", "65536"];
        let pace = ["--rate", "max", "--acks", "all", "--warm-up", "0", "--duration", &duration];
        let load = bed.load(broker, "fill", &[&shape[..], &pace[..]].concat())?;
        bytes_per_second = load.number("/produced/mb_per_s")? * 1e6;
        bytes = log_bytes(options)?;
    }
    eprintln!("  filled to {:.2} GiB", bytes / GIB);
    Ok(())
}

/// What the files of all logs have.
pub fn log_bytes(options: &ServeOptions) -> Result<f64, Failure> {
    let files = device::files(&options.data_dir.join("topics"), ".log");
    files.map(|files| files.bytes as f64).map_err(Failure::machine("measuring the log"))
}
