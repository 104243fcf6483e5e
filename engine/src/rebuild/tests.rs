//! Which files are a log, and what is told of it.

use batch::{BatchBuilder, Compression};

use super::*;
use crate::segment_index::SegmentIndex;

const LOG: LogId = LogId { topic: 3, partition: 1 };

fn batch_at(offset: i64, value: &[u8]) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1_000 + offset, None, Some(value), &[]);
    let mut bytes = builder.build();
    batch::stamp(&mut bytes, Offset(offset), LeaderEpoch(4));
    bytes
}

/// One record each.
fn content(offsets: std::ops::Range<i64>) -> Vec<u8> {
    offsets.flat_map(|offset| batch_at(offset, &[7; 100])).collect()
}

fn name(base: i64, revision: u32) -> SegmentName {
    SegmentName { base: Offset(base), revision }
}

fn walked(name: SegmentName, bytes: &[u8], index: Option<SegmentIndex>, until: Offset) -> FoundSegment {
    let mut scan = SegmentScan::new(LOG, name, bytes.len() as u64, index, until);
    for piece in bytes.chunks(64) {
        if !scan.on_bytes(piece) {
            break;
        }
    }
    scan.end()
}

/// As compaction or a roll leaves it.
fn sealed(name: SegmentName, bytes: &[u8]) -> FoundSegment {
    let whole = walked(name, bytes, None, Offset::MAX);
    let index = SegmentIndex { log: LOG, summary: whole.summary, entries: whole.entries };
    walked(name, bytes, Some(index), Offset::MAX)
}

fn active(base: i64, bytes: &[u8], journal: LogInJournal) -> FoundSegment {
    walked(name(base, 0), bytes, None, journal.first_batch.unwrap_or(Offset::MAX))
}

/// The journal has this log from a record on.
fn journal_from(offset: i64) -> LogInJournal {
    let batch = batch_at(offset, &[7; 100]);
    let crc = batch::check(&batch).expect("sound").info.crc;
    LogInJournal { first_batch: Some(Offset(offset)), first_crc: crc, ..LogInJournal::default() }
}

fn names(planned: &PlannedLog) -> Vec<(i64, u32, i64)> {
    let segments = planned.checkpoint.segments.iter();
    segments.map(|segment| (segment.base_offset.0, segment.revision, segment.next_offset.0)).collect()
}

#[test]
fn where_file_and_journal_have_the_same_batch_nothing_is_missing() {
    let journal = journal_from(5);
    let planned = plan(LOG, journal, vec![sealed(name(0, 0), &content(0..3)), active(3, &content(3..8), journal)]);
    assert_eq!(names(&planned), [(0, 0, 3), (3, 0, 5)]);
    assert_eq!((planned.report.continuation, planned.report.missing_from()), (Continuation::Proven, None));
    assert_eq!(planned.tail_block(), Some((name(3, 0), 0..content(3..5).len() as u64)));
    assert_eq!(planned.checkpoint.leader_epochs, [(LeaderEpoch(4), Offset(0))]);
}

#[test]
fn a_batch_of_another_life_in_the_place_of_the_journals_proves_nothing() {
    let journal = journal_from(5);
    let other = [content(3..5), batch_at(5, &[8; 100])].concat();
    let planned = plan(LOG, journal, vec![active(3, &other, journal)]);
    assert_eq!((names(&planned), planned.report.continuation), (vec![(3, 0, 5)], Continuation::Adjoins));
    let planned = plan(LOG, journal, vec![active(3, &content(3..5), journal)]);
    assert_eq!(planned.report.continuation, Continuation::Adjoins, "nor does a file that ends there");
}

#[test]
fn what_neither_file_nor_journal_has_is_a_gap() {
    let journal = journal_from(9);
    let planned = plan(LOG, journal, vec![sealed(name(0, 0), &content(0..3)), active(4, &content(4..7), journal)]);
    assert_eq!(names(&planned), [(0, 0, 3), (4, 0, 7), (9, 0, 9)]);
    assert_eq!(planned.report.gaps, [(Offset(3), Offset(4)), (Offset(7), Offset(9))]);
    assert_eq!((planned.report.continuation, planned.report.missing_from()), (Continuation::Behind, None));
}

#[test]
fn without_the_journal_the_log_goes_on_in_a_new_file_and_what_may_be_missing_is_told() {
    let none = LogInJournal::default();
    let planned = plan(LOG, none, vec![active(0, &content(0..4), none)]);
    assert_eq!((names(&planned), planned.report.missing_from()), (vec![(0, 0, 4), (4, 0, 4)], Some(Offset(4))));
    let deleted_up_to = LogInJournal { start_before: Offset(6), ..none };
    let planned = plan(LOG, deleted_up_to, vec![active(0, &content(0..4), none)]);
    assert_eq!(planned.report.gaps, [(Offset(4), Offset(6))], "it went so far");
}

