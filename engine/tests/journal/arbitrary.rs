//! No bytes make the readers panic, or allocate by what the bytes claim.

use engine::JournalFileId;
use engine::checkpoint;
use engine::frame::{FRAME_HEADER_BYTES, FrameView};
use engine::journal::{FileHeader, GROUP_HEADER_BYTES, GroupHead, ReplayFrom, frames, recover, scan_file};
use engine::segment_index;
use proptest::prelude::*;

use crate::disk::aligned;
use crate::formats::{sample_checkpoint, sample_index};
use crate::writer::{SHARD, Writer};

/// Makes the first four bytes the checksum of the rest up to `end`, so that what lies behind the checksum is reached.
fn fix_crc(bytes: &mut [u8], end: usize) {
    let crc = batch::crc32c(&bytes[4..end]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
}

fn small_journal() -> (JournalFileId, Vec<u8>) {
    let mut writer = Writer::new(2);
    for sizes in [vec![10], vec![5000, 3], vec![], vec![100]] {
        writer.write(&sizes);
    }
    let (file, bytes) = writer.disk.files.first_key_value().expect("written");
    (*file, bytes[..40960].to_vec())
}

fn scan_all(file: JournalFileId, bytes: &[u8]) {
    let scan = scan_file(file, bytes);
    let recovered = recover(&[scan.clone(), scan], ReplayFrom::start(SHARD));
    for group in &recovered.groups {
        assert!(frames(bytes, group).all(|frame| frame.is_ok()), "what recovery took is sound");
        frames(&bytes[..bytes.len() / 2], group).for_each(drop);
    }
}

/// A process that died right after it made a file leaves an empty one. Its bytes lie nowhere, and least of all aligned: recovery
/// took that for a mistake of its own and panicked, in one run of [`arbitrary_bytes_are_refused_quietly`] of very many.
#[test]
fn an_empty_journal_file_is_free_to_use() {
    scan_all(JournalFileId(1), &[]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn arbitrary_bytes_are_refused_quietly(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let mut bytes = aligned(&bytes);
        let _ = FrameView::parse(&bytes);
        let _ = GroupHead::parse(&bytes);
        let _ = FileHeader::parse(&bytes);
        let _ = checkpoint::decode(&bytes);
        let _ = segment_index::decode(&bytes);
        scan_all(JournalFileId(1), &bytes);
        if bytes.len() >= FRAME_HEADER_BYTES {
            fix_crc(&mut bytes, FRAME_HEADER_BYTES);
            let _ = FrameView::parse(&bytes).map(|frame| frame.verify_payload());
        }
    }

    #[test]
    fn a_group_header_may_claim_anything(fields in prop::collection::vec(any::<u8>(), 64), body in prop::collection::vec(any::<u8>(), 0..5000)) {
        let mut bytes = aligned(&[0; GROUP_HEADER_BYTES]);
        bytes[8..16].copy_from_slice(b"RMGROUP\0");
        bytes[16] = 1;
        bytes[20..GROUP_HEADER_BYTES].copy_from_slice(&fields[..GROUP_HEADER_BYTES - 20]);
        bytes.extend_from_slice(&body);
        fix_crc(&mut bytes, GROUP_HEADER_BYTES);
        if let Ok(head) = GroupHead::parse(&bytes) {
            let _ = head.verify(&bytes);
            frames(&bytes, &head).for_each(drop);
        }
    }

    #[test]
    fn a_damaged_journal_is_read_without_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), fixed in any::<bool>()) {
        let (file, bytes) = small_journal();
        let mut bytes = aligned(&bytes);
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if fixed {
            for block in (4096..bytes.len()).step_by(4096) {
                fix_crc(&mut bytes[block..], GROUP_HEADER_BYTES);
            }
        }
        scan_all(file, &bytes);
    }

    #[test]
    fn a_damaged_checkpoint_is_read_without_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = checkpoint::encode(&sample_checkpoint());
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        let _ = checkpoint::decode(&bytes);
        let end = bytes.len();
        fix_crc(&mut bytes, end);
        let _ = checkpoint::decode(&bytes);
    }

    #[test]
    fn a_damaged_index_is_read_without_panic(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = segment_index::encode(&sample_index());
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        let _ = segment_index::decode(&bytes);
        let end = bytes.len();
        fix_crc(&mut bytes, end);
        let _ = segment_index::decode(&bytes);
    }
}
