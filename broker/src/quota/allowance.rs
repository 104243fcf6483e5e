//! One rate, kept over time: what was used is a debt that time pays off, and who is in debt beyond a burst waits.
//!
//! ```text
//!                  burst                      now                 paid_until
//!   ----------------+--------------------------+----------------------+----> time
//!    paid_until here: all of the burst is left |  here: the client waits this long
//! ```
//! It is the leaky bucket as a meter (GCRA): one number, the time until which everything is paid for. What is asked for is always granted, since it has happened
//! already; the wait comes after.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

/// A rate's use so far. The clients that share the rate may be on several cores; they share this one number.
#[derive(Debug, Default)]
pub struct Allowance {
    /// Nanoseconds since the node's start until which what was used is paid for.
    paid_until_ns: AtomicU64,
}

impl Allowance {
    /// Uses what takes `cost_ns` at the rate, at `now_ns` since the node's start. Returns the nanoseconds to wait before more is used.
    pub fn take(&self, cost_ns: u64, burst_ns: u64, now_ns: u64) -> u64 {
        let use_up = |paid_until_ns| Some(paid_after(paid_until_ns, cost_ns, burst_ns, now_ns));
        // Nothing else is published through this number, so it needs no ordering.
        let before = self.paid_until_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, use_up);
        let before = before.unwrap_or_else(|unchanged| unchanged);
        paid_after(before, cost_ns, burst_ns, now_ns).saturating_sub(now_ns)
    }

    /// Whether everything is paid for, so that a new one would be the same.
    pub fn is_rested(&self, burst_ns: u64, now_ns: u64) -> bool {
        self.paid_until_ns.load(Ordering::Relaxed) <= now_ns.saturating_sub(burst_ns)
    }
}

fn paid_after(paid_until_ns: u64, cost_ns: u64, burst_ns: u64, now_ns: u64) -> u64 {
    // Rest beyond a burst is not saved up.
    paid_until_ns.max(now_ns.saturating_sub(burst_ns)).saturating_add(cost_ns)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_burst_is_free_and_what_is_beyond_is_waited_for() {
        let allowance = Allowance::default();
        let start = 100 * SECOND;
        assert_eq!(allowance.take(SECOND, SECOND, start), 0);
        assert_eq!(allowance.take(SECOND / 2, SECOND, start), SECOND / 2);
        assert_eq!(allowance.take(0, SECOND, start + SECOND / 2), 0);
        assert!(!allowance.is_rested(SECOND, start + SECOND));
        assert!(allowance.is_rested(SECOND, start + 3 * SECOND / 2));
    }

    proptest! {
        /// Whoever waits as told gets the rate: never more than a burst and one request above it, and not less as long as there is demand.
        #[test]
        fn who_waits_as_told_gets_the_rate(costs in vec(1..4 * SECOND, 1..200), burst in 0..3 * SECOND) {
            let allowance = Allowance::default();
            let begun = 10 * SECOND;
            let (mut now, mut used) = (begun, 0);
            let largest = costs.iter().max().copied().unwrap_or(0);
            for cost in costs {
                let wait = allowance.take(cost, burst, now);
                used += cost;
                prop_assert!(used <= now - begun + burst + largest, "{used} used by {now}");
                prop_assert!(wait <= largest, "one request is waited for, not more");
                now += wait;
                prop_assert!(used + 1 >= (now - begun), "the time was made use of");
            }
        }

        /// Pauses are not saved up beyond a burst, and the wait never grows with time.
        #[test]
        fn rest_gives_a_burst_and_no_more(debt in 0..100 * SECOND, rest in 0..300 * SECOND, burst in 0..3 * SECOND) {
            let allowance = Allowance::default();
            let start = 10 * SECOND;
            allowance.take(debt, burst, start);
            let after = allowance.take(0, burst, start + rest);
            prop_assert!(after <= debt.saturating_sub(rest));
            let further = allowance.take(burst + SECOND, burst, start + rest);
            prop_assert!(further >= SECOND, "{further}");
        }

        /// Several cores that take at the same moment owe what one would owe.
        #[test]
        fn the_order_of_takers_does_not_matter(costs in vec(0..SECOND, 1..20)) {
            let (forwards, backwards) = (Allowance::default(), Allowance::default());
            costs.iter().for_each(|&cost| { forwards.take(cost, SECOND, 10 * SECOND); });
            costs.iter().rev().for_each(|&cost| { backwards.take(cost, SECOND, 10 * SECOND); });
            prop_assert_eq!(forwards.take(0, SECOND, 11 * SECOND), backwards.take(0, SECOND, 11 * SECOND));
        }
    }
}
