//! Power cuts under load. What was acknowledged is there when power is back, round after round.
//!
//! `RINGMAIN_POWER_CUTS` sets the number of cuts on each file system, `RINGMAIN_SEED` repeats a run's choices (how far the programs
//! have come when power goes stays their own).

use crate::{PARTITIONS, check, create_topic, disk, join, server_on, start_writers, wait_for_more};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tests::administrator::{self, Promises};
use tests::calls::partition;
use tests::clock::{Stopwatch, pause};
use tests::kafka::Client;
use tests::mounts::FileSystem;
use tests::power_disk::PowerDisk;
use tests::power_disk::medium::Fate;
use tests::power_disk::orders::Order;
use tests::random::{Random, count_from_env, seed_of_run};
use tests::server::Server;
use tests::workload::Ledger;

/// Topics of the last rounds that stay, with all their records; older ones are deleted.
const TOPICS_KEPT: usize = 3;
const LOAD_MS_MAX: u64 = 3_000;
/// What each write and sync takes at least, in a round chosen at random: behind a slow sync more is in the cache.
const DELAYS_MS: [u64; 4] = [0, 0, 3, 20];
/// The first part of a recovery, which some cuts fall into.
const RECOVERY_MS_MAX: u64 = 400;

/// Everything that was promised so far.
#[derive(Default)]
struct Known {
    ledgers: BTreeMap<String, Ledger>,
    promises: Vec<Promises>,
}

#[test]
fn nothing_acknowledged_is_lost_when_power_is_cut_on_ext4() {
    cut_again_and_again(FileSystem::Ext4);
}

#[test]
fn nothing_acknowledged_is_lost_when_power_is_cut_on_xfs() {
    cut_again_and_again(FileSystem::Xfs);
}

/// The test of the test: with a disk that promises and does nothing, the checker must find that records are gone.
#[test]
fn a_disk_whose_syncs_lie_is_found_out() {
    let Some(mut disk) = disk("liar", FileSystem::Ext4) else { return };
    let mut random = Random::from_seed(seed_of_run("liar"));
    let mut server = server_on(&disk, "power-liar");
    create_topic(server.address(), "believed");
    let acknowledged = AtomicU64::new(0);
    let ledger = std::thread::scope(|scope| {
        let writers = start_writers(scope, server.address(), "believed", &mut random, &acknowledged);
        disk.order(Order::Lie);
        wait_for_more(&acknowledged, 100, &server);
        disk.cut(Fate::Dropped, 0);
        server.kill_9();
        join(writers)
    });
    disk.restore();
    server.restart();
    let mut client = Client::connect(server.address());
    let missing = |index: i32| ledger.missing(index, &client.read_records(partition("believed", index))).len();
    let missing: usize = (0..PARTITIONS).map(missing).sum();
    println!("{missing} of {} acknowledged records are gone", ledger.len());
    assert!(missing > 0, "{} records survived a disk that kept none of them", ledger.len());
}

fn cut_again_and_again(file_system: FileSystem) {
    let name = file_system.name();
    let Some(mut disk) = disk("cuts", file_system) else { return };
    let mut random = Random::from_seed(seed_of_run(name));
    let cuts = count_from_env("RINGMAIN_POWER_CUTS", 2);
    let mut server = server_on(&disk, &format!("power-{name}"));
    let mut known = Known::default();
    let mut records = 0;
    for round in 0..cuts {
        let acknowledged = load_and_cut(&disk, &mut server, round, &mut known, &mut random);
        records += acknowledged;
        let watch = Stopwatch::start();
        disk.restore();
        if random.between(0, 4) == 0 {
            cut_the_recovery(&mut disk, &mut server, &mut random);
        }
        let mounted_ms = watch.elapsed_ms();
        let ready_ms = server.restart().measured_ms;
        check_everything(&server, &mut known);
        println!("{name} cut {round}: {acknowledged} acknowledged, mounted in {mounted_ms} ms, ready in {ready_ms} ms");
    }
    assert!(records > 0, "the writers wrote");
    println!("{name}: {cuts} power cuts, {records} records acknowledged, 0 of them lost");
}

/// Returns how many records were acknowledged in this round.
fn load_and_cut(disk: &PowerDisk, server: &mut Server, round: u64, known: &mut Known, random: &mut Random) -> usize {
    let topic = format!("round-{round:04}");
    let address = server.address();
    create_topic(address, &topic);
    let fate = [Fate::Mixed, Fate::Mixed, Fate::Mixed, Fate::Dropped, Fate::Kept][random.between(0, 5) as usize];
    let (seed, load) = (random.next_u64(), Duration::from_millis(random.between(50, LOAD_MS_MAX)));
    let delay_ms = DELAYS_MS[random.between(0, DELAYS_MS.len() as u64) as usize];
    disk.order(Order::Delay(Duration::from_millis(delay_ms)));
    let acknowledged = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writers = start_writers(scope, address, &topic, random, &acknowledged);
        let administrator_seed = random.next_u64();
        let administrator =
            scope.spawn(move || administrator::work(address, &format!("made-{round}"), administrator_seed));
        // Every other cut may come before anything is acknowledged.
        if round.is_multiple_of(2) {
            wait_for_more(&acknowledged, 1, server);
        }
        pause(load);
        let report = disk.cut(fate, seed);
        let load_ms = load.as_millis();
        println!("cut after {load_ms} ms of load, each write and sync took {delay_ms} ms, {fate:?}: {report:?}");
        server.kill_9();
        known.promises.extend(administrator.join().expect("the administrator ends without a panic"));
        let ledger = join(writers);
        let records = ledger.len();
        known.ledgers.insert(topic, ledger);
        records
    })
}

/// Power goes again while the server starts, and comes back.
fn cut_the_recovery(disk: &mut PowerDisk, server: &mut Server, random: &mut Random) {
    let (seed, moment) = (random.next_u64(), Duration::from_millis(random.between(0, RECOVERY_MS_MAX)));
    let started = std::thread::scope(|scope| {
        let cut = scope.spawn(|| {
            pause(moment);
            disk.cut(Fate::Mixed, seed)
        });
        let started = server.try_restart();
        println!("cut again {} ms into the start: {:?}", moment.as_millis(), cut.join().expect("a cut"));
        started
    });
    // It may have been faster than the cut.
    if started.is_ok() {
        server.kill_9();
    }
    disk.restore();
}

fn check_everything(server: &Server, known: &mut Known) {
    for (topic, ledger) in &mut known.ledgers {
        check(server.address(), topic, ledger);
    }
    let mut client = Client::connect(server.address());
    for promises in &known.promises {
        promises.check(&mut client);
    }
    while known.ledgers.len() > TOPICS_KEPT {
        let (oldest, _) = known.ledgers.pop_first().expect("not empty");
        assert_eq!(client.delete_topic(&oldest), 0, "{oldest} goes");
    }
}
