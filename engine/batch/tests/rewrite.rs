//! Batches from which compaction has taken records.

use batch::{BatchBuilder, BatchInfo, BatchView, Compression, DecompressLimit, LeaderEpoch, Offset};
use proptest::prelude::*;

const LIMIT: DecompressLimit = DecompressLimit(1 << 20);

type Plain = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, usize);

fn plain(view: &BatchView<'_>) -> Vec<Plain> {
    let records = view.records(LIMIT).expect("sound");
    let owned = records.iter().map(|record| {
        let record = record.expect("sound");
        let (key, value) = (record.key.map(<[u8]>::to_vec), record.value.map(<[u8]>::to_vec));
        (record.offset.0, record.timestamp, key, value, record.headers.len())
    });
    owned.collect()
}

fn batch_of(compression: Compression, records: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(compression).producer(77, 3, 1000);
    for i in 0..records {
        let (key, value) = ([b'k', i as u8], vec![i as u8; 50 + i]);
        let value = (i % 3 != 0).then_some(&value[..]);
        builder.append(1_700_000_000_000 + (i as i64 * 37) % 100, Some(&key), value, &[("h", Some(b"x"))]);
    }
    let mut bytes = builder.build();
    batch::stamp(&mut bytes, Offset(500), LeaderEpoch(4));
    bytes
}

fn view(bytes: &[u8]) -> BatchView<'_> {
    batch::verify_crc(bytes).expect("its checksum is right");
    let (view, rest) = BatchView::first(bytes).expect("sound").expect("whole");
    assert!(rest.is_empty());
    view
}

/// What must not change whatever is taken out.
fn identity(info: &BatchInfo) -> (Offset, i32, LeaderEpoch, i64, i16, i32) {
    (
        info.base_offset,
        info.last_offset_delta,
        info.leader_epoch,
        info.producer_id,
        info.producer_epoch,
        info.base_sequence,
    )
}

proptest! {
    #[test]
    fn what_is_kept_is_as_it_was(
        codec in 0u8..5,
        keep in proptest::collection::vec(any::<bool>(), 1..40),
        horizon in proptest::option::of(0i64..4_000_000_000_000),
    ) {
        let bytes = batch_of(Compression::from_code(codec).unwrap(), keep.len());
        let before = view(&bytes);
        let all = plain(&before);
        let kept: Vec<Plain> = all.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(record, _)| record.clone()).collect();
        if kept.is_empty() {
            let empty = batch::emptied(&before);
            let after = view(&empty);
            prop_assert_eq!(identity(&after.info), identity(&before.info));
            prop_assert_eq!((after.info.record_count, after.info.max_timestamp), (0, before.info.max_timestamp));
            prop_assert!(plain(&after).is_empty());
            return Ok(());
        }
        let records = before.records(LIMIT).unwrap();
        let rewritten = batch::retain(&before, &records, &keep, horizon).unwrap();
        let after = view(&rewritten);
        prop_assert_eq!(identity(&after.info), identity(&before.info));
        prop_assert_eq!(after.info.compression(), before.info.compression());
        prop_assert_eq!(after.info.record_count as usize, kept.len());
        prop_assert_eq!(Some(after.info.max_timestamp), kept.iter().map(|record| record.1).max());
        prop_assert_eq!(after.info.delete_horizon_ms(), horizon);
        prop_assert_eq!(plain(&after), kept);
    }
}

#[test]
fn a_horizon_stays_when_more_records_go() {
    let bytes = batch_of(Compression::Zstd, 4);
    let before = view(&bytes);
    let first = batch::retain(&before, &before.records(LIMIT).unwrap(), &[true, true, true, false], Some(99)).unwrap();
    let first = view(&first);
    let second = batch::retain(&first, &first.records(LIMIT).unwrap(), &[true, false, true], None).unwrap();
    let second = view(&second);
    assert_eq!(second.info.delete_horizon_ms(), Some(99));
    assert_eq!(plain(&second).iter().map(|record| record.0).collect::<Vec<_>>(), [500, 502]);
    let all = plain(&before);
    assert_eq!(plain(&second), [all[0].clone(), all[2].clone()]);
}
