//! P: when records are due. Nothing here knows what the broker does, which is what makes the loop open.
//!
//! At a constant rate record `g` of the whole run is due `g / rate` seconds after the start; a pace may have steps, each of
//! which goes on from there at its own rate. Producer `i` of `P` owns the records `i, i + P, i + 2P, ...`. All times
//! follow from the number of the record, so a backlog takes no memory however long it grows.

use std::ops::Range;
use std::sync::Arc;

use crate::clock::SECOND_NS;

/// Later than any run.
const NEVER_NS: u64 = u64::MAX / 4;

/// How many records per second are due, from one time to the next.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    /// Ascending in time; the first begins at 0 and the last does not end.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    /// Since the start of the run.
    from_ns: u64,
    records_before: u64,
    records_per_second: u64,
}

impl Pace {
    /// So many records per second at first, and from each of these times (since the start, ascending) so many instead.
    pub(crate) fn new(records_per_second: u64, changes: &[(u64, u64)]) -> Pace {
        let mut steps = vec![Step { from_ns: 0, records_before: 0, records_per_second }];
        for &(from_ns, records_per_second) in changes {
            let last = *steps.last().expect("there is a first one");
            assert!(from_ns > last.from_ns, "the times of a pace rise");
            let records_before = last.records_before + last.due_count(from_ns - last.from_ns - 1);
            steps.push(Step { from_ns, records_before, records_per_second });
        }
        Pace { steps }
    }

    /// When record `g` of the run is due, since the start.
    fn due_ns(&self, record: u128) -> u64 {
        let place = self.steps.partition_point(|step| u128::from(step.records_before) <= record) - 1;
        let step = &self.steps[place];
        if step.records_per_second == 0 {
            return NEVER_NS;
        }
        let within = (record - u128::from(step.records_before)) * u128::from(SECOND_NS);
        let within_ns = within / u128::from(step.records_per_second);
        step.from_ns + u64::try_from(within_ns).unwrap_or(NEVER_NS).min(NEVER_NS)
    }

    /// How many records of the run are due when so much time has passed.
    fn due_count(&self, elapsed_ns: u64) -> u64 {
        let place = self.steps.partition_point(|step| step.from_ns <= elapsed_ns) - 1;
        let step = &self.steps[place];
        step.records_before + step.due_count(elapsed_ns - step.from_ns)
    }
}

impl Step {
    /// Record `n` of a step is due at floor(n * second / rate), so those due are n <= ((elapsed + 1) * rate - 1) / second.
    fn due_count(&self, elapsed_ns: u64) -> u64 {
        match ((u128::from(elapsed_ns) + 1) * u128::from(self.records_per_second)).checked_sub(1) {
            Some(last) => (last / u128::from(SECOND_NS)) as u64 + 1,
            None => 0,
        }
    }
}

/// One producer's share of the records of a run.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) start_ns: u64,
    /// Nothing is due from here on.
    pub(crate) end_ns: u64,
    /// Over all producers.
    pub(crate) pace: Arc<Pace>,
    pub(crate) producer: u64,
    pub(crate) producers: u64,
}

impl Schedule {
    /// When this producer's record number `index` is due.
    pub(crate) fn due_ns(&self, index: u64) -> u64 {
        let record = u128::from(index) * u128::from(self.producers) + u128::from(self.producer);
        self.start_ns.saturating_add(self.pace.due_ns(record))
    }

    /// How many of this producer's records are due at `now_ns`.
    pub(crate) fn due_count(&self, now_ns: u64) -> u64 {
        let now_ns = now_ns.min(self.end_ns.saturating_sub(1));
        let Some(elapsed_ns) = now_ns.checked_sub(self.start_ns) else { return 0 };
        match self.pace.due_count(elapsed_ns).checked_sub(self.producer + 1) {
            Some(last) => last / self.producers + 1,
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
        Some(self.due_ns(self.taken + batch_records - 1).min(first_ns.saturating_add(linger_ns)))
    }

    /// The lane's number of the next record.
    pub(crate) fn next(&self) -> u64 {
        self.taken
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
        paced(Pace::new(records_per_second, &[]), producer, producers)
    }

    fn paced(pace: Pace, producer: u64, producers: u64) -> Schedule {
        Schedule { start_ns: 5_000, end_ns: u64::MAX / 2, pace: Arc::new(pace), producer, producers }
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
        fn a_pace_of_steps_counts_as_many_as_are_due(
            changes in prop::collection::vec((1u64..40_000_000, 0u64..3_000_000), 0..5), first in 1u64..3_000_000,
            index in 0u64..20_000, now in 0u64..300_000_000,
        ) {
            let mut at_ns = 0;
            let changes: Vec<(u64, u64)> = changes.into_iter().map(|(after, rate)| { at_ns += after; (at_ns, rate) }).collect();
            let schedule = paced(Pace::new(first, &changes), 1, 3);
            let due = schedule.due_ns(index);
            prop_assert!(due <= schedule.due_ns(index + 1));
            prop_assert!(due >= NEVER_NS || schedule.due_count(due) > index);
            let count = schedule.due_count(5_000 + now);
            prop_assert!(count == 0 || schedule.due_ns(count - 1) <= 5_000 + now);
            prop_assert!(schedule.due_ns(count) > 5_000 + now);
        }

        #[test]
        fn lanes_share_out_every_record_once(
            places in prop::collection::vec(0usize..4, 1..20), now in 5_000u64..50_000_000, rate in 1u64..100_000,
        ) {
            let schedule = schedule(rate, 0, 1);
            let lane = |number: usize| -> Option<Lane> {
                let mine: Vec<u32> =
                    (0..places.len()).filter(|&at| places[at] == number).map(|at| at as u32).collect();
                (!mine.is_empty()).then(|| Lane::new(schedule.clone(), places.len() as u64, mine))
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
    fn a_step_goes_on_from_where_the_last_one_ended() {
        let pace = Pace::new(10, &[(SECOND_NS, 0), (3 * SECOND_NS, 1_000)]);
        let schedule = paced(pace, 0, 1);
        assert_eq!(schedule.due_count(5_000 + 2 * SECOND_NS), 10);
        assert_eq!(schedule.due_ns(10), 5_000 + 3 * SECOND_NS);
        assert_eq!(schedule.due_ns(1_010), 5_000 + 4 * SECOND_NS);
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
