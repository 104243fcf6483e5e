//! P: the figures of the runs in rows, and the same as text.

use super::Of;
use super::sources::Run;
use crate::figures;
use crate::workloads::set;

/// The percentiles that are shown.
pub(crate) const QUANTILES: [(f64, &str); 6] =
    [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99"), (0.99999, "p99.999")];

/// What the values of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Records: neither more nor less is better.
    Count,
    /// Per second: more is better.
    Rate(&'static str),
    /// Milliseconds: less is better.
    Time,
}

/// A figure over all runs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// One for each run; none where it is not known.
    pub(crate) values: Vec<Option<f64>>,
}

impl Row {
    /// A value as text.
    pub(crate) fn cell(&self, run: usize) -> String {
        match (self.values[run], self.kind) {
            (None, _) => "-".to_owned(),
            (Some(value), Kind::Count) => format!("{value:.0}"),
            (Some(value), Kind::Rate(unit)) => format!("{value:.0} {unit}"),
            (Some(value), Kind::Time) => figures::duration((value * 1e6).round() as u64),
        }
    }

    /// A run's value as a multiple of the first one's.
    pub(crate) fn ratio(&self, run: usize) -> Option<f64> {
        let (first, value) = (self.values[0]?, self.values[run]?);
        (first > 0.0).then(|| value / first)
    }
}

/// All rows; those that no run has are left out.
pub(crate) fn rows(runs: &[Run]) -> Vec<Row> {
    let row = |name, kind, value: &dyn Fn(&Run) -> Option<f64>| Row {
        name,
        kind,
        values: runs.iter().map(|run| value(run).filter(|value| value.is_finite())).collect(),
    };
    let mut rows = vec![
        row("throughput", Kind::Rate("MB/s"), &|run| run.rates.map(|rates| rates.mb_per_s)),
        row("records", Kind::Rate("/s"), &|run| run.rates.map(|rates| rates.records_per_s)),
        row("records counted", Kind::Count, &|run| Some(run.distribution.count as f64)),
        row("mean", Kind::Time, &|run| Some(run.distribution.mean_ms)),
    ];
    for (quantile, name) in QUANTILES {
        rows.push(row(name, Kind::Time, &|run| run.distribution.at(quantile)));
    }
    rows.push(row("max", Kind::Time, &|run| Some(run.distribution.max_ms())));
    rows.retain(|row| row.values.iter().any(Option::is_some));
    rows
}

/// The settings in which the runs differ, with the value of each run.
pub(crate) fn differences(runs: &[Run]) -> Vec<(&str, Vec<&str>)> {
    let mut names: Vec<&str> = runs.iter().flat_map(|run| run.workload.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    let all = names.into_iter().map(|name| {
        (name, runs.iter().map(|run| run.workload.get(name).map_or("-", String::as_str)).collect::<Vec<_>>())
    });
    all.filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

/// See the top of the file.
pub(crate) fn text(runs: &[Run], of: Of) -> String {
    let mut lines =
        vec![std::iter::once(of.about().to_owned()).chain(runs.iter().map(|run| run.label.clone())).collect()];
    let head: &mut Vec<String> = &mut lines[0];
    head.extend(runs[1..].iter().map(|run| format!("{} / {}", run.label, runs[0].label)));
    for row in rows(runs) {
        let values = (0..runs.len()).map(|run| row.cell(run));
        let ratios = (1..runs.len()).map(|run| row.ratio(run).map_or("-".to_owned(), |ratio| format!("{ratio:.2}")));
        lines.push(std::iter::once(row.name.to_owned()).chain(values).chain(ratios).collect());
    }
    let mut text = set(&lines);
    for (name, values) in differences(runs) {
        text += &format!("not the same: {name}: {}\n", values.join(", "));
    }
    for run in runs {
        run.complaints.iter().for_each(|complaint| text += &format!("{}: {complaint}\n", run.label));
    }
    text
}
