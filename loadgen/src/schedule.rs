//! P: when records are due. Nothing here knows what the broker does, which is what makes the loop open.
//!
//! Record `g` of the whole run is due `g / rate` seconds after the start; producer `i` of `P` owns the records
//! `i, i + P, i + 2P, ...`. All times follow from the number of the record, so a backlog takes no memory however
//! long it grows.

use std::ops::Range;

use crate::clock::SECOND_NS;

/// One producer's share of the records of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) start_ns: u64,
    /// Nothing is due from here on.
    pub(crate) end_ns: u64,
    /// Over all producers.
    pub(crate) records_per_second: u64,
    pub(crate) producer: u64,
    pub(crate) producers: u64,
}

impl Schedule {
    /// When this producer's record number `index` is due.
    pub(crate) fn due_ns(&self, index: u64) -> u64 {
        let record = u128::from(index) * u128::from(self.producers) + u128::from(self.producer);
        self.start_ns + (record * u128::from(SECOND_NS) / u128::from(self.records_per_second)) as u64
    }

    /// How many of this producer's records are due at `now_ns`.
    pub(crate) fn due_count(&self, now_ns: u64) -> u64 {
        let now_ns = now_ns.min(self.end_ns.saturating_sub(1));
        let Some(elapsed_ns) = now_ns.checked_sub(self.start_ns) else { return 0 };
        // Record g is due at floor(g * second / rate), so those due are g <= ((elapsed + 1) * rate - 1) / second.
        let last = ((u128::from(elapsed_ns) + 1) * u128::from(self.records_per_second) - 1) / u128::from(SECOND_NS);
        match last.checked_sub(u128::from(self.producer)) {
            Some(last) => (last / u128::from(self.producers)) as u64 + 1,
            None => 0,
        }
    }
}

/// The records of a schedule that are batched together: all of them, or with keys those of one partition.
///
/// The producer's records repeat a cycle, and the lane owns some places of it. Invariant: `taken` records have been
/// given away, and the next one is the lane's record number `taken`.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    schedule: Schedule,
    cycle: u64,
    /// Ascending, below `cycle`, not empty.
    places: Vec<u32>,
    taken: u64,
}

impl Lane {
    pub(crate) fn new(schedule: Schedule, cycle: u64, places: Vec<u32>) -> Self {
        assert!(!places.is_empty() && places.iter().all(|&place| u64::from(place) < cycle));
        Lane { schedule, cycle, places, taken: 0 }
    }

    /// When the lane's record number `index` is due.
    pub(crate) fn due_ns(&self, index: u64) -> u64 {
        let count = self.places.len() as u64;
        self.schedule.due_ns(index / count * self.cycle + u64::from(self.places[(index % count) as usize]))
    }

    /// How many records are due and not taken.
    pub(crate) fn pending(&self, now_ns: u64) -> u64 {
        let due = self.schedule.due_count(now_ns);
        let (cycles, rest) = (due / self.cycle, due % self.cycle);
        let in_last_cycle = self.places.partition_point(|&place| u64::from(place) < rest) as u64;
        cycles * self.places.len() as u64 + in_last_cycle - self.taken
    }

    /// When the next batch should leave: once it is full, or its first record has lingered. `None` after the last.
    pub(crate) fn ready_ns(&self, batch_records: u64, linger_ns: u64) -> Option<u64> {
        let first_ns = self.due_ns(self.taken);
        if first_ns >= self.schedule.end_ns {
            return None;
        }
        Some(self.due_ns(self.taken + batch_records - 1).min(first_ns + linger_ns))
    }

    /// Takes up to `records_max` of the records that are due at `now_ns`.
    pub(crate) fn take(&mut self, now_ns: u64, records_max: u64) -> Range<u64> {
        let count = self.pending(now_ns).min(records_max);
        self.taken += count;
        self.taken - count..self.taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(records_per_second: u64, producer: u64, producers: u64) -> Schedule {
        Schedule { start_ns: 5_000, end_ns: u64::MAX / 2, records_per_second, producer, producers }
    }

    proptest! {
        #[test]
        fn a_record_is_counted_from_the_nanosecond_it_is_due(
            rate in 1u64..2_000_000_000, producers in 1u64..9, offset in 0u64..9, index in 0u64..1_000_000,
        ) {
            let schedule = schedule(rate, offset % producers, producers);
            let due = schedule.due_ns(index);
            prop_assert!(schedule.due_count(due) > index);
            prop_assert!(due == schedule.start_ns || schedule.due_count(due - 1) <= index);
        }

        #[test]
        fn lanes_share_out_every_record_once(
            places in prop::collection::vec(0usize..4, 1..20), now in 5_000u64..50_000_000, rate in 1u64..100_000,
        ) {
            let schedule = schedule(rate, 0, 1);
            let lane = |number: usize| -> Option<Lane> {
                let mine: Vec<u32> =
                    (0..places.len()).filter(|&at| places[at] == number).map(|at| at as u32).collect();
                (!mine.is_empty()).then(|| Lane::new(schedule, places.len() as u64, mine))
            };
            let mut dues = Vec::new();
            for mut lane in (0..4).filter_map(lane) {
                let range = lane.take(now, u64::MAX);
                dues.extend(range.map(|index| lane.due_ns(index)));
                prop_assert_eq!(lane.pending(now), 0);
            }
            dues.sort_unstable();
            let expected: Vec<u64> = (0..schedule.due_count(now)).map(|index| schedule.due_ns(index)).collect();
            prop_assert_eq!(dues, expected);
        }
    }

    #[test]
    fn a_batch_is_ready_when_full_or_lingered() {
        let lane = Lane::new(schedule(1_000, 0, 1), 1, vec![0]);
        assert_eq!(lane.ready_ns(3, 10_000_000), Some(5_000 + 2_000_000));
        assert_eq!(lane.ready_ns(30, 10_000_000), Some(5_000 + 10_000_000));
    }

    #[test]
    fn nothing_is_due_after_the_end() {
        let schedule = Schedule { end_ns: 5_000 + SECOND_NS, ..schedule(1_000, 0, 1) };
        assert_eq!(schedule.due_count(u64::MAX), 1_000);
        let mut lane = Lane::new(schedule, 1, vec![0]);
        assert_eq!(lane.take(u64::MAX, u64::MAX), 0..1_000);
        assert_eq!(lane.ready_ns(10, 0), None);
    }
}
