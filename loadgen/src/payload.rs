//! P: record batches from a template. The records are made once; for each batch only numbers are patched.

use batch::{BatchBuilder, Compression, crc32c};

use crate::options::STAMP_BYTES;
use crate::sequences::Sequence;

/// "RMLG": a value that begins otherwise is not ours.
const MAGIC: u32 = 0x474c_4d52;
/// Where the checksum stands.
const CHECKSUM_AT: usize = 32;

/// What a record carries at the start of its value.
///
/// ```text
///   0       4              8     16       24         32         36
///   +-------+--------------+-----+--------+----------+----------+-------
///   | magic | bytes, value | run | due ns | sequence | checksum | filler    little endian
///   +-------+--------------+-----+--------+----------+----------+-------
/// ```
/// The checksum is the CRC-32C of what stands before it, xor that of the filler: the latter is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Tells the records of this run from older ones in the topic.
    pub(crate) run: u64,
    pub(crate) due_ns: u64,
    pub(crate) sequence: u64,
}

/// What stands at the start of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Sound(Stamp),
    /// A stamp of ours in a value that is not as it was sent.
    Broken,
    None,
}

impl Mark {
    /// Reads the start of a value and checks the whole.
    pub(crate) fn read(value: &[u8]) -> Mark {
        let Some((head, filler)) = value.split_at_checked(STAMP_BYTES) else { return Mark::None };
        let short = |at: usize| u32::from_le_bytes(*head[at..].first_chunk().expect("the head is long enough"));
        let long = |at: usize| u64::from_le_bytes(*head[at..].first_chunk().expect("the head is long enough"));
        if short(0) != MAGIC {
            return Mark::None;
        }
        let sound =
            short(4) as usize == value.len() && short(CHECKSUM_AT) == crc32c(&head[..CHECKSUM_AT]) ^ crc32c(filler);
        if sound { Mark::Sound(Stamp { run: long(8), due_ns: long(16), sequence: long(24) }) } else { Mark::Broken }
    }
}

impl Stamp {
    /// Writes it into a value of which all else is written already.
    pub(crate) fn write_whole(&self, value: &mut [u8]) {
        let filler_crc = crc32c(&value[STAMP_BYTES..]);
        self.write(value, filler_crc);
    }

    fn write(&self, value: &mut [u8], filler_crc: u32) {
        let bytes = value.len() as u32;
        value[..4].copy_from_slice(&MAGIC.to_le_bytes());
        value[4..8].copy_from_slice(&bytes.to_le_bytes());
        value[8..16].copy_from_slice(&self.run.to_le_bytes());
        value[16..24].copy_from_slice(&self.due_ns.to_le_bytes());
        value[24..CHECKSUM_AT].copy_from_slice(&self.sequence.to_le_bytes());
        let checksum = crc32c(&value[..CHECKSUM_AT]) ^ filler_crc;
        value[CHECKSUM_AT..STAMP_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// A full batch from which batches of any smaller number of records are cut.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the batch ends behind each of its records.
    ends: Vec<usize>,
    /// The checksum of each value behind its stamp.
    filler_crcs: Vec<u32>,
    value_bytes: usize,
}

impl Template {
    /// As many records as fit into `batch_bytes`, one at least. Records take the keys in turn.
    pub(crate) fn new(value_bytes: usize, batch_bytes: usize, keys: &[Vec<u8>], seed: u64) -> Self {
        let mut builder = BatchBuilder::new(Compression::None);
        let (mut ends, mut filler_crcs) = (Vec::new(), Vec::new());
        loop {
            let key = (!keys.is_empty()).then(|| keys[ends.len() % keys.len()].as_slice());
            let value = filler(value_bytes, mix(seed.wrapping_add(ends.len() as u64)));
            builder.append(0, key, Some(&value), &[]);
            // The record that no longer fits stays behind the last end, where no cut reaches it.
            if !ends.is_empty() && builder.bytes() > batch_bytes {
                break;
            }
            ends.push(builder.bytes());
            filler_crcs.push(crc32c(value.get(STAMP_BYTES..).unwrap_or(&[])));
        }
        Template { bytes: builder.build(), ends, filler_crcs, value_bytes }
    }

    /// The most records a batch can have.
    pub(crate) fn records_max(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Writes a stamp into the record at `index`; the batch must be cut afterwards.
    pub(crate) fn stamp(&mut self, index: usize, stamp: &Stamp) {
        // The value is followed by the number of headers, none, in one byte.
        let end = self.ends[index] - 1;
        stamp.write(&mut self.bytes[end - self.value_bytes..end], self.filler_crcs[index]);
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
pub(crate) fn filler(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut filled = vec![0; bytes];
    for chunk in filled.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    filled
}

/// A number in which every bit depends on every bit of `number` (splitmix64).
pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
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
                let mark = Mark::read(record.value.unwrap());
                assert_eq!(mark, Mark::Sound(Stamp { run: 9, due_ns: 1000 + index, sequence: index }));
            }
        }
    }

    #[test]
    fn every_bit_of_a_value_is_under_its_checksum() {
        let mut value = filler(60, 5);
        assert_eq!(Mark::read(&value), Mark::None);
        Stamp { run: 1, due_ns: 2, sequence: 3 }.write_whole(&mut value);
        assert!(matches!(Mark::read(&value), Mark::Sound(_)));
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Without the magic there is nothing to check.
            assert_eq!(Mark::read(&flipped), if bit < 32 { Mark::None } else { Mark::Broken }, "bit {bit}");
        }
        assert_eq!(Mark::read(&value[..59]), Mark::Broken);
        assert_eq!(Mark::read(&value[..20]), Mark::None);
    }

    #[test]
    fn a_record_larger_than_a_batch_travels_alone() {
        let template = Template::new(5_000, 1_000, &[], 7);
        assert_eq!(template.records_max(), 1);
    }
}
