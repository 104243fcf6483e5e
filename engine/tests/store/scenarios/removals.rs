//! The order in which files go, each case on its own.

use super::*;
use crate::disk::Dir;

/// The simulation, seed 743406: a process had begun a segment ahead of the journal; a restart cut its records, and the log rolled elsewhere, so
/// that this file lay within a segment. When the start had passed both, the segment went first. A crash in between left the file with its
/// cut records beside the next segment, which began within it: a rebuild without checkpoints took the one that begins first,
/// and with it records in the place of acknowledged ones.
#[test]
fn a_file_that_lies_within_a_segment_goes_before_that_segment() {
    let mut shard = Shard::new(4);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 20_000, ..LogConfig::default() });
    for _ in 0..12 {
        shard.append(LOG, 5000).expect("taken");
        shard.run();
    }
    let bases: Vec<i64> = shard.store.log(LOG).expect("there").segments().iter().map(|s| s.base_offset.0).collect();
    assert_eq!(bases, [0, 3, 6, 9]);
    let (first, within) = (Name::Segment(LOG, SegmentName::appended(Offset(0))), SegmentName::appended(Offset(1)));
    let within = Name::Segment(LOG, within);
    let bytes = shard.shell.disk.read(first).expect("sealed").len();
    shard.shell.disk.create(within);
    shard.shell.disk.write(within, 0, &[7; 4096]);
    shard.shell.disk.sync(within);
    shard.shell.disk.sync_dir(Dir::Log(LOG));
    shard.store.cut_log(LOG, Offset(7), 0).expect("there");
    let mut effects = Vec::new();
    loop {
        shard.store.poll(shard.now_ms, &mut effects);
        effects.drain(..).for_each(|effect| shard.shell.start(effect));
        if shard.shell.is_idle() {
            break;
        }
        shard.shell.step(&mut Random(1), &mut shard.store, &mut effects);
        effects.drain(..).for_each(|effect| shard.shell.start(effect));
        let is_whole = shard.shell.disk.read(first).is_some_and(|file| file.len() == bytes);
        assert!(
            is_whole || !shard.shell.disk.exists(within),
            "the segment goes, and the file within it is still there"
        );
    }
    assert!(!shard.shell.disk.exists(first) && !shard.shell.disk.exists(within), "both are gone in the end");
}
