//! Cost-growth curves as a page of tables and as a drawing. Pure.
#![forbid(unsafe_code)]

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::report::{Better, number};

/// A step of a curve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub label: String,
    pub value: f64,
}

/// What happens to one figure while one thing is raised.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curve {
    /// What is raised.
    pub name: String,
    /// What stays.
    pub about: String,
    pub figure: String,
    pub unit: String,
    pub better: Better,
    pub points: Vec<Point>,
}

/// All of them, from one run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Curves {
    pub machine: Machine,
    /// A short run that shows that every path works; its figures mean little.
    pub smoke: bool,
    /// How long each step was loaded.
    pub seconds: f64,
    /// The slower of loopback and the best durable write of the same run.
    pub ceiling_mb_per_s: f64,
    pub curves: Vec<Curve>,
}

const COLUMNS: usize = 3;
const PANEL_WIDTH: f64 = 340.0;
const PANEL_HEIGHT: f64 = 250.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 30.0;

const STYLE: &str = "text{font:12px system-ui,'Segoe UI',Roboto,sans-serif;fill:#66635d}\
.page{fill:#ffffff}.name{font-size:14px;font-weight:600;fill:#1c1b19}.value{font-size:11px;fill:#1c1b19}\
.grid{stroke:#e3e1db}.line{fill:none;stroke:#2a6fdb;stroke-width:2.25;stroke-linejoin:round}\
.area{fill:#2a6fdb;fill-opacity:.09}.dot{fill:#2a6fdb;stroke:#ffffff;stroke-width:1.5}\
@media(prefers-color-scheme:dark){text{fill:#a6a299}.page{fill:#1c1c1a}.name,.value{fill:#f0eee8}\
.grid{stroke:#3a3934}.line{stroke:#6aa5ff}.area{fill:#6aa5ff}.dot{fill:#6aa5ff;stroke:#1c1c1a}}";

impl Curves {
    /// The page with the tables.
    pub fn page(&self) -> String {
        let Machine { cpu, cores, memory_gib, kernel, data_file_system, commit, load_1min, steal_percent } =
            &self.machine;
        let mut text =
            "# How cost grows\n\nWritten by `bench curves`, which makes all of this anew; do not edit.\n\n".to_owned();
        if self.smoke {
            text += "A smoke run: the figures mean little.\n\n";
        }
        let _ = writeln!(
            text,
            "{cpu}, {cores} cores, {memory_gib:.1} GiB, Linux {kernel}; data on {data_file_system}; commit {commit}.\n\
             Load before the run {load_1min:.1}, steal during it {steal_percent:.1} %. Each step was loaded {} s after 1 s of warm-up on a\n\
             broker and a directory of its own (connections three times, their median is shown); broker and load generator share the cores. The ceiling is the slower of loopback\n\
             and the best durable write, {} MB/s in this run; every durable byte is written twice.\n\n![the curves](curves.svg)",
            self.seconds,
            number(self.ceiling_mb_per_s),
        );
        for curve in &self.curves {
            let in_bytes = curve.unit == "MB/s";
            let _ = writeln!(text, "\n## {}\n\n{}; {}.\n", curve.name, curve.figure, curve.about);
            let _ = writeln!(
                text,
                "| {} | {} | to the first{} |",
                curve.name,
                curve.unit,
                if in_bytes { " | to the ceiling" } else { "" }
            );
            let _ = writeln!(text, "|---|--:|--:|{}", if in_bytes { "--:|" } else { "" });
            let first = curve.points.first().map_or(f64::NAN, |point| point.value);
            for Point { label, value } in &curve.points {
                let _ = write!(text, "| {label} | {} | {:.2} |", number(*value), value / first);
                let _ =
                    if in_bytes { writeln!(text, " {:.2} |", value / self.ceiling_mb_per_s) } else { writeln!(text) };
            }
        }
        text
    }

    /// All curves as one drawing, which is readable by day and by night.
    pub fn svg(&self) -> String {
        let rows = self.curves.len().div_ceil(COLUMNS);
        let (width, height) = (COLUMNS as f64 * PANEL_WIDTH, rows as f64 * PANEL_HEIGHT);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"How cost grows: a panel for each thing that is raised\">\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\" rx=\"10\"/>\n",
        );
        for (place, curve) in self.curves.iter().enumerate() {
            let (column, row) = (place % COLUMNS, place / COLUMNS);
            let _ = writeln!(
                svg,
                "<g transform=\"translate({} {})\">",
                column as f64 * PANEL_WIDTH,
                row as f64 * PANEL_HEIGHT
            );
            draw_panel(&mut svg, curve);
            svg += "</g>\n";
        }
        svg + "</svg>\n"
    }
}

