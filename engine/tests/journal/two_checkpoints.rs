//! Two checkpoints are kept, so the journal must hold together from the older one on, whatever starts the newer one has seen.

use engine::GroupSeq;
use engine::journal::End;

use crate::writer::{Writer, recover_disk};

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