#[test]
fn of_several_revisions_the_highest_counts_that_is_whole_and_finished() {
    let none = LogInJournal::default();
    let old = || vec![sealed(name(0, 0), &content(0..3)), sealed(name(3, 0), &content(3..6))];
    let (whole, half) = (content(0..6), content(0..4));
    let with = |file: FoundSegment| [vec![file], old()].concat();
    let planned = plan(LOG, none, with(sealed(name(0, 1), &whole)));
    assert_eq!(names(&planned), [(0, 1, 6), (6, 0, 6)]);
    let torn = walked(name(0, 1), &whole[..whole.len() - 9], None, Offset::MAX);
    let planned = plan(LOG, none, with(torn));
    assert_eq!(names(&planned), [(0, 0, 3), (3, 0, 6), (6, 0, 6)]);
    // Compaction had finished one of two files.
    let planned = plan(LOG, none, with(sealed(name(0, 1), &half)));
    assert_eq!(names(&planned), [(0, 0, 3), (3, 0, 6), (6, 0, 6)]);
}

/// The simulation, seed 610366: compaction was still writing a file when the machine stopped, and after it the log went on in the file that
/// was being compacted. Neither was whole then, and the rebuild took the compacted one because its revision is higher: what the
/// log had from there on was gone, and nobody was told.
#[test]
fn where_no_file_is_whole_the_one_that_leads_furthest_counts() {
    let none = LogInJournal::default();
    let torn = |base, revision, offsets: std::ops::Range<i64>| {
        let bytes = content(offsets);
        walked(name(base, revision), &bytes[..bytes.len() - 9], None, Offset::MAX)
    };
    let planned = plan(LOG, none, vec![torn(0, 0, 0..7), torn(0, 1, 0..4), torn(0, 2, 0..1)]);
    assert_eq!(names(&planned), [(0, 0, 6), (6, 0, 6)]);
    // It may have been finished, and no checkpoint have named it.
    let planned = plan(LOG, none, vec![torn(0, 0, 0..7), sealed(name(0, 1), &content(0..4))]);
    assert_eq!(names(&planned), [(0, 0, 6), (6, 0, 6)]);
    // What it replaced ends where it does: that is on its way out.
    let planned =
        plan(LOG, none, vec![torn(0, 0, 0..4), sealed(name(0, 1), &content(0..4)), sealed(name(4, 0), &content(4..6))]);
    assert_eq!(names(&planned), [(0, 1, 4), (4, 0, 6), (6, 0, 6)]);
}

#[test]
fn a_file_left_within_another_is_passed_over_and_damage_is_told() {
    let none = LogInJournal::default();
    let mut damaged = content(0..6);
    let whole = sealed(name(0, 0), &damaged);
    let index = SegmentIndex { log: LOG, summary: whole.summary, entries: whole.entries.clone() };
    damaged[content(0..2).len() + 80] ^= 1;
    let damaged = walked(name(0, 0), &damaged, Some(index), Offset::MAX);
    let planned = plan(LOG, none, vec![damaged, sealed(name(2, 0), &content(2..4))]);
    assert_eq!(names(&planned), [(0, 0, 6), (6, 0, 6)], "its index vouches for the rest");
    let set_aside: Vec<SegmentName> = planned.report.set_aside.iter().map(|(segment, _)| *segment).collect();
    assert_eq!(set_aside, [name(0, 0), name(2, 0)], "neither goes unmentioned");
    // Without an index nobody knows what comes behind, and the log must not be written over it.
    let mut cut = content(6..9);
    cut[3] ^= 1;
    let planned = plan(LOG, none, vec![sealed(name(0, 0), &content(0..6)), active(6, &cut, none)]);
    assert_eq!((names(&planned), planned.report.in_the_way), (vec![(0, 0, 6), (6, 0, 6)], Some(name(6, 0))));
}

#[test]
fn a_log_that_only_the_journal_has_is_whole_if_it_has_it_from_the_beginning() {
    for (first, continuation) in [(0, Continuation::Proven), (4, Continuation::Behind)] {
        let planned = plan(LOG, journal_from(first), Vec::new());
        assert_eq!((names(&planned), planned.report.continuation), (vec![(first, 0, first)], continuation));
        assert_eq!(planned.report.start, Offset(first));
    }
}
