//! Findings as a table for people. Pure.
#![forbid(unsafe_code)]

use crate::plan::{Finding, Severity};

/// A row for each finding; under the table why the ones that are not as wanted matter.
pub fn render(findings: &[Finding]) -> String {
    let head = ["", "what", "current", "wanted", "says"].map(str::to_owned);
    let row = |finding: &Finding| {
        let Finding { what, current, wanted, severity, says, .. } = finding;
        [name(*severity).to_owned(), what.clone(), current.clone(), wanted.clone(), (*says).to_owned()]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(findings.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 5] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    let wrong: Vec<&Finding> = findings.iter().filter(|finding| finding.severity >= Severity::Warning).collect();
    if !wrong.is_empty() {
        text.push('\n');
    }
    for Finding { what, why, .. } in wrong {
        text.push_str(&format!("{what}: {why}\n"));
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
