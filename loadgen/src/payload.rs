//! P: record batches from a template. The records are made once; for each batch only numbers are patched.

use batch::{BatchBuilder, Compression};

use crate::options::STAMP_BYTES;
use crate::sequences::Sequence;

/// What an end-to-end record carries at the start of its value.
///
/// ```text
///   0      8        16         24
///   +------+--------+----------+----
///   | run  | due ns | sequence | filler    little endian
///   +------+--------+----------+----
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Tells the records of this run from older ones in the topic.
    pub(crate) run: u64,
    pub(crate) due_ns: u64,
    pub(crate) sequence: u64,
}

impl Stamp {
    pub(crate) fn read(value: &[u8]) -> Option<Stamp> {
        let (words, _) = value.get(..STAMP_BYTES)?.as_chunks::<8>();
        let [run, due_ns, sequence] = [words[0], words[1], words[2]].map(u64::from_le_bytes);
        Some(Stamp { run, due_ns, sequence })
    }

    fn write(&self, value: &mut [u8]) {
        value[..8].copy_from_slice(&self.run.to_le_bytes());
        value[8..16].copy_from_slice(&self.due_ns.to_le_bytes());
        value[16..24].copy_from_slice(&self.sequence.to_le_bytes());
    }
}

/// A full batch from which batches of any smaller number of records are cut.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the batch ends behind each of its records.
    ends: Vec<usize>,
    value_bytes: usize,
}

impl Template {
    /// As many records as fit into `batch_bytes`, one at least. Records take the keys in turn.
    pub(crate) fn new(value_bytes: usize, batch_bytes: usize, keys: &[Vec<u8>], seed: u64) -> Self {
        let mut filler = Filler(seed | 1);
        let mut builder = BatchBuilder::new(Compression::None);
        let mut ends = Vec::new();
        let mut value = vec![0; value_bytes];
        loop {
            let key = (!keys.is_empty()).then(|| keys[ends.len() % keys.len()].as_slice());
            filler.fill(&mut value);
            builder.append(0, key, Some(&value), &[]);
            // The record that no longer fits stays behind the last end, where no cut reaches it.
            if !ends.is_empty() && builder.bytes() > batch_bytes {
                break;
            }
            ends.push(builder.bytes());
        }
        Template { bytes: builder.build(), ends, value_bytes }
    }

    /// The most records a batch can have.
    pub(crate) fn records_max(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Writes a stamp into the record at `index`; the batch must be cut afterwards.
    pub(crate) fn stamp(&mut self, index: usize, stamp: &Stamp) {
        // The value is followed by the number of headers, none, in one byte.
        let end = self.ends[index] - 1;
        stamp.write(&mut self.bytes[end - self.value_bytes..end]);
    }

    /// Makes a sound batch of the first `records`, all with this timestamp, and with the numbers of an idempotent producer.
    pub(crate) fn cut(&mut self, records: u64, timestamp_ms: i64, sequence: Option<Sequence>) -> &[u8] {
        let end = self.ends[records as usize - 1];
        let batch = &mut self.bytes[..end];
        batch::recount(batch, records as i32);
        batch::restamp_timestamps(batch, timestamp_ms, timestamp_ms);
        if let Some(Sequence { producer_id, producer_epoch, first }) = sequence {
            batch::restamp_producer(batch, producer_id, producer_epoch, first);
        }
        batch::reseal(batch);
        batch
    }

    /// The bytes that [`Template::cut`] has made, once more.
    pub(crate) fn cut_again(&self, records: u64) -> &[u8] {
        &self.bytes[..self.ends[records as usize - 1]]
    }
}

/// Bytes that do not compress: xorshift64.
struct Filler(u64);

impl Filler {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            chunk.copy_from_slice(&self.0.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use batch::DecompressLimit;

    use super::*;

    #[test]
    fn every_cut_is_a_sound_batch_with_its_stamps() {
        let keys = vec![b"a".to_vec(), b"bc".to_vec()];
        let mut template = Template::new(100, 2_000, &keys, 7);
        assert!((10..20).contains(&template.records_max()));
        for records in 1..=template.records_max() {
            for index in 0..records {
                template.stamp(index as usize, &Stamp { run: 9, due_ns: 1000 + index, sequence: index });
            }
            let sequence = Sequence { producer_id: 4, producer_epoch: 2, first: 70 };
            let bytes = template.cut(records, 123, Some(sequence)).to_vec();
            assert!(bytes.len() <= 2_000);
            assert_eq!(bytes, template.cut_again(records));
            let checked = batch::check(&bytes).unwrap();
            assert_eq!(checked.info.max_timestamp, 123);
            let info = checked.info;
            assert_eq!((info.producer_id, info.producer_epoch, info.base_sequence), (4, 2, 70));
            let opened = checked.records(DecompressLimit(0)).unwrap();
            for (index, record) in opened.iter().enumerate() {
                let record = record.unwrap();
                let index = index as u64;
                assert_eq!(record.key.map(<[u8]>::len), Some(1 + index as usize % 2));
                let stamp = Stamp::read(record.value.unwrap());
                assert_eq!(stamp, Some(Stamp { run: 9, due_ns: 1000 + index, sequence: index }));
            }
        }
    }

    #[test]
    fn a_record_larger_than_a_batch_travels_alone() {
        let template = Template::new(5_000, 1_000, &[], 7);
        assert_eq!(template.records_max(), 1);
    }
}
