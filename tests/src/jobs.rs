//! Records that real clients are asked to write, and the proof that what is read back is equal.
//!
//! A job's records follow from its fields; `clients/records.py` and `clients/kafkajs.mjs` make the same ones.
//! A reader gives fingerprints (length and CRC-32 of the value, the rest as it is), which are compared key by key.

use crate::records::crc32;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which headers each record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// None at all.
    None,
    /// Three per record: its index, an empty one, one of raw bytes (none of them zero: kcat prints up to a zero).
    PerRecord,
    /// The same one on all records, which is what kcat can do.
    Fixed,
}

/// An order to a client: so many records of this kind into this topic.
#[derive(Clone, Debug)]
pub struct Job {
    /// The topic, which the test has created.
    pub topic: String,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub codec: &'static str,
    /// Number of records.
    pub count: usize,
    /// Length of each value.
    pub value_bytes: usize,
    /// Number of different keys; 0 for records without a key.
    pub keys: usize,
    /// Headers of each record.
    pub headers: Headers,
    /// Every tenth value is null.
    pub nulls: bool,
    /// `all`, `1` or `0`.
    pub acks: &'static str,
    /// Whether the producer asks for a producer id and numbers its batches.
    pub idempotent: bool,
    /// About so many records in a batch at most; `None` leaves it to the client.
    pub batch_records: Option<usize>,
    /// Timestamp of the first record, the following ones are 1 ms apart each; `None` where the client cannot set it.
    pub timestamp_ms: Option<i64>,
}

/// One record as a client read it, or as it should be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint {
    /// The key as hexadecimal digits, or `None`.
    pub key: Option<String>,
    /// Length of the value, -1 for null.
    pub value_len: i64,
    /// CRC-32 of the value, 0 for null.
    pub value_crc: u32,
    /// Name and value, as hexadecimal digits, of each header.
    pub headers: Vec<(String, Option<String>)>,
    /// `None` if the writer could not set it.
    pub timestamp_ms: Option<i64>,
}

/// A fingerprint at its place.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The record.
    pub record: Fingerprint,
}

impl Job {
    /// Small records with keys, headers and nulls: what most applications send.
    pub fn ordinary(topic: String, codec: &'static str) -> Job {
        Job {
            topic,
            codec,
            count: 200,
            value_bytes: 300,
            keys: 17,
            headers: Headers::PerRecord,
            nulls: true,
            acks: "all",
            idempotent: false,
            batch_records: None,
            timestamp_ms: Some(crate::clock::wall_ms()),
        }
    }

    /// A few records of 1 MB.
    pub fn large(topic: String, codec: &'static str) -> Job {
        Job { count: 3, value_bytes: 1_000_000, nulls: false, ..Job::ordinary(topic, codec) }
    }

    /// The job as the client scripts read it.
    pub fn to_json(&self) -> Value {
        json!({
            "topic": self.topic, "seed": self.seed(), "codec": self.codec, "count": self.count,
            "value_bytes": self.value_bytes, "keys": self.keys, "headers": self.headers == Headers::PerRecord,
            "nulls": self.nulls, "acks": self.acks, "idempotent": self.idempotent, "timestamp_ms": self.timestamp_ms,
            "batch_records": self.batch_records,
        })
    }

    /// The value of a record, or `None` for null.
    pub fn value(&self, index: usize) -> Option<Vec<u8>> {
        if self.nulls && index % 10 == 9 {
            return None;
        }
        let unit = format!("{}:{index}:", self.seed());
        Some(unit.bytes().cycle().take(self.value_bytes).collect())
    }

    /// The key of a record, or `None`.
    pub fn key(&self, index: usize) -> Option<String> {
        (self.keys > 0).then(|| format!("key-{}", index % self.keys))
    }

    fn seed(&self) -> String {
        format!("{}-{}", self.topic, self.codec)
    }

