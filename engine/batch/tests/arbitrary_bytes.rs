//! Nobody's bytes make this package panic.

use batch::{
    BatchBuilder, BatchInfo, BatchView, Batches, Compression, DecompressLimit, check, check_first, layout, reseal,
    verify_crc,
};
use proptest::prelude::*;

fn read_everything(bytes: &[u8]) {
    let _ = BatchInfo::peek(bytes).map(|info| info.map(|info| (info.last_offset(), info.next_offset())));
    let _ = check(bytes);
    let _ = check_first(bytes);
    let _ = verify_crc(bytes);
    for view in Batches::new(bytes).flatten() {
        read_records(view);
    }
}

fn read_records(view: BatchView<'_>) {
    if let Ok(records) = view.records(DecompressLimit(1 << 20)) {
        for record in records.iter().flatten() {
            let _ = record.headers.iter().count();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        read_everything(&bytes);
    }

    /// Wild bytes behind a header that is almost right reach much deeper.
    #[test]
    fn arbitrary_records_under_a_sound_checksum_are_survived(
        body in prop::collection::vec(any::<u8>(), 0..300), count in -2i32..40, code in 0u8..8,
    ) {
        let mut bytes = vec![0; layout::HEADER_BYTES];
        bytes.extend_from_slice(&body);
        let length = (bytes.len() - layout::PREFIX_BYTES) as i32;
        bytes[layout::BATCH_LENGTH_AT..][..4].copy_from_slice(&length.to_be_bytes());
        bytes[layout::MAGIC_AT] = 2;
        bytes[layout::ATTRIBUTES_AT + 1] = code;
        bytes[layout::LAST_OFFSET_DELTA_AT..][..4].copy_from_slice(&(count - 1).to_be_bytes());
        bytes[layout::RECORD_COUNT_AT..][..4].copy_from_slice(&count.to_be_bytes());
        reseal(&mut bytes);
        read_everything(&bytes);
    }

    /// Damage behind a correct compressed start reaches the decoders' inner loops.
    #[test]
    fn damaged_compressed_records_are_survived(code in 1u8..5, at in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut builder = BatchBuilder::new(Compression::from_code(code).unwrap());
        for index in 0..50u8 {
            builder.append(i64::from(index), Some(&[index; 10]), Some(&[index / 3; 100]), &[("h", Some(b"v"))]);
        }
        let mut bytes = builder.build();
        let at = layout::HEADER_BYTES + at.index(bytes.len() - layout::HEADER_BYTES);
        bytes[at] ^= flip;
        reseal(&mut bytes);
        read_everything(&bytes);
    }
}
