//! What a scenario found: ours, the ceiling of the same run, the ratio and the target, as a table and as JSON. Pure.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::device::Counts;
use crate::machine::Machine;
use crate::stats::{self, Spread};

/// Which way a figure improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    Higher,
    Lower,
}

/// What no broker can pass on this machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    pub name: String,
    pub value: f64,
}

/// One figure of the broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    pub case: Cow<'static, str>,
    pub unit: Cow<'static, str>,
    pub better: Better,
    /// One for each repetition, in the order of the run.
    pub samples: Vec<f64>,
    pub spread: Option<Spread>,
    pub bound: Option<Bound>,
    /// The median as a part of the bound: 1 is all that is possible. For a latency, how many times the floor.
    pub ratio: Option<f64>,
    pub target: Option<f64>,
    pub verdict: Option<String>,
}

impl Row {
    pub fn new(case: impl Into<Cow<'static, str>>, unit: &'static str, better: Better, samples: Vec<f64>) -> Row {
        let (case, unit, spread) = (case.into(), Cow::Borrowed(unit), stats::spread(&samples));
        Row { case, unit, better, samples, spread, bound: None, ratio: None, target: None, verdict: None }
    }

    /// Sets the ceiling, or for a latency the floor.
    pub fn bounded(mut self, bound: Option<Bound>) -> Row {
        self.ratio = self.spread.zip(bound.as_ref()).map(|(spread, bound)| spread.median / bound.value);
        self.bound = bound;
        self
    }

    /// Sets the target that the median is held against.
    pub fn aimed(mut self, target: Option<f64>) -> Row {
        self.verdict = self.spread.zip(target).map(|(spread, target)| verdict(spread.median, target, self.better));
        self.target = target;
        self
    }
}

/// A figure of the machine over the rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ceiling {
    pub name: String,
    pub unit: Cow<'static, str>,
    pub samples: Vec<f64>,
}

/// What a case cost, over all rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cost {
    pub case: String,
    /// Seconds from the start of the load generator to its end, warm-up included.
    pub wall_s: f64,
    pub broker_cpu_s: f64,
    pub loadgen_cpu_s: f64,
    /// The most that the broker had when a load ended.
    pub broker_resident_mib: f64,
    /// What the disk did meanwhile, for all processes.
    pub device: Counts,
    /// Requests that were answered, of producers and consumers.
    #[serde(default)]
    pub requests: f64,
    /// System calls of the broker for each of them; none where the kernel does not say.
    #[serde(default)]
    pub syscalls_per_request: Option<f64>,
    /// How often the broker has copied each byte that it received; none where it does not say.
    #[serde(default)]
    pub copies_per_byte: Option<f64>,
}

impl Cost {
    /// Adds another repetition.
    pub fn add(&mut self, other: &Cost) {
        self.wall_s += other.wall_s;
        self.broker_cpu_s += other.broker_cpu_s;
        self.loadgen_cpu_s += other.loadgen_cpu_s;
        self.broker_resident_mib = self.broker_resident_mib.max(other.broker_resident_mib);
        self.device = self.device.plus(other.device);
        self.requests += other.requests;
        self.syscalls_per_request = other.syscalls_per_request.or(self.syscalls_per_request);
        self.copies_per_byte = other.copies_per_byte.or(self.copies_per_byte);
    }
}

/// All that a run of a scenario found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    pub scenario: String,
    pub rounds: usize,
    /// A short run that shows that every path works; its figures mean little.
    pub smoke: bool,
    /// What could be set, and was.
    pub knobs: BTreeMap<String, String>,
    /// Cores of the broker.
    pub cores: String,
    pub machine: Machine,
    pub ceilings: Vec<Ceiling>,
    pub rows: Vec<Row>,
    pub costs: Vec<Cost>,
    /// How to read the figures, and what went wrong on the way.
    pub notes: Vec<String>,
}

fn verdict(median: f64, target: f64, better: Better) -> String {
    let missed_by = match better {
        Better::Higher => (target - median) / target,
        Better::Lower => (median - target) / target,
    };
    match missed_by {
        missed_by if missed_by <= 0.0 || median == target => "met".to_owned(),
        missed_by if missed_by.is_infinite() => "missed".to_owned(),
        missed_by => format!("missed by {:.0} %", (missed_by * 100.0).max(1.0)),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, memory_gib, kernel, data_file_system, commit, load_1min, steal_percent } =
            &self.machine;
        let smoke = if self.smoke { ", smoke: the figures mean little" } else { "" };
        writeln!(f, "scenario {}, {} rounds{smoke}", self.scenario, self.rounds)?;
        writeln!(f, "{cpu}, {cores} cores, {memory_gib:.1} GiB, Linux {kernel}")?;
        writeln!(f, "load before the run {load_1min:.1}, steal during it {steal_percent:.1} %")?;
        writeln!(f, "data on {data_file_system}; commit {commit}; broker on cores {}", self.cores)?;
        for (name, value) in &self.knobs {
            writeln!(f, "{name} = {value}")?;
        }
        for cells in [self.ceiling_cells(), self.row_cells(), self.cost_cells()] {
            if cells.len() > 1 {
                write!(f, "\n{}", table(&cells))?;
            }
        }
        for (position, note) in self.notes.iter().enumerate() {
            writeln!(f, "{}- {note}", if position == 0 { "\n" } else { "" })?;
        }
        Ok(())
    }
}

