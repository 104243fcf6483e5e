//! The bytes on disk, against fixtures that are kept for ever. After a deliberate change of format, with its version raised,
//! `RINGMAIN_WRITE_FIXTURES=1 cargo test -p engine` writes those that are missing; it never overwrites one.

use std::path::PathBuf;
use std::sync::Arc;

use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};
use engine::checkpoint::{
    self, Checkpoint, CheckpointError, IndexEntry, LogCheckpoint, ProducerBatchCheckpoint, ProducerCheckpoint,
    SegmentCheckpoint,
};
use engine::frame::{self, FRAME_HEADER_BYTES, FrameError, FrameFields, FrameKind, FrameView};
use engine::journal::{FileHeader, GroupBuilder, GroupContext, GroupHead, frames};
use engine::segment_index::{self, SegmentIndex, SegmentIndexError};
use engine::{GroupSeq, JournalFileId, LogId};

use crate::disk::{aligned, zeros};

const LOG: LogId = LogId { topic: 0x00112233_44556677_8899aabb_ccddeeff, partition: 5 };

/// Asserts that `bytes` are what the fixture holds.
fn assert_fixture(name: &str, bytes: &[u8]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    if !path.exists() && std::env::var_os("RINGMAIN_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, bytes).expect("the fixture can be written");
    }
    let kept = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(kept == bytes, "{name}: the format changed; raise its version and add a fixture beside the old one");
}

fn sample_batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1_700_000_000_000, Some(b"key"), Some(b"value"), &[]);
    builder.append(1_700_000_000_007, None, Some(b"second"), &[]);
    let mut batch = builder.build();
    batch::stamp(&mut batch, Offset(0x0102_0304), LeaderEpoch(9));
    batch
}

fn sample_fields(batch: &[u8]) -> FrameFields {
    let info = batch::BatchInfo::peek(batch).expect("sound").expect("whole");
    FrameFields {
        kind: FrameKind::Batch,
        log: LOG,
        base_offset: info.base_offset,
        last_offset: info.last_offset(),
        leader_epoch: info.leader_epoch,
        payload_len: batch.len() as u32,
        payload_crc: info.crc,
    }
}

fn sample_entries(base: i64) -> Vec<IndexEntry> {
    vec![
        IndexEntry { offset: base, position: 0, max_timestamp: 1_700_000_000_000 },
        IndexEntry { offset: base + 3, position: 900, max_timestamp: 1_700_000_000_000 + base + 40 },
    ]
}

pub fn sample_index() -> SegmentIndex {
    let checkpoint = sample_checkpoint();
    let summary = SegmentCheckpoint { max_timestamp: 1_700_000_000_040, ..checkpoint.logs[0].segments[0] };
    SegmentIndex { log: LOG, summary, entries: sample_entries(0) }
}

fn sample_producers() -> Vec<ProducerCheckpoint> {
    let batch = |last_sequence, last_offset| ProducerBatchCheckpoint {
        last_sequence,
        last_delta: 4,
        last_offset: Offset(last_offset),
        max_timestamp: 1_700_000_000_000 + last_offset,
    };
    let producer = |producer_id, batches| ProducerCheckpoint {
        producer_id,
        epoch: 3,
        transaction_start: None,
        last_used_ms: 1_700_000_100_000,
        batches,
    };
    let in_transaction = ProducerCheckpoint { transaction_start: Some(120), ..producer(4000, Vec::new()) };
    vec![producer(12, vec![batch(i32::MAX, 101), batch(4, 139)]), in_transaction]
}

