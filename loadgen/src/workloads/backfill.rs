//! SHELL: a consumer that reads everything from the beginning while others produce: how fast it catches up, and what that
//! costs the producers.
//!
//! ```text
//! fill as fast as it goes -> produce at a fixed rate, alone -> the same beside the consumer
//! ```

use std::time::Duration;

use super::{Part, together};
use crate::report::Broker;
use crate::{Failure, From, Mode, Options, Rate, Until};

/// The part of the maximum that is produced where no rate is given.
const SHARE_OF_MAXIMUM: f64 = 0.3;

/// Names of the parts, in their order.
pub(crate) const NAMES: [&str; 4] = ["fill", "alone", "beside", "backfill"];

/// Runs them; `named` prepares the options of the part with a name.
pub(crate) fn run(
    broker: &Broker,
    options: &Options,
    fill: Duration,
    named: impl Fn(Options, &str) -> Options,
) -> Result<Vec<Part>, Failure> {
    let mut filling = named(options.clone(), NAMES[0]);
    filling.mode = Mode::Produce;
    filling.rate = Rate::Max;
    filling.rate_steps.clear();
    (filling.warm_up, filling.duration) = (Duration::ZERO, fill);
    let filled = crate::run::on(broker, filling)?;
    let most = filled.produced.as_ref().map_or(0.0, |flow| flow.records_per_s);
    let rate = match options.rate {
        Rate::Max => Rate::PerSecond(((most * SHARE_OF_MAXIMUM) as u64).max(1)),
        given => given,
    };
    let produce = |name| {
        let mut options = named(options.clone(), name);
        (options.mode, options.rate) = (Mode::Produce, rate);
        options
    };
    let alone = crate::run::on(broker, produce(NAMES[1]))?;
    let mut consume = named(options.clone(), NAMES[3]);
    (consume.mode, consume.from, consume.until) = (Mode::Consume, From::Earliest, Until::End);
    consume.progress = false;
    let mut reports = together(broker, vec![produce(NAMES[2]), consume])?;
    let (backfill, beside) = (reports.remove(1), reports.remove(0));
    Ok(NAMES.into_iter().zip([filled, alone, beside, backfill]).map(|(name, report)| Part::new(name, report)).collect())
}
