//! Somebody who works beside the writers: makes topics, deletes records and deletes topics until the server dies, and knows what was
//! promised of each.

use crate::calls::{PRODUCE_VERSION, delete_records_request, delete_topics_request, partition, produce_request};
use crate::clock::wall_ms;
use crate::kafka::Client;
use crate::random::Random;
use crate::records;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

/// Offset of the first record, as a timestamp that ListOffsets understands.
const EARLIEST: i64 = -2;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;
/// Records in each batch.
const BATCH_RECORDS: i64 = 5;

/// What is known of one topic with one partition.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    /// The topic's name.
    pub topic: String,
    records: BTreeMap<i64, Bytes>,
    /// The log starts here or later: it was acknowledged.
    start_min: i64,
    /// It starts here or before: nobody asked for more.
    start_max: i64,
    existence: Existence,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Existence {
    /// Its creation was asked for.
    #[default]
    Possible,
    Promised,
    /// Its deletion was asked for.
    Doubtful,
    Ended,
}

/// Works until something fails, and gives what was promised of each topic. Their names start with `name`.
pub fn work(address: SocketAddr, name: &str, seed: u64) -> Vec<Promises> {
    let mut random = Random::from_seed(seed);
    let mut known = Vec::new();
    let Ok(mut client) = Client::try_connect(address) else { return known };
    for number in 0.. {
        let mut promises = Promises { topic: format!("{name}-{number}"), ..Promises::default() };
        let worked = promises.keep_busy(&mut client, &mut random);
        known.push(promises);
        if worked.is_err() {
            break;
        }
    }
    known
}

impl Promises {
    /// A topic's whole life, unless something fails.
    fn keep_busy(&mut self, client: &mut Client, random: &mut Random) -> io::Result<()> {
        client.try_create_topic(&self.topic, 1, &[]).map_err(|(code, _)| io::Error::other(code.to_string()))?;
        self.existence = Existence::Promised;
        for _ in 0..random.between(1, 6) {
            self.append(client, random)?;
        }
        if let Some(last) = self.records.last_key_value().map(|(offset, _)| *offset)
            && random.between(0, 3) > 0
        {
            self.cut(client, i64::try_from(random.between(0, last.unsigned_abs() + 2)).expect("small"))?;
        }
        if random.between(0, 2) == 0 {
            self.delete(client)?;
        }
        Ok(())
    }

    fn append(&mut self, client: &mut Client, random: &mut Random) -> io::Result<()> {
        let values: Vec<Vec<u8>> = (0..BATCH_RECORDS).map(|_| random.bytes(200)).collect();
        let request = produce_request(partition(&self.topic, 0), -1, records::batch_of(wall_ms(), &values));
        let answer = client.try_call(PRODUCE_VERSION, &request)?;
        let answer = &answer.responses[0].partition_responses[0];
        expect_success(answer.error_code)?;
        self.records.extend((answer.base_offset..).zip(values.into_iter().map(Bytes::from)));
        Ok(())
    }

    fn cut(&mut self, client: &mut Client, offset: i64) -> io::Result<()> {
        self.start_max = offset;
        let answer = client.try_call(2, &delete_records_request(partition(&self.topic, 0), offset))?;
        expect_success(answer.topics[0].partitions[0].error_code)?;
        self.start_min = offset;
        Ok(())
    }

    fn delete(&mut self, client: &mut Client) -> io::Result<()> {
        self.existence = Existence::Doubtful;
        let answer = client.try_call(6, &delete_topics_request(&self.topic))?;
        expect_success(answer.responses[0].error_code)?;
        self.existence = Existence::Ended;
        Ok(())
    }

    /// Panics unless everything that was promised holds.
    pub fn check(&self, client: &mut Client) {
        let code = client.metadata(&[&self.topic]).topics[0].error_code;
        match self.existence {
            Existence::Ended => {
                assert_eq!(code, UNKNOWN_TOPIC_OR_PARTITION, "{}: deleted, and there again", self.topic)
            }
            Existence::Promised => assert_eq!(code, 0, "{}: created, and gone", self.topic),
            Existence::Possible | Existence::Doubtful => {}
        }
        if code != 0 {
            return;
        }
        let place = partition(&self.topic, 0);
        let start = client.list_offset(place, EARLIEST).offset;
        let promised = self.start_min..=self.start_max;
        assert!(promised.contains(&start), "{}: starts at {start} instead of within {promised:?}", self.topic);
        let found = records::decode(&client.read_batches(place, start));
        let found: BTreeMap<i64, Bytes> =
            found.into_iter().map(|record| (record.offset, record.value.expect("no null was sent"))).collect();
        for (offset, value) in self.records.range(start..) {
            assert_eq!(found.get(offset), Some(value), "{}: the record at offset {offset}", self.topic);
        }
    }
}

fn expect_success(code: i16) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::other(format!("error code {code}"))) }
}
