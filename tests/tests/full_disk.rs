//! A small file system filled to the brim under load: proper errors and no crash, reading and deleting go on, producing goes on by
//! itself when space returns, and nothing that was acknowledged is lost, not even by a kill on the full disk.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tests::calls::{delete_records_request, partition};
use tests::clock::{Stopwatch, pause, wall_ms};
use tests::kafka::Client;
use tests::loop_disk::LoopDisk;
use tests::mounts::FileSystem;
use tests::random::{Random, seed_of_run};
use tests::records;
use tests::server::{Options, Server, run_ringmain};
use tests::workload::{KAFKA_STORAGE_ERROR, Ledger};

/// A producer takes the disk for full after so many refusals without a success.
const REFUSALS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// With a journal of 128 MiB and the usual reserve, at least so much data fits.
const ACKNOWLEDGED_BYTES_MIN: usize = 40 << 20;
const RETURNS_WITHIN: Duration = Duration::from_secs(30);
/// So many, that each of two shards has some.
const LARGE_PARTITIONS: i32 = 4;

/// A broker on a disk of its own.
#[derive(Clone, Copy)]
struct Scene {
    name: &'static str,
    file_system: FileSystem,
    mib: u64,
    /// Each has a journal of 128 MiB.
    cores: &'static str,
    /// A deletion alone brings back enough. Two journals of which files are still to be made may claim more than that.
    deletion_is_enough: bool,
}

impl Scene {
    const fn one_shard(name: &'static str) -> Scene {
        Scene { name, file_system: FileSystem::Ext4, mib: 256, cores: "0", deletion_is_enough: true }
    }

    const fn two_shards(name: &'static str) -> Scene {
        Scene { name, file_system: FileSystem::Xfs, mib: 448, cores: "0,1", deletion_is_enough: false }
    }

    fn disk(&self) -> Option<LoopDisk> {
        match LoopDisk::mount(self.name, self.file_system, self.mib) {
            Ok(disk) => Some(disk),
            Err(reason) => {
                println!("skipped: this machine gives no file system to fill ({reason})");
                None
            }
        }
    }

    fn server(&self, disk: &LoopDisk) -> Server {
        let options = Options::named(self.name);
        let options = options.with_arguments(&["--journal-mib", "128", "--log-level", "engine=debug,info"]);
        let server =
            Server::start(Options { cores: Some(self.cores.to_owned()), ..options }.in_dir(disk.path().join("data")));
        let mut client = Client::connect(server.address());
        client.create_topic("large", LARGE_PARTITIONS, &[]);
        client.create_topic("small", 1, &[]);
        server
    }
}

#[test]
fn a_disk_filled_under_load_refuses_recovers_and_loses_nothing() {
    fill_refuse_recover(Scene::one_shard("full"));
}

#[test]
fn an_xfs_filled_by_two_shards_refuses_recovers_and_loses_nothing() {
    fill_refuse_recover(Scene::two_shards("full-xfs"));
}

#[test]
fn a_disk_that_others_fill_under_load_loses_nothing_either() {
    crowd(Scene::one_shard("crowded"));
}

#[test]
fn an_xfs_that_others_fill_under_two_shards_loses_nothing_either() {
    crowd(Scene::two_shards("crowded-xfs"));
}

