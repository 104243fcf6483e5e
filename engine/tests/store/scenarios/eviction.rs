//! Memory over its bound goes, oldest first, however many logs there are.

use super::*;

const LOGS: u32 = 2000;

fn log(partition: u32) -> LogId {
    LogId { partition, ..LOG }
}

/// A shard of many logs, and room for what `memory_bytes_max` says beside the smallest chunk of each.
fn crowded(memory_bytes_max: usize) -> Shard {
    let limits = StoreLimits {
        segment_write_bytes_min: 4 << 10,
        read_memory_bytes_max: 0,
        memory_bytes_max,
        ..StoreLimits::new(0, u64::MAX)
    };
    let mut shard = Shard::with(64, limits);
    (0..LOGS).for_each(|partition| shard.store.create_log(log(partition), LogConfig::default()));
    shard
}

/// Each poll asked 64 logs, in the order of their names, for memory to give up. Of thousands hardly one had any, so memory stayed over
/// its bound for as many polls as there were sixty-fours of logs, and all that was asked in vain.
#[test]
fn memory_that_is_free_goes_at_once_however_many_logs_have_none() {
    let mut shard = crowded(64 << 10);
    for partition in [LOGS / 2, LOGS - 1] {
        for _ in 0..100 {
            shard.append(log(partition), 3_000).expect("room");
            shard.run();
            let bytes = shard.store.memory_bytes();
            assert!(bytes <= (64 << 10) + 2 * (16 << 10), "{bytes} bytes are held after a poll");
        }
    }
}

/// What lies in the files longest is given up first, also where its log comes last by name.
#[test]
fn the_log_whose_blocks_arrived_first_gives_up_first() {
    let mut shard = crowded(1 << 20);
    let (first, second) = (log(LOGS - 1), log(0));
    for id in [first, second] {
        for _ in 0..30 {
            shard.append(id, 3_000).expect("room");
            shard.run();
        }
    }
    let held = |shard: &Shard, id| shard.store.log(id).expect("there").memory_bytes();
    let before = [first, second].map(|id| held(&shard, id));
    let gave_up = (0..1000).any(|_| {
        shard.append(log(7), 3_000).expect("room");
        shard.run();
        held(&shard, first) < before[0]
    });
    assert!(gave_up, "the first log holds {} bytes as before", before[0]);
    assert_eq!(held(&shard, second), before[1], "one chunk was enough");
}
