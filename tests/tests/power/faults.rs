//! A disk that fails, and one that is slow, under a running broker.

use crate::{PARTITIONS, check, create_topic, disk, join, server_on, start_writers};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tests::calls::partition;
use tests::clock::{Stopwatch, pause, wall_ms};
use tests::kafka::Client;
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
/// A disk that is well again is used at its speed within this time.
const RECOVERED_WITHIN: Duration = Duration::from_secs(30);

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
        pause(Duration::from_millis(random.between(200, 1_000)));
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

#[test]
fn a_slow_disk_slows_producers_down_and_takes_no_memory() {
    let Some(mut disk) = disk("slow", FileSystem::Ext4) else { return };
    let mut random = Random::from_seed(seed_of_run("slow"));
    let mut server = server_on(&disk, "power-slow");
    create_topic(server.address(), TOPIC);
    let acknowledged = AtomicU64::new(0);
    let mut ledger = std::thread::scope(|scope| {
        let writers = start_writers(scope, server.address(), TOPIC, &mut random, &acknowledged);
        pause(Duration::from_millis(500));
        let before_bytes = process::resident_bytes(server.pid());
        for fault in [Order::Delay(Duration::from_millis(200)), Order::Stall(Duration::from_secs(3))] {
            disk.order(fault);
            pause(Duration::from_secs(3));
            println!("{fault:?}: {} records acknowledged so far", acknowledged.load(Ordering::Relaxed));
        }
        disk.order(Order::PowerOn);
        wait_for_more(&acknowledged, 1_000, &server);
        let grown_bytes = process::resident_bytes_max(server.pid()).saturating_sub(before_bytes);
        println!("resident memory grew by {} KiB from {} KiB", grown_bytes >> 10, before_bytes >> 10);
        disk.cut(Fate::Mixed, 1);
        server.kill_9();
        join(writers)
    });
    disk.restore();
    server.restart();
    check(server.address(), TOPIC, &mut ledger);
}

fn wait_for_more(acknowledged: &AtomicU64, records: u64, server: &Server) {
    let (watch, before) = (Stopwatch::start(), acknowledged.load(Ordering::Relaxed));
    while acknowledged.load(Ordering::Relaxed) < before + records {
        assert!(watch.elapsed() < RECOVERED_WITHIN, "the disk is well and producing is not\n{}", server.log_end());
        pause(Duration::from_millis(20));
    }
    println!("{records} records acknowledged {} ms after the disk was well again", watch.elapsed_ms());
}
