//! The steps of going to another number of shards, one by one on a real directory: whatever step a crash comes after, one
//! generation is whole and has every record at its offset.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};
use engine::checkpoint::Checkpoint;
use engine::disk::generations;
use engine::disk::layout::Layout;
use engine::reshard::{Settled, deal};
use engine::ring::{RingConfig, spawn_shard};
use engine::{AppendError, Engine, EngineConfig, Generation, LogConfig, LogId, Read, SettleError, settle};

const LOGS: u32 = 7;
/// Small, so that there are sealed segments too.
const SEGMENT_BYTES: u64 = 64 << 10;
const VALUE_BYTES: usize = 3_000;
/// Where log 2 starts.
const CUT: Offset = Offset(3);

/// The shards that count, as the node's file would name them, and where every log ends.
struct Node {
    dir: PathBuf,
    generation: Generation,
    shard_count: u16,
    ends: BTreeMap<LogId, i64>,
}

fn owner(log: LogId, shard_count: u16) -> u16 {
    (log.partition % u32::from(shard_count)) as u16
}

fn logs() -> impl Iterator<Item = LogId> {
    (0..LOGS).map(|partition| LogId { topic: 9, partition })
}

fn record(log: LogId, number: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    let mut value = format!("{log} {number} ").into_bytes();
    value.resize(VALUE_BYTES, 7);
    builder.append(1_000 + number, None, Some(&value), &[]);
    builder.build()
}

fn config(node: &Node, shard: u16) -> EngineConfig {
    EngineConfig {
        generation: node.generation,
        journal_bytes_max: engine::limits::JOURNAL_BYTES_MIN,
        memory_bytes_max: 4 << 20,
        ..EngineConfig::new(node.dir.clone(), shard)
    }
}

fn on_shard<T: Send + 'static, F: Future<Output = T> + 'static>(
    main: impl FnOnce(engine::ring::Ring) -> F + Send + 'static,
) -> T {
    spawn_shard("test", None, RingConfig::default(), main).expect("the shard starts").join().expect("it ends well")
}

impl Node {
    /// A node's life from a start to a kill: every log is as it was left, and gets more records.
    fn live(&mut self, more: i64) {
        for shard in 0..self.shard_count {
            let (config, count) = (config(self, shard), self.shard_count);
            let mine: Vec<_> = logs().filter(|log| owner(*log, count) == shard).collect();
            let ends: Vec<_> = mine.iter().map(|log| (*log, self.ends.get(log).copied().unwrap_or(0))).collect();
            on_shard(move |ring| async move {
                let (engine, recovered) = Engine::open(ring, config).await.expect("the storage opens");
                if ends.iter().any(|(_, end)| *end > 0) {
                    assert_eq!(recovered.logs, ends.iter().map(|(log, _)| *log).collect::<Vec<_>>());
                }
                for (log, end) in ends {
                    live_with_log(&engine, log, end, more).await;
                }
            });
            for log in mine {
                *self.ends.entry(log).or_default() += more;
            }
        }
    }

    fn settle(&self, shard: u16) -> Result<Settled, SettleError> {
        let config = config(self, shard);
        on_shard(move |ring| settle(ring, config))
    }

    /// Everything before the new generation is written.
    fn dealt(&self, shard_count: u16) -> Vec<Checkpoint> {
        let settled = (0..self.shard_count).map(|shard| self.settle(shard).expect("a sound shard settles")).collect();
        deal(settled, shard_count, |log| owner(log, shard_count)).expect("every log has one place")
    }
}

async fn live_with_log(engine: &Engine, log: LogId, end: i64, more: i64) {
    let config = LogConfig { segment_bytes: SEGMENT_BYTES, ..LogConfig::default() };
    engine.create_log(log, config).expect("the log is made");
    let view = engine.log(log).expect("it is there");
    assert_eq!((view.end, view.durable_end), (Offset(end), Offset(end)), "log {log}");
    let start = if log.partition == 2 && end > 0 { CUT } else { Offset(0) };
    assert_eq!(view.start, start, "log {log}");
    let mut next = start;
    while next < Offset(end) {
        next = read_some(engine, log, next, Offset(end)).await;
    }
    for number in end..end + more {
        let bytes = record(log, number);
        let checked = batch::check(&bytes).expect("a sound batch");
        let appended = loop {
            match engine.append(log, &checked, LeaderEpoch(0)) {
                Err(AppendError::Busy) => engine.writable().await,
                result => break result.expect("appended"),
            }
        };
        assert_eq!(appended.base_offset, Offset(number));
        engine.durable(appended.group).await.expect("durable");
    }
    if log.partition == 2 && end == 0 {
        assert_eq!(engine.cut_log(log, CUT).await, Ok(CUT));
    }
}

