//! Small data directories written by hand, sound and damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};

use super::{Finding, Severity, ShardPicture, Summary, Verdict, Verify, verify_shard};
use crate::checkpoint::{self, Checkpoint, IndexEntry, LogCheckpoint, SegmentCheckpoint};
use crate::disk::layout::Layout;
use crate::frame::{FrameFields, FrameKind};
use crate::ids::{Generation, GroupSeq, JournalFileId, LogId, SegmentName};
use crate::journal::group::GroupContext;
use crate::journal::{End, FileHeader, GroupBuilder};
use crate::limits::BLOCK_BYTES;
use crate::segment_index::{self, SegmentIndex};

const LOG: LogId = LogId { topic: 0xabc, partition: 2 };
const EPOCH: LeaderEpoch = LeaderEpoch(4);
const FILE: JournalFileId = JournalFileId(0x1_0000_0077);

fn batch_at(offset: i64, records: usize, value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    for record in 0..records {
        builder.append(1_000 + offset + record as i64, None, Some(&vec![7; value_bytes]), &[]);
    }
    let mut bytes = builder.build();
    batch::stamp(&mut bytes, Offset(offset), EPOCH);
    bytes
}

/// A shard with one log: one sealed segment of offsets 0 to 5, an active one of 6 to 11, whose last block is in the checkpoint.
fn write_shard(data: &Path) -> Layout {
    let layout = Layout::new(data, Generation::FIRST, 0);
    fs::create_dir_all(layout.journal_dir()).unwrap();
    fs::create_dir_all(layout.log_dir(LOG)).unwrap();
    let (sealed, sealed_bytes, entries) = segment(0);
    let (mut active, active_bytes, active_index) = segment(6);
    active.sealed = false;
    let flushed = active_bytes.len() / BLOCK_BYTES * BLOCK_BYTES;
    fs::write(layout.segment(LOG, SegmentName::appended(Offset(0))), &sealed_bytes).unwrap();
    fs::write(layout.segment(LOG, SegmentName::appended(Offset(6))), &active_bytes[..flushed]).unwrap();
    let index = segment_index::encode(&SegmentIndex { log: LOG, summary: sealed, entries });
    fs::write(layout.segment_index(LOG, sealed.name()), index).unwrap();
    let log = LogCheckpoint {
        log: LOG,
        log_start_offset: Offset(0),
        next_offset: active.next_offset,
        segments: vec![sealed, active],
        flushed_position: flushed as u64,
        tail_block: active_bytes[flushed..].to_vec(),
        active_index,
        leader_epochs: vec![(EPOCH, Offset(0))],
        cleaned_until: Offset(0),
        producers: Vec::new(),
    };
    let saved = Checkpoint {
        shard: 0,
        seq: 3,
        replay_from: GroupSeq(1),
        last_group: GroupSeq::NONE,
        last_group_checksum: 0,
        durable_seq: GroupSeq::NONE,
        last_file: FILE,
        logs: vec![Arc::new(log)],
    };
    fs::write(layout.checkpoint(3), checkpoint::encode(&saved)).unwrap();
    layout
}

/// Three batches of two records each.
fn segment(base: i64) -> (SegmentCheckpoint, Vec<u8>, Vec<IndexEntry>) {
    let mut bytes = Vec::new();
    let mut index = Vec::new();
    for offset in [base, base + 2, base + 4] {
        index.push(IndexEntry { offset, position: bytes.len() as u32, max_timestamp: 1_001 + offset });
        bytes.extend(batch_at(offset, 2, 1_000));
    }
    // The middle batch has no entry, as in an index with gaps.
    index.remove(1);
    let segment = SegmentCheckpoint {
        base_offset: Offset(base),
        revision: 0,
        next_offset: Offset(base + 6),
        bytes: bytes.len() as u64,
        first_timestamp: 1_001 + base,
        max_timestamp: 1_005 + base,
        max_timestamp_offset: Offset(base + 4),
        sealed: true,
    };
    (segment, bytes, index)
}

