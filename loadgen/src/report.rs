//! What a run has shown: for people, for machines, and as HdrHistogram text.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::tally::{Flow, LAG_NS_TOLERATED, LagCount, Latencies, Tally};
use crate::timeline::Slice;
use crate::{Acks, Keys, Mode, Options, Rate, Sizes, Until, figures};

/// A share of late sends above this makes a run invalid.
const LATE_SHARE_MAX: f64 = 0.01;
/// Below this many records the 99.99th percentile is noise.
const COUNT_FOR_P9999: u64 = 100_000;
const BAR_WIDTH: usize = 46;

/// Which broker was loaded.
#[derive(Clone, Debug, Serialize)]
pub struct Broker {
    pub address: String,
    /// The data directory of the broker that ran in this process.
    pub embedded_in: Option<PathBuf>,
}

/// The load, as it was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Workload {
    pub mode: &'static str,
    pub topic: String,
    pub partitions: usize,
    /// On average, where sizes vary.
    pub record_bytes: usize,
    /// The sizes in words.
    pub sizes: String,
    pub compression: &'static str,
    pub producers: usize,
    pub consumers: usize,
    pub threads: usize,
    /// Records per second over all producers; none is rate max.
    pub rate_records_per_s: Option<u64>,
    /// `open`, or at rate max `closed` by `in_flight_max`.
    pub loop_kind: &'static str,
    pub in_flight_max: usize,
    pub acks: i16,
    pub idempotent: bool,
    pub batch_bytes: usize,
    pub linger_ms: f64,
    /// Number of different keys, 0 for none.
    pub keys: u32,
    /// How a record gets its key: none, in turn, uniform, or zipf with its exponent.
    pub key_order: String,
    /// Every consumer reads everything.
    pub fan_out: bool,
    /// Other rates from these seconds of the measured time on.
    pub rate_steps: Vec<(f64, u64)>,
    pub warm_up_s: f64,
}

/// What moved per second within the measured time.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// 10^6 bytes per second: of keys and values for producers, of record batches for consumers.
    pub mb_per_s: f64,
    pub records_per_s: f64,
    pub requests_per_s: f64,
    pub bytes_per_request: f64,
    pub records: u64,
    pub payload_bytes: u64,
    pub batch_bytes: u64,
}

/// A distribution of times; percentiles are none where there are too few records for them.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    pub records: u64,
    pub min_ns: u64,
    pub mean_ns: f64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub p9999_ns: Option<u64>,
    pub max_ns: u64,
}

/// How late the generator itself was, apart from waiting for the broker.
#[derive(Clone, Debug, Serialize)]
pub struct Lag {
    pub sends: u64,
    /// Share of sends that left more than 100 us late through the generator's own fault.
    pub late_share: f64,
    pub lag_ns_p50: u64,
    pub lag_ns_p99: u64,
    pub lag_ns_max: u64,
}

/// What became of the records of the whole run, warm-up included.
#[derive(Clone, Debug, Serialize)]
pub struct Records {
    /// Requests that carried them and were answered.
    pub requests: u64,
    pub sent: u64,
    pub acked: u64,
    /// Those that reached a consumer; with fan-out, counted for each of them.
    pub arrived: u64,
    /// Those that reached the same consumer again.
    pub repeated: u64,
    /// Those that came behind others that their producer sent later.
    pub overtaken: u64,
    /// Those whose own checksum does not hold.
    pub corrupt: u64,
    /// Acknowledged ones that did not reach a consumer, number by number. Where the producers are not part of the run: numbers
    /// missing between others.
    pub lost: u64,
}

/// Whether the figures can be believed.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Why the figures do not say what they seem to.
    pub invalid: Vec<String>,
    /// What went wrong, with the number of records (consumers: answers).
    pub errors: BTreeMap<String, u64>,
}

impl Outcome {
    pub fn is_good(&self) -> bool {
        self.invalid.is_empty() && self.errors.is_empty()
    }

    /// Everything that is wrong, a sentence each.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        let errors = self.errors.iter().map(|(name, count)| format!("{count} x {name}"));
        self.invalid.iter().map(|reason| format!("invalid: {reason}")).chain(errors)
    }
}

