//! What a broker may do to a batch before it stores it, where the topic says so: another codec, and its own clock. The records stay
//! as they are, byte for byte, and with them offsets, keys, headers and the producer with its sequence.

use bytes::Bytes;

use crate::layout::{self, field, set_field};
use crate::{BatchView, CheckedBytes, Compression, Records, compression, reseal};

/// A codec with its level; none is the codec's own default. Snappy has no levels, and here lz4 has none either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec {
    pub compression: Compression,
    pub level: Option<i32>,
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        Self { compression, level: None }
    }
}

/// The batch with its records in another codec.
///
/// # Panics
/// Panics if the batch would pass the 2 GiB that its length can say.
pub fn recompress(batch: &BatchView<'_>, records: &Records<'_>, codec: Codec) -> Vec<u8> {
    let header = batch.bytes[..layout::HEADER_BYTES].to_vec();
    let mut out = compression::compress(codec, records.bytes(), header).expect("writing to memory does not fail");
    let length = i32::try_from(out.len() - layout::PREFIX_BYTES).expect("Kafka's lengths end at 2 GiB");
    let attributes = batch.info.attributes & !layout::COMPRESSION_MASK | i16::from(codec.compression.code());
    set_field(&mut out, layout::BATCH_LENGTH_AT, length.to_be_bytes());
    set_field(&mut out, layout::ATTRIBUTES_AT, attributes.to_be_bytes());
    reseal(&mut out);
    out
}

impl CheckedBytes {
    /// The same batch as appended at `now_ms`, in milliseconds since the Unix epoch: readers then take that for the time of every
    /// record (KIP-32). The base timestamp stays, as the records count from it.
    pub fn appended_at(&self, now_ms: i64) -> CheckedBytes {
        let mut bytes = self.as_checked().bytes.to_vec();
        let attributes = self.info().attributes | layout::LOG_APPEND_TIME_BIT;
        set_field(&mut bytes, layout::ATTRIBUTES_AT, attributes.to_be_bytes());
        set_field(&mut bytes, layout::MAX_TIMESTAMP_AT, now_ms.to_be_bytes());
        reseal(&mut bytes);
        let crc = u32::from_be_bytes(field(&bytes, layout::CRC_AT));
        let info = crate::BatchInfo { attributes, max_timestamp: now_ms, crc, ..*self.info() };
        CheckedBytes::resealed(Bytes::from(bytes), info)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, DecompressLimit, TimestampType, check};

    const LIMIT: DecompressLimit = DecompressLimit(1 << 20);

    fn batch(compression: Compression) -> Vec<u8> {
        let mut builder = BatchBuilder::new(compression).producer(7, 1, 40);
        builder.append(1_000, Some(b"key"), Some(&[b'v'; 5_000]), &[("name", Some(b"header"))]);
        builder.append(900, None, None, &[]);
        builder.build()
    }

    #[test]
    fn every_codec_becomes_every_other_and_the_records_stay() {
        for from in Compression::ALL {
            for compression in Compression::ALL {
                let sent = batch(from);
                let checked = check(&sent).expect("sound");
                let records = checked.records(LIMIT).expect("records");
                let stored = recompress(&checked.view(), &records, Codec { compression, level: None });
                let again = check(&stored).unwrap_or_else(|error| panic!("{from:?} to {compression:?}: {error}"));
                assert_eq!(again.info.compression(), Ok(compression));
                assert_eq!(
                    again.records(LIMIT).expect("records").bytes(),
                    records.bytes(),
                    "{from:?} to {compression:?}"
                );
                let of = |info: &crate::BatchInfo| {
                    (info.producer_id, info.base_sequence, info.base_timestamp, info.max_timestamp, info.record_count)
                };
                assert_eq!(of(&again.info), of(&checked.info));
            }
        }
    }

    #[test]
    fn a_level_makes_the_batch_smaller_or_larger_and_not_another() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let plain = varied();
            let checked = check(&plain).expect("sound");
            let records = checked.records(LIMIT).expect("records");
            let at = |level| recompress(&checked.view(), &records, Codec { compression, level: Some(level) });
            let (fast, small) = (at(1), at(9));
            assert!(small.len() < fast.len(), "{compression:?}: {} and {}", small.len(), fast.len());
            for stored in [fast, small] {
                let again = check(&stored).expect("sound");
                assert_eq!(again.records(LIMIT).expect("records").bytes(), records.bytes());
            }
        }
    }

    /// Text in which a longer search finds more.
    fn varied() -> Vec<u8> {
        let mut builder = BatchBuilder::new(Compression::None);
        let mut state = 1u64;
        for _ in 0..200 {
            let mut value = Vec::new();
            for _ in 0..60 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                value.extend_from_slice(format!("word{} ", (state >> 33) % 300).as_bytes());
            }
            builder.append(1, None, Some(&value), &[]);
        }
        builder.build()
    }

    #[test]
    fn an_appended_batch_has_the_broker_s_time_for_every_record_and_a_sound_checksum() {
        let sent = CheckedBytes::check(batch(Compression::Lz4).into()).expect("sound");
        let stored = sent.appended_at(5_555);
        let again = check(stored.as_checked().bytes).expect("sound");
        assert_eq!(again.info, *stored.info());
        assert_eq!((again.info.timestamp_type(), again.info.max_timestamp), (TimestampType::LogAppendTime, 5_555));
        let records = again.records(LIMIT).expect("records");
        assert!(records.iter().all(|record| record.expect("sound").timestamp == 5_555));
    }
}
