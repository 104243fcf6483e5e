//! Writers that run until the server dies, and the ledger of what it acknowledged.
//!
//! Every record carries who wrote it and its number there, so a record read back names itself. The ledger holds, per
//! partition and offset, the only content that may ever be seen there.

use crate::calls::{PRODUCE_VERSION, partition, produce_request};
use crate::clock::{pause, wall_ms};
use crate::kafka::{Client, Pending};
use crate::random::Random;
use crate::records;
use crate::server::Server;
use bytes::Bytes;
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::records::Record;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Requests that one writer has on their way at once.
const PIPELINED_MAX: usize = 5;
/// A filler that makes records as large as those of most applications, [`Writer::filler_bytes_max`].
pub const FILLER_BYTES_ORDINARY: u64 = 3_000;
/// What a partition answers whose shard's storage has failed, or has no room.
pub const KAFKA_STORAGE_ERROR: i16 = 56;
/// Most records in one batch.
const BATCH_RECORDS_MAX: u64 = 12;

/// A partition's number and an offset in it.
pub type Place = (i32, i64);

/// What a server is loaded with.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// It exists.
    pub topic: &'a str,
    /// Its number of partitions.
    pub partitions: i32,
    /// Writers side by side, every other with acks=1.
    pub writers: u64,
}

/// One writer's orders.
#[derive(Clone, Debug)]
pub struct Writer {
    /// Unique over the whole test, rounds included.
    pub name: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// The topic to write to.
    pub topic: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// 1 or -1.
    pub acks: i16,
    /// Decides partitions, sizes and contents.
    pub seed: u64,
    /// Longest filler of a record; the shortest is empty.
    pub filler_bytes_max: u64,
    /// Whether a partition may be refused for good because its shard's storage has failed. Without it a refusal is a failure.
    pub storage_may_fail: bool,
}

/// What was acknowledged, or seen by a consumer, at each place.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    values: BTreeMap<Place, Bytes>,
}

impl Writer {
    /// Writes until the connection fails, or every partition has refused, and gives what was acknowledged. Counts acknowledged records
    /// as they come.
    pub fn run(&self, acknowledged: &AtomicU64) -> Ledger {
        let mut random = Random::from_seed(self.seed);
        let mut ledger = Ledger::default();
        let mut waiting: VecDeque<(Pending<ProduceRequest>, i32, Vec<Bytes>)> = VecDeque::new();
        let mut number = 0_u64;
        let mut left: Vec<i32> = (0..self.partitions).collect();
        let Ok(mut client) = Client::try_connect(self.address) else { return ledger };
        loop {
            while waiting.len() < PIPELINED_MAX && !left.is_empty() {
                let index = left[usize::try_from(random.between(0, left.len() as u64)).expect("small")];
                let values = self.next_values(&mut number, &mut random);
                let batch = records::batch_of(wall_ms(), &values);
                let request = produce_request(partition(&self.topic, index), self.acks, batch);
                match client.send(PRODUCE_VERSION, &request) {
                    Ok(pending) => waiting.push_back((pending, index, values)),
                    Err(_) => break,
                }
            }
            let Some((pending, index, values)) = waiting.pop_front() else { return ledger };
            let Ok(answer) = client.receive(&pending) else { return ledger };
            let answer = &answer.responses[0].partition_responses[0];
            if self.storage_may_fail && answer.error_code == KAFKA_STORAGE_ERROR {
                left.retain(|other| *other != index);
                continue;
            }
            assert_eq!(answer.error_code, 0, "{}: produce to {} {index}", self.name, self.topic);
            assert!(
                left.contains(&index),
                "{}: {} {index} acknowledges after its storage failed",
                self.name,
                self.topic
            );
            acknowledged.fetch_add(values.len() as u64, Ordering::Relaxed);
            for (offset, value) in (answer.base_offset..).zip(values) {
                ledger.insert((index, offset), value);
            }
        }
    }

