//! A file system of 256 MiB, filled to the brim under load: proper errors and no crash, reading and deleting go on, producing goes
//! on by itself when space returns, and nothing that was acknowledged is lost, not even by a kill on the full disk.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tests::calls::partition;
use tests::clock::{Stopwatch, pause, wall_ms};
use tests::kafka::Client;
use tests::loop_disk::LoopDisk;
use tests::mounts::FileSystem;
use tests::random::{Random, seed_of_run};
use tests::records;
use tests::server::{Options, Server, run_ringmain};
use tests::workload::{KAFKA_STORAGE_ERROR, Ledger};

const DISK_MIB: u64 = 256;
/// A producer takes the disk for full after so many refusals without a success.
const REFUSALS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// With a journal of 128 MiB and the usual reserve, at least so much data fits.
const ACKNOWLEDGED_BYTES_MIN: usize = 40 << 20;
const RETURNS_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_disk_filled_under_load_refuses_recovers_and_loses_nothing() {
    let Some(disk) = disk("full") else { return };
    let options = Options::named("full-disk").with_arguments(&["--journal-mib", "128"]);
    let mut server = Server::start(Options { cores: Some("0".to_owned()), ..options }.in_dir(disk.path().join("data")));
    let mut client = Client::connect(server.address());
    client.create_topic("large", 2, &[]);
    client.create_topic("small", 1, &[]);

    let (mut large, mut small) = fill_with_records(&server, None);
    assert!(server.is_running(), "a full disk ends no broker\n{}", server.log_end());
    check(&server, "large", 2, &mut large);
    check(&server, "small", 1, &mut small);

    // Now somebody else takes the rest, and what is left to the broker.
    disk.fill();
    let refused = client.produce(partition("small", 0), -1, records::batch_of(wall_ms(), &["refused"]));
    assert_eq!(refused.error_code, KAFKA_STORAGE_ERROR);
    check(&server, "large", 2, &mut large);
    server.kill_9();
    server.restart();
    check(&server, "large", 2, &mut large);
    check(&server, "small", 1, &mut small);
    let mut client = Client::connect(server.address());
    let refused = client.produce(partition("small", 0), -1, records::batch_of(wall_ms(), &["refused"]));
    assert_eq!(refused.error_code, KAFKA_STORAGE_ERROR, "the disk is still full");
    assert_eq!(client.metadata(&["large", "small"]).topics.len(), 2);

    assert_eq!(client.delete_topic("large"), 0, "deleting needs no space");
    produce_again(&mut client, &mut small);
    check(&server, "small", 1, &mut small);
    server.kill_9();
    server.restart();
    check(&server, "small", 1, &mut small);
    server.terminate();
}

/// The reserve is no help here: writes of segments and checkpoints find no space under load. They wait for it.
#[test]
fn a_disk_that_others_fill_under_load_loses_nothing_either() {
    let Some(disk) = disk("crowded") else { return };
    let options =
        Options::named("crowded-disk").with_arguments(&["--journal-mib", "128", "--log-level", "engine=debug,info"]);
    let mut server = Server::start(Options { cores: Some("0".to_owned()), ..options }.in_dir(disk.path().join("data")));
    let mut client = Client::connect(server.address());
    client.create_topic("large", 2, &[]);
    client.create_topic("small", 1, &[]);
    let (mut large, mut small) = fill_with_records(&server, Some(&disk));
    check(&server, "large", 2, &mut large);
    // A clean stop on a full disk is one, and the start after it as well.
    server.terminate();
    server.restart();
    check(&server, "large", 2, &mut large);
    check(&server, "small", 1, &mut small);
    disk.clear();
    produce_again(&mut Client::connect(server.address()), &mut small);
    server.terminate();
    server.restart();
    check(&server, "large", 2, &mut large);
    check(&server, "small", 1, &mut small);
}

#[test]
fn journals_that_do_not_fit_the_disk_are_refused_with_a_remedy() {
    let Some(disk) = disk("journals") else { return };
    let data = disk.path().join("data");
    let data = data.to_str().expect("a plain path");
    let (status, said) = run_ringmain(&["serve", "--data", data, "--listen", "127.0.0.1:0", "--cores", "0"]);
    assert!(!status.success(), "{said}");
    assert!(said.contains("--journal-mib") && said.contains("512 MiB"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}

fn disk(name: &str) -> Option<LoopDisk> {
    match LoopDisk::mount(name, FileSystem::Ext4, DISK_MIB) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            println!("skipped: this machine gives no file system to fill ({reason})");
            None
        }
    }
}

/// Three producers with acks=all, each until it is refused for good, and somebody who fills `crowded` beside them. Gives what was
/// acknowledged of both topics.
fn fill_with_records(server: &Server, crowded: Option<&LoopDisk>) -> (Ledger, Ledger) {
    let address = server.address();
    let seed = seed_of_run("full_disk");
    let places = [("large", 0), ("large", 1), ("small", 0)];
    std::thread::scope(|scope| {
        let running = places.map(|(topic, index)| {
            let random = Random::from_seed(seed ^ index as u64 ^ topic.len() as u64);
            let value_bytes = if topic == "large" { 100_000 } else { 2_000 };
            scope.spawn(move || fill_partition(address, topic, index, value_bytes, random))
        });
        if let Some(disk) = crowded {
            disk.fill();
        }
        let [first, second, small] = running.map(|writer| writer.join().expect("a producer ends without a panic"));
        let bytes = first.1 + second.1 + small.1;
        println!("{bytes} bytes acknowledged on a disk of {DISK_MIB} MiB");
        assert!(crowded.is_some() || bytes >= ACKNOWLEDGED_BYTES_MIN, "only {bytes} bytes fit\n{}", server.log_end());
        let mut large = first.0;
        large.merge(second.0);
        (large, small.0)
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
