//! P: the runs as one page: nothing is loaded, nothing is executed, and it is well-formed XML besides.

use std::fmt::Write;

use super::Of;
use super::chart::{Chart, Column, Line, Mark, Style};
use super::escape::escape;
use super::scale::Scale;
use super::sources::{Moment, Run};
use super::table::{self, Kind, QUANTILES, Row};
use crate::figures;

const STYLE: &str = include_str!("page.css");
/// A ratio nearer to 1 than this is not coloured.
const RATIO_NOISE: f64 = 0.05;

/// See the top of the file.
pub(crate) fn page(runs: &[Run], of: Of) -> String {
    let title = runs.iter().map(|run| run.label.as_str()).collect::<Vec<_>>().join(" / ");
    let title = escape(&title);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{}, {}</p>\n",
        escape(of.about()),
        escape(explanation(of)),
    );
    page += &cards(runs);
    page += &figures_card(runs);
    page += &percentile_card(runs);
    page += &latency_card(runs);
    page += &throughput_card(runs);
    page += &workload_card(runs);
    page += "</main>\n</body>\n</html>\n";
    page
}

fn explanation(of: Of) -> &'static str {
    match of {
        Of::Ack => "counted from the moment a record was due (at rate max: was sent) to its acknowledgement",
        Of::EndToEnd => "counted from the moment a record was due to its arrival at a consumer",
        Of::Service => {
            "counted from the moment a record was sent to its acknowledgement: what waited before is not in it"
        }
    }
}

/// What each run comes to, at a glance.
fn cards(runs: &[Run]) -> String {
    let mut text = "<section class=\"runs\">\n".to_owned();
    let rows = table::rows(runs);
    for (number, run) in runs.iter().enumerate() {
        let _ =
            write!(text, "<div class=\"card c{number}\"><h2>{}</h2><p>{}</p><dl>", escape(&run.label), summary(run));
        for row in rows.iter().filter(|row| ["throughput", "p50", "p99", "p99.9", "max"].contains(&row.name)) {
            let _ = write!(text, "<dt>{}</dt><dd>{}</dd>", row.name, escape(&cell(row, number)));
        }
        text += "</dl>";
        for complaint in &run.complaints {
            let _ = write!(text, "<div class=\"wrong\">{}</div>", escape(complaint));
        }
        text += "</div>\n";
    }
    text + "</section>\n"
}

fn summary(run: &Run) -> String {
    let setting = |name: &str| run.workload.get(name).map(String::as_str);
    let rate = match setting("rate_records_per_s") {
        None | Some("null") => setting("loop_kind").map(|_| "rate max".to_owned()),
        Some(rate) => Some(format!("{rate} records/s")),
    };
    let size = setting("record_bytes").map(|size| format!("records of {size} B"));
    let acks = setting("acks").map(|acks| format!("acks={}", if acks == "-1" { "all" } else { acks }));
    let parts: Vec<String> = [rate, size, acks].into_iter().flatten().collect();
    if parts.is_empty() { "no report beside its latencies".to_owned() } else { escape(&parts.join(", ")) }
}

fn card(title: &str, about: &str, body: &str) -> String {
    format!("<section class=\"card\"><h2>{}</h2><p>{}</p>\n{body}</section>\n", escape(title), escape(about))
}

fn figures_card(runs: &[Run]) -> String {
    let mut body = "<div class=\"scroll\"><table><thead><tr><th></th>".to_owned();
    runs.iter().for_each(|run| body += &format!("<th>{}</th>", escape(&run.label)));
    for run in &runs[1..] {
        let _ = write!(body, "<th>{} / {}</th>", escape(&run.label), escape(&runs[0].label));
    }
    body += "</tr></thead><tbody>\n";
    for row in table::rows(runs) {
        let _ = write!(body, "<tr><td>{}</td>", row.name);
        (0..runs.len()).for_each(|run| body += &format!("<td>{}</td>", escape(&cell(&row, run))));
        for run in 1..runs.len() {
            let text = row.ratio(run).map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
            let _ = write!(body, "<td class=\"{}\">{text}</td>", judgement(&row, run));
        }
        body += "</tr>\n";
    }
    body += "</tbody></table></div>";
    card("Figures", "the first run is what the others are held against", &body)
}

