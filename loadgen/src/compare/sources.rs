//! SHELL: the files of a run. `loadgen ... --save NAME` writes them all: `NAME.json`, `NAME.hgrm`, `NAME.hlog`; one of the
//! last two is enough. `A+B` is one run that was driven by two load generators; `LABEL=NAME` calls it otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;
use serde::Deserialize;

use super::{Distribution, Of};
use crate::interval_log::{self, Interval};
use crate::{Failure, Slice};

const LOG: &str = "hlog";
const PERCENTILES: &str = "hgrm";
const REPORT: &str = "json";
/// A slice shorter than this says nothing about a rate.
const SLICE_S_MIN: f64 = 0.3;

/// What the report of a run is read for. The workload is kept as it is: only its differences are shown.
#[derive(Clone, Debug, Deserialize)]
struct ReportFile {
    #[serde(default)]
    workload: BTreeMap<String, serde_json::Value>,
    produced: Option<Rates>,
    consumed: Option<Rates>,
    end_to_end: Option<serde_json::Value>,
    #[serde(default)]
    timeline: Vec<Slice>,
    outcome: OutcomeFile,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Rates {
    pub(crate) mb_per_s: f64,
    pub(crate) records_per_s: f64,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct OutcomeFile {
    #[serde(default)]
    invalid: Vec<String>,
    #[serde(default)]
    errors: BTreeMap<String, u64>,
}

/// The files of one run, read.
pub(crate) struct Files {
    label: String,
    intervals: Vec<Interval>,
    percentiles: Option<Distribution>,
    reports: Vec<ReportFile>,
}

/// A second of a run, counted from the start of the measured time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Moment {
    pub(crate) at_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) records_per_s: f64,
    /// Not a number where only a log is known.
    pub(crate) mb_per_s: f64,
}

/// A run as it is compared.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) label: String,
    pub(crate) distribution: Distribution,
    pub(crate) moments: Vec<Moment>,
    /// Of the producers, or of the consumers where there are none; none without a report.
    pub(crate) rates: Option<Rates>,
    /// The workload of the report, setting by setting.
    pub(crate) workload: BTreeMap<String, String>,
    /// What is wrong with the run, a sentence each.
    pub(crate) complaints: Vec<String>,
}

/// Reads the files behind an argument of `loadgen compare`.
pub(crate) fn read(argument: &str) -> Result<Files, Failure> {
    let (label, names) = match argument.split_once('=') {
        Some((label, names)) => (label.to_owned(), names),
        None => (label_of(argument), argument),
    };
    let mut files = Files { label, intervals: Vec::new(), percentiles: None, reports: Vec::new() };
    let names: Vec<&str> = names.split('+').collect();
    for name in &names {
        read_one(name, &mut files)?;
    }
    if files.intervals.is_empty() && (files.percentiles.is_none() || names.len() > 1) {
        let reason = match names.len() {
            1 => format!(
                "{argument}: there is no {argument}.hlog and no {argument}.hgrm; loadgen writes them with --save"
            ),
            _ => format!("{argument}: runs are added up by their interval logs, and there are none"),
        };
        return Err(Failure::Options(reason));
    }
    Ok(files)
}

