//! P: the numbers that an idempotent producer puts on its batches (KIP-98).

/// A batch's producer and the sequence of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) first: i32,
}

/// One producer's next sequence in each partition.
#[derive(Clone, Debug)]
pub(crate) struct Sequences {
    producer_id: i64,
    producer_epoch: i16,
    next: Vec<i32>,
}

impl Sequences {
    pub(crate) fn new(producer_id: i64, producer_epoch: i16, partitions: usize) -> Self {
        Sequences { producer_id, producer_epoch, next: vec![0; partitions] }
    }

    /// The numbers for the next batch of a partition. Behind the last sequence comes 0 again.
    pub(crate) fn take(&mut self, partition: usize, records: u64) -> Sequence {
        let next = &mut self.next[partition];
        let first = *next;
        *next = first.wrapping_add(records as i32) & i32::MAX;
        Sequence { producer_id: self.producer_id, producer_epoch: self.producer_epoch, first }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_counts_its_own_records_and_begins_anew_behind_the_last_number() {
        let mut sequences = Sequences::new(7, 1, 2);
        let mut firsts = |partition, records| sequences.take(partition, records).first;
        assert_eq!((firsts(0, 3), firsts(1, 5), firsts(0, 1), firsts(0, 1)), (0, 0, 3, 4));
        assert_eq!(firsts(1, i32::MAX as u64 - 4), 5);
        assert_eq!(firsts(1, 1), 0);
    }
}