    /// The record as it should be read.
    pub fn expected(&self, index: usize) -> Fingerprint {
        let value = self.value(index);
        let header = |name: &str, value: &[u8]| (name.to_owned(), Some(hex(value)));
        let headers = match self.headers {
            Headers::None => Vec::new(),
            Headers::Fixed => vec![header("origin", b"kcat")],
            Headers::PerRecord => {
                vec![
                    header("index", index.to_string().as_bytes()),
                    header("empty", b""),
                    header("bytes", &[255, 10, 254]),
                ]
            }
        };
        Fingerprint {
            key: self.key(index).map(|key| hex(key.as_bytes())),
            value_len: value.as_ref().map_or(-1, |value| value.len() as i64),
            value_crc: value.as_ref().map_or(0, |value| crc32(value)),
            headers,
            timestamp_ms: self.timestamp_ms.map(|first| first + index as i64),
        }
    }

    /// Panics unless `seen` is what this job wrote: every offset once, each key in one partition and in order.
    pub fn assert_equal(&self, seen: &[Seen], reader: &str) {
        let what = format!("{} read by {reader}", self.topic);
        assert_eq!(seen.len(), self.count, "{what}: number of records");
        assert_offsets_whole(seen, &what);
        let mut read: BTreeMap<Option<String>, Vec<Fingerprint>> = BTreeMap::new();
        let mut partition_of: BTreeMap<String, i32> = BTreeMap::new();
        for one in in_order(seen) {
            let mut record = one.record.clone();
            if self.timestamp_ms.is_none() {
                record.timestamp_ms = None;
            }
            if let Some(key) = &record.key {
                let partition = *partition_of.entry(key.clone()).or_insert(one.partition);
                assert_eq!(partition, one.partition, "{what}: key {key} lies in one partition");
            }
            read.entry(record.key.clone()).or_default().push(record);
        }
        let mut expected: BTreeMap<Option<String>, Vec<Fingerprint>> = BTreeMap::new();
        for index in 0..self.count {
            let record = self.expected(index);
            expected.entry(record.key.clone()).or_default().push(record);
        }
        // Records without a key are spread as the client likes, so only their set is known.
        for records in [&mut read, &mut expected] {
            records.entry(None).or_default().sort();
        }
        for (key, records) in &expected {
            let found = read.get(key).map(Vec::as_slice).unwrap_or_default();
            assert_eq!(found.len(), records.len(), "{what}: number of records with key {key:?}");
            for (found, record) in found.iter().zip(records) {
                assert_eq!(found, record, "{what}");
            }
        }
    }
}

/// The records of one line each that a Python client printed, by topic.
pub fn parse_seen(lines: &[Value]) -> BTreeMap<String, Vec<Seen>> {
    let mut topics: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.get("offset").is_some()) {
        let headers = line["headers"].as_array().expect("a list of headers").iter().map(|header| {
            let name = header[0].as_str().expect("a header has a name").to_owned();
            (name, header[1].as_str().map(str::to_owned))
        });
        let record = Fingerprint {
            key: line["key"].as_str().map(str::to_owned),
            value_len: line["len"].as_i64().expect("a length"),
            value_crc: u32::try_from(line["crc"].as_u64().expect("a checksum")).expect("32 bits"),
            headers: headers.collect(),
            timestamp_ms: line["timestamp_ms"].as_i64(),
        };
        let partition = i32::try_from(line["partition"].as_i64().expect("a partition")).expect("32 bits");
        let offset = line["offset"].as_i64().expect("an offset");
        let topic = line["topic"].as_str().expect("a topic").to_owned();
        topics.entry(topic).or_default().push(Seen { partition, offset, record });
    }
    topics
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn in_order(seen: &[Seen]) -> Vec<&Seen> {
    let mut ordered: Vec<&Seen> = seen.iter().collect();
    ordered.sort_by_key(|one| (one.partition, one.offset));
    ordered
}

fn assert_offsets_whole(seen: &[Seen], what: &str) {
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    for one in in_order(seen) {
        let expected = next.entry(one.partition).or_default();
        assert_eq!(one.offset, *expected, "{what}: partition {} has every offset once", one.partition);
        *expected += 1;
    }
}