fn label_of(argument: &str) -> String {
    let label = |name: &str| {
        let path = Path::new(name);
        let known = path.extension().is_some_and(|found| [LOG, PERCENTILES, REPORT].iter().any(|ours| found == *ours));
        let name = if known { path.file_stem() } else { path.file_name() };
        name.map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    argument.split('+').map(label).collect::<Vec<_>>().join("+")
}

fn read_one(name: &str, files: &mut Files) -> Result<(), Failure> {
    let unreadable = |path: &Path, reason: String| Failure::Options(format!("{}: {reason}", path.display()));
    if let Some((path, text)) = text_of(name, LOG)? {
        files.intervals.extend(interval_log::read(&text).map_err(|reason| unreadable(&path, reason))?);
    }
    if let Some((path, text)) = text_of(name, PERCENTILES)? {
        let read = Distribution::of_percentile_text(&text);
        files.percentiles = Some(read.map_err(|reason| unreadable(&path, reason))?);
    }
    if let Some((path, text)) = text_of(name, REPORT)? {
        let read = serde_json::from_str(&text);
        files.reports.push(read.map_err(|error| unreadable(&path, format!("no report of loadgen: {error}")))?);
    }
    Ok(())
}

/// The text of the file of a kind, if it is there. A name with an ending stands for the files beside it as well.
fn text_of(name: &str, kind: &str) -> Result<Option<(PathBuf, String)>, Failure> {
    let mut path = PathBuf::from(name);
    match path.extension() {
        Some(ending) if [LOG, PERCENTILES, REPORT].iter().any(|ours| ending == *ours) => {
            path.set_extension(kind);
        }
        _ => path = PathBuf::from(format!("{name}.{kind}")),
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some((path, text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::Options(format!("{}: {error}", path.display()))),
    }
}

impl Files {
    /// Whether this latency was measured.
    pub(crate) fn has(&self, of: Of) -> bool {
        let in_log = self.intervals.iter().any(|interval| interval.tag == of.tag());
        in_log || (of == Of::EndToEnd && self.reports.iter().any(|report| report.end_to_end.is_some()))
    }

    /// The run, with this latency.
    pub(crate) fn of(self, of: Of) -> Result<Run, Failure> {
        let ours = self.intervals.iter().any(|interval| !interval.tag.is_empty());
        // A log of another program has no tags of ours.
        let chosen: Vec<&Interval> =
            self.intervals.iter().filter(|interval| !ours || interval.tag == of.tag()).collect();
        let distribution = match (merged(&chosen)?, self.percentiles) {
            (Some(histogram), _) => Distribution::of_histogram(histogram),
            (None, Some(percentiles)) if self.intervals.is_empty() => percentiles,
            _ => {
                return Err(Failure::Options(format!("{}: its log has no {}", self.label, of.about())));
            }
        };
        let mut moments = moments(&chosen);
        add_rates(&mut moments, &self.reports);
        let both = self.reports.iter().filter_map(|report| report.produced.or(report.consumed));
        let rates = both.reduce(|a, b| Rates {
            mb_per_s: a.mb_per_s + b.mb_per_s,
            records_per_s: a.records_per_s + b.records_per_s,
        });
        let workload = self.reports.first().map(|report| &report.workload).into_iter().flatten();
        let complaints = self.reports.iter().flat_map(|report| {
            let errors = report.outcome.errors.iter().map(|(name, count)| format!("{count} x {name}"));
            report.outcome.invalid.iter().cloned().chain(errors)
        });
        Ok(Run {
            distribution,
            moments,
            rates,
            workload: workload.map(|(name, value)| (name.clone(), plain(value))).collect(),
            complaints: complaints.collect(),
            label: self.label,
        })
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// All intervals as one; none if there is nothing in them.
fn merged(intervals: &[&Interval]) -> Result<Option<Histogram<u64>>, Failure> {
    let mut total = Histogram::<u64>::new(3).expect("three digits are possible");
    total.auto(true);
    for interval in intervals {
        let added = total.add(&interval.histogram);
        added.map_err(|error| Failure::Options(format!("a histogram cannot be added up: {error:?}")))?;
    }
    Ok((!total.is_empty()).then_some(total))
}

/// The intervals of the same second as one moment each.
fn moments(intervals: &[&Interval]) -> Vec<Moment> {
    let first_s = intervals.iter().map(|interval| interval.from_s).fold(f64::INFINITY, f64::min);
    let mut by_second: BTreeMap<u64, (Histogram<u64>, f64)> = BTreeMap::new();
    for interval in intervals {
        let second = (interval.from_s - first_s).round() as u64;
        // What a run says after its last whole second belongs to that one.
        let second = if interval.length_s < SLICE_S_MIN { second.saturating_sub(1) } else { second };
        match by_second.get_mut(&second) {
            // The same histogram could be added up above.
            Some((histogram, length_s)) => {
                histogram.auto(true);
                histogram.add(&interval.histogram).expect("it grows to what is added");
                *length_s = length_s.max(interval.length_s);
            }
            None => {
                by_second.insert(second, (interval.histogram.clone(), interval.length_s));
            }
        }
    }
    let moment = |(second, (histogram, length_s)): (u64, (Histogram<u64>, f64))| Moment {
        at_s: second as f64,
        p50_ms: histogram.value_at_quantile(0.5) as f64 / 1e6,
        p99_ms: histogram.value_at_quantile(0.99) as f64 / 1e6,
        max_ms: histogram.max() as f64 / 1e6,
        records_per_s: if length_s >= SLICE_S_MIN { histogram.len() as f64 / length_s } else { f64::NAN },
        mb_per_s: f64::NAN,
    };
    by_second.into_iter().map(moment).collect()
}

/// The rates of the reports are better than those of the log: they have bytes. Without a log they are all there is.
fn add_rates(moments: &mut Vec<Moment>, reports: &[ReportFile]) {
    let mut by_second: BTreeMap<u64, Moment> = moments.drain(..).map(|moment| (moment.at_s as u64, moment)).collect();
    for report in reports {
        let measured: Vec<&Slice> = report.timeline.iter().filter(|slice| !slice.warm_up).collect();
        let Some(first_s) = measured.first().map(|slice| slice.from_s) else { continue };
        let produces = report.produced.is_some();
        for slice in measured.into_iter().filter(|slice| slice.to_s - slice.from_s >= SLICE_S_MIN) {
            let second = (slice.from_s - first_s).round() as u64;
            let ms = |ns: Option<u64>| ns.map_or(f64::NAN, |ns| ns as f64 / 1e6);
            let moment = by_second.entry(second).or_insert(Moment {
                at_s: second as f64,
                p50_ms: ms(slice.p50_ns),
                p99_ms: ms(slice.p99_ns),
                max_ms: ms(slice.max_ns),
                ..Moment::default()
            });
            let (mb, records) = match produces {
                true => (slice.produced_mb_per_s, slice.produced_records_per_s),
                false => (slice.consumed_mb_per_s, slice.consumed_records_per_s),
            };
            // The first report replaces what the log says, the others add to it.
            let first = moment.mb_per_s.is_nan() || moment.mb_per_s == 0.0;
            moment.mb_per_s = if first { mb } else { moment.mb_per_s + mb };
            moment.records_per_s = if first { records } else { moment.records_per_s + records };
        }
    }
    moments.extend(by_second.into_values());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(from_s: f64, values: &[u64]) -> Interval {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        values.iter().for_each(|&value| histogram.record(value).unwrap());
        Interval { tag: "ack".to_owned(), from_s, length_s: 1.0, histogram }
    }

    #[test]
    fn logs_of_two_generators_add_up_second_by_second() {
        let all = [
            interval(2.0, &[1_000_000, 2_000_000]),
            interval(3.01, &[3_000_000]),
            interval(2.02, &[900_000_000]),
            interval(3.0, &[4_000_000, 5_000_000]),
        ];
        let all: Vec<&Interval> = all.iter().collect();
        assert_eq!(merged(&all).unwrap().unwrap().len(), 6);
        let counts: Vec<_> = moments(&all).iter().map(|moment| (moment.at_s, moment.records_per_s)).collect();
        assert_eq!(counts, [(0.0, 3.0), (1.0, 3.0)]);
    }

    #[test]
    fn a_run_is_called_after_its_files() {
        assert_eq!(label_of("results/before.hlog"), "before");
        assert_eq!(label_of("a/v1.2+b/v1.3"), "v1.2+v1.3");
    }
}