/// The report of a run. [`fmt::Display`] gives it for people.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub broker: Broker,
    pub workload: Workload,
    pub measured_s: f64,
    pub produced: Option<Throughput>,
    pub consumed: Option<Throughput>,
    /// Due time (at rate max: send time) to acknowledgement.
    pub latency: Option<Latency>,
    /// Send time to acknowledgement, at a fixed rate.
    pub service: Option<Latency>,
    /// Due time to arrival at the consumer.
    pub end_to_end: Option<Latency>,
    pub lag: Option<Lag>,
    pub records: Records,
    /// The generator's threads alone, within the measured time.
    pub cpu_s: f64,
    pub outcome: Outcome,
    /// When it started, in milliseconds of the Unix epoch.
    pub started_unix_ms: i64,
    /// The run about second by second, warm-up included.
    pub timeline: Vec<Slice>,
    #[serde(skip)]
    stopped: bool,
    #[serde(skip)]
    latencies: Box<Latencies>,
}

/// What a run has measured.
pub(crate) struct Measured {
    pub(crate) tally: Tally,
    pub(crate) latencies: Latencies,
    pub(crate) timeline: Vec<Slice>,
    pub(crate) epoch_ns: i64,
    pub(crate) measured_ns: u64,
}

impl Report {
    pub(crate) fn new(options: Options, broker: Broker, partitions: usize, measured: Measured) -> Report {
        let Measured { tally, latencies, timeline, epoch_ns, measured_ns } = measured;
        let measured_s = measured_ns as f64 / 1e9;
        let throughput = |wanted: bool, flow: &Flow| {
            let bytes = if flow.payload_bytes > 0 { flow.payload_bytes } else { flow.batch_bytes };
            wanted.then(|| Throughput {
                mb_per_s: bytes as f64 / measured_s / 1e6,
                records_per_s: flow.records as f64 / measured_s,
                requests_per_s: flow.requests as f64 / measured_s,
                bytes_per_request: flow.request_bytes as f64 / (flow.requests as f64).max(1.0),
                records: flow.records,
                payload_bytes: flow.payload_bytes,
                batch_bytes: flow.batch_bytes,
            })
        };
        let records = records(&options, &tally);
        Report {
            produced: throughput(options.has_producers(), &tally.produced),
            consumed: throughput(options.has_consumers(), &tally.consumed),
            latency: latency(&latencies.ack),
            service: latency(&latencies.service),
            end_to_end: latency(&latencies.arrival),
            lag: lag(&tally.lag, &latencies.lag),
            cpu_s: tally.cpu_ns as f64 / 1e9,
            outcome: Outcome { invalid: complaints(&options, &tally, &records), errors: tally.errors.clone() },
            records,
            workload: workload(&options, partitions),
            broker,
            measured_s,
            started_unix_ms: epoch_ns / 1_000_000,
            timeline,
            stopped: options.stop.load(Relaxed),
            latencies: Box::new(latencies),
        }
    }

