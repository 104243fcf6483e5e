//! Two checkpoints are kept, so the journal must hold together from the older one on, whatever starts the newer one has seen.

use engine::GroupSeq;
use engine::journal::{End, Predecessor, ReplayFrom};

use crate::writer::{SHARD, Writer, recover_disk};

const FILES_MAX: u64 = 8;

/// Starts again on the newest checkpoint, and keeps what the older one needs.
fn restart(writer: &mut Writer) {
    let mut recovered = writer.recover();
    assert_eq!(recovered.end, End::Clean);
    recovered.files.iter_mut().for_each(|file| file.last_seq = Some(GroupSeq(u64::MAX)));
    writer.restart(&recovered, FILES_MAX);
}

/// A start on a checkpoint that needs none of the groups there are used to let its first group name the number before
/// `replay_from` as its predecessor. Where a recovery had skipped numbers no group has that number, so the chain from the older
/// checkpoint broke there: when the newer one was damaged, the shard refused to start on the older.
#[test]
fn the_chain_holds_from_the_older_checkpoint_across_starts_that_replay_nothing() {
    let mut writer = Writer::new(FILES_MAX);
    writer.write(&[100]);
    let older_from = writer.write(&[100]);
    let older = writer.checkpoint_from(older_from);
    writer.checkpoint = older;
    restart(&mut writer);
    let next = writer.chain.next_seq();
    assert!(next > older_from.next(), "numbers are skipped");
    writer.checkpoint = writer.checkpoint_from(next);
    restart(&mut writer);
    let last = writer.write(&[100]);
    let newest = writer.recover();
    assert_eq!(newest.groups.iter().map(|head| head.context.seq).collect::<Vec<_>>(), [last]);
    let from_older = recover_disk(&writer.disk, older);
    assert_eq!(from_older.end, End::Clean);
    assert_eq!(from_older.groups.iter().map(|head| head.context.seq).collect::<Vec<_>>(), [older_from, last]);
}

/// The simulation, seed 500365: a checkpoint needed groups from 20 on, the last before it was 14, since recoveries had skipped numbers, and
/// every file with groups had been recycled. The next start went on with 17: what it acknowledged lay below the number from which
/// on groups are replayed, and the start after it was refused.
#[test]
fn numbers_go_on_behind_those_that_the_checkpoint_passes_over() {
    let before = Predecessor { seq: GroupSeq(14), checksum: 7 };
    let checkpoint = ReplayFrom { shard: SHARD, replay_from: GroupSeq(20), durable_seq: GroupSeq(14), before };
    let recovered = recover_disk(&crate::disk::Disk::default(), checkpoint);
    assert_eq!((recovered.end, recovered.chain.last_seq), (End::Clean, GroupSeq(14)));
    assert!(recovered.chain.next_seq >= checkpoint.replay_from);
}
