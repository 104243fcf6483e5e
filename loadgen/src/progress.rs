//! What workers and the main thread share during a run: running totals, and the latencies since somebody last took them.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex};

use crate::tally::Latencies;

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
    latencies: Mutex<Latencies>,
}

impl Progress {
    pub(crate) fn new(producing_workers: usize, stop: Arc<AtomicBool>) -> Self {
        Progress {
            acked_records: AtomicU64::new(0),
            acked_bytes: AtomicU64::new(0),
            consumed_records: AtomicU64::new(0),
            consumed_bytes: AtomicU64::new(0),
            arrived_records: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            producing_workers: AtomicUsize::new(producing_workers),
            stop,
            latencies: Mutex::new(Latencies::new()),
        }
    }

    /// Hands over the latencies that a worker has gathered since it last did.
    pub(crate) fn publish(&self, latencies: &mut Latencies) {
        latencies.move_to(&mut self.latencies.lock().expect("no thread panics while it holds this"));
    }

    /// Takes what all workers have handed over since the last call.
    pub(crate) fn take_latencies(&self) -> Latencies {
        let mut latencies = self.latencies.lock().expect("no thread panics while it holds this");
        std::mem::replace(&mut *latencies, Latencies::new())
    }
}