/// A journal file of three groups, each with one batch for the log; the later ones bear marks on those before.
fn write_journal(layout: &Layout) -> Vec<u64> {
    let mut bytes = vec![0; BLOCK_BYTES];
    FileHeader { file: FILE, file_bytes: 1 << 20, shard: 0 }.encode(&mut bytes);
    let (mut checksum, mut positions) = (0, Vec::new());
    for seq in 1..=3u64 {
        let offset = 10 + 2 * seq as i64;
        let payload = batch_at(offset, 2, 300);
        let mut buf = vec![0; 2 * BLOCK_BYTES];
        let mut group = GroupBuilder::new(buf.len());
        let info = batch::BatchInfo::peek(&payload).unwrap().unwrap();
        let fields = FrameFields {
            kind: FrameKind::Batch,
            log: LOG,
            base_offset: info.base_offset,
            last_offset: info.last_offset(),
            leader_epoch: EPOCH,
            payload_len: payload.len() as u32,
            payload_crc: info.crc,
        };
        group.push(&mut buf, &fields, &payload).unwrap();
        let context = GroupContext {
            file: FILE,
            position: bytes.len() as u64,
            seq: GroupSeq(seq),
            previous_seq: GroupSeq(seq - 1),
            previous_checksum: checksum,
            durable_seq: GroupSeq(seq - 1),
        };
        let sealed = group.seal(&mut buf, context);
        checksum = sealed.checksum;
        positions.push(context.position);
        bytes.extend_from_slice(&buf[..sealed.len]);
    }
    bytes.resize(1 << 20, 0);
    fs::write(layout.journal_file(FILE), bytes).unwrap();
    positions
}

fn verify(data: &Path) -> (Vec<Finding>, Summary) {
    let mut findings = Vec::new();
    let mut verify = Verify {
        data,
        generation: Generation::FIRST,
        running: false,
        wants: &|_| true,
        found: &mut |finding| findings.push(finding),
        progress: &mut |_, _| {},
        summary: Summary::default(),
    };
    verify_shard(&mut verify, 0).unwrap();
    let summary = verify.summary;
    (findings, summary)
}

fn flip(path: &Path, at: u64, bit: u8) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at as usize] ^= 1 << bit;
    fs::write(path, bytes).unwrap();
}

fn problems(findings: &[Finding]) -> Vec<(PathBuf, Option<u64>)> {
    let problems = findings.iter().filter(|finding| finding.severity == Severity::Problem);
    problems.map(|finding| (finding.path.clone(), finding.position)).collect()
}

#[test]
fn a_sound_shard_has_no_findings_and_its_logs_end_where_the_journal_says() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    write_journal(&layout);
    let (findings, summary) = verify(data.path());
    assert_eq!(findings, []);
    assert_eq!((summary.segments, summary.batches, summary.records, summary.groups), (2, 6, 12, 3));
    let picture = ShardPicture::read(data.path(), Generation::FIRST, 0).unwrap();
    assert_eq!(picture.verdict, Verdict::Sound(End::Clean));
    let log = &picture.logs[0];
    assert_eq!((log.log, log.start, log.end, log.segments.len()), (LOG, Offset(0), Offset(18), 2));
    let mut offsets = Vec::new();
    let mut take = |batch: batch::BatchView<'_>| {
        offsets.push(batch.info.base_offset.0);
        Ok(())
    };
    picture.each_batch(LOG, &mut take).unwrap();
    assert_eq!(offsets, [0, 2, 4, 6, 8, 10, 12, 14, 16], "files, checkpoint, journal");
}

#[test]
fn every_flipped_bit_of_a_segment_file_is_found_in_the_batch_that_it_hit() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    for base in [0, 6] {
        let path = layout.segment(LOG, SegmentName::appended(Offset(base)));
        let (_, bytes, _) = segment(base);
        let batch_bytes = bytes.len() as u64 / 3;
        let file_bytes = fs::metadata(&path).unwrap().len();
        // Every byte of the headers, and some of the records.
        let header = (0..3).flat_map(|batch| batch * batch_bytes..batch * batch_bytes + 61);
        for at in header.chain((0..file_bytes).step_by(97)).filter(|at| *at < file_bytes) {
            flip(&path, at, (at % 8) as u8);
            let (findings, _) = verify(data.path());
            let hit = (path.clone(), Some(at / batch_bytes * batch_bytes));
            assert!(problems(&findings).contains(&hit), "byte {at} of segment {base}: {findings:?}");
            flip(&path, at, (at % 8) as u8);
        }
    }
    assert_eq!(verify(data.path()).0, []);
}

#[test]
fn behind_a_broken_header_the_check_goes_on_where_the_index_knows_a_batch() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    let path = layout.segment(LOG, SegmentName::appended(Offset(0)));
    let batch_bytes = fs::metadata(&path).unwrap().len() / 3;
    // The magic of the first batch and a record of the third.
    flip(&path, 16, 3);
    flip(&path, 2 * batch_bytes + 100, 1);
    let (findings, _) = verify(data.path());
    assert_eq!(problems(&findings), [(path.clone(), Some(0)), (path, Some(2 * batch_bytes))]);
}

