//! Disks that lied, each case on its own.

use super::*;

/// The simulation, seed 7711: a block of another log had landed at the beginning of a segment. Its batch had the right base offset and leader
/// epoch and went on behind the end of the segment, so that it did not fit what was asked for: readers got an empty answer, again
/// and again, and nobody was told.
#[test]
fn a_batch_that_goes_on_behind_the_end_of_its_segment_is_damage() {
    let mut shard = Shard::new(4);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 4096, ..LogConfig::default() });
    for _ in 0..3 {
        shard.append(LOG, 5000).expect("taken");
    }
    shard.run();
    let first = SegmentName::appended(Offset(0));
    let mut builder = BatchBuilder::new(Compression::None);
    (0..3).for_each(|_| builder.append(1, None, Some(&[9; 3000]), &[]));
    let mut others = builder.build();
    batch::stamp(&mut others, Offset(0), LeaderEpoch(0));
    shard.shell.disk.damage(Name::Segment(LOG, first), 0, &others[..4096]);
    let request = |from, until| ReadRequest { from, until, bytes_max: 1, at_least_one: true };
    assert_eq!(shard.try_read(request(Offset(0), Offset(1))), Err(ReadError::Corrupt));
    assert_eq!(shard.read(request(Offset(1), Offset(2))).len(), batch(5000).len(), "the segments behind it are read");
}
