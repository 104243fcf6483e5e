//! What the machine itself can do, measured in the same run as the broker: no figure of ours can pass these.

pub mod disk;
pub mod loopback;
pub mod memory;

use std::path::Path;
use std::time::Duration;

use crate::failure::Failure;
use crate::report::Ceiling;

/// A figure of the machine.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured; the same in every round.
    pub name: String,
    pub unit: &'static str,
    pub value: f64,
}

impl Figure {
    fn new(name: impl Into<String>, unit: &'static str, value: f64) -> Figure {
        Figure { name: name.into(), unit, value }
    }
}

/// How much effort goes into each ceiling.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Time per figure of disk and network.
    pub slice: Duration,
    /// Size of the file that is written and read, a multiple of 1 MiB.
    pub file_bytes: u64,
    /// Memory walked for the cold figures; more than a core's share of the cache.
    pub cold_bytes: usize,
}

impl Effort {
    pub const FULL: Effort = Effort { slice: Duration::from_millis(500), file_bytes: 1 << 30, cold_bytes: 256 << 20 };
    pub const SMOKE: Effort = Effort { slice: Duration::from_millis(50), file_bytes: 64 << 20, cold_bytes: 64 << 20 };
}

/// Measures all of them once and adds the figures to `found`. `dir` lies on the disk that the broker uses.
pub fn collect(dir: &Path, effort: Effort, found: &mut Vec<Ceiling>) -> Result<(), Failure> {
    let mut figures = disk::measure(dir, effort).map_err(Failure::machine("measuring the disk"))?;
    figures.extend(loopback::measure(effort.slice).map_err(Failure::machine("measuring loopback TCP"))?);
    figures.extend(memory::measure(effort));
    for Figure { name, unit, value } in figures {
        add(found, &name, unit, value);
    }
    Ok(())
}

/// Adds a figure to those of the same name.
pub fn add(found: &mut Vec<Ceiling>, name: &str, unit: &'static str, value: f64) {
    match found.iter_mut().find(|ceiling| ceiling.name == name) {
        Some(ceiling) => ceiling.samples.push(value),
        None => found.push(Ceiling { name: name.to_owned(), unit: unit.into(), samples: vec![value] }),
    }
}
