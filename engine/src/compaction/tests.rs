//! Rounds over segments in memory, against a model that knows every record.

use std::collections::HashMap;

use batch::{BatchBuilder, BatchView, Compression, LeaderEpoch, Offset};
use proptest::prelude::*;

use super::filter::PLAIN;
use super::*;
use crate::ids::LogId;

const LOG: LogId = LogId { topic: 1, partition: 0 };
const SEED: MapSeed = MapSeed(1, 2);
const RETENTION_MS: u64 = 100;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// Sealed segments as files.
#[derive(Default)]
struct Files {
    segments: Vec<(Source, Vec<u8>)>,
    cleaned_until: Offset,
}

impl Files {
    /// Puts batches into segments of about `segment_bytes`. They get their offsets here.
    fn append(&mut self, batches: &[Vec<u8>], segment_bytes: usize) {
        let mut roll = true;
        for batch in batches {
            let next = self.end();
            let mut bytes = batch.clone();
            batch::stamp(&mut bytes, next, LeaderEpoch(0));
            if std::mem::take(&mut roll) || self.segments.last().is_none_or(|(_, file)| file.len() >= segment_bytes) {
                let name = SegmentName::appended(next);
                self.segments.push((Source { name, next_offset: next, bytes: 0 }, Vec::new()));
            }
            let (source, file) = self.segments.last_mut().expect("one was pushed");
            file.extend_from_slice(&bytes);
            source.next_offset = view(&bytes).info.next_offset();
            source.bytes = file.len() as u64;
        }
    }

    fn end(&self) -> Offset {
        self.segments.last().map_or(Offset(0), |(source, _)| source.next_offset)
    }

    fn batches(&self) -> Vec<BatchView<'_>> {
        self.segments
            .iter()
            .flat_map(|(_, file)| batch::Batches::new(file))
            .map(|batch| batch.expect("sound"))
            .collect()
    }

    fn records(&self) -> Vec<Kept> {
        self.batches().iter().flat_map(records_of).collect()
    }

    fn round(&self, now_ms: i64, segment_bytes: u64) -> Round {
        Round {
            log: LOG,
            sources: self.segments.iter().map(|(source, _)| *source).collect(),
            dirty_from: self.cleaned_until,
            until: self.end(),
            dirty_ppm: 0,
            segment_bytes,
            revision_min: 1,
            config: CompactionConfig { delete_retention_ms: RETENTION_MS, ..CompactionConfig::default() },
            now_ms,
        }
    }

    /// Carries a round out.
    fn clean(&mut self, mut cleaning: Cleaning) -> Result<(), CleanError> {
        let mut made: HashMap<SegmentName, Vec<u8>> = HashMap::new();
        loop {
            match cleaning.step()? {
                Step::Working => {}
                Step::Read { segment, range } => {
                    let (_, file) =
                        self.segments.iter().find(|(source, _)| source.name == segment).expect("it is there");
                    cleaning.on_bytes(&file[range.start as usize..range.end as usize]);
                }
                Step::Create(name) => assert!(made.insert(name, Vec::new()).is_none()),
                Step::Write { segment, position, bytes } => {
                    let file = made.get_mut(&segment).expect("created");
                    assert!(position == file.len() as u64 && position.is_multiple_of(4096));
                    file.extend_from_slice(&bytes);
                }
                Step::Finish { segment, bytes, index } => {
                    let file = &made[&segment];
                    assert_eq!((file.len() as u64, index.summary.name()), (bytes, segment));
                    for entry in &index.entries {
                        assert_eq!(view(&file[entry.position as usize..]).info.base_offset.0, entry.offset);
                    }
                }
                Step::Replace(replacement) => self.replace(&replacement, &mut made),
                Step::Done => return Ok(()),
            }
        }
    }

    fn replace(&mut self, replacement: &Replacement, made: &mut HashMap<SegmentName, Vec<u8>>) {
        let at = self.segments.iter().position(|(source, _)| source.name == replacement.old[0]).expect("there");
        let old: Vec<SegmentName> = self.segments[at..at + replacement.old.len()].iter().map(|(s, _)| s.name).collect();
        assert_eq!(old, replacement.old);
        let new = replacement.new.iter().map(|segment| {
            let file = made.remove(&segment.name()).expect("written");
            assert!(old.iter().all(|name| name.revision < segment.revision) && segment.is_closed());
            let with_records: Vec<BatchView<'_>> =
                batch::Batches::new(&file).map(Result::unwrap).filter(|view| view.info.record_count > 0).collect();
            let latest = with_records.iter().map(|view| view.info.max_timestamp).max();
            assert_eq!(segment.max_timestamp, latest.unwrap_or(-1));
            (Source::from(segment), file)
        });
        let new: Vec<_> = new.collect();
        self.segments.splice(at..at + old.len(), new);
        self.cleaned_until = replacement.cleaned_until.unwrap_or(self.cleaned_until);
    }
}

