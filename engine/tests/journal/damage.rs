//! Damage to what was durable: flipped bits, lost and misdirected writes, lost files. It is reported and never cut.

use engine::GroupSeq;
use engine::journal::{CorruptReason, End, GroupError, ReplayFrom};

use crate::disk::write_header;
use crate::random::Random;
use crate::writer::{FILE_BYTES, Group, SHARD, Writer, random_sizes};

/// A journal over several files, all of it durable; the last group bears a mark on the one before.
fn written(seed: u64) -> Writer {
    let mut random = Random(seed);
    let mut writer = Writer::new(8);
    for _ in 0..24 {
        writer.write(&random_sizes(&mut random));
    }
    assert!(writer.disk.files.len() > 3);
    writer
}

/// Where the group's protected bytes lie in its file, as (start, length): all but padding.
fn protected(group: &Group) -> Vec<(usize, usize)> {
    let start = group.position as usize;
    let mut ranges = vec![(start, 80)];
    let mut at = start + 80;
    for batch in &group.batches {
        ranges.push((at, 64 + batch.payload.len()));
        at += 64 + batch.payload.len().next_multiple_of(16);
    }
    ranges
}

#[test]
fn a_flipped_bit_below_a_durable_mark_is_corruption_wherever_it_hits() {
    let writer = written(1);
    let marked = writer.history.last().expect("written").mark;
    assert_eq!(marked, GroupSeq(23));
    let mut random = Random(2);
    for round in 0..2000 {
        let group = &writer.history[random.below(marked.0 as usize)];
        let ranges = protected(group);
        let (start, len) = ranges[random.below(ranges.len())];
        let at = start + random.below(len);
        let mut damaged = writer.disk.clone();
        damaged.files.get_mut(&group.file).expect("there")[at] ^= 1 << random.below(8);
        let end = crate::writer::recover_disk(&damaged, writer.checkpoint).end;
        assert!(matches!(end, End::Corrupt { seq, .. } if seq == group.seq), "round {round}: byte {at}: {end:?}");
    }
}

#[test]
fn a_flipped_bit_in_the_last_group_cuts_only_that_group_for_nobody_can_say_it_was_durable() {
    let writer = written(3);
    let last = writer.history.last().expect("written");
    let mut random = Random(4);
    for _ in 0..500 {
        let ranges = protected(last);
        let (start, len) = ranges[random.below(ranges.len())];
        let at = start + random.below(len);
        let mut damaged = writer.disk.clone();
        damaged.files.get_mut(&last.file).expect("there")[at] ^= 1 << random.below(8);
        let recovered = crate::writer::recover_disk(&damaged, writer.checkpoint);
        assert!(!matches!(recovered.end, End::Corrupt { .. }), "{:?}", recovered.end);
        assert_eq!(recovered.groups.len(), writer.history.len() - 1);
    }
}

#[test]
fn the_mark_in_a_checkpoint_counts_as_well() {
    let mut writer = written(5);
    writer.checkpoint = ReplayFrom { replay_from: GroupSeq(20), durable_seq: GroupSeq(24), ..writer.checkpoint };
    let last = writer.history.last().expect("written").clone();
    writer.disk.files.get_mut(&last.file).expect("there")[last.position as usize + 90] ^= 4;
    let end = writer.recover().end;
    let End::Corrupt { seq, reason: CorruptReason::Damaged { file, position, promised, .. } } = end else {
        panic!("{end:?}");
    };
    assert_eq!((seq, file, position, promised), (last.seq, last.file, last.position, last.seq));
}

#[test]
fn a_damaged_group_that_no_checkpoint_needs_any_more_is_nothing_to_report() {
    let mut writer = written(6);
    writer.checkpoint.replay_from = GroupSeq(10);
    let old = writer.history[5].clone();
    writer.disk.files.get_mut(&old.file).expect("there")[old.position as usize + 90] ^= 4;
    let recovered = writer.recover();
    assert_eq!(recovered.end, End::Clean);
    writer.assert_recovered(&recovered, GroupSeq(24), "groups 10 to 24 are whole");
}

#[test]
fn a_lost_write_and_a_lost_file_leave_a_hole_that_is_reported() {
    let writer = written(7);
    let lost = &writer.history[9];
    let mut disk = writer.disk.clone();
    let at = lost.position as usize;
    disk.files.get_mut(&lost.file).expect("there")[at..at + lost.len].fill(0);
    let end = crate::writer::recover_disk(&disk, writer.checkpoint).end;
    let missing = CorruptReason::Missing { promised: GroupSeq(23) };
    assert_eq!(end, End::Corrupt { seq: lost.seq, reason: missing });

    let mut disk = writer.disk.clone();
    let (file, _) = disk.files.pop_first().expect("several files");
    assert!(writer.history.iter().any(|group| group.file == file));
    let end = crate::writer::recover_disk(&disk, writer.checkpoint).end;
    assert_eq!(end, End::Corrupt { seq: GroupSeq(1), reason: missing });
}

#[test]
fn a_misdirected_group_is_not_taken_where_it_lies_and_what_it_hit_is_reported() {
    let writer = written(8);
    // A later group lands on an earlier one of the same file.
    let file = writer.history[0].file;
    let (hit, stray) = (&writer.history[1], &writer.history[2]);
    assert!(hit.file == file && stray.file == file);
    let mut disk = writer.disk.clone();
    let bytes = disk.files.get_mut(&file).expect("there");
    let from = stray.position as usize;
    bytes.copy_within(from..from + stray.len, hit.position as usize);
    let end = crate::writer::recover_disk(&disk, writer.checkpoint).end;
    assert!(matches!(end, End::Corrupt { seq, .. } if seq == hit.seq), "{end:?}");
    let scan = engine::journal::scan_file(file, &disk.files[&file]);
    assert!(scan.bad.iter().any(|(head, error)| head.context.seq == stray.seq && *error == GroupError::Misplaced));

    // A group lands in another file at its very position.
    let other = writer.history.iter().find(|group| group.file != file && group.position == stray.position);
    if let Some(other) = other {
        let mut disk = writer.disk.clone();
        let bytes = disk.files[&file][from..from + stray.len].to_vec();
        disk.files.get_mut(&other.file).expect("there")[from..from + stray.len].copy_from_slice(&bytes);
        let end = crate::writer::recover_disk(&disk, writer.checkpoint).end;
        assert!(matches!(end, End::Corrupt { seq, .. } if seq == other.seq), "{end:?}");
    }
}

#[test]
fn a_file_of_another_shard_is_refused() {
    let mut writer = written(9);
    let file = writer.history[0].file;
    write_header(writer.disk.files.get_mut(&file).expect("there"), file, FILE_BYTES, SHARD + 1);
    let end = writer.recover().end;
    assert!(matches!(end, End::Corrupt { reason: CorruptReason::ForeignFile { shard, .. }, .. } if shard == SHARD + 1));
}

#[test]
fn a_damaged_header_block_loses_no_group() {
    let mut writer = written(10);
    let file = writer.history[0].file;
    writer.disk.files.get_mut(&file).expect("there")[20] ^= 0x10;
    let recovered = writer.recover();
    assert_eq!(recovered.end, End::Clean);
    assert_eq!(recovered.damaged_headers, [file]);
    writer.assert_recovered(&recovered, GroupSeq(24), "the name and the groups say enough");
}