    fn next_values(&self, number: &mut u64, random: &mut Random) -> Vec<Bytes> {
        let count = random.between(1, BATCH_RECORDS_MAX + 1);
        let values = (0..count).map(|_| {
            *number += 1;
            let filler_len = usize::try_from(random.between(0, self.filler_bytes_max)).expect("small");
            let mut value = format!("{} {number} ", self.name).into_bytes();
            value.extend_from_slice(&random.bytes(filler_len));
            Bytes::from(value)
        });
        values.collect()
    }
}

/// Loads the server for a while, ends it by `end`, and gives what was acknowledged meanwhile. `round` tells the records of
/// several such loads apart.
pub fn load_and_end(
    server: &mut Server,
    load: Load<'_>,
    round: u64,
    random: &mut Random,
    before_end: Duration,
    end: fn(&mut Server),
) -> Ledger {
    let acknowledged = AtomicU64::new(0);
    let writers: Vec<Writer> = (0..load.writers)
        .map(|number| Writer {
            name: format!("round-{round}-writer-{number}"),
            address: server.address(),
            topic: load.topic.to_owned(),
            partitions: load.partitions,
            acks: if number % 2 == 0 { -1 } else { 1 },
            seed: random.next_u64(),
            filler_bytes_max: FILLER_BYTES_ORDINARY,
            storage_may_fail: false,
        })
        .collect();
    std::thread::scope(|scope| {
        let running: Vec<_> = writers.iter().map(|writer| scope.spawn(|| writer.run(&acknowledged))).collect();
        pause(before_end);
        end(server);
        let mut ledger = Ledger::default();
        for writer in running {
            ledger.merge(writer.join().expect("a writer ends without a panic"));
        }
        let places = ledger.len() as u64;
        assert_eq!(places, acknowledged.load(Ordering::Relaxed), "every acknowledged record has its own place");
        ledger
    })
}

/// Panics unless every known record is where it was; then knows all that are there.
pub fn check_everything(server: &Server, load: Load<'_>, ledger: &mut Ledger) {
    let mut client = Client::connect(server.address());
    for index in 0..load.partitions {
        let read = client.read_records(partition(load.topic, index));
        ledger.check_and_learn(index, &read);
    }
}

impl Ledger {
    /// Notes a record at its place; panics if something else is known to be there.
    pub fn insert(&mut self, place: Place, value: Bytes) {
        if let Some(known) = self.values.insert(place, value.clone()) {
            assert_eq!(known, value, "offset given twice: partition and offset {place:?}");
        }
    }

    /// Takes in all of another ledger.
    pub fn merge(&mut self, other: Ledger) {
        for (place, value) in other.values {
            self.insert(place, value);
        }
    }

    /// Number of places known.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Panics unless every known record of this partition is among these, at its offset, unchanged; then knows all of them.
    pub fn check_and_learn(&mut self, index: i32, read: &[Record]) {
        let missing = self.missing(index, read);
        let (number, first) = (missing.len(), missing.first());
        assert_eq!(number, 0, "acknowledged records are missing, the first at partition and offset {first:?}");
        for record in read {
            let value = record.value.clone().expect("the writers send no null values");
            self.values.insert((index, record.offset), value);
        }
    }

    /// The known places of this partition that none of these records is at. Panics if another content is there.
    pub fn missing(&self, index: i32, read: &[Record]) -> Vec<Place> {
        let known = self.values.range((index, 0)..=(index, i64::MAX));
        let mut missing = Vec::new();
        let mut found = read.iter().peekable();
        for (place, value) in known {
            while found.next_if(|record| record.offset < place.1).is_some() {}
            match found.peek() {
                Some(record) if record.offset == place.1 => {
                    assert_eq!(record.value.as_ref(), Some(value), "content at partition and offset {place:?}");
                }
                _ => missing.push(*place),
            }
        }
        missing
    }
}