fn draw_panel(svg: &mut String, curve: &Curve) {
    let (right, bottom) = (PANEL_WIDTH - RIGHT, PANEL_HEIGHT - BOTTOM);
    let better = if curve.better == Better::Higher { "more is better" } else { "less is better" };
    let _ = writeln!(svg, "<text class=\"name\" x=\"16\" y=\"26\">{}</text>", curve.name);
    let _ = writeln!(svg, "<text x=\"16\" y=\"44\">{}, {} ({better})</text>", curve.figure, curve.unit);
    let most = curve.points.iter().map(|point| point.value).fold(0.0, f64::max);
    let top = round_up(most * 1.1);
    let y_at = |value: f64| bottom - value / top * (bottom - TOP);
    let steps = curve.points.len().saturating_sub(1).max(1) as f64;
    let x_at = |place: usize| LEFT + 14.0 + place as f64 / steps * (right - LEFT - 40.0);
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = y_at(top * part);
        let _ = writeln!(svg, "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
        let _ = writeln!(
            svg,
            "<text text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            short(top * part)
        );
    }
    let path: Vec<String> = curve
        .points
        .iter()
        .enumerate()
        .map(|(place, point)| format!("{:.1} {:.1}", x_at(place), y_at(point.value)))
        .collect();
    let line = path.join("L");
    let last = curve.points.len().saturating_sub(1);
    let _ = writeln!(svg, "<path class=\"area\" d=\"M{line}L{:.1} {bottom}L{:.1} {bottom}Z\"/>", x_at(last), x_at(0));
    let _ = writeln!(svg, "<path class=\"line\" d=\"M{line}\"/>");
    for (place, Point { label, value }) in curve.points.iter().enumerate() {
        let (x, y) = (x_at(place), y_at(*value));
        let _ = writeln!(svg, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>");
        let (above, below) = (y - 9.0, bottom + 18.0);
        let value = number(*value);
        let _ =
            writeln!(svg, "<text class=\"value\" text-anchor=\"middle\" x=\"{x:.1}\" y=\"{above:.1}\">{value}</text>");
        let _ = writeln!(svg, "<text text-anchor=\"middle\" x=\"{x:.1}\" y=\"{below}\">{label}</text>");
    }
}

/// The next number that four lines share well: 1, 2, 4, 6 or 8 times a power of ten.
fn round_up(value: f64) -> f64 {
    let value = value.max(1e-6);
    let decade = 10f64.powf(value.log10().floor());
    let digit = [1.0, 2.0, 4.0, 6.0, 8.0].into_iter().find(|digit| digit * decade >= value);
    digit.unwrap_or(10.0) * decade
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves() -> Curves {
        let point = |label: &str, value| Point { label: label.to_owned(), value };
        let curve = |unit: &str| Curve {
            name: "partitions".to_owned(),
            about: "8 producers".to_owned(),
            figure: "durable produce".to_owned(),
            unit: unit.to_owned(),
            better: Better::Higher,
            points: vec![point("1", 500.0), point("16", 400.0)],
        };
        let machine = crate::machine::describe(std::path::Path::new("/"));
        let curves = vec![curve("MB/s"), curve("ms")];
        Curves { machine, smoke: false, seconds: 2.0, ceiling_mb_per_s: 1000.0, curves }
    }

    #[test]
    fn a_curve_is_a_table_with_its_growth_and_its_distance_to_the_ceiling() {
        let page = curves().page();
        assert!(page.contains("| 16 | 400 | 0.80 | 0.40 |"), "{page}");
        assert!(page.contains("| 16 | 400 | 0.80 |\n"), "a time has no ceiling: {page}");
        let svg = curves().svg();
        assert_eq!((svg.matches("<g ").count(), svg.matches("class=\"dot\"").count()), (2, 4));
        assert!(!svg.contains("NaN") && svg.ends_with("</svg>\n"), "{svg}");
    }

    #[test]
    fn axes_end_with_round_numbers() {
        assert_eq!([0.7, 1.0, 3.0, 550.0, 850.0].map(round_up), [0.8, 1.0, 4.0, 600.0, 1000.0]);
    }
}
