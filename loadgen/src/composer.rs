//! P: record batches made record by record, where a template will not do: sizes that vary, values that can be compressed.
//! What a record is follows from its number, so that it can be asked for again.

use batch::{BatchBuilder, Compression};

use crate::payload::{Stamp, filler, mix};
use crate::sequences::Sequence;
use crate::sizes::Sizes;

/// Values are cut from so many bytes, or from twice the largest value.
const POOL_BYTES: usize = 1 << 20;
/// Values repeat and do not repeat in stretches of this size.
const STRETCH_BYTES: usize = 64;
/// Lengths, offsets and the number of headers of a record, roughly; it only decides where a batch ends.
const RECORD_EXTRA_BYTES: usize = 12;
/// The header of a batch.
const BATCH_EXTRA_BYTES: usize = 61;

/// See the top of the file.
#[derive(Clone, Debug)]
pub(crate) struct Composer {
    sizes: Sizes,
    compression: Compression,
    batch_bytes: usize,
    seed: u64,
    pool: Vec<u8>,
    /// The keys of each partition in the order in which its records take them; empty without keys.
    keys: Vec<Vec<Vec<u8>>>,
}

/// How values and batches are made.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) sizes: Sizes,
    pub(crate) compression: Compression,
    /// Before compression.
    pub(crate) batch_bytes: usize,
    /// The part of a value that no codec makes smaller, 0 to 1.
    pub(crate) random_share: f64,
}

/// What a batch is to hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) partition: usize,
    /// The number of the first record; sizes, values and keys follow from it.
    pub(crate) first: u64,
    pub(crate) records: u64,
    pub(crate) timestamp_ms: i64,
    pub(crate) sequence: Option<Sequence>,
}

impl Composer {
    pub(crate) fn new(recipe: &Recipe, keys: Vec<Vec<Vec<u8>>>, seed: u64) -> Self {
        let pool_bytes = POOL_BYTES.max(2 * recipe.sizes.max());
        let mut pool = filler(pool_bytes, seed);
        for stretch in pool.chunks_mut(STRETCH_BYTES) {
            let random = (stretch.len() as f64 * recipe.random_share).round() as usize;
            stretch[random..].fill(b'-');
        }
        let Recipe { sizes, compression, batch_bytes, .. } = recipe.clone();
        Composer { sizes, compression, batch_bytes, seed, pool, keys }
    }

    /// How many records a batch has on average when it is full.
    pub(crate) fn batch_records(&self) -> u64 {
        let key_bytes = self.keys.iter().flatten().next().map_or(0, Vec::len);
        let record_bytes = self.sizes.mean() + (key_bytes + RECORD_EXTRA_BYTES) as f64;
        ((self.batch_bytes.saturating_sub(BATCH_EXTRA_BYTES)) as f64 / record_bytes).max(1.0) as u64
    }

    /// How many of the records from `first` on fit into one batch, one at least, `most` at most.
    pub(crate) fn fitting(&self, partition: usize, first: u64, most: u64) -> u64 {
        let mut bytes = BATCH_EXTRA_BYTES;
        for number in first..first + most {
            bytes += self.value_bytes(number) + self.key(partition, number).map_or(0, <[u8]>::len) + RECORD_EXTRA_BYTES;
            if bytes > self.batch_bytes {
                return (number - first).max(1);
            }
        }
        most
    }

    /// The batch, and the bytes of its keys and values. `stamp` tells what a record carries, if it carries anything.
    pub(crate) fn compose(&self, order: &Order, stamp: impl Fn(u64) -> Option<Stamp>) -> (Vec<u8>, u64) {
        let mut builder = BatchBuilder::new(self.compression);
        if let Some(Sequence { producer_id, producer_epoch, first }) = order.sequence {
            builder = builder.producer(producer_id, producer_epoch, first);
        }
        let (mut value, mut payload_bytes) = (Vec::new(), 0);
        for index in 0..order.records {
            let number = order.first + index;
            let length = self.value_bytes(number);
            let start = mix(number ^ self.seed.rotate_left(17)) as usize % (self.pool.len() - length + 1);
            value.clear();
            value.extend_from_slice(&self.pool[start..start + length]);
            if let Some(stamp) = stamp(index) {
                stamp.write_whole(&mut value);
            }
            let key = self.key(order.partition, number);
            payload_bytes += (length + key.map_or(0, <[u8]>::len)) as u64;
            builder.append(order.timestamp_ms, key, Some(&value), &[]);
        }
        (builder.build(), payload_bytes)
    }

    fn value_bytes(&self, number: u64) -> usize {
        self.sizes.of(mix(number.wrapping_add(self.seed)))
    }

    fn key(&self, partition: usize, number: u64) -> Option<&[u8]> {
        let keys = self.keys.get(partition).filter(|keys| !keys.is_empty())?;
        Some(&keys[(number % keys.len() as u64) as usize])
    }
}

#[cfg(test)]
mod tests {
    use batch::DecompressLimit;

    use super::*;
    use crate::payload::Mark;

    fn composer(compression: Compression, random_share: f64) -> Composer {
        let sizes = Sizes::Uniform { min: 100, max: 900 };
        let keys = vec![vec![], vec![b"a".to_vec(), b"bc".to_vec()]];
        Composer::new(&Recipe { sizes, compression, batch_bytes: 10_000, random_share }, keys, 7)
    }

    #[test]
    fn batches_are_full_and_sound_with_keys_sizes_and_stamps() {
        for compression in Compression::ALL {
            let composer = composer(compression, 0.5);
            let mut first = 0;
            for _ in 0..20 {
                let records = composer.fitting(1, first, 1_000);
                let order = Order { partition: 1, first, records, timestamp_ms: 5, sequence: None };
                let stamp = |index| Some(Stamp { run: 3, due_ns: 4, sequence: first + index });
                let (bytes, payload_bytes) = composer.compose(&order, stamp);
                let checked = batch::check(&bytes).unwrap();
                let opened = checked.records(DecompressLimit(1 << 20)).unwrap();
                let mut found = 0;
                for (index, record) in opened.iter().enumerate() {
                    let (record, number) = (record.unwrap(), first + index as u64);
                    assert_eq!(record.key.map(<[u8]>::len), Some(1 + (number % 2) as usize));
                    let value = record.value.unwrap();
                    assert_eq!(Mark::read(value), Mark::Sound(Stamp { run: 3, due_ns: 4, sequence: number }));
                    found += (value.len() + record.key.unwrap().len()) as u64;
                }
                assert_eq!(found, payload_bytes);
                assert!(payload_bytes < 10_000 && payload_bytes > 8_000, "{payload_bytes}");
                first += records;
            }
        }
    }

    #[test]
    fn the_random_share_is_what_a_codec_leaves() {
        let order = Order { partition: 0, first: 0, records: 100, timestamp_ms: 5, sequence: None };
        let ratio = |share| {
            let (bytes, payload_bytes) = composer(Compression::Zstd, share).compose(&order, |_| None);
            bytes.len() as f64 / payload_bytes as f64
        };
        assert!(ratio(1.0) > 0.95 && (0.4..0.65).contains(&ratio(0.5)) && ratio(0.0) < 0.05);
    }
}
