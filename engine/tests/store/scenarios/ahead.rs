//! Files for segments to come, each case on its own.

use super::*;

const SEGMENT_BYTES: u64 = 64 << 10;
/// Four records and their batches fill a segment, and two have the share at which the next one gets a file.
const VALUE_BYTES: usize = 16_000;

/// A shard whose log rolls after every four records.
fn rolling() -> Shard {
    let limits = StoreLimits {
        group_bytes: 64 << 10,
        segment_write_bytes_min: 4 << 10,
        next_file_bytes_min: 0,
        ..StoreLimits::new(0, 1 << 20)
    };
    let mut shard = Shard::with(8, limits);
    shard.store.create_log(LOG, LogConfig { segment_bytes: SEGMENT_BYTES, ..LogConfig::default() });
    shard
}

impl Shard {
    fn fill(&mut self, records: usize) {
        for _ in 0..records {
            self.append(LOG, VALUE_BYTES).expect("room");
            self.run();
        }
    }

    fn has_next(&self) -> bool {
        !self.shell.next_files().is_empty()
    }

    /// Lets the log start behind its first segment, whose files have gone when this returns.
    fn let_the_first_segment_go(&mut self) {
        self.store.cut_log(LOG, Offset(4), self.now_ms).expect("room");
        self.run();
        self.store.want_checkpoint();
        self.run();
        assert!(!self.shell.disk.exists(Name::Segment(LOG, SegmentName::appended(Offset(0)))));
    }

    fn read_all(&mut self, from: i64, records: usize) {
        let request = ReadRequest {
            from: Offset(from),
            until: Offset(from + records as i64),
            bytes_max: usize::MAX,
            at_least_one: true,
        };
        let mut read = Vec::new();
        while read.len() < records * batch(VALUE_BYTES).len() {
            let next = Offset(from + (read.len() / batch(VALUE_BYTES).len()) as i64);
            read.extend(self.read(ReadRequest { from: next, ..request }));
        }
        for (at, found) in read.chunks(batch(VALUE_BYTES).len()).enumerate() {
            let mut expected = batch(VALUE_BYTES);
            batch::stamp(&mut expected, Offset(from + at as i64), LeaderEpoch(0));
            assert!(found == expected, "offset {}", from + at as i64);
        }
    }
}

#[test]
fn a_log_that_fills_fast_finds_a_file_when_it_rolls() {
    let mut shard = rolling();
    shard.fill(1);
    assert!(!shard.has_next(), "nobody knows yet whether it will fill");
    shard.fill(2);
    assert!(shard.has_next());
    shard.fill(2);
    assert!(!shard.has_next() && shard.shell.next_files_taken == 1, "the segment has begun in it");
    shard.read_all(0, 5);
    shard.restart();
    shard.read_all(0, 5);
}

#[test]
fn a_log_that_fills_slowly_has_no_file_ahead() {
    let mut shard = rolling();
    for _ in 0..12 {
        shard.fill(1);
        shard.now_ms += 40_000;
        assert!(!shard.has_next());
    }
    assert_eq!(shard.shell.next_files_taken, 0);
}

#[test]
fn a_log_at_rest_has_no_file_ahead_and_one_that_a_process_before_has_left_goes() {
    let mut shard = rolling();
    shard.fill(3);
    assert!(shard.has_next());
    shard.now_ms = shard.store.deadline_ms().expect("somebody looks at it") + 60_000;
    shard.run();
    assert!(!shard.has_next());
    shard.fill(4);
    assert!(shard.has_next());
    shard.kill();
    assert!(shard.has_next(), "nobody has had the time");
    let mut effects = Vec::new();
    for (log, name) in shard.shell.next_files() {
        shard.store.on_next_file_found(log, name, &mut effects);
    }
    effects.drain(..).for_each(|effect| shard.shell.start(effect));
    shard.run();
    assert!(!shard.has_next());
}

/// What the file of a segment that has gone still holds are sound batches. Behind the end of the segment that begins in it nobody may take
/// them for its own: they come from before it.
#[test]
fn old_batches_in_the_file_of_a_segment_that_has_gone_are_never_taken_for_new() {
    let mut shard = rolling();
    // The second segment has not come so far yet that it would get a new file.
    shard.fill(5);
    shard.let_the_first_segment_go();
    assert_eq!(shard.shell.next_files_kept, 1);
    shard.fill(4);
    assert_eq!(shard.shell.next_files_taken, 2);
    let (segment, batch_bytes) = (SegmentName::appended(Offset(8)), batch(VALUE_BYTES).len());
    let file = shard.shell.disk.read(Name::Segment(LOG, segment)).expect("written").to_vec();
    let behind = batch::check_first(&file[batch_bytes..]).expect("an old one, which is whole").0;
    assert_eq!(behind.info.base_offset, Offset(1));
    let mut walk = SegmentWalk::new(segment);
    let fault = walk.on_bytes(&file).expect_err("what lies there is not the next batch");
    assert_eq!(fault.next_offset, Offset(9));
    shard.read_all(4, 5);
    shard.restart();
    shard.read_all(4, 5);
}

#[test]
fn where_space_is_short_the_files_ahead_go_first() {
    let mut shard = rolling();
    shard.fill(3);
    assert!(shard.has_next());
    shard.store.on_free_space(0);
    assert_eq!(shard.append(LOG, 10), Err(AppendError::DiskFull));
    shard.run();
    assert!(!shard.has_next());
    // There is some, and not so much that a file could be made of it ahead.
    shard.store.on_free_space(3 << 20);
    shard.fill(7);
    assert!(!shard.has_next());
    shard.store.on_free_space(1 << 40);
    shard.fill(5);
    assert!(shard.has_next());
}

/// It is in the directory that goes, and a write to it that came late would make it again.
#[test]
fn the_files_of_a_deleted_log_go_when_the_one_ahead_is_made() {
    let mut shard = rolling();
    shard.fill(1);
    for _ in 0..2 {
        shard.append(LOG, VALUE_BYTES).expect("room");
    }
    let (mut making, mut effects) = (None, Vec::new());
    while making.is_none() {
        shard.store.poll(0, &mut effects);
        for effect in effects.drain(..) {
            if matches!(effect, Effect::MakeNextFile { .. }) {
                making = Some(effect)
            } else {
                shard.shell.start(effect)
            }
        }
        assert!(making.is_some() || !shard.shell.is_idle(), "the segment has its share");
        if !shard.shell.is_idle() {
            shard.shell.step(&mut Random(1), &mut shard.store, &mut effects);
        }
    }
    effects.drain(..).for_each(|effect| shard.shell.start(effect));
    shard.store.drop_log(LOG, 0).expect("room");
    shard.run();
    assert!(shard.shell.disk.names().any(|name| matches!(name, Name::Segment(..))), "the file is on its way");
    shard.shell.start(making.expect("found"));
    shard.run();
    assert!(!shard.shell.disk.names().any(|name| matches!(name, Name::Segment(..) | Name::Next(..))));
}
