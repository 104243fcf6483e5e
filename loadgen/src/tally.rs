//! P: what one worker has counted. Tallies and latencies merge by addition, so percentiles are never averaged.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::arrival::Delivery;

/// Resolution of every histogram: 1 ns to 60 s in three significant digits.
const LATENCY_NS_MAX: u64 = 60_000_000_000;
/// A send later than this through the generator's own fault counts against the run.
pub(crate) const LAG_NS_TOLERATED: u64 = 100_000;

/// The time that counts, between warm-up and end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Window {
    pub(crate) fn contains(&self, at_ns: u64) -> bool {
        (self.start_ns..self.end_ns).contains(&at_ns)
    }
}

/// What moved within the window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) records: u64,
    /// Keys and values; for a consumer that does not open the batches, 0.
    pub(crate) payload_bytes: u64,
    /// Whole record batches.
    pub(crate) batch_bytes: u64,
    pub(crate) requests: u64,
    /// Frames that carried the batches.
    pub(crate) request_bytes: u64,
}

impl Flow {
    fn add(&mut self, other: &Flow) {
        self.records += other.records;
        self.payload_bytes += other.payload_bytes;
        self.batch_bytes += other.batch_bytes;
        self.requests += other.requests;
        self.request_bytes += other.request_bytes;
    }
}

/// How late the generator itself was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LagCount {
    pub(crate) sends: u64,
    pub(crate) sends_late: u64,
}

/// Distributions of one stretch of time. All have the same bounds, so adding them up loses nothing.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    /// Due time to acknowledgement; at rate max, send time to acknowledgement.
    pub(crate) ack: Histogram<u64>,
    /// Send time to acknowledgement, at a fixed rate.
    pub(crate) service: Histogram<u64>,
    /// Due time to arrival at the consumer.
    pub(crate) arrival: Histogram<u64>,
    /// How much later than possible a send left, through the generator's own fault.
    pub(crate) lag: Histogram<u64>,
    /// What was due outside the window: to be seen in the progress line, and counted nowhere.
    pub(crate) outside: Histogram<u64>,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let none = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are possible");
        Latencies { ack: none.clone(), service: none.clone(), arrival: none.clone(), lag: none.clone(), outside: none }
    }

    /// Moves everything to `to`, and is empty afterwards.
    pub(crate) fn move_to(&mut self, to: &mut Latencies) {
        let pairs = self.each_mut().into_iter().zip(to.each_mut());
        for (mine, theirs) in pairs.filter(|(mine, _)| !mine.is_empty()) {
            theirs.add(&*mine).expect("all histograms have the same bounds");
            mine.reset();
        }
    }

    fn each_mut(&mut self) -> [&mut Histogram<u64>; 5] {
        [&mut self.ack, &mut self.service, &mut self.arrival, &mut self.lag, &mut self.outside]
    }
}

/// Everything that a worker counts.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// What has not been handed over to [`crate::progress::Progress`] yet, where all of them add up.
    pub(crate) latencies: Latencies,
    pub(crate) lag: LagCount,
    pub(crate) produced: Flow,
    pub(crate) consumed: Flow,
    /// Records by what went wrong with them; for consumers, answers.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Requests of the whole run that were answered, or without acknowledgements sent.
    pub(crate) requests: u64,
    /// Records of the whole run, warm-up included.
    pub(crate) records_sent: u64,
    pub(crate) records_acked: u64,
    pub(crate) records_arrived: u64,
    /// Records that arrived again.
    pub(crate) records_repeated: u64,
    /// Records that arrived behind others that their producer sent later.
    pub(crate) records_overtaken: u64,
    /// Records that are not what was sent.
    pub(crate) records_corrupt: u64,
    /// Numbers that are missing between others of the same producer, where nobody knows what was acknowledged.
    pub(crate) records_gaps: u64,
    pub(crate) delivery: Delivery,
    pub(crate) cpu_ns: u64,
    /// When the last record was consumed.
    pub(crate) consumed_last_ns: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            latencies: Latencies::new(),
            lag: LagCount::default(),
            produced: Flow::default(),
            consumed: Flow::default(),
            errors: BTreeMap::new(),
            requests: 0,
            records_sent: 0,
            records_acked: 0,
            records_arrived: 0,
            records_repeated: 0,
            records_overtaken: 0,
            records_corrupt: 0,
            records_gaps: 0,
            delivery: Delivery::default(),
            cpu_ns: 0,
            consumed_last_ns: 0,
        }
    }

    pub(crate) fn error(&mut self, name: &str, records: u64) {
        match self.errors.get_mut(name) {
            Some(count) => *count += records,
            None => {
                self.errors.insert(name.to_owned(), records);
            }
        }
    }

    /// Notes a send that could have left `lag_ns` earlier had the generator been awake.
    pub(crate) fn sent_late_by(&mut self, lag_ns: u64) {
        self.lag.sends += 1;
        self.lag.sends_late += u64::from(lag_ns > LAG_NS_TOLERATED);
        self.latencies.lag.saturating_record(lag_ns);
    }

    /// Adds the counts of another worker, but for its latencies, which have been handed over.
    pub(crate) fn merge(&mut self, other: &Tally) {
        self.lag.sends += other.lag.sends;
        self.lag.sends_late += other.lag.sends_late;
        self.produced.add(&other.produced);
        self.consumed.add(&other.consumed);
        for (name, count) in &other.errors {
            self.error(name, *count);
        }
        self.requests += other.requests;
        self.records_sent += other.records_sent;
        self.records_acked += other.records_acked;
        self.records_arrived += other.records_arrived;
        self.records_repeated += other.records_repeated;
        self.records_overtaken += other.records_overtaken;
        self.records_corrupt += other.records_corrupt;
        self.records_gaps += other.records_gaps;
        self.delivery.merge(&other.delivery);
        self.cpu_ns += other.cpu_ns;
        self.consumed_last_ns = self.consumed_last_ns.max(other.consumed_last_ns);
    }
}