pub fn sample_checkpoint() -> Checkpoint {
    let segment = |base: i64, next: i64, bytes: u64, sealed: bool| SegmentCheckpoint {
        base_offset: Offset(base),
        revision: u32::from(base == 0) * 3,
        next_offset: Offset(next),
        bytes,
        max_timestamp: 1_700_000_000_000 + next,
        first_timestamp: 1_700_000_000_000,
        max_timestamp_offset: Offset(base),
        sealed,
    };
    let log = LogCheckpoint {
        log: LOG,
        log_start_offset: Offset(2),
        segments: vec![segment(0, 100, 65_000, true), segment(100, 140, 8192 + 11, false)],
        next_offset: Offset(140),
        flushed_position: 8192,
        tail_block: b"hello world".to_vec(),
        active_index: sample_entries(100),
        leader_epochs: vec![(LeaderEpoch(0), Offset(0)), (LeaderEpoch(3), Offset(120))],
        cleaned_until: Offset(100),
        producers: sample_producers(),
    };
    Checkpoint {
        shard: 1,
        seq: 42,
        replay_from: GroupSeq(1000),
        last_group: GroupSeq::NONE,
        last_group_checksum: 0,
        durable_seq: GroupSeq(1007),
        last_file: JournalFileId(0x0000_0012_ffff_ffff),
        logs: vec![Arc::new(log)],
    }
}

#[test]
fn a_frame_has_the_bytes_it_always_had() {
    let batch = sample_batch();
    let fields = sample_fields(&batch);
    let mut bytes = zeros(frame::frame_bytes(batch.len()));
    frame::encode(&fields, &mut bytes);
    bytes[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + batch.len()].copy_from_slice(&batch);
    assert_fixture("frame-1.bin", &bytes);
    let view = FrameView::parse(&bytes).expect("sound");
    assert_eq!(view.fields(), fields);
    assert_eq!((view.kind(), view.log(), view.payload()), (FrameKind::Batch, LOG, &batch[..]));
    assert_eq!(view.verify_payload(), Ok(()));
    // Positions as FORMAT.md draws them.
    assert_eq!(bytes[4..8], [1, 1, 0, 0]);
    assert_eq!(bytes[8..24], LOG.topic.to_le_bytes());
    assert_eq!(bytes[24..28], LOG.partition.to_le_bytes());
    assert_eq!(bytes[32..40], 0x0102_0304i64.to_le_bytes());
    assert_eq!(bytes[48..52], (batch.len() as u32).to_le_bytes());
}

