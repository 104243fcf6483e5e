//! What a checkpoint shows.

use engine::checkpoint;

use super::*;

/// Pictures are taken one after the other while clients go on appending. One that showed a later moment than the others would say twice
/// what the journal brings on top of it.
#[test]
fn all_pictures_of_a_checkpoint_show_one_moment() {
    const PARTITIONS: u32 = 20;
    let log = |partition| LogId { partition, ..LOG };
    let mut shard = Shard::with(8, StoreLimits { pictures_at_once: 1, ..StoreLimits::new(1 << 20, u64::MAX) });
    for partition in 0..PARTITIONS {
        shard.store.create_log(log(partition), LogConfig::default());
        shard.append(log(partition), 100).expect("room");
    }
    shard.run();
    shard.store.want_checkpoint();
    let mut effects = Vec::new();
    shard.store.poll(shard.now_ms, &mut effects);
    effects.drain(..).for_each(|effect| shard.shell.start(effect));
    for partition in (0..PARTITIONS).rev() {
        shard.append(log(partition), 100).expect("room");
    }
    shard.run();
    assert!(!shard.store.is_checkpointing());

    let written = checkpoint::decode(shard.shell.disk.read(Name::Checkpoint(1)).expect("written")).expect("sound");
    assert_eq!(written.logs.len() as u32, PARTITIONS);
    for picture in &written.logs {
        assert_eq!((picture.log, picture.next_offset), (picture.log, Offset(1)));
    }
    shard.kill();
    for partition in 0..PARTITIONS {
        assert_eq!(shard.store.view(log(partition)).expect("there").end, Offset(2));
    }
}
