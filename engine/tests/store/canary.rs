//! Faults built into the shell: were the checkers blind to one, they would prove nothing.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::shell::Planted;
use crate::simulation::{self, World};

/// The seed at which the fault shows.
fn seed_that_finds(planted: Planted, mut seeds: Range<u64>) -> Option<u64> {
    seeds.find(|seed| catch_unwind(AssertUnwindSafe(|| simulation::run(*seed, planted))).is_err())
}

/// The fault shows in worlds where nothing rots and the disk lies once in each life.
fn assert_found_by_lies(planted: Planted, mut seeds: Range<u64>) {
    let lies = |world: &mut World| (world.damages, world.rots, world.lies) = (0, false, 1);
    let is_found = |seed| catch_unwind(AssertUnwindSafe(|| simulation::run_in(seed, planted, lies))).is_err();
    let is_silent = |seed| {
        catch_unwind(AssertUnwindSafe(|| {
            simulation::run_in(seed, planted, |world| {
                lies(world);
                world.lies = 0;
            })
        }))
        .is_ok()
    };
    let found = seeds.find(|seed| is_found(*seed));
    let found = found.unwrap_or_else(|| panic!("{planted:?} was not found"));
    assert!(is_silent(found), "{planted:?} shows at seed {found} although the disk does not lie");
    println!("{planted:?}: found by seed {found}");
}

fn assert_found(planted: Planted, seeds: Range<u64>) {
    let found = seed_that_finds(planted, seeds.clone());
    assert!(found.is_some(), "{planted:?} was not found by seeds {seeds:?}");
    println!("{planted:?}: found by seed {}", found.unwrap_or_default());
}

#[test]
fn groups_reported_before_they_are_written_are_found() {
    assert_found(Planted::ReportGroupsBeforeTheyAreWritten, 0..100);
}

#[test]
fn memory_given_up_before_the_file_has_it_is_found() {
    assert_found(Planted::ReportBlocksBeforeTheyAreWritten, 0..100);
}

#[test]
fn groups_written_without_a_sync_are_found() {
    assert_found(Planted::WriteGroupsWithoutSync, 0..100);
}

#[test]
fn segments_not_synced_before_the_checkpoint_are_found() {
    assert_found(Planted::SkipSegmentSync, 0..200);
}

#[test]
fn directories_of_new_segments_not_synced_are_found() {
    assert_found(Planted::SkipSegmentDirSync, 0..200);
}

#[test]
fn checkpoints_not_synced_before_the_rename_are_found() {
    assert_found(Planted::SkipCheckpointSync, 0..500);
}

#[test]
fn checkpoints_whose_rename_is_not_synced_are_found() {
    assert_found(Planted::SkipShardDirSync, 0..500);
}

#[test]
fn journal_files_whose_directory_is_not_synced_are_found() {
    assert_found(Planted::SkipJournalDirSync, 0..500);
}

#[test]
fn segment_writes_that_found_no_space_taken_for_written_are_found() {
    assert_found(Planted::TakeNoSpaceForWritten, 0..200);
}

#[test]
fn files_of_deleted_logs_left_behind_are_found() {
    assert_found(Planted::LeaveDeletedLogs, 0..100);
}

#[test]
fn files_that_a_replay_did_not_begin_left_behind_are_found() {
    assert_found(Planted::LeaveLeftovers, 0..1000);
}

#[test]
fn damaged_journals_that_are_cut_are_found() {
    assert_found(Planted::CutWhateverIsDamaged, 0..500);
}

#[test]
fn damaged_segments_that_are_served_are_found() {
    assert_found(Planted::ServeDamagedReads, 0..500);
}

#[test]
fn pieces_with_the_bytes_of_others_are_found() {
    assert_found(Planted::MixUpPieces, 0..200);
}

#[test]
fn records_served_before_they_are_committed_are_found() {
    assert_found(Planted::ServeUncommitted, 0..500);
}

#[test]
fn a_start_that_changes_what_the_next_one_finds_is_found() {
    assert_found(Planted::OpeningRemovesTheCheckpoint, 0..100);
}

#[test]
fn files_that_cannot_be_read_taken_for_absent_are_found() {
    assert_found(Planted::TakeUnreadableForAbsent, 0..200);
}

#[test]
fn more_under_way_than_is_allowed_is_found() {
    assert_found(Planted::StartEffectsTwice, 0..100);
}

/// Were a segment removed while the newest durable checkpoint still names it, a recovery would go on in a file that is gone: segments
/// may end elsewhere when the journal is replayed.
#[test]
fn segments_removed_before_a_checkpoint_says_so_are_found() {
    assert_found(Planted::RemoveSegmentsEarly, 0..2000);
}

/// A process that was killed may have made a segment file whose directory entry a power cut then takes, after the next
/// process has put the file into a checkpoint.
#[test]
fn segment_files_of_a_killed_process_taken_for_durable_are_found() {
    assert_found(Planted::ForgetOpenedFilesMayBeNew, 80..2000);
}

