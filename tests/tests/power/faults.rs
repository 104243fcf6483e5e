//! A disk that fails, and one that is slow, under a running broker.

use crate::{MEMORY_BYTES, PARTITIONS, check, create_topic, disk, join, server_on, start_writers, wait_for_more};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tests::calls::{PRODUCE_VERSION, partition, produce_request};
use tests::clock::{Stopwatch, pause, wall_ms};
use tests::kafka::{Client, encode_request};
use tests::mounts::FileSystem;
use tests::power_disk::medium::Fate;
use tests::power_disk::orders::Order;
use tests::process;
use tests::random::{Random, seed_of_run};
use tests::records;
use tests::server::Server;
use tests::workload::KAFKA_STORAGE_ERROR;

const TOPIC: &str = "faults";
/// Every shard meets the fault within this time: the writers see to it.
const FAILED_WITHIN: Duration = Duration::from_secs(60);
/// What each of those sends at most who do not wait for answers; together more than the server has memory.
const FLOOD_BYTES: u64 = 100 << 20;
/// Code, stacks, the allocator's slack, and what sockets and rings take.
const OVERHEAD_BYTES_MAX: u64 = 128 << 20;

#[test]
fn a_shard_whose_sync_failed_once_acknowledges_nothing_until_it_is_started_again() {
    fail_for_good(FileSystem::Ext4, Order::FailOneSync);
}

#[test]
fn a_shard_whose_syncs_fail_acknowledges_nothing_until_it_is_started_again() {
    fail_for_good(FileSystem::Xfs, Order::FailSyncs);
}

#[test]
fn a_shard_whose_writes_fail_acknowledges_nothing_until_it_is_started_again() {
    fail_for_good(FileSystem::Ext4, Order::FailWrites);
}

/// The fault comes under load. A repeated sync may succeed although the data is gone, so that the disk is well again afterwards must
/// make no difference; the writers panic when a partition acknowledges after it was refused.
fn fail_for_good(file_system: FileSystem, fault: Order) {
    let Some(mut disk) = disk(&format!("{fault:?}"), file_system) else { return };
    let mut random = Random::from_seed(seed_of_run(&format!("{fault:?}")));
    let mut server = server_on(&disk, &format!("power-{fault:?}"));
    create_topic(server.address(), TOPIC);
    let acknowledged = AtomicU64::new(0);
    let mut ledger = std::thread::scope(|scope| {
        let writers = start_writers(scope, server.address(), TOPIC, &mut random, &acknowledged);
        wait_for_more(&acknowledged, 50, &server);
        pause(Duration::from_millis(random.between(0, 500)));
        let watch = Stopwatch::start();
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert!(watch.elapsed() < FAILED_WITHIN, "writers are not refused\n{}", server.log_end());
            // One failing sync is one shard's; the next one may be the other's.
            disk.order(fault);
            pause(Duration::from_millis(100));
        }
        join(writers)
    });
    assert!(!ledger.is_empty(), "the writers wrote");
    assert!(server.is_running(), "a disk that fails ends no broker\n{}", server.log_end());
    // What was acknowledged can still be read, from memory and from the files.
    check(server.address(), TOPIC, &mut ledger);
    disk.order(Order::PowerOn);
    assert_all_refuse(&server);

    let known = ledger.len();
    disk.cut(Fate::Dropped, 0);
    server.kill_9();
    disk.restore();
    server.restart();
    check(server.address(), TOPIC, &mut ledger);
    println!("{fault:?} on {}: {known} records acknowledged, 0 of them lost", file_system.name());
    let batch = records::batch_of(wall_ms(), &["after the restart"]);
    Client::connect(server.address()).append(partition(TOPIC, 0), batch);
}

fn assert_all_refuse(server: &Server) {
    let mut client = Client::connect(server.address());
    for index in 0..PARTITIONS {
        let answer = client.produce(partition(TOPIC, index), -1, records::batch_of(wall_ms(), &["too late"]));
        assert_eq!(answer.error_code, KAFKA_STORAGE_ERROR, "partition {index}");
        let answer = client.produce(partition(TOPIC, index), 1, records::batch_of(wall_ms(), &["too late"]));
        assert_eq!(answer.error_code, KAFKA_STORAGE_ERROR, "partition {index}");
    }
    let refused = client.try_create_topic("too-late", 1, &[]).expect_err("the metadata log has failed as well");
    assert_ne!(refused.0, -1, "an answer, not a timeout: {refused:?}");
    assert_eq!(client.metadata(&[TOPIC]).topics[0].error_code, 0, "what needs no disk goes on");
}

/// Beside writers that wait for their answers there are some that do not wait: only what the broker does not read holds them back.
#[test]
fn a_slow_disk_slows_producers_down_and_takes_no_memory() {
    let Some(mut disk) = disk("slow", FileSystem::Ext4) else { return };
    let mut random = Random::from_seed(seed_of_run("slow"));
    let mut server = server_on(&disk, "power-slow");
    create_topic(server.address(), TOPIC);
    create_topic(server.address(), "flood");
    let (address, acknowledged) = (server.address(), AtomicU64::new(0));
    let (sent_bytes, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut ledger = std::thread::scope(|scope| {
        let writers = start_writers(scope, address, TOPIC, &mut random, &acknowledged);
        pause(Duration::from_millis(500));
        for index in 0..PARTITIONS {
            let (sent_bytes, is_over) = (&sent_bytes, &is_over);
            scope.spawn(move || flood(address, index, sent_bytes, is_over));
        }
        for fault in [Order::Delay(Duration::from_millis(200)), Order::Stall(Duration::from_secs(3))] {
            disk.order(fault);
            pause(Duration::from_secs(3));
            println!("{fault:?}: {} records acknowledged so far", acknowledged.load(Ordering::Relaxed));
        }
        let taken_bytes = sent_bytes.load(Ordering::Relaxed);
        is_over.store(true, Ordering::Relaxed);
        disk.order(Order::PowerOn);
        wait_for_more(&acknowledged, 1_000, &server);
        let resident_bytes = process::resident_bytes_max(server.pid());
        println!(
            "{} MiB were sent without waiting, resident memory was {} MiB",
            taken_bytes >> 20,
            resident_bytes >> 20
        );
        assert!(taken_bytes < PARTITIONS as u64 * FLOOD_BYTES, "nothing held the senders back");
        assert!(resident_bytes < MEMORY_BYTES + OVERHEAD_BYTES_MAX, "{resident_bytes} bytes of resident memory");
        disk.cut(Fate::Mixed, 1);
        server.kill_9();
        join(writers)
    });
    disk.restore();
    server.restart();
    check(server.address(), TOPIC, &mut ledger);
}

/// Sends with acks=0 until it is over, or enough, or the connection ends.
fn flood(address: SocketAddr, index: i32, sent_bytes: &AtomicU64, is_over: &AtomicBool) {
    let Ok(mut client) = Client::try_connect(address) else { return };
    let request = produce_request(partition("flood", index), 0, records::batch_of(wall_ms(), &[vec![7; 100_000]]));
    let frame = encode_request(PRODUCE_VERSION, 1, &request).expect("it encodes");
    let mut left_bytes = FLOOD_BYTES;
    while left_bytes > 0 && !is_over.load(Ordering::Relaxed) && client.send_bytes(&frame).is_ok() {
        left_bytes = left_bytes.saturating_sub(frame.len() as u64);
        sent_bytes.fetch_add(frame.len() as u64, Ordering::Relaxed);
    }
}