fn cell(row: &Row, run: usize) -> String {
    row.cell(run).replace(" us", " \u{b5}s")
}

fn judgement(row: &Row, run: usize) -> &'static str {
    let Some(ratio) = row.ratio(run).filter(|ratio| (ratio - 1.0).abs() > RATIO_NOISE) else { return "same" };
    match (row.kind, ratio > 1.0) {
        (Kind::Count, _) => "same",
        (Kind::Rate(_), true) | (Kind::Time, false) => "good",
        (Kind::Rate(_), false) | (Kind::Time, true) => "bad",
    }
}

/// The runs in their colours, and what the kinds of lines mean.
fn legend(runs: &[Run], styles: &str) -> String {
    let mut text = "<div class=\"legend\">".to_owned();
    for (number, run) in runs.iter().enumerate() {
        let _ = write!(text, "<span class=\"c{number}\"><i></i><b>{}</b></span>", escape(&run.label));
    }
    if !styles.is_empty() {
        let _ = write!(text, "<span>{styles}</span>");
    }
    text + "</div>\n"
}

fn percentile_card(runs: &[Run]) -> String {
    let most = runs.iter().map(|run| run.distribution.count).max().unwrap_or(1);
    let values = runs.iter().flat_map(|run| run.distribution.points.iter().map(|point| point.value_ms));
    let lines = runs.iter().enumerate().map(|(run, found)| {
        // The slowest record is one of so many: there is no more to know about the tail.
        let last = 1.0 - 1.0 / found.distribution.count.max(2) as f64;
        let points = found.distribution.points.iter().map(|point| (point.quantile.min(last), point.value_ms));
        Line { run, style: Style::Solid, points: points.collect() }
    });
    let marks = runs.iter().enumerate().flat_map(|(run, found)| {
        QUANTILES.into_iter().filter_map(move |(quantile, name)| {
            let y = found.distribution.at(quantile)?;
            Some(Mark { run, x: quantile, y, text: format!("{}: {name} {}", found.label, milliseconds(y)) })
        })
    });
    let chart = Chart {
        about: "Latency by percentile, one curve for each run",
        x: Scale::Nines { nines: (most as f64).log10().max(1.0) },
        x_title: "percentile",
        x_label: &percent,
        y: Scale::log_around(values),
        y_label: &milliseconds,
        lines: lines.collect(),
        marks: marks.collect(),
        columns: Vec::new(),
    };
    let about = "how much of all records was at least so fast; each nine takes the same room";
    card("Latency by percentile", about, &(legend(runs, "") + &chart.svg()))
}

fn latency_card(runs: &[Run]) -> String {
    let values = runs.iter().flat_map(|run| run.moments.iter().flat_map(|moment| [moment.p50_ms, moment.max_ms]));
    let mut lines = Vec::new();
    for (run, found) in runs.iter().enumerate() {
        for (place, style) in [Style::Dots, Style::Dashed, Style::Solid].into_iter().enumerate() {
            let value = |moment: &Moment| [moment.max_ms, moment.p99_ms, moment.p50_ms][place];
            let points = found.moments.iter().map(|moment| (moment.at_s, value(moment)));
            lines.push(Line { run, style, points: points.collect() });
        }
    }
    let words = |moment: &Moment| {
        let [p50, p99, max] = [moment.p50_ms, moment.p99_ms, moment.max_ms].map(milliseconds);
        format!("p50 {p50}, p99 {p99}, max {max}")
    };
    let styles = "p50 solid, p99 dashed, slowest dotted";
    over_time(runs, "Latency over time", styles, Scale::log_around(values), &milliseconds, lines, &words)
}