    /// What became of the records, in a line.
    pub(crate) fn counted(&self) -> String {
        struct Counted<'a>(&'a Report);
        impl fmt::Display for Counted<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write_records(f)
            }
        }
        Counted(self).to_string()
    }

    /// Whether somebody ended the run before its time.
    pub(crate) fn was_stopped(&self) -> bool {
        self.stopped
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("the report has no maps with keys that are not strings") + "\n"
    }

    /// The distributions as HdrHistogram's text, values in milliseconds, each with the suffix for its file's name.
    /// The first, with no suffix, is the one that the run is about.
    pub fn distributions(&self) -> Vec<(&'static str, String)> {
        let (latency, arrival) = match self.end_to_end {
            Some(_) => (".ack", ""),
            None => ("", ".arrival"),
        };
        [(latency, &self.latencies.ack), (arrival, &self.latencies.arrival), (".service", &self.latencies.service)]
            .into_iter()
            .filter(|(_, histogram)| !histogram.is_empty())
            .map(|(suffix, histogram)| (suffix, percentile_text(histogram)))
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_heading(f)?;
        for (verb, flow) in [("produced", &self.produced), ("consumed", &self.consumed)] {
            let Some(flow) = flow else { continue };
            writeln!(
                f,
                "{verb:<12}{:>8.1} MB/s  {:>8} msg/s  {:>7} requests/s  {} per request",
                flow.mb_per_s,
                figures::count(flow.records_per_s),
                figures::count(flow.requests_per_s),
                figures::bytes(flow.bytes_per_request),
            )?;
        }
        let rows = [("to the ack", &self.latency), ("service", &self.service), ("end to end", &self.end_to_end)];
        if rows.iter().any(|(_, row)| row.is_some()) {
            let heads = ["p50", "p90", "p99", "p99.9", "p99.99", "max"];
            write!(f, "{:<12}", "latency")?;
            heads.iter().try_for_each(|head| write!(f, "{head:>10}"))?;
            writeln!(f, "   records")?;
        }
        for (name, row) in rows {
            let Some(row) = row else { continue };
            write!(f, "  {name:<10}")?;
            for value in [
                Some(row.p50_ns),
                Some(row.p90_ns),
                Some(row.p99_ns),
                Some(row.p999_ns),
                row.p9999_ns,
                Some(row.max_ns),
            ] {
                write!(f, "{:>10}", value.map_or("-".to_owned(), figures::duration))?;
            }
            writeln!(f, "   {}", row.records)?;
        }
        if let Some(lag) = &self.lag {
            writeln!(
                f,
                "generator   {:.2} % of {} sends left more than 100 us late by its own fault; lag p50 {}, p99 {}, max {}",
                lag.late_share * 100.0,
                lag.sends,
                figures::duration(lag.lag_ns_p50),
                figures::duration(lag.lag_ns_p99),
                figures::duration(lag.lag_ns_max),
            )?;
        }
        writeln!(f, "own CPU     {:.2} s, {:.2} of a core", self.cpu_s, self.cpu_s / self.measured_s)?;
        self.write_records(f)?;
        if self.outcome.errors.is_empty() {
            writeln!(f, "errors      none")?;
        }
        self.outcome.errors.iter().try_for_each(|(name, count)| writeln!(f, "errors      {count} x {name}"))?;
        self.outcome.invalid.iter().try_for_each(|reason| writeln!(f, "INVALID     {reason}"))?;
        let shown = if self.end_to_end.is_some() { &self.latencies.arrival } else { &self.latencies.ack };
        write_bars(f, shown)
    }
}

impl Report {
    fn write_records(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Records { sent, acked, arrived, repeated, overtaken, corrupt, lost, .. } = self.records;
        let arrivals = format!("{lost} lost, {repeated} repeated, {overtaken} out of order, {corrupt} corrupt");
        match (&self.consumed, &self.produced) {
            (Some(consumed), None) if arrived > 0 => {
                writeln!(f, "records     {} consumed, {arrived} of them numbered: {arrivals}", consumed.records)
            }
            (Some(consumed), None) => writeln!(f, "records     {} consumed", consumed.records),
            (None, _) => writeln!(f, "records     {sent} sent, {acked} acknowledged, warm-up included"),
            (Some(_), Some(_)) => {
                let each = if self.workload.fan_out { ", counted for each reader" } else { "" };
                writeln!(
                    f,
                    "records     {sent} sent, {acked} acknowledged, {arrived} arrived{each}: {arrivals}, warm-up included"
                )
            }
        }
    }