fn view(bytes: &[u8]) -> BatchView<'_> {
    let (view, _) = BatchView::first(bytes).expect("sound").expect("whole");
    batch::verify_crc(view.bytes).expect("its checksum is right");
    view
}

fn records_of(view: &BatchView<'_>) -> Vec<Kept> {
    let records = view.records(PLAIN).expect("sound");
    let kept = records.iter().map(|record| {
        let record = record.expect("sound");
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        Kept {
            offset: record.offset.0,
            timestamp: record.timestamp,
            key: owned(record.key),
            value: owned(record.value),
        }
    });
    kept.collect()
}

/// Keys with values; `None` deletes the key.
type Pairs = Vec<(u8, Option<u8>)>;

fn batch_of(codec: u8, pairs: &[(u8, Option<u8>)], timestamp: i64) -> BatchBuilder {
    let mut builder = BatchBuilder::new(Compression::from_code(codec).expect("known"));
    for (i, (key, value)) in pairs.iter().enumerate() {
        let value = value.map(|value| [value; 20]);
        builder.append(timestamp + i as i64, Some(&[*key]), value.as_ref().map(|value| &value[..]), &[]);
    }
    builder
}

fn plain(pairs: &[(u8, Option<u8>)]) -> Vec<u8> {
    batch_of(0, pairs, 1000).build()
}

/// What a round must leave, by the rules, naively: `dirty_from..until` is what the map knows.
fn expected(before: &Files, dirty_from: i64, until: i64, now_ms: i64) -> Vec<Kept> {
    let mut last: HashMap<Vec<u8>, i64> = HashMap::new();
    for record in before.records() {
        if (dirty_from..until).contains(&record.offset) {
            last.insert(record.key.expect("keyed"), record.offset);
        }
    }
    let mut kept = Vec::new();
    for view in before.batches() {
        let gone = view.info.delete_horizon_ms().is_some_and(|horizon| now_ms >= horizon);
        kept.extend(records_of(&view).into_iter().filter(|record| {
            let is_last = last.get(record.key.as_ref().expect("keyed")).is_none_or(|last| record.offset >= *last);
            record.offset >= until || (is_last && !(gone && record.value.is_none()))
        }));
    }
    kept
}

