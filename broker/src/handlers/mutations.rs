//! How many partitions a client may create and delete in a second (`controller_mutation_rate`, KIP-599).

use std::time::Instant;

use super::Request;
use crate::quota::run::Meter;

/// What is said of a change that comes too early.
pub(super) const EXCEEDED: &str = "The throttling quota has been exceeded.";

/// The quota of one request.
pub(super) struct Mutations<'a> {
    /// None for a client without such a quota.
    meter: Option<&'a Meter>,
    is_strict: bool,
    now: Instant,
}

impl<'a> Mutations<'a> {
    /// From `strict_since` on clients know an error for what has to wait.
    pub(super) fn of(request: &Request<'a>, strict_since: i16) -> Self {
        let meter = request.tariff.and_then(|tariff| tariff.mutation.as_ref());
        Self { meter, is_strict: request.version() >= strict_since, now: request.received }
    }

    pub(super) fn is_bound(&self) -> bool {
        self.meter.is_some()
    }

    /// Whether so many partitions may come or go now, which then counts. With the rate used up, newer clients are told to come again; for older
    /// ones it is done all the same, and they wait afterwards.
    pub(super) fn admit(&self, partitions: u32) -> bool {
        let Some(meter) = self.meter else { return true };
        if self.is_strict && !meter.take(0.0, self.now).is_zero() {
            return false;
        }
        meter.take(f64::from(partitions), self.now);
        true
    }
}
