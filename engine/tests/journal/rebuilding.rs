//! What a shard without checkpoints may take of its journal.

use engine::GroupSeq;
use engine::rebuild::{JournalRun, journal_run};
use engine::store::recovery::FoundFile;

use crate::writer::{SHARD, Writer};

const FILES_MAX: u64 = 6;

fn run(writer: &Writer) -> JournalRun {
    let found: Vec<_> = writer.disk.files.iter().map(|(file, bytes)| FoundFile { file: *file, bytes }).collect();
    journal_run(SHARD, &found).expect("sound")
}

/// A group that fills most of a file, so that the next one goes to another.
const MOST_OF_A_FILE: &[usize] = &[40_000, 40_000];

/// The simulation, seed 711562: the last two groups were under way, and the power cut left the second of them whole. Where everything before
/// was free and gone, a rebuild took it for the whole journal. What it brought had never been acknowledged: records behind a gap
/// that was none, and a start that nobody had moved.
#[test]
fn a_group_behind_one_that_was_under_way_is_not_taken() {
    let mut writer = Writer::new(FILES_MAX);
    let durable = writer.write(MOST_OF_A_FILE);
    let torn = writer.seal(MOST_OF_A_FILE).expect("room");
    let whole = writer.seal(&[100]).expect("room");
    let (torn_file, whole_file) = (writer.history[1].file, writer.history[2].file);
    assert_eq!(torn_file, whole_file, "the hole lies before the group in its own file");
    writer.complete(1);
    let before = run(&writer);
    assert_eq!((before.groups, before.replay_from), (1, durable), "a recovery cuts both");
    let freed = writer.history[0].file;
    writer.disk.files.remove(&freed);
    let run = run(&writer);
    assert_eq!((run.groups, run.before.seq), (0, torn));
    assert!(run.replay_from > whole && run.logs.is_empty());
}

/// Nobody can tell whether the group before it was freed, and then it was acknowledged.
#[test]
fn a_group_with_which_a_file_begins_is_taken() {
    let mut writer = Writer::new(FILES_MAX);
    writer.write(MOST_OF_A_FILE);
    let last = writer.write(MOST_OF_A_FILE);
    let freed = writer.history[0].file;
    writer.disk.files.remove(&freed);
    let run = run(&writer);
    assert_eq!((run.groups, run.replay_from), (1, last));
    assert!(run.durable_seq >= GroupSeq(1));
}

/// A recovery has cut two groups, and a later one names the group before them. They are in a file of their own.
#[test]
fn a_group_that_a_recovery_has_cut_hides_none_that_came_after() {
    let mut writer = Writer::new(FILES_MAX);
    writer.write(MOST_OF_A_FILE);
    writer.seal(MOST_OF_A_FILE).expect("room");
    writer.seal(&[100]).expect("room");
    writer.complete(1);
    let recovered = writer.recover();
    writer.restart(&recovered, FILES_MAX);
    let last = writer.write(&[100]);
    let freed = writer.history[0].file;
    writer.disk.files.remove(&freed);
    let run = run(&writer);
    assert_eq!((run.groups, run.replay_from), (1, last));
}

/// The simulation, seed 500365: of the journal nothing was left but a group that the power cut had torn, since all before it were free and
/// had been recycled. The rebuild missed the groups that its mark speaks of, and refused.
#[test]
fn a_journal_of_which_only_a_torn_group_is_left_is_no_reason_to_refuse() {
    let mut writer = Writer::new(FILES_MAX);
    writer.write(&[100]);
    writer.write(MOST_OF_A_FILE);
    let torn = writer.seal(MOST_OF_A_FILE).expect("room");
    let (_, write) = writer.in_flight.pop().expect("sealed just now");
    writer.disk.write_torn(&write, |sector| sector == 0);
    for freed in writer.history[..2].iter().map(|group| group.file).collect::<Vec<_>>() {
        writer.disk.files.remove(&freed);
    }
    let run = run(&writer);
    assert_eq!((run.groups, run.before.seq, run.replay_from), (0, GroupSeq(2), torn.next()));
}
