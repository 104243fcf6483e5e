//! The machine without a broker: what there is to reach.

use super::Settings;
use super::run_dir::RunDir;
use crate::ceilings::{self, Effort};
use crate::failure::Failure;
use crate::machine;
use crate::report::Report;

/// Measures the ceilings once in each round.
pub fn run(settings: &Settings) -> Result<Report, Failure> {
    let dir = RunDir::create(&settings.data_dir)?;
    let effort = if settings.smoke { Effort::SMOKE } else { Effort::FULL };
    let mut machine = machine::describe(&dir.0);
    let ticks = machine::cpu_ticks();
    let mut found = Vec::new();
    for _ in 0..settings.rounds {
        ceilings::collect(&dir.0, effort, &mut found)?;
    }
    machine.steal_percent = machine::steal_percent(ticks, machine::cpu_ticks());
    let Settings { rounds, smoke, .. } = *settings;
    let (rows, costs, notes) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Report { scenario: "ceilings", rounds, smoke, machine, ceilings: found, rows, costs, notes })
}
