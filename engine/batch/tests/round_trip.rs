//! What is built passes the check and reads back equal, with every codec.

use batch::{
    BatchBuilder, BatchError, BatchInfo, Batches, Compression, DecompressLimit, LeaderEpoch, Offset, check,
    check_first, layout, reseal, restamp_timestamps, stamp, verify_crc,
};
use proptest::prelude::*;

const LIMIT: DecompressLimit = DecompressLimit(8 << 20);

type Bytes = Vec<u8>;
type Given = (i64, Option<Bytes>, Option<Bytes>, Vec<(String, Option<Bytes>)>);

fn given_record() -> impl Strategy<Value = Given> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    (0i64..4_000_000_000_000, bytes(), bytes(), prop::collection::vec(("[a-zA-Zé]{0,9}", bytes()), 0..4))
}

fn build(compression: Compression, records: &[Given]) -> Bytes {
    let mut builder = BatchBuilder::new(compression).producer(77, 3, 1000);
    for (timestamp, key, value, headers) in records {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        builder.append(*timestamp, key.as_deref(), value.as_deref(), &headers);
    }
    builder.build()
}

fn assert_reads_back(bytes: &[u8], base_offset: i64, given: &[Given]) {
    let checked = check(bytes).unwrap();
    let records = checked.records(LIMIT).unwrap();
    let read: Vec<_> = records.iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len(), given.len());
    for (index, (record, (timestamp, key, value, headers))) in read.iter().zip(given).enumerate() {
        assert_eq!(record.offset, Offset(base_offset + index as i64));
        assert_eq!(record.timestamp, *timestamp);
        assert_eq!(record.key, key.as_deref());
        assert_eq!(record.value, value.as_deref());
        let expected: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref())).collect();
        assert_eq!(record.headers.iter().collect::<Vec<_>>(), expected);
    }
}

fn plain(count: usize, compression: Compression) -> Bytes {
    let given: Vec<Given> = (0..count).map(|i| (i as i64, None, Some(vec![b'x'; 100]), vec![])).collect();
    build(compression, &given)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_codec_gives_back_what_went_in(given in prop::collection::vec(given_record(), 1..20), code in 0u8..5) {
        let mut bytes = build(Compression::from_code(code).unwrap(), &given);
        assert_reads_back(&bytes, 0, &given);
        stamp(&mut bytes, Offset(1_000_000), LeaderEpoch(5));
        assert_reads_back(&bytes, 1_000_000, &given);
        let info = check(&bytes).unwrap().info;
        prop_assert_eq!(info.leader_epoch, LeaderEpoch(5));
        prop_assert_eq!((info.producer_id, info.producer_epoch, info.base_sequence), (77, 3, 1000));
        prop_assert_eq!(info.max_timestamp, given.iter().map(|g| g.0).max().unwrap());
    }

    #[test]
    fn no_flipped_byte_under_the_checksum_passes(at in layout::CRC_AT..500usize, flip in 1u8..) {
        let mut bytes = plain(5, Compression::None);
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= flip;
        let caught = matches!(check(&bytes), Err(BatchError::CrcMismatch { .. }));
        prop_assert!(caught);
    }
}

#[test]
fn a_megabyte_record_survives_every_codec() {
    let value: Bytes = (0..1_000_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for compression in Compression::ALL {
        let given: Vec<Given> = vec![(5, Some(b"key".to_vec()), Some(value.clone()), vec![])];
        assert_reads_back(&build(compression, &given), 0, &given);
    }
}

#[test]
fn raw_snappy_as_librdkafka_may_send_it_is_read() {
    let plain_batch = plain(10, Compression::None);
    let body = snap::raw::Encoder::new().compress_vec(&plain_batch[layout::HEADER_BYTES..]).unwrap();
    let mut bytes = plain_batch[..layout::HEADER_BYTES].to_vec();
    bytes.extend_from_slice(&body);
    let length = (bytes.len() - layout::PREFIX_BYTES) as i32;
    bytes[layout::BATCH_LENGTH_AT..][..4].copy_from_slice(&length.to_be_bytes());
    bytes[layout::ATTRIBUTES_AT + 1] = Compression::Snappy.code();
    reseal(&mut bytes);
    let checked = check(&bytes).unwrap();
    assert_eq!(checked.records(LIMIT).unwrap().iter().filter(|record| record.is_ok()).count(), 10);
}

#[test]
fn a_bomb_ends_at_the_limit() {
    for compression in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let mut builder = BatchBuilder::new(compression);
        builder.append(0, None, Some(&vec![0; 4 << 20]), &[]);
        let bytes = builder.build();
        let limit = DecompressLimit(1 << 20);
        let error = check(&bytes).unwrap().records(limit).err();
        assert_eq!(error, Some(BatchError::OverDecompressLimit(limit)), "{}", compression.name());
    }
}

