//! What a scenario measures, and what each figure is held against. Pure.
#![forbid(unsafe_code)]

use std::borrow::Cow;

use crate::ceilings::{disk, loopback};
use crate::report::{Better, Bound, Ceiling};
use crate::stats;

/// What a figure's bound is made of.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Nothing to compare with.
    None,
    /// The slower of loopback and the best durable write.
    DurableWrite,
    /// The slower of loopback and the best read.
    DiskRead,
    Loopback,
    /// A round trip over loopback and one small durable write.
    DurableRoundTrip,
    /// One small durable write after the other, per second.
    FlushRate,
    /// The median of another case of the same run.
    Case(&'static str),
}

/// One row of a scenario's table.
#[derive(Clone, Debug)]
pub struct Aim {
    pub case: Cow<'static, str>,
    /// Empty for a ratio.
    pub unit: &'static str,
    pub better: Better,
    pub limit: Limit,
    pub target: Option<f64>,
}

impl Aim {
    /// A figure of which more is better.
    pub const fn higher(case: &'static str, unit: &'static str) -> Aim {
        Aim { case: Cow::Borrowed(case), unit, better: Better::Higher, limit: Limit::None, target: None }
    }

    /// A figure of which less is better.
    pub const fn lower(case: &'static str, unit: &'static str) -> Aim {
        Aim { case: Cow::Borrowed(case), unit, better: Better::Lower, limit: Limit::None, target: None }
    }

    /// Gives it a name that is only known when it runs.
    pub fn named(mut self, case: String) -> Aim {
        self.case = Cow::Owned(case);
        self
    }

    /// Sets what bounds the figure.
    pub const fn within(mut self, limit: Limit) -> Aim {
        self.limit = limit;
        self
    }

    /// Sets what the median is held against.
    pub const fn target(mut self, target: f64) -> Aim {
        self.target = Some(target);
        self
    }
}

/// The figures of a run, by case, in the order of the run.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<(String, Vec<f64>)>);

impl Samples {
    /// Adds a figure.
    pub fn push(&mut self, case: &str, value: f64) {
        match self.0.iter_mut().find(|(name, _)| name == case) {
            Some((_, samples)) => samples.push(value),
            None => self.0.push((case.to_owned(), vec![value])),
        }
    }

    /// The figures of a case; none if it was not measured.
    pub fn of(&self, case: &str) -> &[f64] {
        self.0.iter().find(|(name, _)| name == case).map_or(&[], |(_, samples)| samples)
    }
}

/// The bound that `limit` means in a run that found these ceilings and figures.
pub fn bound(limit: Limit, ceilings: &[Ceiling], samples: &Samples) -> Option<Bound> {
    let best = |wanted: &dyn Fn(&str) -> bool| best(ceilings, wanted);
    let network = best(&loopback::is_rate);
    let slower = |a: Option<Bound>, b: Option<Bound>| a.zip(b).map(|(a, b)| if a.value <= b.value { a } else { b });
    let only = |name: &str| best(&|found| found == name).map(|bound| bound.value);
    let small_write_us = || disk::SMALL_WRITES_P50.into_iter().filter_map(only).min_by(f64::total_cmp);
    match limit {
        Limit::None => None,
        Limit::Loopback => network,
        Limit::DurableWrite => slower(network, best(&disk::is_write_rate)),
        Limit::DiskRead => slower(network, best(&disk::is_read_rate)),
        Limit::DurableRoundTrip => {
            let value = only(loopback::SMALL_ECHO_P50)? + small_write_us()?;
            Some(Bound { name: "round trip + durable write".to_owned(), value })
        }
        Limit::FlushRate => {
            Some(Bound { name: "durable writes, one after the other".to_owned(), value: 1e6 / small_write_us()? })
        }
        Limit::Case(case) => {
            stats::spread(samples.of(case)).map(|spread| Bound { name: case.to_owned(), value: spread.median })
        }
    }
}

/// The ceiling with the highest median of those that `wanted` names.
fn best(ceilings: &[Ceiling], wanted: &dyn Fn(&str) -> bool) -> Option<Bound> {
    let matching = ceilings.iter().filter(|ceiling| wanted(&ceiling.name));
    let bounds = matching.map(|found| Bound { name: found.name.clone(), value: stats::median(&found.samples) });
    bounds.max_by(|a, b| a.value.total_cmp(&b.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_can_be_the_bound_of_another() {
        let mut samples = Samples::default();
        samples.push("without", 3.0);
        samples.push("without", 5.0);
        let found = bound(Limit::Case("without"), &[], &samples);
        assert_eq!(found, Some(Bound { name: "without".to_owned(), value: 4.0 }));
        assert_eq!(bound(Limit::Case("never measured"), &[], &samples), None);
    }
}
