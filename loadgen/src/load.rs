//! P: which of a producer's records go into which batches.

use crate::schedule::{Lane, Schedule};

/// Which records go into which partition's batches.
#[derive(Clone, Debug)]
pub(crate) enum Load {
    /// Rate max: whatever a connection takes, until the window ends. The partitions take turns.
    Unbounded,
    /// All records in one lane; the partitions take turns batch by batch.
    InTurn(Lane),
    /// A lane for each partition that has keys.
    Keyed(Vec<KeyedLane>),
}

/// The records of one partition.
#[derive(Clone, Debug)]
pub(crate) struct KeyedLane {
    pub(crate) partition: usize,
    pub(crate) lane: Lane,
    /// When its next batch should leave; follows from the lane.
    pub(crate) ready_ns: Option<u64>,
}

/// A batch that is being sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) partition: usize,
    /// The place of its lane in a keyed load.
    pub(crate) lane: usize,
    /// The lane's number of its first record; at rate max, `number`.
    pub(crate) first: u64,
    pub(crate) records: u64,
    /// The number of its first record among those of its producer in the partition.
    pub(crate) number: u64,
    pub(crate) batch_bytes: u64,
    /// Of keys and values.
    pub(crate) payload_bytes: u64,
}

impl Sent {
    /// A batch of which only the records are known.
    pub(crate) fn draft(partition: usize, lane: usize, first: u64, records: u64) -> Sent {
        Sent { partition, lane, first, records, number: 0, batch_bytes: 0, payload_bytes: 0 }
    }
}

impl Load {
    /// A load at a fixed rate. `key_partitions` says to which partition the record at each place of the cycle of keys goes;
    /// empty means no keys. `batch_records` says how many records fill a batch of a partition.
    pub(crate) fn scheduled(
        schedule: Schedule,
        key_partitions: &[usize],
        partitions: usize,
        batch_records: impl Fn(usize) -> u64,
        linger_ns: u64,
    ) -> Load {
        if key_partitions.is_empty() {
            return Load::InTurn(Lane::new(schedule, 1, vec![0]));
        }
        let mut places = vec![Vec::new(); partitions];
        for (place, &partition) in key_partitions.iter().enumerate() {
            places[partition].push(place as u32);
        }
        let lanes =
            places.into_iter().enumerate().filter(|(_, places)| !places.is_empty()).map(|(partition, places)| {
                let lane = Lane::new(schedule.clone(), key_partitions.len() as u64, places);
                let ready_ns = lane.ready_ns(batch_records(partition), linger_ns);
                KeyedLane { partition, lane, ready_ns }
            });
        Load::Keyed(lanes.collect())
    }

    /// When a record of a batch is due; `None` if nothing is scheduled.
    pub(crate) fn due_ns(&self, batch: &Sent, index: u64) -> Option<u64> {
        match self {
            Load::Unbounded => None,
            Load::InTurn(lane) => Some(lane.due_ns(index)),
            Load::Keyed(lanes) => Some(lanes[batch.lane].lane.due_ns(index)),
        }
    }
}