#[test]
fn a_short_and_a_missing_segment_file_are_found() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    let path = layout.segment(LOG, SegmentName::appended(Offset(0)));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert_eq!(problems(&verify(data.path()).0), [(path.clone(), Some(bytes.len() as u64 / 3 * 2))]);
    // Cut between two batches, so that every batch left is sound.
    fs::write(&path, &bytes[..bytes.len() / 3]).unwrap();
    assert!(!problems(&verify(data.path()).0).is_empty());
    fs::remove_file(&path).unwrap();
    assert_eq!(problems(&verify(data.path()).0), [(path, None)]);
}

#[test]
fn a_flipped_bit_in_a_group_below_the_durable_mark_is_named_and_in_the_last_group_it_is_a_torn_tail() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    let positions = write_journal(&layout);
    let path = layout.journal_file(FILE);
    for group in [0, 1] {
        // In the header, in a frame's header, in a payload.
        for inside in [30, 90, 300] {
            flip(&path, positions[group] + inside, 2);
            let (findings, _) = verify(data.path());
            let at = positions[group];
            if inside == 30 && group == 0 {
                // Without its header nothing says where in the file it stood, and no group before it counts.
                assert_eq!(problems(&findings), [(layout.journal_dir(), None)]);
            } else {
                assert_eq!(problems(&findings), [(path.clone(), Some(at))], "{inside}: {findings:?}");
            }
            let picture = ShardPicture::read(data.path(), Generation::FIRST, 0).unwrap();
            assert!(matches!(picture.verdict, Verdict::Corrupt(_)));
            assert_eq!(picture.logs[0].end, Offset(12), "the checkpoint alone");
            flip(&path, positions[group] + inside, 2);
        }
    }
    flip(&path, positions[2] + 300, 2);
    let (findings, summary) = verify(data.path());
    assert_eq!((summary.problems, summary.notes), (0, 1), "{findings:?}");
    assert_eq!(findings[0].position, Some(positions[2]));
}

#[test]
fn the_files_of_a_log_that_was_deleted_after_the_checkpoint_are_not_missed() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    let mut bytes = vec![0; BLOCK_BYTES];
    FileHeader { file: FILE, file_bytes: 1 << 20, shard: 0 }.encode(&mut bytes);
    let mut buf = vec![0; BLOCK_BYTES];
    let mut group = GroupBuilder::new(buf.len());
    group.push(&mut buf, &FrameFields::drop_log(LOG), &[]).unwrap();
    group.seal(
        &mut buf,
        GroupContext {
            file: FILE,
            position: BLOCK_BYTES as u64,
            seq: GroupSeq(1),
            previous_seq: GroupSeq::NONE,
            previous_checksum: 0,
            durable_seq: GroupSeq::NONE,
        },
    );
    bytes.extend_from_slice(&buf);
    fs::write(layout.journal_file(FILE), bytes).unwrap();
    fs::remove_dir_all(layout.topics_dir()).unwrap();
    assert_eq!(verify(data.path()).0, []);
    assert!(ShardPicture::read(data.path(), Generation::FIRST, 0).unwrap().logs.is_empty());
}

#[test]
fn a_flipped_bit_in_a_checkpoint_is_found_wherever_it_hits() {
    let data = tempfile::tempdir().unwrap();
    let layout = write_shard(data.path());
    // A newer one, which is then damaged; the one before still tells all.
    let mut newer = checkpoint::decode(&fs::read(layout.checkpoint(3)).unwrap()).unwrap();
    newer.seq = 4;
    let path = layout.checkpoint(4);
    fs::write(&path, checkpoint::encode(&newer)).unwrap();
    assert_eq!(verify(data.path()).0, []);
    let len = fs::metadata(&path).unwrap().len();
    for at in (0..len).step_by(41) {
        flip(&path, at, 5);
        let (findings, summary) = verify(data.path());
        assert_eq!(problems(&findings), [(path.clone(), None)], "byte {at}");
        assert_eq!(summary.batches, 6, "the segments are checked by the checkpoint before");
        flip(&path, at, 5);
    }
}

#[test]
fn a_directory_that_is_no_node_s_cannot_be_looked_at() {
    let data = tempfile::tempdir().unwrap();
    assert!(super::shards(data.path(), Generation::FIRST).is_err());
    write_shard(data.path());
    assert_eq!(super::shards(data.path(), Generation::FIRST).unwrap(), [0]);
    assert!(ShardPicture::read(data.path(), Generation::FIRST, 1).is_err());
}
