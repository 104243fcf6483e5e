//! SHELL: latency at parts of what the broker can take: first its own maximum is found, then fixed rates below it are run.

use super::Part;
use crate::report::Broker;
use crate::{Failure, Options, Rate};

/// The parts of the maximum, in percent.
const PERCENT: [u64; 3] = [50, 70, 90];

/// Names of the parts, in their order.
pub(crate) fn names() -> impl Iterator<Item = String> {
    std::iter::once("max".to_owned()).chain(PERCENT.iter().map(u64::to_string))
}

/// Runs the steps; `named` prepares the options of the part with a name.
pub(crate) fn run(
    broker: &Broker,
    options: &Options,
    named: impl Fn(Options, &str) -> Options,
) -> Result<Vec<Part>, Failure> {
    let mut maximum = named(options.clone(), "max");
    maximum.rate = Rate::Max;
    let report = crate::run::on(broker, maximum)?;
    let sides = [&report.produced, &report.consumed].into_iter().flatten();
    // What the slower side can take.
    let most = sides.map(|flow| flow.records_per_s).fold(f64::INFINITY, f64::min);
    let mut parts = vec![Part::new("max", report)];
    if most < 1.0 {
        return Ok(parts);
    }
    for percent in PERCENT {
        if parts.last().is_some_and(|last| last.report.was_stopped()) {
            break;
        }
        let mut options = named(options.clone(), &percent.to_string());
        options.rate = Rate::PerSecond(((most * percent as f64 / 100.0) as u64).max(1));
        parts.push(Part::new(format!("{percent} %"), crate::run::on(broker, options)?));
    }
    Ok(parts)
}
