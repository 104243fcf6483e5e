//! The whole engine on a real ring and a real directory: what is acknowledged is there after a restart, from memory and from
//! segment files alike.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};
use engine::ring::{RingConfig, spawn_shard};
use engine::{Engine, EngineConfig, LogConfig, LogId, Read};

const LOG: LogId = LogId { topic: 7, partition: 3 };

/// Not under /tmp, which may be a file system without direct I/O.
fn directory() -> tempfile::TempDir {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    tempfile::tempdir_in(target).expect("a directory under target")
}

fn batch(number: u64, value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    let mut value = vec![number as u8; value_bytes];
    value[..8.min(value_bytes)].fill(7);
    builder.append(1_000 + number as i64, Some(&number.to_be_bytes()), Some(&value), &[]);
    builder.build()
}

/// Runs `main` on a shard of its own with an open engine, then closes it.
fn with_engine<F, Fut>(dir: &Path, clean: bool, segment_bytes: u64, main: F)
where
    F: FnOnce(Engine) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let config = EngineConfig { memory_bytes_max: 4 << 20, ..EngineConfig::new(dir.to_path_buf(), 0) };
    let shard = spawn_shard("test", None, RingConfig::default(), move |ring| async move {
        let (engine, _) = Engine::open(ring, config).await.expect("the storage opens");
        engine.create_log(LOG, LogConfig { segment_bytes, ..LogConfig::default() }).expect("the log is made");
        main(engine.clone()).await;
        if clean {
            engine.shutdown().await.expect("a clean shutdown");
        }
    });
    shard.expect("the shard starts").join().expect("the shard ends well");
}

async fn append_all(engine: &Engine, numbers: std::ops::Range<u64>, value_bytes: usize) {
    for number in numbers {
        let bytes = batch(number, value_bytes);
        let checked = batch::check(&bytes).expect("a sound batch");
        let appended = loop {
            match engine.append(LOG, &checked, LeaderEpoch(0)) {
                Ok(appended) => break appended,
                Err(engine::AppendError::Busy) => engine.writable().await,
                Err(error) => panic!("append failed: {error}"),
            }
        };
        assert_eq!(appended.base_offset, Offset(number as i64));
        if number % 64 == 63 {
            engine.durable(appended.group).await.expect("durable");
        }
    }
}

async fn read_all(engine: &Engine, count: u64, value_bytes: usize, bytes_max: usize) {
    read_range(engine, 0..count, value_bytes, bytes_max).await;
}

async fn read_range(engine: &Engine, range: std::ops::Range<u64>, value_bytes: usize, bytes_max: usize) {
    let mut next = range.start;
    while next < range.end {
        let until = Offset(range.end as i64);
        let read = engine.read(LOG, Offset(next as i64), until, bytes_max, true).expect("a readable offset");
        let spans = match read {
            Read::Ready(spans) => spans,
            Read::Disk(future) => future.await.expect("a readable segment"),
        };
        let bytes: Vec<u8> = spans.iter().flat_map(|span| span.to_vec()).collect();
        let mut rest = &bytes[..];
        assert!(!rest.is_empty(), "nothing came at offset {next}");
        while !rest.is_empty() {
            let (checked, after) = batch::check_first(rest).expect("whole, sound batches");
            assert_eq!(checked.info.base_offset, Offset(next as i64));
            let mut expected = batch(next, value_bytes);
            batch::stamp(&mut expected, Offset(next as i64), LeaderEpoch(0));
            assert_eq!(checked.bytes, expected, "offset {next}");
            next += 1;
            rest = after;
        }
    }
}

/// Consumers that read the same old records close behind each other share what is read, and what is read ahead is read for somebody.
#[test]
fn several_consumers_of_the_same_records_cost_one_pass_over_the_disk() {
    const COUNT: u64 = 400;
    const VALUE_BYTES: usize = 60_000;
    let dir = directory();
    with_engine(dir.path(), true, 4 << 20, |engine| async move { append_all(&engine, 0..COUNT, VALUE_BYTES).await });
    let config = EngineConfig { memory_bytes_max: 128 << 20, ..EngineConfig::new(dir.path().to_path_buf(), 0) };
    let shard = spawn_shard("test", None, RingConfig::default(), move |ring| async move {
        let (engine, _) = Engine::open(ring, config).await.expect("the storage opens");
        // One reads more at a time than the others.
        let consumers =
            [1 << 20, 1 << 20, 300_000, 1 << 20].map(|bytes_max| read_all(&engine, COUNT, VALUE_BYTES, bytes_max));
        futures_util::future::join_all(consumers).await;
        let (read, log) = (engine.stats().cold_read_bytes, engine.log(LOG).expect("the log").bytes);
        assert!(read < log * 13 / 10, "{read} bytes were read of a log of {log}");
    });
    shard.expect("the shard starts").join().expect("the shard ends well");
}

fn round_trip(clean: bool, count: u64, value_bytes: usize, segment_bytes: u64) {
    let dir = directory();
    with_engine(dir.path(), clean, segment_bytes, move |engine| async move {
        append_all(&engine, 0..count, value_bytes).await;
        let last = engine.log(LOG).expect("the log").end;
        assert_eq!(last, Offset(count as i64));
        while engine.log(LOG).expect("the log").durable_end < last {
            engine.durable(engine::GroupSeq(engine.durable_group().0 + 1)).await.expect("durable");
        }
        read_all(&engine, count, value_bytes, 1 << 20).await;
    });
    for clean in [false, true, true] {
        with_engine(dir.path(), clean, segment_bytes, move |engine| async move {
            let log = engine.log(LOG).expect("the log is back");
            assert_eq!((log.end, log.durable_end), (Offset(count as i64), Offset(count as i64)));
            read_all(&engine, count, value_bytes, 1 << 20).await;
            assert_eq!(
                engine.offset_for_timestamp(LOG, 1_000 + count as i64 / 2).await.expect("found").expect("some").0,
                Offset(count as i64 / 2)
            );
            assert_eq!(
                engine.max_timestamp(LOG).await.expect("found"),
                Some((Offset(count as i64 - 1), 999 + count as i64))
            );
        });
    }
}