fn some_batches() -> impl Strategy<Value = Vec<(u8, Pairs)>> {
    let pairs = proptest::collection::vec((0u8..12, proptest::option::weighted(0.7, any::<u8>())), 1..6);
    proptest::collection::vec((0u8..5, pairs), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_round_leaves_exactly_the_last_of_each_key_and_what_it_has_not_looked_at(
        rounds in proptest::collection::vec((some_batches(), 50usize..2000, 0i64..300), 1..4),
        map_keys in 1usize..20,
        segment_bytes in 100u64..5000,
    ) {
        let mut files = Files::default();
        let mut now_ms = 1_000_000;
        for (batches, roll_at, waits_ms) in rounds {
            let built: Vec<Vec<u8>> = batches.iter().map(|(codec, pairs)| batch_of(*codec, pairs, now_ms).build()).collect();
            files.append(&built, roll_at);
            let (dirty_from, end) = (files.cleaned_until, files.end());
            let before = Files { segments: files.segments.clone(), cleaned_until: dirty_from };
            files.clean(Cleaning::with_map(files.round(now_ms, segment_bytes), SEED, map_keys * 32)).expect("sound");
            let until = files.cleaned_until;
            prop_assert!(until > dirty_from && until <= end);
            let wanted = expected(&before, dirty_from.0, until.0, now_ms);
            prop_assert_eq!(files.records(), wanted);
            // Whoever reads from the last offset on gets to the end.
            prop_assert_eq!(files.end(), end);
            now_ms += waits_ms;
        }
    }
}

#[test]
fn a_tombstone_outlives_what_it_deletes_by_its_horizon() {
    let mut files = Files::default();
    files.append(&[plain(&[(1, Some(1)), (2, Some(2))]), plain(&[(1, None)]), plain(&[(3, Some(3))])], 1);
    files.clean(Cleaning::new(files.round(5000, 10_000), SEED)).expect("sound");
    let offsets = |files: &Files| files.records().iter().map(|record| record.offset).collect::<Vec<_>>();
    assert_eq!(offsets(&files), [1, 2, 3]);
    assert_eq!(files.batches()[1].info.delete_horizon_ms(), Some(5100));
    assert_eq!(files.segments.len(), 1, "three small segments became one");
    files.append(&[plain(&[(4, Some(4))])], 1);
    files.clean(Cleaning::new(files.round(5099, 10_000), SEED)).expect("sound");
    assert_eq!(offsets(&files), [1, 2, 3, 4]);
    files.append(&[plain(&[(5, Some(5))])], 1);
    files.clean(Cleaning::new(files.round(5100, 10_000), SEED)).expect("sound");
    assert_eq!(offsets(&files), [1, 3, 4, 5]);
}

#[test]
fn batches_that_lose_nothing_stay_byte_for_byte() {
    let mut files = Files::default();
    for codec in 0..5 {
        files.append(&[batch_of(codec, &[(codec, Some(9)), (100 + codec, Some(9))], 7).build()], 100_000);
    }
    let bytes = |files: &Files| files.segments.iter().flat_map(|(_, file)| file.clone()).collect::<Vec<u8>>();
    let before = bytes(&files);
    files.clean(Cleaning::new(files.round(5000, 1 << 20), SEED)).expect("sound");
    assert!(bytes(&files) == before && files.segments.len() == 1);
}

/// An idempotent producer goes on with the sequence that its last batch had, wherever its records have gone.
#[test]
fn the_last_batch_of_a_producer_stays_though_empty() {
    let by =
        |id: i64, sequence: i32, key: u8, at: i64| batch_of(0, &[(key, Some(1))], at).producer(id, 0, sequence).build();
    let mut files = Files::default();
    let now_ms = 10_000_000_000;
    files.append(
        &[by(7, 0, 1, now_ms), by(7, 1, 1, now_ms), by(8, 5, 1, now_ms), by(9, 9, 1, 0), plain(&[(1, Some(2))])],
        1,
    );
    files.clean(Cleaning::new(files.round(now_ms, 10_000), SEED)).expect("sound");
    let left = |files: &Files| {
        let info = |view: BatchView<'_>| (view.info.producer_id, view.info.base_sequence, view.info.record_count);
        files.batches().into_iter().map(info).collect::<Vec<_>>()
    };
    assert_eq!(left(&files), [(7, 1, 0), (8, 5, 0), (-1, -1, 1)], "9 has been silent for too long");
    files.append(&[by(8, 6, 2, now_ms)], 1);
    files.clean(Cleaning::new(files.round(now_ms, 10_000), SEED)).expect("sound");
    assert_eq!(left(&files), [(7, 1, 0), (-1, -1, 1), (8, 6, 1)]);
}

/// It may have been aborted, which nothing here knows.
#[test]
fn nothing_goes_because_of_a_transaction_and_markers_stay() {
    let mut files = Files::default();
    let transactional = |pairs: &[(u8, Option<u8>)]| batch_of(0, pairs, 5).producer(4, 0, 0).transactional().build();
    let marker = batch_of(0, &[(0, Some(0))], 5).producer(4, 0, -1).transactional().control().build();
    files.append(
        &[plain(&[(1, Some(1))]), transactional(&[(1, None), (2, Some(2))]), marker, plain(&[(2, Some(3))])],
        1,
    );
    for now_ms in [1_000_000_000_000, 2_000_000_000_000] {
        files.cleaned_until = Offset(0);
        files.clean(Cleaning::new(files.round(now_ms, 10_000), SEED)).expect("sound");
        assert_eq!(files.records().iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 3, 4]);
    }
}

