//! The order in which files go, each case on its own.

use super::*;
use crate::disk::Dir;

/// The simulation, seed 743406: a process had begun a segment ahead of the journal; a restart cut its records, and the log rolled elsewhere, so
/// that this file lay within a segment. When both had become needless, the segment went first. A crash in between left the file with its
/// cut records beside the next segment, which began within it: a rebuild without checkpoints took the one that begins first,
/// and with it records in the place of acknowledged ones.
#[test]
fn a_file_that_lies_within_a_segment_goes_before_that_segment() {
    let mut shard = segments_from(&[0, 3, 6, 9]);
    lay_out(&mut shard, WITHIN);
    shard.store.cut_log(LOG, Offset(7), 0).expect("there");
    assert_goes_before(&mut shard, WITHIN, FIRST);
}

/// As above, by a process that has found both at its start.
#[test]
fn what_a_start_has_found_needless_goes_from_the_end() {
    let mut shard = segments_from(&[0, 3, 6, 9]);
    shard.store.cut_log(LOG, Offset(7), 0).expect("there");
    shard.run();
    lay_out(&mut shard, FIRST);
    lay_out(&mut shard, WITHIN);
    shard.restart();
    shard.store.on_segments_found(LOG, [FIRST, WITHIN]);
    assert_goes_before(&mut shard, WITHIN, FIRST);
}

const FIRST: SegmentName = SegmentName::appended(Offset(0));
const WITHIN: SegmentName = SegmentName::appended(Offset(1));

fn segments_from(bases: &[i64]) -> Shard {
    let mut shard = Shard::new(4);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 20_000, ..LogConfig::default() });
    for _ in 0..12 {
        shard.append(LOG, 5000).expect("taken");
        shard.run();
    }
    let segments = shard.store.log(LOG).expect("there").segments().iter();
    assert_eq!(segments.map(|segment| segment.base_offset.0).collect::<Vec<_>>(), bases);
    shard
}

fn lay_out(shard: &mut Shard, segment: SegmentName) {
    let (name, disk) = (Name::Segment(LOG, segment), &mut shard.shell.disk);
    disk.create(name);
    disk.write(name, 0, &[7; 4096]);
    disk.sync(name);
    disk.sync_dir(Dir::Log(LOG));
}

/// Both go, and as soon as something is missing of `later` nothing is left of `earlier`.
fn assert_goes_before(shard: &mut Shard, earlier: SegmentName, later: SegmentName) {
    let (earlier, later) = (Name::Segment(LOG, earlier), Name::Segment(LOG, later));
    let bytes = shard.shell.disk.read(later).expect("there").len();
    let mut effects = Vec::new();
    loop {
        shard.store.poll(shard.now_ms, &mut effects);
        effects.drain(..).for_each(|effect| shard.shell.start(effect));
        if shard.shell.is_idle() {
            break;
        }
        shard.shell.step(&mut Random(1), &mut shard.store, &mut effects);
        effects.drain(..).for_each(|effect| shard.shell.start(effect));
        let is_whole = shard.shell.disk.read(later).is_some_and(|file| file.len() == bytes);
        assert!(is_whole || !shard.shell.disk.exists(earlier), "{later:?} goes, and {earlier:?} is still there");
    }
    assert!(!shard.shell.disk.exists(later) && !shard.shell.disk.exists(earlier), "both are gone in the end");
}