/// A process that was killed may leave a group that can be read but is not on stable storage. Replayed without a sync, it is
/// promised by the next groups, and a power cut then makes the shard refuse to start.
#[test]
fn journal_groups_of_a_killed_process_taken_for_durable_are_found() {
    assert_found(Planted::TrustFoundJournalUnsynced, 60..2000);
}

#[test]
fn compacted_segments_not_synced_before_they_count_are_found() {
    assert_found(Planted::SkipCompactedSync, 0..500);
}

#[test]
fn compacted_segments_whose_directory_is_not_synced_are_found() {
    assert_found(Planted::SkipCompactedDirSync, 0..500);
}

/// The newest durable checkpoint still names them.
#[test]
fn segments_removed_as_soon_as_they_are_replaced_are_found() {
    assert_found(Planted::RemoveReplacedEarly, 0..500);
}

#[test]
fn compaction_that_loses_the_last_value_of_a_key_is_found() {
    assert_found(Planted::LoseCompactedSegment, 0..200);
}

#[test]
fn files_for_segments_to_come_that_nobody_removes_are_found() {
    assert_found(Planted::LeaveNextFiles, 0..100);
}

/// It would take the place of what was written before.
#[test]
fn files_that_were_made_for_another_segment_are_found() {
    assert_found(Planted::TakeNextFilesLate, 0..200);
}

/// Were only the newest checkpoint kept, damage to it would be the end of the shard.
#[test]
fn an_older_checkpoint_that_is_not_kept_is_found() {
    assert_found(Planted::KeepOneCheckpoint, 0..500);
}

/// Were each checkpoint written once, damage to the two that are kept would be the end of the shard.
#[test]
fn checkpoints_without_copies_are_found() {
    assert_found(Planted::LeaveOutCopies, 0..500);
}

#[test]
fn damaged_segments_that_go_like_others_are_found() {
    assert_found(Planted::ForgetMarks, 0..500);
}

#[test]
fn marks_of_damaged_segments_that_are_not_synced_are_found() {
    assert_found(Planted::SkipMarkSync, 0..500);
}

#[test]
fn damaged_segments_that_are_cut_before_they_are_kept_are_found() {
    assert_found(Planted::CutBeforeQuarantine, 0..500);
}

#[test]
fn more_in_quarantine_than_is_allowed_is_found() {
    assert_found(Planted::OverfillQuarantine, 0..500);
}

#[test]
fn what_is_kept_of_a_deleted_log_is_found() {
    assert_found(Planted::LeaveQuarantine, 0..500);
}

/// After a restart the journal is needed as far back as by the process before.
#[test]
fn journal_that_only_the_older_checkpoint_needs_taken_for_free_is_found() {
    assert_found(Planted::ForgetOlderCheckpoint, 0..2000);
}

#[test]
fn indexes_whose_checksums_are_not_looked_at_are_found() {
    assert_found(Planted::TrustIndexChecksums, 0..3000);
}

/// A checkpoint may sync a segment for its blocks while the segment is being sealed. It found an index half written, and nobody synced
/// the rest.
#[test]
fn indexes_synced_while_they_are_written_taken_for_synced_are_found() {
    assert_found(Planted::NoteIndexesBeforeTheyAreWritten, 0..1000);
}

/// A producer that is not known may go on with any sequence, and what it sends again is not recognized.
#[test]
fn producers_left_out_of_the_checkpoint_are_found() {
    assert_found(Planted::CheckpointWithoutProducers, 0..100);
}

/// Its original may still be cut.
#[test]
fn duplicates_answered_before_their_original_is_durable_are_found() {
    assert_found(Planted::AnswerDuplicatesAtOnce, 0..500);
}

#[test]
fn what_lies_in_the_place_of_a_lost_write_is_found_if_it_is_served() {
    assert_found_by_lies(Planted::ServeLies, 0..500);
}

#[test]
fn reads_refused_that_no_lie_has_hit_are_found() {
    assert_found_by_lies(Planted::RefuseEveryRead, 0..500);
}

#[test]
fn a_scrub_that_does_not_see_lost_writes_is_found() {
    assert_found_by_lies(Planted::BlindScrub, 0..500);
}

#[test]
fn a_start_refused_for_a_file_that_it_does_not_need_is_found() {
    assert_found_by_lies(Planted::RefuseWhateverIsDamaged, 0..500);
}

#[test]
fn a_journal_that_a_lie_has_broken_and_that_is_cut_is_found() {
    assert_found_by_lies(Planted::CutWhateverIsDamaged, 0..3000);
}

/// One lie costs one of the files that hold a checkpoint.
#[test]
fn a_single_checkpoint_that_a_lie_has_hit_is_found() {
    assert_found_by_lies(Planted::KeepOneCheckpoint, 0..1000);
}
