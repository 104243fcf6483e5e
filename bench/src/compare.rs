//! Two reports beside each other: what became better, what became worse, and what the spread of the rounds hides.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::report::{self, Better, Report, Row};
use crate::stats::Spread;

/// Reads two files of `bench run --json` and gives their common figures as tables.
pub fn compare(before: &Path, after: &Path) -> Result<String, Failure> {
    let (before, after) = (read(before)?, read(after)?);
    let mut text = String::new();
    for after in &after {
        let Some(before) = before.iter().find(|report| report.scenario == after.scenario) else { continue };
        let _ = writeln!(
            text,
            "scenario {}: before {} ({} rounds), after {} ({} rounds)",
            after.scenario, before.machine.commit, before.rounds, after.machine.commit, after.rounds
        );
        for remark in differences(before, after) {
            let _ = writeln!(text, "not the same: {remark}");
        }
        let _ = writeln!(text, "\n{}", report::table(&cells(before, after)));
    }
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<Report>, Failure> {
    let text = fs::read_to_string(path).map_err(Failure::machine(format!("reading {}", path.display())))?;
    let path = path.display().to_string();
    serde_json::from_str(&text).map_err(|error| Failure::Report { path, reason: error.to_string() })
}

/// What makes two runs hard to compare.
fn differences(before: &Report, after: &Report) -> Vec<String> {
    let facts = |report: &Report| {
        let machine = &report.machine;
        [
            ("processor", machine.cpu.clone()),
            ("number of cores", machine.cores.to_string()),
            ("kernel", machine.kernel.clone()),
            ("file system", machine.data_file_system.clone()),
            ("cores of the broker", report.cores.clone()),
            ("knobs", format!("{:?}", report.knobs)),
            ("smoke", report.smoke.to_string()),
        ]
    };
    let pairs = facts(before).into_iter().zip(facts(after));
    pairs.filter(|(a, b)| a.1 != b.1).map(|(a, b)| format!("{}: {} and {}", a.0, a.1, b.1)).collect()
}

fn cells(before: &Report, after: &Report) -> Vec<Vec<String>> {
    let titles = ["figure", "before", "after", "unit", "after / before", ""];
    let mut cells = vec![titles.map(str::to_owned).to_vec()];
    for after in &after.rows {
        let before = before.rows.iter().find(|row| row.case == after.case);
        let Some((a, b)) = before.and_then(|row| row.spread).zip(after.spread) else { continue };
        let ratio = format!("{:.2}", b.median / a.median);
        let numbers = [report::number(a.median), report::number(b.median), after.unit.to_string(), ratio];
        let line = std::iter::once(after.case.to_string()).chain(numbers);
        cells.push(line.chain([judgement(a, b, after).to_owned()]).collect());
    }
    cells
}

/// Rounds that overlap do not tell two versions apart.
fn judgement(before: Spread, after: Spread, row: &Row) -> &'static str {
    let (rose, fell) = (after.min > before.max, after.max < before.min);
    match row.better {
        _ if !rose && !fell => "within the spread",
        Better::Higher if rose => "better",
        Better::Lower if fell => "better",
        Better::Higher | Better::Lower => "worse",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_that_do_not_overlap_tell_versions_apart() {
        let spread = |min: f64, max: f64| Spread { min, median: (min + max) / 2.0, max };
        let row = |better| Row::new("x", "ms", better, Vec::new());
        let judged = |a, b, better| judgement(a, b, &row(better));
        assert_eq!(judged(spread(1.0, 3.0), spread(2.0, 5.0), Better::Lower), "within the spread");
        assert_eq!(judged(spread(1.0, 3.0), spread(4.0, 5.0), Better::Lower), "worse");
        assert_eq!(judged(spread(1.0, 3.0), spread(4.0, 5.0), Better::Higher), "better");
        assert_eq!(judged(spread(4.0, 5.0), spread(1.0, 3.0), Better::Lower), "better");
        assert_eq!(judged(spread(4.0, 5.0), spread(1.0, 3.0), Better::Higher), "worse");
    }
}
