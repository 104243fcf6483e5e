//! P: whether what arrives at the consumers is what the producers sent.

use crate::payload::Stamp;

/// The sequence of a record: the producer above, its running number below.
const PRODUCER_SHIFT: u32 = 40;

/// Makes the sequence of a producer's record.
pub(crate) fn sequence(producer: u64, number: u64) -> u64 {
    producer << PRODUCER_SHIFT | number
}

/// Follows the sequences of every producer in the partitions of one consumer. In one partition a producer's numbers
/// only rise, for it sends in order.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    run: u64,
    producers: usize,
    /// The next number that may come, by partition and producer.
    next: Vec<u64>,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Of this run, and in order.
    New,
    /// Of this run, and seen before or overtaken.
    Repeated,
    /// Of somebody else.
    Foreign,
}

impl Arrivals {
    pub(crate) fn new(run: u64, partitions: usize, producers: usize) -> Self {
        Arrivals { run, producers, next: vec![0; partitions * producers] }
    }

    pub(crate) fn on_record(&mut self, partition: usize, stamp: &Stamp) -> Arrival {
        let producer = (stamp.sequence >> PRODUCER_SHIFT) as usize;
        let number = stamp.sequence & ((1 << PRODUCER_SHIFT) - 1);
        if stamp.run != self.run || producer >= self.producers {
            return Arrival::Foreign;
        }
        let next = &mut self.next[partition * self.producers + producer];
        if number < *next {
            return Arrival::Repeated;
        }
        *next = number + 1;
        Arrival::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_foreign_records_are_told_apart() {
        let mut arrivals = Arrivals::new(1, 2, 2);
        let stamp = |run, producer, number| Stamp { run, due_ns: 0, sequence: sequence(producer, number) };
        assert_eq!(arrivals.on_record(0, &stamp(1, 0, 0)), Arrival::New);
        assert_eq!(arrivals.on_record(0, &stamp(1, 0, 5)), Arrival::New);
        assert_eq!(arrivals.on_record(1, &stamp(1, 0, 1)), Arrival::New);
        assert_eq!(arrivals.on_record(0, &stamp(1, 1, 0)), Arrival::New);
        assert_eq!(arrivals.on_record(0, &stamp(1, 0, 5)), Arrival::Repeated);
        assert_eq!(arrivals.on_record(0, &stamp(2, 0, 9)), Arrival::Foreign);
        assert_eq!(arrivals.on_record(0, &stamp(1, 7, 9)), Arrival::Foreign);
    }
}
