//! Real file systems on a disk whose power is cut, whose syncs lie or fail, and that takes its time. Needs root, FUSE and loop devices;
//! where they are missing the tests say so and pass.

mod cuts;
mod faults;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;
use tests::calls::partition;
use tests::clock::{Stopwatch, pause};
use tests::kafka::Client;
use tests::mounts::FileSystem;
use tests::power_disk::PowerDisk;
use tests::random::Random;
use tests::server::{Options, Server};
use tests::workload::{Ledger, Writer};

const PARTITIONS: i32 = 6;
/// What the server is told to do with.
const MEMORY_BYTES: u64 = 256 << 20;
const WRITERS: u64 = 4;
/// Large records, so that journal files are filled and recycled, and checkpoints taken, within seconds.
const FILLER_BYTES_MAX: u64 = 20_000;
/// A disk that works gets some records acknowledged within this time, whatever the machine is doing besides.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);
/// Room for two journals of the smallest size, and what the writers write.
const DISK_MIB: u64 = 2048;

fn disk(name: &str, file_system: FileSystem) -> Option<PowerDisk> {
    match PowerDisk::mount(env!("CARGO_BIN_EXE_power_disk"), name, file_system, DISK_MIB) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            println!("skipped on {}: this machine gives no disk whose power can be cut ({reason})", file_system.name());
            None
        }
    }
}

/// A server with two small journals on the disk, so that files are recycled and checkpoints taken within seconds of load.
fn server_on(disk: &PowerDisk, name: &str) -> Server {
    let memory = MEMORY_BYTES.to_string();
    let arguments = ["--journal-mib", "128", "--memory", &memory, "--log-level", "engine=debug,info"];
    Server::start(Options::named(name).with_arguments(&arguments).in_dir(disk.path().join("data")))
}

/// Small segments, so that many are sealed.
fn create_topic(address: SocketAddr, topic: &str) {
    Client::connect(address).create_topic(topic, PARTITIONS, &[("segment.bytes", "1048576")]);
}

/// Starts writers of a topic; each ends when its connection fails or every partition has refused.
fn start_writers<'scope>(
    scope: &'scope Scope<'scope, '_>,
    address: SocketAddr,
    topic: &str,
    random: &mut Random,
    acknowledged: &'scope AtomicU64,
) -> Vec<ScopedJoinHandle<'scope, Ledger>> {
    let writer = |number: u64| Writer {
        name: format!("{topic}-writer-{number}"),
        address,
        topic: topic.to_owned(),
        partitions: PARTITIONS,
        acks: if number.is_multiple_of(2) { -1 } else { 1 },
        seed: random.next_u64(),
        filler_bytes_max: FILLER_BYTES_MAX,
        storage_may_fail: true,
    };
    let writers: Vec<Writer> = (0..WRITERS).map(writer).collect();
    writers.into_iter().map(|writer| scope.spawn(move || writer.run(acknowledged))).collect()
}

/// All that the writers were promised.
fn join(writers: Vec<ScopedJoinHandle<'_, Ledger>>) -> Ledger {
    let mut ledger = Ledger::default();
    for writer in writers {
        ledger.merge(writer.join().expect("a writer ends without a panic"));
    }
    ledger
}

/// Panics unless everything acknowledged is at its place.
fn check(address: SocketAddr, topic: &str, ledger: &mut Ledger) {
    let mut client = Client::connect(address);
    for index in 0..PARTITIONS {
        let read = client.read_records(partition(topic, index));
        ledger.check_and_learn(index, &read);
    }
}

/// Waits until so many more records are acknowledged.
fn wait_for_more(acknowledged: &AtomicU64, records: u64, server: &Server) {
    let (watch, before) = (Stopwatch::start(), acknowledged.load(Ordering::Relaxed));
    while acknowledged.load(Ordering::Relaxed) < before + records {
        assert!(watch.elapsed() < ACKNOWLEDGED_WITHIN, "producers do not get on\n{}", server.log_end());
        pause(Duration::from_millis(20));
    }
    println!("{records} records acknowledged within {} ms", watch.elapsed_ms());
}
