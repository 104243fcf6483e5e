//! Scenarios that are nothing but loads: each group of them has a broker and an empty directory of its own, and each load says
//! which figures of its report are rows of the table.

use super::Knob;
use super::aim::{Aim, Limit};
use super::test_bed::TestBed;
use crate::failure::Failure;
use crate::process::Broker;
use crate::report::Better;

/// How long a load that has no time of its own is measured.
pub const SECONDS: Knob =
    Knob { name: "seconds", default: "5", smoke: "1", about: "how long each load is measured, after a warm-up" };
/// Durable acknowledgements, and nothing goes while something is measured.
pub const DURABLE: &[&str] = &["--topic-config", "ringmain.durability=durable"];

/// A run of the load generator.
#[derive(Clone, Copy)]
pub struct Step {
    /// Under this name its cost is shown.
    pub case: &'static str,
    /// The command of the load generator, and its flags; in lists that loads may share.
    pub arguments: &'static [&'static [&'static str]],
    /// It ends by itself, and needs no time.
    pub to_its_end: bool,
    pub figures: &'static [Figure],
}

/// A row, as an [`Aim`] that stands in a list.
#[derive(Clone, Copy)]
pub struct Goal {
    pub case: &'static str,
    unit: &'static str,
    better: Better,
    limit: Limit,
    target: Option<f64>,
}

impl Goal {
    /// A figure of which more is better.
    pub const fn higher(case: &'static str, unit: &'static str) -> Goal {
        Goal { case, unit, better: Better::Higher, limit: Limit::None, target: None }
    }

    /// A figure of which less is better.
    pub const fn lower(case: &'static str, unit: &'static str) -> Goal {
        Goal { case, unit, better: Better::Lower, limit: Limit::None, target: None }
    }

    /// Sets what bounds the figure.
    pub const fn within(mut self, limit: Limit) -> Goal {
        self.limit = limit;
        self
    }

    /// Sets what the median is held against.
    pub const fn target(mut self, target: f64) -> Goal {
        self.target = Some(target);
        self
    }

    fn aim(self) -> Aim {
        let Goal { case, unit, better, limit, target } = self;
        Aim { case: case.into(), unit, better, limit, target }
    }
}

/// A number of a report that is a row.
#[derive(Clone, Copy)]
pub struct Figure {
    pub goal: Goal,
    /// Where it stands (RFC 6901).
    pub pointer: &'static str,
    pub scale: f64,
}

/// A row that is one row by another, of the same round.
#[derive(Clone, Copy)]
pub struct Ratio {
    pub goal: Goal,
    pub of: &'static str,
    pub by: &'static str,
}

impl Figure {
    /// Record values per second.
    pub const fn produced(goal: Goal) -> Figure {
        Figure { goal, pointer: "/produced/mb_per_s", scale: 1.0 }
    }

    pub const fn produced_records(goal: Goal) -> Figure {
        Figure { goal, pointer: "/produced/records_per_s", scale: 1.0 }
    }

    /// Record batches per second.
    pub const fn consumed(goal: Goal) -> Figure {
        Figure { goal, pointer: "/consumed/mb_per_s", scale: 1.0 }
    }

    /// A latency in milliseconds.
    pub const fn ms(goal: Goal, pointer: &'static str) -> Figure {
        Figure { goal, pointer, scale: 1e-6 }
    }

    /// A latency in microseconds.
    pub const fn us(goal: Goal, pointer: &'static str) -> Figure {
        Figure { goal, pointer, scale: 1e-3 }
    }

    /// A count.
    pub const fn count(goal: Goal, pointer: &'static str) -> Figure {
        Figure { goal, pointer, scale: 1.0 }
    }
}

/// The ceilings, then all groups, then the ratios.
pub fn round(bed: &mut TestBed, groups: &[&[Step]], ratios: &[Ratio]) -> Result<(), Failure> {
    let aims = groups.iter().copied().flatten().flat_map(|step| step.figures).map(|figure| figure.goal.aim());
    aims.chain(ratios.iter().map(|ratio| ratio.goal.aim())).for_each(|aim| bed.aim(aim));
    bed.ceilings()?;
    for group in groups {
        let options = bed.serve_options("data");
        let mut broker = Broker::start(&options)?;
        for step in *group {
            take(bed, &broker, step).map_err(|failure| broker.explain(failure))?;
        }
        broker.stop()?;
        bed.remove(&options.data_dir)?;
    }
    for Ratio { goal, of, by } in ratios {
        let value = bed.last(of) / bed.last(by);
        bed.note(goal.case, value);
    }
    Ok(())
}

fn take(bed: &mut TestBed, broker: &Broker, step: &Step) -> Result<(), Failure> {
    let mut arguments = step.arguments.concat();
    let warm_up = if bed.is_smoke() { "0.5" } else { "1.5" };
    if !step.to_its_end {
        arguments.extend(["--warm-up", warm_up, "--duration", bed.knob(SECONDS.name)]);
    }
    let load = bed.load(broker, step.case, &arguments)?;
    for Figure { goal, pointer, scale } in step.figures {
        bed.note(goal.case, load.number(pointer)? * scale);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{produce, serve};

    #[test]
    fn ratios_are_of_rows_that_there_are() {
        for (groups, ratios) in [(produce::KEYED_GROUPS, produce::KEYED_RATIOS), (serve::LATENCY_GROUPS, &[])] {
            let steps = groups.iter().copied().flatten();
            let rows: Vec<_> = steps.flat_map(|step| step.figures).map(|figure| figure.goal.case).collect();
            assert!(ratios.iter().all(|ratio| rows.contains(&ratio.of) && rows.contains(&ratio.by)), "{rows:?}");
            assert!((1..rows.len()).all(|place| !rows[..place].contains(&rows[place])), "{rows:?}");
        }
    }
}
