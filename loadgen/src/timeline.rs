//! A run second by second: the line that is shown, the slice that the report keeps, the interval of the log. What the
//! slices hold adds up to the totals of the run, record by record.

use std::sync::atomic::Ordering::Relaxed;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::figures;
use crate::interval_log::IntervalLog;
use crate::progress::Progress;
use crate::tally::{Latencies, Window};

/// What moved between two looks, as a rate, and how long it took. Times are seconds since the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    pub from_s: f64,
    pub to_s: f64,
    /// It lies before the measured time.
    pub warm_up: bool,
    pub produced_mb_per_s: f64,
    pub produced_records_per_s: f64,
    pub consumed_mb_per_s: f64,
    pub consumed_records_per_s: f64,
    /// None if nothing was answered meanwhile.
    pub p50_ns: Option<u64>,
    pub p99_ns: Option<u64>,
    pub max_ns: Option<u64>,
}

/// See the top of the file.
pub(crate) struct Timeline {
    start_ns: u64,
    window: Window,
    seen_at_ns: u64,
    acked: (u64, u64),
    consumed: (u64, u64),
    pub(crate) slices: Vec<Slice>,
    /// All slices together.
    pub(crate) total: Latencies,
    log: Option<IntervalLog>,
}

impl Timeline {
    pub(crate) fn new(start_ns: u64, window: Window, log: Option<IntervalLog>) -> Self {
        Timeline {
            start_ns,
            window,
            seen_at_ns: start_ns,
            acked: (0, 0),
            consumed: (0, 0),
            slices: Vec::new(),
            total: Latencies::new(),
            log,
        }
    }

    /// Takes what has happened since the last call, and says it in one line.
    pub(crate) fn on_look(&mut self, progress: &Progress, now_ns: u64) -> std::io::Result<String> {
        let mut latencies = progress.take_latencies();
        let slice = self.slice(progress, &latencies, now_ns);
        if let Some(log) = &mut self.log {
            log.write(self.seen_at_ns, now_ns, &latencies)?;
        }
        let line = line(&slice, progress.errors.load(Relaxed));
        latencies.move_to(&mut self.total);
        self.slices.push(slice);
        self.seen_at_ns = now_ns.max(self.seen_at_ns);
        Ok(line)
    }

    fn slice(&mut self, progress: &Progress, latencies: &Latencies, now_ns: u64) -> Slice {
        let seconds = now_ns.saturating_sub(self.seen_at_ns).max(1) as f64 / 1e9;
        let acked = (progress.acked_records.load(Relaxed), progress.acked_bytes.load(Relaxed));
        let consumed = (progress.consumed_records.load(Relaxed), progress.consumed_bytes.load(Relaxed));
        let rates = |now: (u64, u64), before: (u64, u64)| {
            ((now.0 - before.0) as f64 / seconds, (now.1 - before.1) as f64 / seconds / 1e6)
        };
        let (produced_records_per_s, produced_mb_per_s) = rates(acked, self.acked);
        let (consumed_records_per_s, consumed_mb_per_s) = rates(consumed, self.consumed);
        (self.acked, self.consumed) = (acked, consumed);
        let shown = [&latencies.arrival, &latencies.ack, &latencies.outside].into_iter().find(|held| !held.is_empty());
        let at = |value: fn(&Histogram<u64>) -> u64| shown.map(value);
        let since_start_s = |at_ns: u64| at_ns.saturating_sub(self.start_ns) as f64 / 1e9;
        Slice {
            from_s: since_start_s(self.seen_at_ns),
            to_s: since_start_s(now_ns),
            warm_up: now_ns <= self.window.start_ns,
            produced_mb_per_s,
            produced_records_per_s,
            consumed_mb_per_s,
            consumed_records_per_s,
            p50_ns: at(|held| held.value_at_quantile(0.5)),
            p99_ns: at(|held| held.value_at_quantile(0.99)),
            max_ns: at(|held| held.max()),
        }
    }
}

fn line(slice: &Slice, errors: u64) -> String {
    let mut line = format!("{:>4.0} s", slice.to_s);
    for (verb, records, megabytes) in [
        ("produced", slice.produced_records_per_s, slice.produced_mb_per_s),
        ("consumed", slice.consumed_records_per_s, slice.consumed_mb_per_s),
    ] {
        if records > 0.0 {
            line += &format!("  {verb} {megabytes:>7.1} MB/s {:>9} msg/s", figures::count(records));
        }
    }
    if let (Some(p50), Some(p99)) = (slice.p50_ns, slice.p99_ns) {
        line += &format!("  p50 {:>8} p99 {:>8}", figures::duration(p50), figures::duration(p99));
    }
    if errors > 0 {
        line += &format!("  errors {errors}");
    }
    if slice.warm_up {
        line += "  (warm-up)";
    }
    line
}
