//! P: what one worker has counted. Tallies merge by addition, so percentiles are never averaged.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

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
    pub(crate) lag_ns_max: u64,
}

/// Everything that a worker counts.
#[derive(Clone, Debug)]
pub(crate) struct Tally {
    /// Due time to acknowledgement; at rate max, send time to acknowledgement.
    pub(crate) latency: Histogram<u64>,
    /// Send time to acknowledgement.
    pub(crate) service: Histogram<u64>,
    /// Due time to arrival at the consumer.
    pub(crate) arrival: Histogram<u64>,
    pub(crate) lag: LagCount,
    pub(crate) produced: Flow,
    pub(crate) consumed: Flow,
    /// Records by what went wrong with them; for consumers, answers.
    pub(crate) errors: BTreeMap<String, u64>,
    /// Records of the whole run, warm-up included.
    pub(crate) records_sent: u64,
    pub(crate) records_acked: u64,
    pub(crate) records_arrived: u64,
    /// Records that arrived again or out of their order.
    pub(crate) records_repeated: u64,
    pub(crate) cpu_ns: u64,
    /// When the last record was consumed.
    pub(crate) consumed_last_ns: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Tally {
            latency: histogram(),
            service: histogram(),
            arrival: histogram(),
            lag: LagCount::default(),
            produced: Flow::default(),
            consumed: Flow::default(),
            errors: BTreeMap::new(),
            records_sent: 0,
            records_acked: 0,
            records_arrived: 0,
            records_repeated: 0,
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
        self.lag.lag_ns_max = self.lag.lag_ns_max.max(lag_ns);
    }

    pub(crate) fn merge(&mut self, other: &Tally) {
        for (mine, theirs) in [
            (&mut self.latency, &other.latency),
            (&mut self.service, &other.service),
            (&mut self.arrival, &other.arrival),
        ] {
            mine.add(theirs).expect("all histograms have the same bounds");
        }
        self.lag.sends += other.lag.sends;
        self.lag.sends_late += other.lag.sends_late;
        self.lag.lag_ns_max = self.lag.lag_ns_max.max(other.lag.lag_ns_max);
        self.produced.add(&other.produced);
        self.consumed.add(&other.consumed);
        for (name, count) in &other.errors {
            self.error(name, *count);
        }
        self.records_sent += other.records_sent;
        self.records_acked += other.records_acked;
        self.records_arrived += other.records_arrived;
        self.records_repeated += other.records_repeated;
        self.cpu_ns += other.cpu_ns;
        self.consumed_last_ns = self.consumed_last_ns.max(other.consumed_last_ns);
    }
}

pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, 3).expect("the bounds are possible")
}
