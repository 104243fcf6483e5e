//! How long requests take, by API and stage, as histograms that can be merged.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::Histogram;

use super::stage::{Stage, Timeline};

/// Two digits: a value is told within 1 %, and a histogram stays at a few KiB.
const DIGITS: u8 = 2;
/// No two durations are told apart that differ by less.
const NS_MIN: u64 = 64;
/// What is longer counts as this: ten minutes, twice the longest wait that a client may ask for.
const NS_MAX: u64 = 600_000_000_000;

/// Durations in nanoseconds. It grows with the longest of them.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u64>,
    /// Exact, where the histogram's own values are rounded.
    sum_ns: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        let mut histogram = Histogram::new_with_bounds(NS_MIN, 2 * NS_MIN, DIGITS).expect("constant bounds are valid");
        histogram.auto(true);
        Self { histogram, sum_ns: 0 }
    }
}

impl Distribution {
    pub fn record(&mut self, ns: u64) {
        self.record_many(ns, 1);
        self.sum_ns += ns;
    }

    fn record_many(&mut self, ns: u64, count: u64) {
        // Where there are none, the longest would be wrong.
        if count == 0 {
            return;
        }
        self.histogram.record_n(ns.min(NS_MAX), count).expect("it grows, and the value is bounded");
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    pub fn max_ns(&self) -> u64 {
        self.histogram.max()
    }

    /// The mean over those that were recorded; 0 if there are none.
    pub fn mean_ns(&self) -> f64 {
        if self.count() == 0 { 0.0 } else { self.sum_ns as f64 / self.count() as f64 }
    }

    /// `quantile` is between 0 and 1.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }

    /// How many were at most so long, as far as two digits tell, for each of these ascending bounds.
    pub fn counts_up_to(&self, bounds_ns: &[u64]) -> Vec<u64> {
        let mut steps = self.steps().peekable();
        let mut count = 0;
        let count_up_to = |bound_ns: &u64| {
            while let Some((_, more)) = steps.next_if(|(ns, _)| ns <= bound_ns) {
                count += more;
            }
            count
        };
        bounds_ns.iter().map(count_up_to).collect()
    }

    /// The format of HdrHistogram's outputPercentileDistribution with 5 steps per half distance, in milliseconds.
    pub fn percentile_text(&self) -> String {
        let head = ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"];
        let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", head[0], head[1], head[2], head[3]);
        let ms = |ns: f64| ns / 1e6;
        let mut total = 0;
        for step in self.histogram.iter_quantiles(5) {
            total += step.count_since_last_iteration();
            let (value, quantile) = (ms(step.value_iterated_to() as f64), step.quantile_iterated_to());
            let end = if quantile < 1.0 { format!(" {:14.2}", 1.0 / (1.0 - quantile)) } else { String::new() };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{value:12.5} {quantile:2.12} {total:10}{end}");
        }
        let (mean, deviation) = (ms(self.mean_ns()), ms(self.histogram.stdev()));
        let _ = writeln!(text, "#[Mean    = {mean:12.5}, StdDeviation   = {deviation:12.5}]");
        let _ = writeln!(text, "#[Max     = {:12.5}, Total count    = {:12}]", ms(self.max_ns() as f64), self.count());
        let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {:12}]", self.histogram.buckets(), 256);
        text
    }

    pub fn add(&mut self, other: &Distribution) {
        self.histogram.add(&other.histogram).expect("it grows");
        self.sum_ns += other.sum_ns;
    }

    /// What has come since `earlier`, which this one has grown out of.
    pub fn since(&self, earlier: &Distribution) -> Distribution {
        let mut later = Distribution::from_steps(self.sum_ns.saturating_sub(earlier.sum_ns), []);
        let before: BTreeMap<u64, u64> = earlier.steps().collect();
        for (ns, count) in self.steps() {
            let count = count.saturating_sub(before.get(&ns).copied().unwrap_or(0));
            later.record_many(ns, count);
        }
        later
    }

    /// The durations that were recorded, rounded, each with how often.
    pub fn steps(&self) -> impl Iterator<Item = (u64, u64)> {
        self.histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value()))
    }

    /// What [`Distribution::steps`] has told.
    pub fn from_steps(sum_ns: u64, steps: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut distribution = Self { sum_ns, ..Self::default() };
        steps.into_iter().for_each(|(ns, count)| distribution.record_many(ns, count));
        distribution
    }
}

