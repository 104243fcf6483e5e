//! P: a chart as SVG in a page. Colours come from the page's style, so that it is readable by day and by night.

use std::fmt::Write;

use super::escape::escape;
use super::scale::Scale;

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Solid,
    Dashed,
    Dots,
}

/// A line of one run; a value that is not a number interrupts it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Place of the run, which has a colour.
    pub(crate) run: usize,
    pub(crate) style: Style,
    pub(crate) points: Vec<(f64, f64)>,
}

/// A point with words: shown when the mouse rests on it.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) run: usize,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) text: String,
}

/// A stretch of the x axis with words.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) text: String,
}

/// A chart.
pub(crate) struct Chart<'a> {
    /// What it shows, for those who do not see it.
    pub(crate) about: &'a str,
    pub(crate) x: Scale,
    pub(crate) x_title: &'a str,
    pub(crate) x_label: &'a dyn Fn(f64) -> String,
    pub(crate) y: Scale,
    pub(crate) y_label: &'a dyn Fn(f64) -> String,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) columns: Vec<Column>,
}

impl Chart<'_> {
    pub(crate) fn svg(&self) -> String {
        let about = escape(self.about);
        let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{about}\">\n");
        self.draw_axes(&mut svg);
        for line in &self.lines {
            draw_line(&mut svg, line, |x| self.x_at(x), |y| self.y_at(y));
        }
        for Column { from, to, text } in &self.columns {
            let (left, right) = (self.x_at(*from), self.x_at(*to));
            let _ = writeln!(
                svg,
                "<rect class=\"hit\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{}\"><title>{}</title></rect>",
                (right - left).max(1.0),
                HEIGHT - TOP - BOTTOM,
                escape(text),
            );
        }
        for Mark { run, x, y, text } in &self.marks {
            let (x, y, text) = (self.x_at(*x), self.y_at(*y), escape(text));
            let _ = writeln!(
                svg,
                "<g><circle class=\"mark run{run}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>\
                 <circle class=\"near\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"12\"><title>{text}</title></circle></g>",
            );
        }
        svg += "</svg>\n";
        svg
    }

    fn x_at(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y_at(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    fn draw_axes(&self, svg: &mut String) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for tick in self.y.ticks(self.y_label) {
            let y = self.y_at(tick.value);
            let class = if tick.label.is_empty() { "grid faint" } else { "grid" };
            let _ = writeln!(svg, "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>");
            if !tick.label.is_empty() {
                let (x, y, label) = (LEFT - 8.0, y + 4.0, escape(&tick.label));
                let _ = writeln!(svg, "<text class=\"end\" x=\"{x}\" y=\"{y:.1}\">{label}</text>");
            }
        }
        for tick in self.x.ticks(self.x_label) {
            let x = self.x_at(tick.value);
            let _ =
                writeln!(svg, "<line class=\"grid faint\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>");
            let (y, label) = (bottom + 18.0, escape(&tick.label));
            let _ = writeln!(svg, "<text class=\"middle\" x=\"{x:.1}\" y=\"{y}\">{label}</text>");
        }
        let _ = writeln!(svg, "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{bottom}\" y2=\"{bottom}\"/>");
        let (x, y, title) = ((LEFT + right) / 2.0, HEIGHT - 6.0, escape(self.x_title));
        let _ = writeln!(svg, "<text class=\"middle title\" x=\"{x}\" y=\"{y}\">{title}</text>");
    }
}

fn draw_line(svg: &mut String, line: &Line, x_at: impl Fn(f64) -> f64, y_at: impl Fn(f64) -> f64) {
    let Line { run, style, points } = line;
    if *style == Style::Dots {
        for (x, y) in points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            let _ =
                writeln!(svg, "<circle class=\"dot run{run}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"/>", x_at(*x), y_at(*y));
        }
        return;
    }
    let mut path = String::new();
    let mut broken = true;
    for (x, y) in points {
        if !x.is_finite() || !y.is_finite() {
            broken = true;
            continue;
        }
        let _ = write!(path, "{}{:.1} {:.1}", if broken { "M" } else { "L" }, x_at(*x), y_at(*y));
        broken = false;
    }
    let class = if *style == Style::Dashed { "line dashed" } else { "line" };
    let _ = writeln!(svg, "<path class=\"{class} run{run}\" d=\"{path}\"/>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_values_is_a_gap_in_the_line() {
        let line =
            Line { run: 0, style: Style::Solid, points: vec![(0.0, 1.0), (1.0, f64::NAN), (2.0, 2.0), (3.0, 1.0)] };
        let mut svg = String::new();
        draw_line(&mut svg, &line, |x| x, |y| y);
        assert!(svg.contains("d=\"M0.0 1.0M2.0 2.0L3.0 1.0\""), "{svg}");
    }
}