    fn write_heading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Workload { mode, topic, partitions, sizes, producers, consumers, .. } = &self.workload;
        write!(f, "{mode} {}", self.broker.address)?;
        if let Some(directory) = &self.broker.embedded_in {
            write!(f, " (in this process, data in {})", directory.display())?;
        }
        writeln!(f, ", topic {topic}, {partitions} partitions")?;
        if self.produced.is_some() {
            let keys = match self.workload.keys {
                0 => "no keys".to_owned(),
                count => format!("{count} keys ({})", self.workload.key_order),
            };
            let compression = match self.workload.compression {
                "none" => String::new(),
                codec => format!(", {codec}"),
            };
            let acks = if self.workload.acks == -1 { "all".to_owned() } else { self.workload.acks.to_string() };
            let idempotent = if self.workload.idempotent { ", idempotent" } else { "" };
            writeln!(
                f,
                "  {producers} producers, records of {sizes}, {keys}, acks={acks}{idempotent}, batches up to {}{compression}, linger {} ms",
                figures::bytes(self.workload.batch_bytes as f64),
                self.workload.linger_ms,
            )?;
            match self.workload.rate_records_per_s {
                Some(rate) => {
                    writeln!(f, "  {rate} msg/s, open loop: latency counts from the time each record was due")?
                }
                None => writeln!(
                    f,
                    "  rate max, a loop closed by {} requests in flight per connection: latency counts from the send and \
                     measures mostly that queue",
                    self.workload.in_flight_max,
                )?,
            }
        }
        if self.consumed.is_some() {
            let fan_out = if self.workload.fan_out { ", each of which reads everything" } else { "" };
            writeln!(f, "  {consumers} consumers{fan_out}")?;
        }
        writeln!(f, "  measured {:.1} s after {:.1} s of warm-up", self.measured_s, self.workload.warm_up_s)
    }
}

fn workload(options: &Options, partitions: usize) -> Workload {
    Workload {
        mode: match options.mode {
            Mode::Produce => "produce",
            Mode::Consume => "consume",
            Mode::EndToEnd => "e2e",
        },
        topic: options.topic.clone(),
        partitions,
        record_bytes: options.sizes.mean().round() as usize,
        sizes: sizes(&options.sizes),
        compression: options.compression.name(),
        producers: options.producers,
        consumers: if options.fan_out { options.consumers } else { options.consumers.min(partitions) },
        threads: options.threads,
        rate_records_per_s: match options.rate {
            Rate::Max => None,
            Rate::PerSecond(rate) => Some(rate),
        },
        loop_kind: if options.rate == Rate::Max { "closed" } else { "open" },
        in_flight_max: options.in_flight_max,
        acks: options.acks.code(),
        idempotent: options.idempotent,
        batch_bytes: options.batch_bytes,
        linger_ms: options.linger.as_secs_f64() * 1e3,
        keys: options.keys.count(),
        key_order: match options.keys {
            Keys::None => "none".to_owned(),
            Keys::Count(_) => "in turn".to_owned(),
            Keys::Uniform(_) => "uniform".to_owned(),
            Keys::Zipf { exponent, .. } => format!("zipf {exponent}"),
        },
        fan_out: options.fan_out,
        rate_steps: options.rate_steps.iter().map(|(at, rate)| (at.as_secs_f64(), *rate)).collect(),
        warm_up_s: if options.until == Until::Duration { options.warm_up.as_secs_f64() } else { 0.0 },
    }
}

fn sizes(sizes: &Sizes) -> String {
    match sizes {
        Sizes::Fixed(bytes) => figures::bytes(*bytes as f64),
        Sizes::Uniform { min, max } => format!("{min} to {max} B"),
        Sizes::Weighted(sizes) => {
            let parts = sizes.iter().map(|(bytes, weight)| format!("{weight} x {bytes}"));
            format!("{} B", parts.collect::<Vec<_>>().join(", "))
        }
    }
}

fn records(options: &Options, tally: &Tally) -> Records {
    Records {
        requests: tally.requests,
        sent: tally.records_sent,
        acked: tally.records_acked,
        arrived: tally.records_arrived,
        repeated: tally.records_repeated,
        overtaken: tally.records_overtaken,
        corrupt: tally.records_corrupt,
        lost: match options.mode {
            // What a stop cuts off is not lost.
            _ if options.stop.load(Relaxed) => 0,
            Mode::EndToEnd => tally.delivery.lost(options.readers()),
            _ => tally.records_gaps,
        },
    }
}