/// The requests of one API.
#[derive(Clone, Debug, Default)]
pub struct ApiLatency {
    /// From the last byte of a request to the last of its answer.
    pub total: Distribution,
    stages: [Option<Box<Distribution>>; Stage::COUNT],
}

impl ApiLatency {
    /// Of requests whose stages are not known yet.
    pub fn of_total(total: Distribution) -> Self {
        Self { total, ..Self::default() }
    }

    pub fn record(&mut self, timeline: &Timeline) {
        self.total.record(timeline.total_ns());
        for (stage, ns) in timeline.stages() {
            self.stages[stage as usize].get_or_insert_default().record(ns);
        }
    }

    /// The stages that requests have passed, in order.
    pub fn stages(&self) -> impl Iterator<Item = (Stage, &Distribution)> {
        Stage::ALL.into_iter().filter_map(|stage| Some((stage, self.stages[stage as usize].as_deref()?)))
    }

    pub fn set_stage(&mut self, stage: Stage, distribution: Distribution) {
        self.stages[stage as usize] = Some(Box::new(distribution));
    }

    pub fn add(&mut self, other: &ApiLatency) {
        self.total.add(&other.total);
        for (stage, distribution) in other.stages() {
            self.stages[stage as usize].get_or_insert_default().add(distribution);
        }
    }

    pub fn since(&self, earlier: &ApiLatency) -> ApiLatency {
        let mut later = Self::of_total(self.total.since(&earlier.total));
        for (stage, distribution) in self.stages() {
            let before = earlier.stages[stage as usize].as_deref();
            later.set_stage(stage, before.map_or_else(|| distribution.clone(), |before| distribution.since(before)));
        }
        later
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut distribution = Distribution::default();
        values.iter().for_each(|&ns| distribution.record(ns));
        distribution
    }

    #[test]
    fn a_distribution_keeps_count_sum_and_quantiles_and_takes_what_is_out_of_range() {
        let distribution = of(&[0, 1_000, 2_000, 1_000_000, u64::MAX / 2]);
        assert_eq!((distribution.count(), distribution.sum_ns()), (5, 1_003_000 + u64::MAX / 2));
        assert!(distribution.quantile_ns(0.5).abs_diff(2_000) <= NS_MIN, "{}", distribution.quantile_ns(0.5));
        assert!(distribution.max_ns() >= NS_MAX);
        assert_eq!(distribution.counts_up_to(&[500, 1_100, 2_100, 5_000_000]), [1, 2, 3, 4]);
    }

    #[test]
    fn what_is_told_in_steps_is_what_was_there_and_a_difference_is_what_came_since() {
        let before = of(&[1_000, 1_000, 70_000]);
        let mut after = before.clone();
        [1_000, 9_000_000].into_iter().for_each(|ns| after.record(ns));
        let told = Distribution::from_steps(after.sum_ns(), after.steps());
        assert_eq!(told.steps().collect::<Vec<_>>(), after.steps().collect::<Vec<_>>());
        let since = after.since(&before);
        assert_eq!((since.count(), since.sum_ns()), (2, 9_001_000));
        let mut whole = before;
        whole.add(&since);
        assert_eq!(whole.steps().collect::<Vec<_>>(), after.steps().collect::<Vec<_>>());
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "an origin for the test's own time")]
    fn the_sums_of_an_api_s_stages_come_to_the_sum_of_its_requests() {
        let mut latency = ApiLatency::default();
        for request in 1..100 {
            let begun = Instant::now();
            let mut timeline = Timeline::new(begun);
            for (step, stage) in (1..).zip([Stage::Admit, Stage::Decode, Stage::Append, Stage::Send]) {
                if request % 3 != 0 || stage != Stage::Append {
                    timeline.pass(stage, begun + Duration::from_nanos(request * 731 * step));
                }
            }
            latency.record(&timeline);
        }
        assert_eq!(latency.stages().map(|(_, stage)| stage.sum_ns()).sum::<u64>(), latency.total.sum_ns());
        assert_eq!(latency.stages().map(|(_, stage)| stage.count()).collect::<Vec<_>>(), [99, 99, 66, 99]);
    }
}
