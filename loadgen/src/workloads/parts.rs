//! P: the runs of a workload in one table.

use serde::Serialize;

use crate::{Report, figures};

/// A run of a workload.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    /// What it is in the workload.
    pub(crate) name: String,
    pub(crate) report: Report,
}

impl Part {
    pub(crate) fn new(name: impl Into<String>, report: Report) -> Part {
        Part { name: name.into(), report }
    }
}

const HEADS: [&str; 9] = ["", "due/s", "MB/s", "msg/s", "p50", "p99", "p99.9", "max", "records"];

/// A line for each; latency from end to end where there is one, else to the acknowledgement.
pub(crate) fn table(parts: &[Part]) -> String {
    let mut lines = vec![HEADS.map(str::to_owned).to_vec()];
    for Part { name, report } in parts {
        let due = match (&report.produced, report.workload.rate_records_per_s) {
            (Some(_), Some(_)) if !report.workload.rate_steps.is_empty() => "changes".to_owned(),
            (Some(_), Some(rate)) => figures::count(rate as f64),
            (Some(_), None) => "max".to_owned(),
            (None, _) => "-".to_owned(),
        };
        let flow = report.produced.as_ref().or(report.consumed.as_ref());
        let latency = report.end_to_end.as_ref().or(report.latency.as_ref());
        let time = |ns: Option<u64>| ns.map_or("-".to_owned(), figures::duration);
        lines.push(vec![
            name.clone(),
            due,
            flow.map_or("-".to_owned(), |flow| format!("{:.1}", flow.mb_per_s)),
            flow.map_or("-".to_owned(), |flow| figures::count(flow.records_per_s)),
            time(latency.map(|latency| latency.p50_ns)),
            time(latency.map(|latency| latency.p99_ns)),
            time(latency.map(|latency| latency.p999_ns)),
            time(latency.map(|latency| latency.max_ns)),
            latency.map_or("-".to_owned(), |latency| latency.records.to_string()),
        ]);
    }
    let mut text = set(&lines);
    for Part { name, report } in parts {
        text += &format!("{name}: {}", report.counted().trim_start_matches("records").trim_start());
        report.outcome.complaints().for_each(|complaint| text += &format!("{name}: {complaint}\n"));
    }
    text
}

/// Sets lines in columns: the first to the left, the others to the right.
pub(crate) fn set(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell: &String| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for line in lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            text += &if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}