fn throughput_card(runs: &[Run]) -> String {
    let all = || runs.iter().flat_map(|run| &run.moments);
    let in_bytes = all().any(|moment| moment.mb_per_s.is_finite())
        && runs
            .iter()
            .all(|run| run.moments.is_empty() || run.moments.iter().any(|moment| moment.mb_per_s.is_finite()));
    let value = move |moment: &Moment| if in_bytes { moment.mb_per_s } else { moment.records_per_s };
    let label = move |rate: f64| match in_bytes {
        true => format!("{} MB/s", plain_number(rate)),
        false => format!("{}/s", figures::count(rate)),
    };
    let lines = runs.iter().enumerate().map(|(run, found)| {
        let points = found.moments.iter().map(|moment| (moment.at_s, value(moment)));
        Line { run, style: Style::Solid, points: points.collect() }
    });
    let lines = lines.collect();
    let scale = Scale::linear_from_zero(all().map(value));
    over_time(runs, "Throughput over time", "", scale, &label, lines, &|moment| label(value(moment)))
}

fn over_time(
    runs: &[Run],
    title: &str,
    styles: &str,
    y: Scale,
    y_label: &dyn Fn(f64) -> String,
    lines: Vec<Line>,
    words: &dyn Fn(&Moment) -> String,
) -> String {
    let last_s = runs.iter().flat_map(|run| &run.moments).map(|moment| moment.at_s).fold(0.0, f64::max);
    let column = |second: u64| {
        let held = runs.iter().filter_map(|run| {
            let moment = run.moments.iter().find(|moment| moment.at_s as u64 == second)?;
            Some(format!("{}: {}", run.label, words(moment)))
        });
        let text = std::iter::once(format!("second {second}")).chain(held).collect::<Vec<_>>().join("\n");
        Column { from: second as f64 - 0.5, to: second as f64 + 0.5, text }
    };
    let chart = Chart {
        about: title,
        x: Scale::Linear { from: 0.0, to: last_s.max(1.0) },
        x_title: "seconds of the measured time",
        x_label: &plain_number,
        y,
        y_label,
        lines,
        marks: Vec::new(),
        columns: (0..=last_s as u64).map(column).collect(),
    };
    let about = "each point is one second of a run";
    card(title, about, &(legend(runs, styles) + &chart.svg()))
}

/// How the runs were loaded; nothing where no run has a report.
fn workload_card(runs: &[Run]) -> String {
    let differing: Vec<&str> = table::differences(runs).into_iter().map(|(name, _)| name).collect();
    let mut names: Vec<&str> = runs.iter().flat_map(|run| run.workload.keys().map(String::as_str)).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return String::new();
    }
    let mut body = "<div class=\"scroll\"><table><thead><tr><th></th>".to_owned();
    runs.iter().for_each(|run| body += &format!("<th>{}</th>", escape(&run.label)));
    body += "</tr></thead><tbody>\n";
    for name in names {
        let class = if differing.contains(&name) { "bad" } else { "same" };
        let _ = write!(body, "<tr><td>{}</td>", escape(&name.replace('_', " ")));
        for run in runs {
            let value = run.workload.get(name).map_or("-", String::as_str);
            let _ = write!(body, "<td class=\"{class}\">{}</td>", escape(if value == "null" { "-" } else { value }));
        }
        body += "</tr>\n";
    }
    body += "</tbody></table></div>";
    card("Workload", "coloured where the runs were not asked to do the same", &body)
}

fn percent(quantile: f64) -> String {
    // As many digits as there are nines, and no more.
    let digits = (-(1.0 - quantile).log10()).round().max(2.0) as usize - 2;
    format!("{:.digits$} %", quantile * 100.0)
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ms if !ms.is_finite() => "-".to_owned(),
        ms if ms < 0.1 => format!("{} \u{b5}s", plain_number(ms * 1e3)),
        ms if ms < 1e3 => format!("{} ms", plain_number(ms)),
        ms => format!("{} s", plain_number(ms / 1e3)),
    }
}

/// Three digits that matter, without zeros behind them.
fn plain_number(value: f64) -> String {
    let text = match value.abs() {
        size if size >= 100.0 => return format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_as_many_digits_as_they_need() {
        assert_eq!(
            [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999].map(percent),
            ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]
        );
        assert_eq!([0.02, 0.5, 20.0, 1500.0].map(milliseconds), ["20 \u{b5}s", "0.5 ms", "20 ms", "1.5 s"]);
        assert_eq!([0.0, 200.0, 12.5].map(plain_number), ["0", "200", "12.5"]);
    }
}
