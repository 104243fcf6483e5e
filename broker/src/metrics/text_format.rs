//! Prometheus' text format, version 0.0.4: families of samples, each with its type and a sentence.

use std::fmt::Write;

use super::latency::Distribution;
use super::limits::BUCKETS_NS;

/// The content type that goes with it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const NS_PER_S: f64 = 1e9;

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// A label's name and its value.
pub type Label<'a> = (&'a str, &'a str);

/// A text in the making.
#[derive(Default)]
pub struct TextFormat {
    out: String,
    family: String,
}

impl TextFormat {
    /// Begins a family: samples that follow are of it. The name has no suffix but its unit; counters get theirs here.
    pub fn family(&mut self, name: &str, kind: Kind, meaning: &str) {
        let (suffix, word) = match kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge => ("", "gauge"),
            Kind::Histogram => ("", "histogram"),
        };
        self.family = format!("{name}{suffix}");
        let meaning = meaning.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.out, "# HELP {0} {meaning}\n# TYPE {0} {word}", self.family);
    }

    pub fn sample(&mut self, labels: &[Label<'_>], value: impl std::fmt::Display) {
        self.line("", labels, None, value);
    }

    /// A distribution of nanoseconds, told in seconds.
    pub fn seconds(&mut self, labels: &[Label<'_>], distribution: &Distribution) {
        for (bound_ns, count) in BUCKETS_NS.iter().zip(distribution.counts_up_to(&BUCKETS_NS)) {
            let bound = (*bound_ns as f64 / NS_PER_S).to_string();
            self.line("_bucket", labels, Some(("le", &bound)), count);
        }
        self.line("_bucket", labels, Some(("le", "+Inf")), distribution.count());
        self.line("_sum", labels, None, distribution.sum_ns() as f64 / NS_PER_S);
        self.line("_count", labels, None, distribution.count());
    }

    pub fn finish(self) -> String {
        self.out
    }

    fn line(&mut self, suffix: &str, labels: &[Label<'_>], further: Option<Label<'_>>, value: impl std::fmt::Display) {
        self.out.push_str(&self.family);
        self.out.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels.iter().copied().chain(further) {
            self.out.push(before);
            self.out.push_str(name);
            self.out.push_str("=\"");
            escape(value, &mut self.out);
            self.out.push('"');
            before = ',';
        }
        if before == ',' {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }
}

fn escape(value: &str, out: &mut String) {
    for letter in value.chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_samples_read_as_prometheus_wants_them() {
        let mut text = TextFormat::default();
        text.family("ringmain_requests", Kind::Counter, "Requests");
        text.sample(&[("shard", "0"), ("client", "a\"b\\c\nd")], 7);
        text.family("ringmain_up", Kind::Gauge, "Up");
        text.sample(&[], 1);
        let expected = "# HELP ringmain_requests_total Requests\n# TYPE ringmain_requests_total counter\n\
             ringmain_requests_total{shard=\"0\",client=\"a\\\"b\\\\c\\nd\"} 7\n\
             # HELP ringmain_up Up\n# TYPE ringmain_up gauge\nringmain_up 1\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn the_buckets_of_a_histogram_grow_to_its_count() {
        let mut distribution = Distribution::default();
        [60_000, 2_000_000, 20_000_000_000].into_iter().for_each(|ns| distribution.record(ns));
        let mut text = TextFormat::default();
        text.family("t_seconds", Kind::Histogram, "T");
        text.seconds(&[("api", "Fetch")], &distribution);
        let text = text.finish();
        let line = |start: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(start));
            found.unwrap_or_else(|| panic!("no {start} in\n{text}")).to_owned()
        };
        assert_eq!(line("t_seconds_bucket{api=\"Fetch\",le=\"0.00005\"} "), "0");
        assert_eq!(line("t_seconds_bucket{api=\"Fetch\",le=\"0.0001\"} "), "1");
        assert_eq!(line("t_seconds_bucket{api=\"Fetch\",le=\"0.0025\"} "), "2");
        assert_eq!(line("t_seconds_bucket{api=\"Fetch\",le=\"+Inf\"} "), "3");
        assert_eq!(line("t_seconds_count{api=\"Fetch\"} "), "3");
        assert_eq!(line("t_seconds_sum{api=\"Fetch\"} "), "20.00206");
    }
}