impl Report {
    fn ceiling_cells(&self) -> Vec<Vec<String>> {
        let mut cells = vec![header(&["ceiling", "min", "median", "max", "unit"])];
        for ceiling in &self.ceilings {
            let mut line = vec![ceiling.name.clone()];
            line.extend(spread_cells(stats::spread(&ceiling.samples)));
            line.push(ceiling.unit.to_string());
            cells.push(line);
        }
        cells
    }

    fn row_cells(&self) -> Vec<Vec<String>> {
        let titles = ["ours", "min", "median", "max", "unit", "ratio", "to the ceiling", "target", ""];
        let mut cells = vec![header(&titles)];
        for row in &self.rows {
            let mut line = vec![row.case.to_string()];
            line.extend(spread_cells(row.spread));
            line.push(row.unit.to_string());
            line.push(row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")));
            line.push(
                row.bound
                    .as_ref()
                    .map_or_else(String::new, |bound| format!("{} ({})", number(bound.value), bound.name)),
            );
            line.push(row.target.map_or_else(String::new, |target| match row.better {
                Better::Higher => format!(">= {}", number(target)),
                Better::Lower => format!("<= {}", number(target)),
            }));
            line.push(row.verdict.clone().unwrap_or_default());
            cells.push(line);
        }
        cells
    }

    fn cost_cells(&self) -> Vec<Vec<String>> {
        let titles = [
            "cost per second of the load",
            "loads s",
            "broker CPU",
            "loadgen CPU",
            "broker MiB",
            "disk writes",
            "written MB",
            "syncs",
            "reads",
            "read MB",
            "requests",
            "syscalls/request",
            "disk writes/request",
            "syncs/request",
            "copies/byte",
        ];
        let mut cells = vec![header(&titles)];
        for cost in &self.costs {
            let per_second = |value: f64| number(value / cost.wall_s);
            let per_request =
                |value: f64| if cost.requests > 0.0 { number(value / cost.requests) } else { "-".to_owned() };
            let Counts { reads, read_bytes, writes, written_bytes, syncs } = cost.device;
            cells.push(vec![
                cost.case.clone(),
                number(cost.wall_s),
                per_second(cost.broker_cpu_s),
                per_second(cost.loadgen_cpu_s),
                number(cost.broker_resident_mib),
                per_second(writes as f64),
                per_second(written_bytes as f64 / 1e6),
                per_second(syncs as f64),
                per_second(reads as f64),
                per_second(read_bytes as f64 / 1e6),
                per_second(cost.requests),
                cost.syscalls_per_request.map_or("-".to_owned(), number),
                per_request(writes as f64),
                per_request(syncs as f64),
                cost.copies_per_byte.map_or("-".to_owned(), number),
            ]);
        }
        cells
    }
}

fn header(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

fn spread_cells(spread: Option<Spread>) -> [String; 3] {
    spread.map_or_else(Default::default, |Spread { min, median, max }| [min, median, max].map(number))
}

/// Three digits that matter, and no more.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Sets cells in columns: the first to the left, numbers to the right.
pub fn table(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut set = String::new();
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let is_number =
                lines.iter().skip(1).any(|line| line.get(column).is_some_and(|cell| cell.parse::<f64>().is_ok()));
            let _ =
                if is_number && column > 0 { write!(set, "{cell:>width$}  ") } else { write!(set, "{cell:<width$}  ") };
        }
        text.push_str(set.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_met_at_the_target_and_missed_by_a_part_of_it() {
        assert_eq!(verdict(500.0, 500.0, Better::Higher), "met");
        assert_eq!(verdict(440.0, 500.0, Better::Higher), "missed by 12 %");
        assert_eq!(verdict(1.0, 1.0, Better::Lower), "met");
        assert_eq!(verdict(1.5, 1.0, Better::Lower), "missed by 50 %");
        assert_eq!(verdict(499.9, 500.0, Better::Higher), "missed by 1 %");
        assert_eq!(verdict(0.0, 0.0, Better::Lower), "met");
        assert_eq!(verdict(3.0, 0.0, Better::Lower), "missed");
    }

    #[test]
    fn a_row_compares_its_median() {
        let bound = Some(Bound { name: "loopback".to_owned(), value: 1000.0 });
        let row =
            Row::new("produce", "MB/s", Better::Higher, vec![100.0, 900.0, 500.0]).bounded(bound).aimed(Some(450.0));
        assert_eq!(row.ratio, Some(0.5));
        assert_eq!(row.verdict.as_deref(), Some("met"));
        let empty = Row::new("produce", "MB/s", Better::Higher, Vec::new()).aimed(Some(450.0));
        assert_eq!(empty.verdict, None);
    }

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let lines = [vec!["a", "n"], vec!["long", "5"], vec!["b", "100"]];
        let lines: Vec<Vec<String>> = lines.iter().map(|line| header(line)).collect();
        assert_eq!(table(&lines), "a       n\nlong    5\nb     100\n");
    }
}