fn fill_refuse_recover(scene: Scene) {
    let Some(disk) = scene.disk() else { return };
    let mut server = scene.server(&disk);
    let mut client = Client::connect(server.address());
    let (mut large, mut small) = fill_with_records(&server, None);
    assert!(server.is_running(), "a full disk ends no broker\n{}", server.log_end());
    check(&server, "large", LARGE_PARTITIONS, &mut large);
    check(&server, "small", 1, &mut small);

    // Now somebody else takes the rest, and what is left to the broker.
    disk.fill();
    let refused = client.produce(partition("small", 0), -1, records::batch_of(wall_ms(), &["refused"]));
    assert_eq!(refused.error_code, KAFKA_STORAGE_ERROR);
    check(&server, "large", LARGE_PARTITIONS, &mut large);
    server.kill_9();
    server.restart();
    check(&server, "large", LARGE_PARTITIONS, &mut large);
    check(&server, "small", 1, &mut small);
    let mut client = Client::connect(server.address());
    let refused = client.produce(partition("small", 0), -1, records::batch_of(wall_ms(), &["refused"]));
    assert_eq!(refused.error_code, KAFKA_STORAGE_ERROR, "the disk is still full");
    assert_eq!(client.metadata(&["large", "small"]).topics.len(), 2);

    assert_eq!(client.delete_topic("large"), 0, "deleting needs no space");
    if !scene.deletion_is_enough {
        disk.clear();
    }
    produce_again(&mut client, &mut small);
    check(&server, "small", 1, &mut small);
    server.kill_9();
    server.restart();
    check(&server, "small", 1, &mut small);
    server.terminate();
}

/// The reserve is no help here: writes of segments and checkpoints find no space under load. They wait for it.
fn crowd(scene: Scene) {
    let Some(disk) = scene.disk() else { return };
    let mut server = scene.server(&disk);
    let (mut large, mut small) = fill_with_records(&server, Some(&disk));
    check(&server, "large", LARGE_PARTITIONS, &mut large);
    // A clean stop on a full disk is one, and the start after it as well.
    server.terminate();
    server.restart();
    check(&server, "large", LARGE_PARTITIONS, &mut large);
    check(&server, "small", 1, &mut small);
    disk.clear();
    produce_again(&mut Client::connect(server.address()), &mut small);
    server.terminate();
    server.restart();
    check(&server, "large", LARGE_PARTITIONS, &mut large);
    check(&server, "small", 1, &mut small);
}

/// A start on a disk that was full did not know of the ballast that the killed process had taken in, and never threw it off: a checkpoint
/// that needs a few blocks waited for somebody else to make room.
#[test]
fn the_ballast_is_thrown_off_for_a_checkpoint_and_taken_in_again_also_by_another_process() {
    let scene = Scene::one_shard("ballast");
    let Some(disk) = scene.disk() else { return };
    let mut server = scene.server(&disk);
    let mut client = Client::connect(server.address());
    // Each record its own segment: those before the start are removed after a checkpoint, which is taken for their sake.
    client.create_topic("rolls", 1, &[("segment.bytes", "1048576")]);
    for _ in 0..4 {
        client.append(partition("rolls", 0), records::batch_of(wall_ms(), &[[7; 700_000]]));
    }
    for is_restarted in [false, true] {
        wait_for_ballast(&server, true);
        disk.fill();
        // What was there for segments to come is given back, and would be room enough.
        wait_until(|| !has_next_file(&server), || format!("a file for a segment to come stays\n{}", server.log_end()));
        disk.fill();
        if is_restarted {
            server.kill_9();
            server.restart();
        }
        assert!(has_ballast(&server), "nothing has needed its room yet");
        let request = delete_records_request(partition("rolls", 0), 1 + i64::from(is_restarted));
        let answer = Client::connect(server.address()).call(2, &request);
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        wait_for_ballast(&server, false);
        disk.clear();
    }
    wait_for_ballast(&server, true);
}

fn has_ballast(server: &Server) -> bool {
    server.data_dir().join("shards/0/ballast").exists()
}

fn wait_for_ballast(server: &Server, expected: bool) {
    let complaint = || format!("the ballast should be aboard: {expected}\n{}", server.log_end());
    wait_until(|| has_ballast(server) == expected, complaint);
}

fn wait_until(holds: impl Fn() -> bool, complaint: impl Fn() -> String) {
    let watch = Stopwatch::start();
    while !holds() {
        assert!(watch.elapsed() < RETURNS_WITHIN, "{}", complaint());
        pause(PAUSE);
    }
}