#[test]
fn records_without_a_key_go_as_in_kafka() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1, None, Some(b"x"), &[]);
    let mut files = Files::default();
    files.append(&[builder.build(), plain(&[(1, Some(1))])], 1);
    files.clean(Cleaning::new(files.round(5, 10_000), SEED)).expect("sound");
    assert_eq!(files.records().len(), 1);
}

#[test]
fn a_damaged_segment_ends_the_round_before_anything_changes() {
    for position in [5, 20, 70] {
        let mut files = Files::default();
        files.append(&[plain(&[(1, Some(1))]), plain(&[(1, Some(2))])], 1);
        files.segments[1].1[position] ^= 4;
        let error = files.clean(Cleaning::new(files.round(5, 10_000), SEED)).expect_err("damaged");
        assert_eq!(error.segment, SegmentName::appended(Offset(1)));
        assert!(files.segments.iter().all(|(source, _)| source.name.revision == 0));
    }
}

#[test]
fn a_batch_larger_than_what_is_read_at_once_is_put_together() {
    let mut files = Files::default();
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1, Some(b"large"), Some(&vec![7; 900_000]), &[]);
    files.append(&[plain(&[(1, Some(1))]), builder.build(), plain(&[(1, Some(2))])], 1 << 20);
    files.clean(Cleaning::new(files.round(5, 1 << 20), SEED)).expect("sound");
    assert_eq!(files.records().iter().map(|record| record.offset).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn the_map_keeps_the_last_offset_of_each_key_up_to_its_bound() {
    let mut map = OffsetMap::new(SEED, 1000, 24 * 100);
    for round in 0..3 {
        for key in 0..75u64 {
            assert!(map.put(&key.to_be_bytes(), Offset((round * 100 + key) as i64)));
        }
    }
    assert_eq!(map.len(), 75);
    assert!(!map.put(b"one more", Offset(1000)));
    assert!(map.put(&7u64.to_be_bytes(), Offset(1001)), "a key that is there needs no room");
    assert_eq!(map.get(&7u64.to_be_bytes()), Some(Offset(1001)));
    assert_eq!(map.get(&74u64.to_be_bytes()), Some(Offset(274)));
    assert_eq!(map.get(b"one more"), None);
    assert!(OffsetMap::new(SEED, 1, 0).put(b"there is always room for one", Offset(0)));
}

#[test]
fn neighbours_are_put_together_as_far_as_one_file_holds_them() {
    let source = |base: i64, next: i64, bytes: u64| Source {
        name: SegmentName::appended(Offset(base)),
        next_offset: Offset(next),
        bytes,
    };
    let sources = [
        source(0, 10, 50),
        source(10, 20, 50),
        source(20, 30, 1),
        source(30, 1 << 33, 5),
        source(1 << 33, 1 << 34, 500),
    ];
    let bases: Vec<Vec<i64>> =
        group(&sources, 100).iter().map(|group| group.iter().map(|source| source.name.base.0).collect()).collect();
    assert_eq!(bases, [vec![0, 10], vec![20], vec![30], vec![1 << 33]]);
}