#[test]
fn every_bit_of_a_frame_is_protected() {
    let batch = sample_batch();
    let mut bytes = zeros(frame::frame_bytes(batch.len()));
    frame::encode(&sample_fields(&batch), &mut bytes);
    bytes[FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + batch.len()].copy_from_slice(&batch);
    for bit in 0..(FRAME_HEADER_BYTES + batch.len()) * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let result = FrameView::parse(&bytes).and_then(|view| view.verify_payload());
        assert!(result.is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert_eq!(FrameView::parse(&bytes[..100]).map(|_| ()), Err(FrameError::Truncated));
    assert_eq!(FrameView::parse(&bytes[..10]).map(|_| ()), Err(FrameError::Truncated));
}

#[test]
fn a_frame_that_moves_the_start_of_a_log_has_the_bytes_it_always_had() {
    let fields = FrameFields::log_start(LOG, Offset(0x1122_3344_5566));
    let mut bytes = zeros(FRAME_HEADER_BYTES);
    frame::encode(&fields, &mut bytes);
    assert_fixture("frame-log-start-1.bin", &bytes);
    let view = FrameView::parse(&bytes).expect("sound");
    assert_eq!((view.fields(), view.verify_payload()), (fields, Ok(())));
}

#[test]
fn a_group_has_the_bytes_it_always_had() {
    let batch = sample_batch();
    let mut buf = zeros(8192);
    buf.fill(0xee);
    let mut builder = GroupBuilder::new(buf.len());
    assert!(builder.is_empty());
    builder.push(&mut buf, &sample_fields(&batch), &batch).expect("fits");
    builder.push(&mut buf, &FrameFields::drop_log(LOG), &[]).expect("fits");
    assert_eq!(builder.frame_count(), 2);
    let context = GroupContext {
        file: JournalFileId(0x0000_0007_1234_5678),
        position: 4096,
        seq: GroupSeq(77),
        previous_seq: GroupSeq(70),
        previous_checksum: 0xdead_beef,
        durable_seq: GroupSeq(69),
    };
    let sealed = builder.seal(&mut buf, context);
    assert_eq!(sealed.len, 4096);
    assert_fixture("group-1.bin", &buf[..sealed.len]);
    let head = GroupHead::parse(&buf).expect("sound");
    assert_eq!((head.context, head.checksum, head.frame_count), (context, sealed.checksum, 2));
    assert_eq!(head.verify(&buf), Ok(()));
    let file = aligned(&[&[0u8; 4096][..], &buf[..4096]].concat());
    let kinds: Vec<FrameKind> = frames(&file, &head).map(|frame| frame.expect("sound").kind()).collect();
    assert_eq!(kinds, [FrameKind::Batch, FrameKind::DropLog]);
}

#[test]
fn a_group_takes_what_fits_and_refuses_the_rest_unchanged() {
    let batch = sample_batch();
    let fields = sample_fields(&batch);
    let mut buf = zeros(8192);
    let mut builder = GroupBuilder::new(4096 + 100);
    while builder.fits(batch.len(), buf.len()) {
        builder.push(&mut buf, &fields, &batch).expect("fits");
    }
    let (bytes, frames) = (builder.bytes(), builder.frame_count());
    assert!(bytes <= 4096 && bytes + frame::frame_bytes(batch.len()) > 4096, "the bound counts whole blocks");
    assert!(builder.push(&mut buf, &fields, &batch).is_err());
    assert_eq!((builder.bytes(), builder.frame_count()), (bytes, frames));
    assert!(!builder.fits(1, 100), "nor beyond the buffer");
}

#[test]
fn a_journal_file_header_has_the_bytes_it_always_had() {
    let header = FileHeader { file: JournalFileId(0x0000_0007_1234_5678), file_bytes: 32 << 20, shard: 1 };
    let mut block = zeros(4096);
    block.fill(0xee);
    header.encode(&mut block);
    assert_fixture("journal-file-header-1.bin", &block[..64]);
    assert!(block[64..].iter().all(|byte| *byte == 0));
    assert_eq!(FileHeader::parse(&block), Ok(header));
}

#[test]
fn a_checkpoint_has_the_bytes_it_always_had() {
    let checkpoint = sample_checkpoint();
    let bytes = checkpoint::encode(&checkpoint);
    assert_fixture("checkpoint-3.bin", &bytes);
    assert_eq!(checkpoint::decode(&bytes), Ok(checkpoint.clone()));
    let padded = [&bytes[..], &[0; 4096]].concat();
    assert_eq!(checkpoint::decode(&padded[1..]), Err(CheckpointError::NotACheckpoint));
    assert_eq!(checkpoint::decode(&padded), Ok(checkpoint.clone()));
    let Checkpoint { shard, seq, .. } = checkpoint;
    assert_eq!(checkpoint::decode_named(&padded, shard, seq), Ok(checkpoint));
    for (other_shard, other_seq) in [(shard + 1, seq), (shard, seq - 1)] {
        let misplaced = Err(CheckpointError::Misplaced { shard, seq });
        assert_eq!(checkpoint::decode_named(&padded, other_shard, other_seq), misplaced);
    }
}

#[test]
fn every_bit_of_a_checkpoint_is_protected_and_a_torn_one_is_refused() {
    let mut bytes = checkpoint::encode(&sample_checkpoint());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(checkpoint::decode(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..bytes.len() {
        assert!(checkpoint::decode(&bytes[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn a_checkpoint_of_the_first_version_is_refused_by_its_number() {
    let bytes = include_bytes!("../fixtures/checkpoint-1.bin");
    assert_eq!(checkpoint::decode(bytes), Err(CheckpointError::UnsupportedVersion(1)));
}

#[test]
fn a_checkpoint_from_before_there_were_producers_is_read_as_if_there_were_none() {
    let mut expected = sample_checkpoint();
    Arc::make_mut(&mut expected.logs[0]).producers = Vec::new();
    assert_eq!(checkpoint::decode(include_bytes!("../fixtures/checkpoint-2.bin")), Ok(expected));
}

#[test]
fn producers_that_contradict_themselves_are_refused() {
    let good = sample_checkpoint();
    let spoilt: [fn(&mut Vec<ProducerCheckpoint>); 4] = [
        |producers| producers.reverse(),
        |producers| producers[0].batches.reverse(),
        |producers| producers[0].batches[1].last_offset = Offset(140),
        |producers| producers[0].batches = vec![producers[0].batches[0]; 6],
    ];
    for spoil in spoilt {
        let mut bad = good.clone();
        spoil(&mut Arc::make_mut(&mut bad.logs[0]).producers);
        assert!(std::panic::catch_unwind(|| checkpoint::encode(&bad)).is_err(), "{:?}", bad.logs[0].producers);
    }
}

#[test]
fn a_checkpoint_that_contradicts_itself_is_refused() {
    let good = sample_checkpoint();
    let mut bad = good.clone();
    Arc::make_mut(&mut bad.logs[0]).flushed_position = 4096;
    let written = std::panic::catch_unwind(|| checkpoint::encode(&bad));
    assert!(written.is_err(), "it is refused before it is written");
}

#[test]
fn ten_thousand_logs_fit_into_a_checkpoint() {
    let one = sample_checkpoint();
    let logs = (0..10_000u32)
        .map(|partition| LogCheckpoint {
            log: LogId { partition, ..LOG },
            tail_block: vec![partition as u8; 3000],
            segments: vec![SegmentCheckpoint { bytes: 8192 + 3000, ..one.logs[0].segments[1] }],
            ..LogCheckpoint::clone(&one.logs[0])
        })
        .map(Arc::new)
        .collect();
    let checkpoint = Checkpoint { logs, ..one };
    let bytes = checkpoint::encode(&checkpoint);
    assert!(bytes.len() < 35 << 20, "{} bytes", bytes.len());
    assert!(checkpoint::decode(&bytes) == Ok(checkpoint));
}

#[test]
fn the_index_of_a_segment_has_the_bytes_it_always_had() {
    let index = sample_index();
    let bytes = segment_index::encode(&index);
    assert_fixture("segment-index-1.bin", &bytes);
    assert_eq!(segment_index::decode(&bytes), Ok(index.clone()));
    assert_eq!(segment_index::decode(&[&bytes[..], &[0; 4096]].concat()), Ok(index));
}

#[test]
fn every_bit_of_an_index_is_protected_and_a_torn_one_is_refused() {
    let mut bytes = segment_index::encode(&sample_index());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(segment_index::decode(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for len in 0..bytes.len() {
        assert!(segment_index::decode(&bytes[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn the_index_of_another_segment_is_noticed() {
    let index = sample_index();
    assert_eq!(index.check_belongs(LOG, &index.summary), Ok(()));
    let elsewhere = LogId { partition: 6, ..LOG };
    assert_eq!(index.check_belongs(elsewhere, &index.summary), Err(SegmentIndexError::Foreign));
    let longer = SegmentCheckpoint { bytes: 65_001, ..index.summary };
    assert_eq!(index.check_belongs(LOG, &longer), Err(SegmentIndexError::Foreign));
}

/// However much a log holds, it takes the same in a checkpoint but for its number of segments.
#[test]
fn a_sealed_segment_takes_a_fixed_number_of_bytes_in_a_checkpoint() {
    let one = sample_checkpoint();
    let mut many = one.clone();
    let segments = (0..1_000).map(|i| SegmentCheckpoint {
        base_offset: Offset(i - 1_000),
        next_offset: Offset(i - 999),
        bytes: i32::MAX as u64,
        ..one.logs[0].segments[0]
    });
    Arc::make_mut(&mut many.logs[0]).segments = segments.chain(one.logs[0].segments.clone()).collect();
    let bytes = checkpoint::encode(&many).len() - checkpoint::encode(&one).len();
    assert!(bytes <= 1_000 * 64, "{bytes} bytes for 1000 segments");
}
