//! What workers and the main thread share during a run: running totals, and the line printed every second.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use hdrhistogram::Histogram;

use crate::figures;
use crate::tally::histogram;

/// Shared by all threads of a run. Counters only ever rise; nothing is ordered by them.
pub(crate) struct Progress {
    pub(crate) acked_records: AtomicU64,
    pub(crate) acked_bytes: AtomicU64,
    pub(crate) consumed_records: AtomicU64,
    pub(crate) consumed_bytes: AtomicU64,
    pub(crate) arrived_records: AtomicU64,
    pub(crate) errors: AtomicU64,
    /// Workers that may still send or be answered.
    pub(crate) producing_workers: AtomicUsize,
    /// Tells everybody to finish.
    pub(crate) stop: Arc<AtomicBool>,
    interval: Mutex<Histogram<u64>>,
}

/// The totals at the last line.
#[derive(Default)]
pub(crate) struct Seen {
    at_ns: u64,
    acked: (u64, u64),
    consumed: (u64, u64),
}

impl Progress {
    pub(crate) fn new(producing_workers: usize, start_ns: u64, stop: Arc<AtomicBool>) -> (Self, Seen) {
        let progress = Progress {
            acked_records: AtomicU64::new(0),
            acked_bytes: AtomicU64::new(0),
            consumed_records: AtomicU64::new(0),
            consumed_bytes: AtomicU64::new(0),
            arrived_records: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            producing_workers: AtomicUsize::new(producing_workers),
            stop,
            interval: Mutex::new(histogram()),
        };
        (progress, Seen { at_ns: start_ns, ..Seen::default() })
    }

    /// Hands over the latencies that a worker has gathered since it last did.
    pub(crate) fn publish(&self, latencies: &mut Histogram<u64>) {
        let mut interval = self.interval.lock().expect("no thread panics while it holds this");
        interval.add(&*latencies).expect("all histograms have the same bounds");
        latencies.reset();
    }

    /// What happened since the last line, in one line.
    pub(crate) fn line(&self, seen: &mut Seen, now_ns: u64, start_ns: u64, warming_up: bool) -> String {
        let seconds = now_ns.saturating_sub(seen.at_ns).max(1) as f64 / 1e9;
        let acked = (self.acked_records.load(Relaxed), self.acked_bytes.load(Relaxed));
        let consumed = (self.consumed_records.load(Relaxed), self.consumed_bytes.load(Relaxed));
        let mut line = format!("{:>4.0} s", now_ns.saturating_sub(start_ns) as f64 / 1e9);
        for (verb, total, last) in [("produced", acked, seen.acked), ("consumed", consumed, seen.consumed)] {
            if total.0 > 0 {
                let records = (total.0 - last.0) as f64 / seconds;
                let megabytes = (total.1 - last.1) as f64 / seconds / 1e6;
                line += &format!("  {verb} {megabytes:>7.1} MB/s {:>9} msg/s", figures::count(records));
            }
        }
        let mut interval = self.interval.lock().expect("no thread panics while it holds this");
        if !interval.is_empty() {
            let [p50, p99] = [0.5, 0.99].map(|quantile| figures::duration(interval.value_at_quantile(quantile)));
            line += &format!("  p50 {p50:>8} p99 {p99:>8}");
            interval.reset();
        }
        let errors = self.errors.load(Relaxed);
        if errors > 0 {
            line += &format!("  errors {errors}");
        }
        if warming_up {
            line += "  (warm-up)";
        }
        *seen = Seen { at_ns: now_ns, acked, consumed };
        line
    }
}