/// Why the figures do not say what they seem to.
fn complaints(options: &Options, tally: &Tally, records: &Records) -> Vec<String> {
    let mut complaints = Vec::new();
    if options.stop.load(Relaxed) {
        complaints.push("the run was stopped before its end".to_owned());
    }
    let LagCount { sends, sends_late } = tally.lag;
    if sends_late as f64 > sends as f64 * LATE_SHARE_MAX {
        complaints.push(format!(
            "the generator itself fell behind: {sends_late} of {sends} sends left more than {} us late; give it more CPU \
             or a lower rate",
            LAG_NS_TOLERATED / 1000,
        ));
    }
    if options.has_producers() && options.acks != Acks::None && tally.records_acked == 0 {
        complaints.push("no record was acknowledged".to_owned());
    }
    if options.acks != Acks::None || options.mode == Mode::Consume {
        let Records { repeated, overtaken, corrupt, lost, .. } = *records;
        for (count, what) in [
            (lost, "acknowledged records did not reach a consumer"),
            (repeated, "records reached a consumer twice"),
            (overtaken, "records reached a consumer out of order"),
            (corrupt, "records are not what was sent: their checksum does not hold"),
        ] {
            if count > 0 {
                complaints.push(format!("{count} {what}"));
            }
        }
    }
    match options.until {
        Until::Messages(count) if tally.consumed.records < count => {
            complaints.push(format!("only {} of {count} records could be consumed", tally.consumed.records));
        }
        _ if options.mode == Mode::Consume && tally.consumed.records == 0 => {
            complaints.push("no record was consumed".to_owned());
        }
        _ => {}
    }
    complaints
}

fn latency(histogram: &Histogram<u64>) -> Option<Latency> {
    let at = |quantile| histogram.value_at_quantile(quantile);
    (!histogram.is_empty()).then(|| Latency {
        records: histogram.len(),
        min_ns: histogram.min(),
        mean_ns: histogram.mean(),
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        p9999_ns: (histogram.len() >= COUNT_FOR_P9999).then(|| at(0.9999)),
        max_ns: histogram.max(),
    })
}

fn lag(count: &LagCount, lags: &Histogram<u64>) -> Option<Lag> {
    (count.sends > 0).then(|| Lag {
        sends: count.sends,
        late_share: count.sends_late as f64 / count.sends as f64,
        lag_ns_p50: lags.value_at_quantile(0.5),
        lag_ns_p99: lags.value_at_quantile(0.99),
        lag_ns_max: lags.max(),
    })
}

/// The format of HdrHistogram's outputPercentileDistribution with 5 steps per half distance, in milliseconds.
pub(crate) fn percentile_text(histogram: &Histogram<u64>) -> String {
    let mut text = format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let ms = |ns: f64| ns / 1e6;
    let mut total = 0;
    for step in histogram.iter_quantiles(5) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        let value = ms(step.value_iterated_to() as f64);
        // Writing to a string does not fail.
        let _ = match quantile < 1.0 {
            true => writeln!(text, "{value:12.3} {quantile:2.12} {total:10} {:14.2}", 1.0 / (1.0 - quantile)),
            false => writeln!(text, "{value:12.3} {quantile:2.12} {total:10}"),
        };
    }
    let (mean, deviation) = (ms(histogram.mean()), ms(histogram.stdev()));
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {:12.3}, Total count    = {:12}]", ms(histogram.max() as f64), histogram.len());
    let _ = writeln!(text, "#[Buckets = {:12}, SubBuckets     = {:12}]", histogram.buckets(), 2048);
    text
}

/// A bar for each doubling of the time.
fn write_bars(f: &mut fmt::Formatter<'_>, histogram: &Histogram<u64>) -> fmt::Result {
    if histogram.is_empty() {
        return Ok(());
    }
    writeln!(f)?;
    let (mut low, max) = (1u64 << histogram.min().max(1).ilog2(), histogram.max());
    while low <= max {
        let count = histogram.count_between(low, low * 2 - 1);
        let share = count as f64 / histogram.len() as f64;
        let width = (share * BAR_WIDTH as f64).round() as usize;
        let bar = if width == 0 && count > 0 { ".".to_owned() } else { "#".repeat(width) };
        writeln!(f, "  < {:>8}  {:>7.3} %  {bar}", figures::duration(low * 2), share * 100.0)?;
        low *= 2;
    }
    Ok(())
}
