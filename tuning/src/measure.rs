//! The effect of one tuner: a load without it and with it, in turn. SHELL, but for [`Effect`].

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use crate::apply::{self, Outcome};
use crate::calibrate;
use crate::loadgen_report::LoadgenReport;
use crate::plan::Finding;
use crate::root::Root;
use crate::state::StateFile;
use crate::table;

/// The file that remembers the setting while it is measured. Like `state::PATH`, but another, so that neither `apply`
/// before nor `revert` after meets a half of it.
pub const STATE_PATH: &str = "/run/ringmain-tuning-measure.json";

/// What is run without and with the tuner.
pub enum Workload {
    /// Small durable writes to one file in this directory.
    DurableWrites { data: PathBuf },
    /// `loadgen produce` with a broker of its own in this directory.
    Loadgen { program: PathBuf, data: PathBuf },
}

/// What one run has shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    pub operations_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Workload {
    fn run(&self, time: Duration, stop: &AtomicBool) -> io::Result<Sample> {
        match self {
            Workload::DurableWrites { data } => {
                let measured = calibrate::durable_writes(data, time, stop)?;
                let calibrate::Measured { operations_per_s, p50_us, p99_us } = measured;
                Ok(Sample { operations_per_s, p50_us, p99_us })
            }
            Workload::Loadgen { program, data } => loadgen(program, data, time),
        }
    }
}

fn loadgen(program: &Path, data: &Path, time: Duration) -> io::Result<Sample> {
    let directory = calibrate::Scratch::make(data)?;
    let mut command = Command::new(program);
    command.args(["produce", "--warm-up", "1", "--json", "-", "--data"]).arg(directory.path().join("broker"));
    let report = LoadgenReport::of(command.arg("--duration").arg(time.as_secs_f64().to_string()))?;
    let (produced, latency) = (report.produced, report.latency);
    let sample = produced.zip(latency).ok_or_else(|| io::Error::other("loadgen has measured nothing"))?;
    let us = |ns: u64| ns as f64 / 1e3;
    Ok(Sample { operations_per_s: sample.0.records_per_s, p50_us: us(sample.1.p50_ns), p99_us: us(sample.1.p99_ns) })
}

/// Puts the setting back when it is dropped, also on the way out of an error or an interrupt.
struct Applied<'a> {
    root: &'a Root,
    file: &'a StateFile,
}

impl Drop for Applied<'_> {
    fn drop(&mut self) {
        let outcomes = match apply::revert(self.root, self.file) {
            Ok(outcomes) => outcomes,
            Err(error) => return eprintln!("tuning: {error}"),
        };
        for Outcome { line, result } in outcomes {
            if let Err(error) = result {
                eprintln!("tuning: failed: {line}: {error}; try tuning revert --state {}", self.file.path().display());
            }
        }
    }
}

/// Runs the load without and with what `findings` ask for, `rounds` times. Afterwards everything is as it was.
pub fn run(
    root: &Root,
    findings: &[Finding],
    file: &StateFile,
    workload: &Workload,
    (rounds, time): (usize, Duration),
    stop: &AtomicBool,
) -> io::Result<Vec<(Sample, Sample)>> {
    let mut samples = Vec::new();
    for _ in 0..rounds {
        let without = workload.run(time, stop)?;
        let outcomes = apply::apply(root, findings, file).map_err(io::Error::other)?;
        let applied = Applied { root, file };
        for Outcome { line, result } in outcomes {
            result.map_err(|error| io::Error::other(format!("{line}: {error}")))?;
        }
        let with = workload.run(time, stop)?;
        drop(applied);
        samples.push((without, with));
    }
    Ok(samples)
}

/// What a tuner did to one figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    pub figure: &'static str,
    pub without_median: f64,
    pub with_median: f64,
    /// Of the medians, and of the rounds the least and the most.
    pub change_percent: f64,
    pub change_percent_min: f64,
    pub change_percent_max: f64,
}

impl Effect {
    /// Whether every round has shown a change in the same direction.
    pub fn is_certain(&self) -> bool {
        self.change_percent_min > 0.0 || self.change_percent_max < 0.0
    }
}

/// A name and what it is of a sample.
type Figure = (&'static str, fn(&Sample) -> f64);

/// The effects on each figure, of at least one round.
pub fn effects(samples: &[(Sample, Sample)]) -> Vec<Effect> {
    let figures: [Figure; 3] = [
        ("op/s", |sample| sample.operations_per_s),
        ("p50 us", |sample| sample.p50_us),
        ("p99 us", |sample| sample.p99_us),
    ];
    let effect = |(figure, value): Figure| {
        let percent = |without: f64, with: f64| (with / without - 1.0) * 100.0;
        let changes = || samples.iter().map(|(without, with)| percent(value(without), value(with)));
        let without_median = median(samples.iter().map(|(without, _)| value(without)));
        let with_median = median(samples.iter().map(|(_, with)| value(with)));
        Effect {
            figure,
            without_median,
            with_median,
            change_percent: percent(without_median, with_median),
            change_percent_min: changes().fold(f64::INFINITY, f64::min),
            change_percent_max: changes().fold(f64::NEG_INFINITY, f64::max),
        }
    };
    figures.map(effect).into()
}

/// The upper one of two in the middle.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A table of effects.
pub fn render(tuner: &str, effects: &[Effect]) -> String {
    let head = [tuner, "without", "with", "change", "of the rounds", ""].map(str::to_owned);
    let row = |effect: &Effect| {
        let verdict = if effect.is_certain() { "every round agrees" } else { "no effect beyond the spread" };
        [
            effect.figure.to_owned(),
            format!("{:.0}", effect.without_median),
            format!("{:.0}", effect.with_median),
            format!("{:+.1} %", effect.change_percent),
            format!("{:+.1} .. {:+.1} %", effect.change_percent_min, effect.change_percent_max),
            verdict.to_owned(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(head).chain(effects.iter().map(row)).collect();
    table::columns(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(operations_per_s: f64) -> Sample {
        Sample { operations_per_s, p50_us: 100.0, p99_us: 200.0 }
    }

    #[test]
    fn an_effect_is_certain_when_every_round_agrees() {
        let effects =
            effects(&[(sample(100.0), sample(110.0)), (sample(200.0), sample(240.0)), (sample(100.0), sample(105.0))]);
        let speed = &effects[0];
        assert_eq!((speed.without_median, speed.with_median), (100.0, 110.0));
        assert!((speed.change_percent - 10.0).abs() < 1e-9 && (speed.change_percent_max - 20.0).abs() < 1e-9);
        assert!(speed.is_certain() && !effects[1].is_certain());
        assert!(render("disk-scheduler", &effects).contains("+5.0 .. +20.0 %"));
    }
}