#[test]
fn small_batches_survive_a_stop_without_a_checkpoint() {
    round_trip(false, 3_000, 100, 1 << 30);
}

#[test]
fn small_batches_survive_a_clean_stop() {
    round_trip(true, 3_000, 100, 1 << 30);
}

#[test]
fn many_segments_and_more_than_memory_holds_survive() {
    round_trip(false, 4_000, 20_000, 3 << 20);
}

#[test]
fn large_batches_survive() {
    round_trip(true, 40, 3 << 20, 1 << 30);
}

/// The files of the log with this extension: their names, and what they are whatever their names.
fn files(dir: &Path, extension: &str) -> BTreeMap<PathBuf, u64> {
    let log_dir = dir.join(format!("topics/{:032x}/{}", LOG.topic, LOG.partition));
    let entries = std::fs::read_dir(log_dir).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.ino())));
    files.filter(|(path, _)| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Segments that begin in files of segments that went have only what was written to them since, and a stop leaves no file behind that is no
/// segment's.
#[test]
fn the_file_of_a_segment_that_goes_is_that_of_a_segment_to_come() {
    const VALUE_BYTES: usize = 16_000;
    const START: u64 = 200;
    let dir = directory();
    let data = dir.path().to_path_buf();
    let (sender, receiver) = std::sync::mpsc::channel();
    with_engine(dir.path(), true, 1 << 20, move |engine| async move {
        append_all(&engine, 0..384, VALUE_BYTES).await;
        let before = files(&data, "log");
        assert_eq!(engine.cut_log(LOG, Offset(START as i64)).await, Ok(Offset(START as i64)));
        let gone = |now: &BTreeMap<PathBuf, u64>| before.keys().filter(|path| !now.contains_key(*path)).count();
        let is_reused = |now: &BTreeMap<PathBuf, u64>| {
            let new = now.iter().filter(|(path, _)| !before.contains_key(*path));
            new.filter(|(_, file)| before.values().any(|old| old == *file)).count() > 1
        };
        let mut end = 384;
        while gone(&files(&data, "log")) == 0 || !is_reused(&files(&data, "log")) {
            assert!(end < 10_000, "no file of the first segments has come back");
            append_all(&engine, end..end + 64, VALUE_BYTES).await;
            end += 64;
        }
        read_range(&engine, START..end, VALUE_BYTES, 1 << 20).await;
        sender.send(end).expect("somebody waits for it");
    });
    let end = receiver.recv().expect("sent");
    assert_eq!(files(dir.path(), "next"), BTreeMap::new());
    with_engine(dir.path(), true, 1 << 20, move |engine| async move {
        read_range(&engine, START..end, VALUE_BYTES, 1 << 20).await;
    });
}

/// Segments before the start lose their files, and a restart neither forgets the start nor finds the files.
#[test]
fn a_log_that_starts_further_on_keeps_no_segment_before() {
    let dir = directory();
    let data = dir.path().to_path_buf();
    let segments = move || files(&data, "log").len();
    let counted = segments.clone();
    with_engine(dir.path(), false, 1 << 20, move |engine| async move {
        append_all(&engine, 0..1_984, 2_000).await;
        let before = counted();
        assert_eq!(engine.cut_log(LOG, Offset(1_500)).await, Ok(Offset(1_500)));
        assert_eq!(engine.cut_log(LOG, Offset(100)).await, Ok(Offset(1_500)), "never back");
        assert_eq!(engine.cut_log(LOG, Offset(1_985)).await, Err(engine::CutError::OutOfRange));
        assert!(matches!(engine.read(LOG, Offset(1_499), Offset(1_500), 1, true), Err(engine::ReadError::OutOfRange)));
        let found = engine.offset_for_timestamp(LOG, 0).await.expect("found").expect("some");
        assert_eq!(found.0, Offset(1_500));
        for _ in 0..200 {
            if counted() < before.min(3) {
                break;
            }
            append_all(
                &engine,
                engine.log(LOG).expect("there").end.0 as u64..engine.log(LOG).expect("there").end.0 as u64 + 64,
                20,
            )
            .await;
        }
        assert!(counted() < before, "{before} segments before, and {} after", counted());
    });
    with_engine(dir.path(), true, 1 << 20, |engine| async move {
        assert_eq!(engine.log(LOG).expect("there").start, Offset(1_500));
    });
    assert!(segments() > 0);
}

#[test]
fn a_dropped_log_does_not_come_back() {
    let dir = directory();
    with_engine(dir.path(), false, 1 << 20, |engine| async move {
        append_all(&engine, 0..2_000, 2_000).await;
        engine.drop_log(LOG).await.expect("dropped");
        assert!(engine.log(LOG).is_none());
    });
    with_engine(dir.path(), true, 1 << 20, |engine| async move {
        assert_eq!(engine.log(LOG).expect("made anew").end, Offset(0));
    });
}