#[test]
fn each_lie_in_the_header_has_its_own_error() {
    let good = plain(4, Compression::None);
    let changed = |at: usize, bytes: &[u8]| {
        let mut batch = good.clone();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut batch);
        batch
    };
    assert!(check(&good).is_ok());
    for magic in [0, 1, 3] {
        let batch = changed(layout::MAGIC_AT, &[magic]);
        assert_eq!(check(&batch).err(), Some(BatchError::UnsupportedMagic(magic as i8)));
        assert_eq!(check(&batch[..30]).err(), Some(BatchError::UnsupportedMagic(magic as i8)));
    }
    let batch = changed(layout::RECORD_COUNT_AT, &0i32.to_be_bytes());
    assert_eq!(check(&batch).err(), Some(BatchError::RecordCountInvalid(0)));
    let batch = changed(layout::RECORD_COUNT_AT, &3i32.to_be_bytes());
    assert_eq!(check(&batch).err(), Some(BatchError::CountMismatch { record_count: 3, last_offset_delta: 3 }));
    let batch = changed(layout::ATTRIBUTES_AT, &[0, 6]);
    assert_eq!(check(&batch).err(), Some(BatchError::UnknownCompression(6)));
    let batch = changed(layout::BATCH_LENGTH_AT, &(-1i32).to_be_bytes());
    assert_eq!(check(&batch).err(), Some(BatchError::LengthTooSmall(-1)));
    let batch = changed(layout::HEADER_BYTES, &[0xfe, 0xff, 0xff, 0xff]);
    assert_eq!(check(&batch).err(), Some(BatchError::RecordMalformed { index: 0 }));
    let mut batch = changed(layout::RECORD_COUNT_AT, &3i32.to_be_bytes());
    batch[layout::LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&2i32.to_be_bytes());
    reseal(&mut batch);
    assert!(matches!(check(&batch), Err(BatchError::BytesAfterRecords { .. })));
    assert_eq!(
        check(&good[..100]).err(),
        Some(BatchError::Truncated { needed: good.len(), have: 100 }),
        "a cut batch says what it lacks"
    );
    let twice = [good.clone(), good.clone()].concat();
    assert_eq!(check(&twice).err(), Some(BatchError::TrailingBytes { bytes: good.len() }));
    assert_eq!(check_first(&twice).unwrap().1.len(), good.len());
}

#[test]
fn a_walk_ends_cleanly_at_a_cut_batch_and_with_one_error_at_garbage() {
    let one = plain(3, Compression::None);
    let mut bytes = one.repeat(3);
    bytes.extend_from_slice(&one[..80]);
    let mut walk = Batches::new(&bytes);
    assert_eq!(walk.by_ref().filter(|batch| batch.is_ok()).count(), 3);
    assert_eq!(walk.rest().len(), 80);

    bytes.truncate(one.len());
    bytes.extend_from_slice(&[0xff; 200]);
    let walked: Vec<_> = Batches::new(&bytes).collect();
    assert_eq!(walked.len(), 2);
    assert!(walked[1].is_err());
}

#[test]
fn a_template_is_sound_again_after_reseal() {
    let mut bytes = plain(3, Compression::None);
    restamp_timestamps(&mut bytes, 1000, 1002);
    assert!(verify_crc(&bytes).is_err());
    reseal(&mut bytes);
    let info = check(&bytes).unwrap().info;
    assert_eq!((info.base_timestamp, info.max_timestamp), (1000, 1002));
    assert_eq!(BatchInfo::peek(&bytes[..60]), Ok(None));
}
