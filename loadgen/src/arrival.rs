//! P: whether what arrives at the consumers is what the producers sent.

use std::collections::BTreeMap;

use crate::payload::Mark;
use crate::ranges::Ranges;

/// The sequence of a record: the producer above, its running number in the partition below.
const PRODUCER_SHIFT: u32 = 40;

/// Makes the sequence of a producer's record.
pub(crate) fn sequence(producer: u64, number: u64) -> u64 {
    producer << PRODUCER_SHIFT | number
}

/// Whose numbers: run, producer, partition. In one partition a producer's numbers rise by one, for it sends in order.
type Source = (u64, u64, usize);

/// Follows the numbers in the partitions of one consumer.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    /// Only records of this run are followed; none follows those of every run.
    run: Option<u64>,
    places: BTreeMap<Source, usize>,
    seen: Vec<Ranges>,
    /// The source of the last record, which is mostly that of the next as well.
    last: Option<(Source, usize)>,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// In order, though some may be missing before it.
    New,
    /// New, and others that were sent later came before.
    Overtaken,
    /// Seen before.
    Repeated,
    /// Not what was sent: its checksum does not hold.
    Corrupt,
    /// Of another run, or not from a load generator.
    Foreign,
}

impl Arrivals {
    /// Follows the records of this run.
    pub(crate) fn of_run(run: u64) -> Self {
        Arrivals { run: Some(run), places: BTreeMap::new(), seen: Vec::new(), last: None }
    }

    /// Follows the records of every run.
    pub(crate) fn of_all() -> Self {
        Arrivals { run: None, ..Arrivals::of_run(0) }
    }

    pub(crate) fn on_record(&mut self, partition: usize, mark: Mark) -> Arrival {
        let stamp = match mark {
            Mark::Sound(stamp) => stamp,
            Mark::Broken => return Arrival::Corrupt,
            Mark::None => return Arrival::Foreign,
        };
        if self.run.is_some_and(|run| run != stamp.run) {
            return Arrival::Foreign;
        }
        let producer = stamp.sequence >> PRODUCER_SHIFT;
        let number = stamp.sequence & ((1 << PRODUCER_SHIFT) - 1);
        let place = self.place((stamp.run, producer, partition));
        let seen = &mut self.seen[place];
        let overtaken = number < seen.end();
        match (seen.insert(number), overtaken) {
            (false, _) => Arrival::Repeated,
            (true, true) => Arrival::Overtaken,
            (true, false) => Arrival::New,
        }
    }

    fn place(&mut self, source: Source) -> usize {
        if let Some((last, place)) = self.last
            && last == source
        {
            return place;
        }
        let place = *self.places.entry(source).or_insert_with(|| {
            self.seen.push(Ranges::default());
            self.seen.len() - 1
        });
        self.last = Some((source, place));
        place
    }

    /// Numbers between the first and the last of each source that have not come.
    pub(crate) fn gaps(&self) -> u64 {
        self.seen.iter().map(Ranges::gaps).sum()
    }

    /// What has come, by producer and partition.
    fn by_source(&self) -> impl Iterator<Item = ((u64, usize), &Ranges)> {
        self.places.iter().map(|(&(_, producer, partition), &place)| ((producer, partition), &self.seen[place]))
    }
}

/// What was acknowledged and what arrived, number by number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivery {
    acked: BTreeMap<(u64, usize), Ranges>,
    /// By reader as well; all consumers that share the partitions are one reader.
    arrived: BTreeMap<(usize, u64, usize), Ranges>,
}

impl Delivery {
    /// Notes that a producer's records with these numbers were acknowledged.
    pub(crate) fn on_acked(&mut self, producer: u64, partition: usize, numbers: std::ops::Range<u64>) {
        self.acked.entry((producer, partition)).or_default().extend(numbers);
    }

    /// Adds what one consumer has seen.
    pub(crate) fn add_arrivals(&mut self, reader: usize, arrivals: &Arrivals) {
        for ((producer, partition), seen) in arrivals.by_source() {
            // Nobody else of this reader reads the partition.
            self.arrived.insert((reader, producer, partition), seen.clone());
        }
    }

    /// Adds what another worker has noted.
    pub(crate) fn merge(&mut self, other: &Delivery) {
        self.acked.extend(other.acked.iter().map(|(source, ranges)| (*source, ranges.clone())));
        self.arrived.extend(other.arrived.iter().map(|(source, ranges)| (*source, ranges.clone())));
    }

    /// Acknowledged records that did not reach a reader, over so many readers.
    pub(crate) fn lost(&self, readers: usize) -> u64 {
        let none = Ranges::default();
        let lost_to = |reader: usize| -> u64 {
            let sources = self.acked.iter();
            let missing = sources.map(|(&(producer, partition), acked)| {
                acked.missing_from(self.arrived.get(&(reader, producer, partition)).unwrap_or(&none))
            });
            missing.sum()
        };
        (0..readers).map(lost_to).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::Stamp;

    fn record(run: u64, producer: u64, number: u64) -> Mark {
        Mark::Sound(Stamp { run, due_ns: 0, sequence: sequence(producer, number) })
    }

    #[test]
    fn duplicates_disorder_gaps_and_strangers_are_told_apart() {
        let mut arrivals = Arrivals::of_run(1);
        assert_eq!(arrivals.on_record(0, record(1, 0, 0)), Arrival::New);
        assert_eq!(arrivals.on_record(0, record(1, 0, 5)), Arrival::New);
        assert_eq!(arrivals.on_record(1, record(1, 0, 1)), Arrival::New);
        assert_eq!(arrivals.on_record(0, record(1, 1, 0)), Arrival::New);
        assert_eq!(arrivals.on_record(0, record(1, 0, 5)), Arrival::Repeated);
        assert_eq!(arrivals.on_record(0, record(1, 0, 3)), Arrival::Overtaken);
        assert_eq!(arrivals.on_record(0, record(1, 0, 3)), Arrival::Repeated);
        assert_eq!(arrivals.on_record(0, record(2, 0, 9)), Arrival::Foreign);
        assert_eq!(arrivals.on_record(0, Mark::None), Arrival::Foreign);
        assert_eq!(arrivals.on_record(0, Mark::Broken), Arrival::Corrupt);
        assert_eq!(arrivals.gaps(), 3);
    }

    #[test]
    fn what_was_refused_and_arrived_does_not_hide_what_was_acknowledged_and_lost() {
        let mut delivery = Delivery::default();
        delivery.on_acked(0, 0, 0..10);
        delivery.on_acked(0, 0, 20..30);
        let mut arrivals = Arrivals::of_run(1);
        // 10 to 19 were refused and are there; 25 was acknowledged and is not.
        for number in (0..30).filter(|&number| number != 25) {
            arrivals.on_record(0, record(1, 0, number));
        }
        delivery.add_arrivals(0, &arrivals);
        assert_eq!(delivery.lost(1), 1);
        assert_eq!(delivery.lost(2), 1 + 20, "the second reader has nothing");
    }
}