/// Whether any log has one.
fn has_next_file(server: &Server) -> bool {
    // Each topic has a directory, and in it each log.
    let entries = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = entries(server.data_dir().join("topics")).flat_map(entries).flat_map(entries);
    files.any(|file| file.extension().is_some_and(|extension| extension == "next"))
}

#[test]
fn journals_that_do_not_fit_the_disk_are_refused_with_a_remedy() {
    let Some(disk) = Scene::one_shard("journals").disk() else { return };
    let data = disk.path().join("data");
    let data = data.to_str().expect("a plain path");
    let (status, said) = run_ringmain(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--cores", "0"]);
    assert!(!status.success(), "{said}");
    assert!(said.contains("--journal-mib") && said.contains("512 MiB"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// A producer with acks=all for each partition, each until it is refused for good, and somebody who fills `crowded` beside them. Gives what was
/// acknowledged of both topics.
fn fill_with_records(server: &Server, crowded: Option<&LoopDisk>) -> (Ledger, Ledger) {
    let address = server.address();
    let seed = seed_of_run("full_disk");
    std::thread::scope(|scope| {
        let start = |topic: &'static str, index: i32, value_bytes: usize| {
            let random = Random::from_seed(seed ^ index as u64 ^ topic.len() as u64);
            scope.spawn(move || fill_partition(address, topic, index, value_bytes, random))
        };
        let writers: Vec<_> = (0..LARGE_PARTITIONS).map(|index| start("large", index, 100_000)).collect();
        let writer = start("small", 0, 2_000);
        if let Some(disk) = crowded {
            disk.fill();
        }
        let (small, mut bytes) = writer.join().expect("a producer ends without a panic");
        let mut large = Ledger::default();
        for writer in writers {
            let (ledger, acknowledged) = writer.join().expect("a producer ends without a panic");
            large.merge(ledger);
            bytes += acknowledged;
        }
        println!("{bytes} bytes acknowledged");
        assert!(crowded.is_some() || bytes >= ACKNOWLEDGED_BYTES_MIN, "only {bytes} bytes fit\n{}", server.log_end());
        (large, small)
    })
}

fn fill_partition(
    address: SocketAddr,
    topic: &str,
    index: i32,
    value_bytes: usize,
    mut random: Random,
) -> (Ledger, usize) {
    let mut client = Client::connect(address);
    let (mut ledger, mut bytes, mut refusals) = (Ledger::default(), 0, 0);
    while refusals < REFUSALS {
        let value = Bytes::from(random.bytes(value_bytes));
        let batch = records::batch_of(wall_ms(), &[&value]);
        let answer = client.produce(partition(topic, index), -1, batch);
        match answer.error_code {
            0 => {
                ledger.insert((index, answer.base_offset), value);
                (bytes, refusals) = (bytes + value_bytes, 0);
            }
            code => {
                assert_eq!(code, KAFKA_STORAGE_ERROR, "{topic} {index}: {:?}", answer.error_message);
                refusals += 1;
                pause(PAUSE);
            }
        }
    }
    (ledger, bytes)
}

fn produce_again(client: &mut Client, ledger: &mut Ledger) {
    let watch = Stopwatch::start();
    loop {
        let value = Bytes::from_static(b"there is space again");
        let answer = client.produce(partition("small", 0), -1, records::batch_of(wall_ms(), &[&value]));
        if answer.error_code == 0 {
            println!("producing goes on {} ms after the deletion", watch.elapsed_ms());
            ledger.insert((0, answer.base_offset), value);
            return;
        }
        assert_eq!(answer.error_code, KAFKA_STORAGE_ERROR);
        assert!(watch.elapsed() < RETURNS_WITHIN, "space has returned and producing is still refused");
        pause(PAUSE);
    }
}

fn check(server: &Server, topic: &str, partitions: i32, ledger: &mut Ledger) {
    let mut client = Client::connect(server.address());
    for index in 0..partitions {
        let read = client.read_records(partition(topic, index));
        ledger.check_and_learn(index, &read);
    }
}
