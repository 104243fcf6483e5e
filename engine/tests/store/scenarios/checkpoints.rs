//! Checkpoints and their copies, each case on its own.

use engine::checkpoint;

use super::*;

impl Shard {
    /// One step of something that is under way.
    fn step(&mut self) {
        let mut effects = Vec::new();
        self.store.poll(self.now_ms, &mut effects);
        effects.drain(..).for_each(|effect| self.shell.start(effect));
        self.shell.step(&mut Random(1), &mut self.store, &mut effects);
        effects.drain(..).for_each(|effect| self.shell.start(effect));
    }

    fn step_until(&mut self, is_so: impl Fn(&Shell) -> bool) {
        for _ in 0..1000 {
            if is_so(&self.shell) {
                return;
            }
            self.step();
        }
        panic!("it does not come to that");
    }
}

/// The simulation, seed 702540: a checkpoint's copy was made where there was no space for its content. The next try found the file, took its
/// name for synced, and a power cut took the copy: damage to the file of the checkpoint would have been the end of it.
#[test]
fn a_copy_that_found_no_space_at_first_survives_a_power_cut() {
    let mut shard = Shard::new(4);
    shard.append(LOG, 100).expect("taken");
    shard.run();
    shard.store.want_checkpoint();
    shard.step_until(|shell| shell.disk.exists(Name::Copy(1)));
    shard.shell.is_full = true;
    shard.step_until(|shell| shell.refusals > 0);
    shard.shell.is_full = false;
    shard.store.on_free_space(1 << 40);
    shard.run();
    assert_eq!(shard.shell.newest_checkpoint, Some(1), "it was written in the end");
    for seed in 0..50 {
        let mut disk = shard.shell.disk.clone();
        disk.lose_power(&mut Random(seed));
        let left = Shell::new(disk, Planted::Nothing, 0, FILE_BYTES);
        assert_eq!(left.sound_files_of(1), [Name::Checkpoint(1), Name::Copy(1)], "seed {seed}");
    }
}

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
