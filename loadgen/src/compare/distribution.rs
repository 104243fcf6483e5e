//! P: a distribution of latencies, from a whole histogram or from the percentiles that a file kept of one. Milliseconds.

use hdrhistogram::Histogram;

/// Steps of the curve for each halving of the distance to the maximum.
const STEPS: u32 = 12;
/// A percentile says something if so many records lie above it.
const RECORDS_ABOVE_MIN: f64 = 10.0;

/// A point of the percentile curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// 0 to 1.
    pub(crate) quantile: f64,
    pub(crate) value_ms: f64,
}

/// See the top of the file. Invariant: the points rise in both coordinates and end at quantile 1.
#[derive(Clone, Debug)]
pub(crate) struct Distribution {
    pub(crate) count: u64,
    pub(crate) mean_ms: f64,
    pub(crate) points: Vec<Point>,
    /// The histogram, where it is known; then percentiles are exact to its three digits.
    histogram: Option<Histogram<u64>>,
}

impl Distribution {
    /// Of a histogram of nanoseconds that is not empty.
    pub(crate) fn of_histogram(histogram: Histogram<u64>) -> Distribution {
        let points = histogram.iter_quantiles(STEPS).map(|step| Point {
            quantile: step.quantile_iterated_to(),
            value_ms: ms(step.value_iterated_to().min(histogram.max())),
        });
        Distribution {
            count: histogram.len(),
            mean_ms: histogram.mean() / 1e6,
            points: points.collect(),
            histogram: Some(histogram),
        }
    }

    /// Of the text that HdrHistogram's `outputPercentileDistribution` writes, values in milliseconds.
    pub(crate) fn of_percentile_text(text: &str) -> Result<Distribution, String> {
        let mut points = Vec::new();
        let mut count = 0;
        for line in text.lines().skip(1).filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            let mut columns = line.split_whitespace();
            let mut number = || -> Option<f64> { columns.next()?.parse().ok() };
            let (Some(value_ms), Some(quantile), Some(total)) = (number(), number(), number()) else {
                return Err(format!("`{line}` is no line of value, percentile and count"));
            };
            points.push(Point { quantile, value_ms });
            count = total as u64;
        }
        let rises = points.windows(2).all(|w| w[0].quantile <= w[1].quantile && w[0].value_ms <= w[1].value_ms);
        match points.last() {
            Some(last) if rises && last.quantile == 1.0 => {}
            _ => return Err("it does not end at percentile 1, or does not rise".to_owned()),
        }
        let mean_ms = after(text, "#[Mean").unwrap_or(f64::NAN);
        Ok(Distribution { count, mean_ms, points, histogram: None })
    }

    /// The value at a quantile; none where too few records lie above it to say.
    pub(crate) fn at(&self, quantile: f64) -> Option<f64> {
        if self.count as f64 * (1.0 - quantile) < RECORDS_ABOVE_MIN {
            return None;
        }
        if let Some(histogram) = &self.histogram {
            return Some(ms(histogram.value_at_quantile(quantile)));
        }
        self.points.iter().find(|point| point.quantile >= quantile).map(|point| point.value_ms)
    }

    pub(crate) fn max_ms(&self) -> f64 {
        self.points.last().map_or(f64::NAN, |point| point.value_ms)
    }
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The first number behind `name =`.
fn after(text: &str, name: &str) -> Option<f64> {
    let (_, rest) = text.split_once(name)?.1.split_once('=')?;
    rest.trim_start().split([',', ']']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_file_are_those_of_its_histogram() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        for value in 1..=20_000u64 {
            histogram.record(value * 1_000).unwrap();
        }
        let text = crate::report::percentile_text(&histogram);
        let exact = Distribution::of_histogram(histogram);
        let read = Distribution::of_percentile_text(&text).unwrap();
        assert_eq!((read.count, exact.count), (20_000, 20_000));
        assert!((read.mean_ms - exact.mean_ms).abs() < 0.01);
        assert!((read.max_ms() - exact.max_ms()).abs() < 0.01);
        for quantile in [0.5, 0.9, 0.99] {
            let (a, b) = (read.at(quantile).unwrap(), exact.at(quantile).unwrap());
            // The file has five steps to each halving, so it may name the next one.
            assert!(a >= b - 0.02 && a <= b * 1.15, "{quantile}: {a} and {b}");
        }
        assert_eq!((exact.at(0.9999), read.at(0.9999)), (None, None));
    }

    #[test]
    fn other_text_is_refused() {
        assert!(Distribution::of_percentile_text("Value\n\nhello world there\n").is_err());
        assert!(Distribution::of_percentile_text("Value\n\n1.0 0.5 10 2\n").is_err());
    }
}
