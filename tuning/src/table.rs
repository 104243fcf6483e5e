//! Findings as a table for people. Pure.
#![forbid(unsafe_code)]

use crate::plan::{Finding, Remedy, Severity};

/// Of a remedy with more lines the rest is left to `plan`.
const LINES_SHOWN_MAX: usize = 2;

/// A row for each finding; under the table, of those that are not as wanted, why they matter and what to run.
pub fn render(findings: &[Finding]) -> String {
    let head = ["", "tuner", "now", "wanted", "says"].map(str::to_owned);
    let row = |finding: &Finding| {
        let Finding { tuner, now, wanted, severity, says, .. } = finding;
        [name(*severity).to_owned(), tuner.clone(), now.clone(), wanted.clone(), (*says).to_owned()]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(findings.iter().map(row)).collect();
    let mut text = columns(&rows);
    for Finding { tuner, why, remedy, .. } in findings.iter().filter(|finding| finding.severity >= Severity::Warning) {
        text.push_str(&format!("\n{tuner}: {why}\n"));
        match remedy {
            Some(Remedy::Advice(advice)) => text.push_str(&format!("  by hand: {advice}\n")),
            Some(Remedy::Write(writes)) => {
                writes.iter().take(LINES_SHOWN_MAX).for_each(|write| text.push_str(&format!("  {}\n", write.line())));
                if writes.len() > LINES_SHOWN_MAX {
                    text.push_str(&format!("  and {} more lines: tuning plan\n", writes.len() - LINES_SHOWN_MAX));
                }
            }
            None => {}
        }
    }
    text
}

/// Rows of cells as text, every column as wide as its widest cell.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Info => "info",
        Severity::Warning => "WARNING",
        Severity::Fatal => "FATAL",
    }
}