async fn read_some(engine: &Engine, log: LogId, from: Offset, end: Offset) -> Offset {
    let spans = match engine.read(log, from, end, 1 << 20, true).expect("a readable offset") {
        Read::Ready(spans) => spans,
        Read::Disk(reading) => reading.await.expect("a readable segment"),
    };
    let bytes: Vec<u8> = spans.iter().flat_map(|span| span.to_vec()).collect();
    let (mut rest, mut next) = (&bytes[..], from);
    while !rest.is_empty() {
        let (checked, after) = batch::check_first(rest).expect("whole, sound batches");
        let mut expected = record(log, next.0);
        batch::stamp(&mut expected, next, LeaderEpoch(0));
        assert_eq!(checked.bytes, expected, "log {log} offset {next}");
        (rest, next) = (after, Offset(next.0 + 1));
    }
    assert!(next > from, "nothing came at offset {from} of log {log}");
    next
}

/// Not under /tmp, which may be a file system without direct I/O.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a directory under target")
}

fn new_node(dir: &tempfile::TempDir, shard_count: u16) -> Node {
    let mut node =
        Node { dir: dir.path().to_path_buf(), generation: Generation::FIRST, shard_count, ends: BTreeMap::new() };
    node.live(60);
    node
}

#[test]
fn whatever_step_a_crash_comes_after_one_generation_has_everything() {
    let dir = directory();
    let mut node = new_node(&dir, 2);
    let next = Generation(1);

    node.settle(0).expect("it settles");
    node.live(3);

    let dealt = node.dealt(3);
    generations::write(&node.dir, next, &dealt[..2]).expect("written");
    let half = Layout::new(&node.dir, next, 1).checkpoint(dealt[1].seq + 1);
    fs::File::options().write(true).open(half).and_then(|file| file.set_len(20)).expect("torn");
    assert!(!generations::has_all_shards(&node.dir, next, 3));
    node.live(3);
    assert_eq!(generations::remove(&node.dir, next).expect("removed"), Vec::<PathBuf>::new());

    generations::write(&node.dir, next, &node.dealt(3)).expect("written");
    // Not switched, so the old generation goes on and the new one has become stale.
    node.live(3);
    assert_eq!(generations::remove(&node.dir, next).expect("removed"), Vec::<PathBuf>::new());

    generations::write(&node.dir, next, &node.dealt(3)).expect("written");
    (node.generation, node.shard_count) = (next, 3);
    node.live(3);
    assert!(generations::has_all_shards(&node.dir, next, 3));

    let one_of_two = Layout::new(&node.dir, Generation::FIRST, 0);
    fs::remove_dir_all(one_of_two.journal_dir()).expect("removed in part");
    node.live(3);
    assert_eq!(generations::remove(&node.dir, Generation::FIRST).expect("removed"), Vec::<PathBuf>::new());
    assert_eq!(generations::found(&node.dir).expect("listed"), [next]);
    node.live(3);

    generations::write(&node.dir, Generation(2), &node.dealt(1)).expect("written");
    (node.generation, node.shard_count) = (Generation(2), 1);
    node.live(3);
    node.live(0);
}

/// A shard begins with two copies of its checkpoint: damage to the newest one costs nothing.
#[test]
fn a_damaged_first_checkpoint_of_a_new_generation_costs_nothing() {
    let dir = directory();
    let mut node = new_node(&dir, 1);
    let dealt = node.dealt(2);
    generations::write(&node.dir, Generation(1), &dealt).expect("written");
    (node.generation, node.shard_count) = (Generation(1), 2);
    let newest = Layout::new(&node.dir, Generation(1), 1).checkpoint(dealt[1].seq + 1);
    let mut bytes = fs::read(&newest).expect("it is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&newest, bytes).expect("damaged");
    node.live(5);
    node.live(0);
}

/// Acknowledged groups of a shard are damaged: it does not settle, and nothing of it has changed.
#[test]
fn a_corrupt_shard_refuses_and_is_left_as_it_was() {
    let dir = directory();
    let mut node = new_node(&dir, 2);
    let journal = fs::read_dir(Layout::new(&node.dir, node.generation, 1).journal_dir()).expect("there is a journal");
    let files: Vec<_> = journal.map(|entry| entry.expect("an entry").path()).collect();
    let written = files.iter().find(|path| fs::read(path).expect("a file")[4096..8192].iter().any(|byte| *byte != 0));
    let written = written.expect("one of them has groups");
    let mut bytes = fs::read(written).expect("a file");
    bytes[4096 + 300] ^= 1;
    fs::write(written, &bytes).expect("damaged");
    node.settle(0).expect("the other one settles");
    assert!(matches!(node.settle(1), Err(SettleError::Open(_))));
    bytes[4096 + 300] ^= 1;
    assert_eq!(fs::read(written).expect("a file").len(), bytes.len());
    fs::write(written, &bytes).expect("repaired");
    node.live(1);
}
