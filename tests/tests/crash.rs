//! `kill -9` under load. What was acknowledged is at its offset after the restart, unchanged, round after round.
//!
//! `RINGMAIN_CRASH_ROUNDS` sets the number of rounds, `RINGMAIN_SEED` repeats a run's choices (the moment at which the
//! kernel delivers the signal stays its own).

use std::time::Duration;
use tests::calls::{partition, produce_request};
use tests::kafka::Client;
use tests::random::{Random, count_from_env, seed_of_run};
use tests::records;
use tests::server::{Options, Server, run_ringmain};
use tests::workload::{Ledger, Load, check_everything, load_and_end};

const TOPIC: &str = "crash";
const PARTITIONS: i32 = 6;
const LOAD: Load = Load { topic: TOPIC, partitions: PARTITIONS, writers: 4 };
/// A restart may take this long, whatever was written before. Unoptimised code gets more.
const RESTART_MS_MAX: u64 = if cfg!(debug_assertions) { 10_000 } else { 2_000 };

#[test]
fn every_acknowledged_record_is_at_its_offset_after_kill_9_round_after_round() {
    let seed = seed_of_run("crash");
    let rounds = count_from_env("RINGMAIN_CRASH_ROUNDS", 10);
    let mut random = Random::from_seed(seed);
    let mut server = Server::start(Options::named("crash"));
    // Small segments, so that the rounds also cut through their seals and the checkpoints.
    Client::connect(server.address()).create_topic(TOPIC, PARTITIONS, &[("segment.bytes", "4194304")]);
    let mut ledger = Ledger::default();
    for round in 0..rounds {
        let before_kill = Duration::from_millis(random.between(50, 1_500));
        let acknowledged = load_and_end(&mut server, LOAD, round, &mut random, before_kill, Server::kill_9);
        ledger.merge(acknowledged);
        let ready = server.restart().clone();
        println!(
            "round {round}: killed after {} ms, {} records known, ready again in {} ms",
            before_kill.as_millis(),
            ledger.len(),
            ready.measured_ms
        );
        check_everything(&server, LOAD, &mut ledger);
        assert!(ready.measured_ms < RESTART_MS_MAX, "round {round}: the restart took {} ms", ready.measured_ms);
    }
    assert!(!ledger.is_empty(), "the writers wrote");
}

#[test]
fn a_stop_by_sigterm_under_load_loses_nothing_and_exits_0() {
    let seed = seed_of_run("sigterm");
    let mut random = Random::from_seed(seed);
    let mut server = Server::start(Options::named("sigterm"));
    Client::connect(server.address()).create_topic(TOPIC, PARTITIONS, &[]);
    let mut ledger = Ledger::default();
    for round in 0..3 {
        let before_stop = Duration::from_millis(random.between(100, 800));
        ledger.merge(load_and_end(&mut server, LOAD, round, &mut random, before_stop, Server::terminate));
        let ready_ms = server.restart().measured_ms;
        assert!(ready_ms < RESTART_MS_MAX, "round {round}: the restart took {ready_ms} ms");
        check_everything(&server, LOAD, &mut ledger);
    }
    assert!(!ledger.is_empty(), "the writers wrote");
}

#[test]
fn a_recovery_that_is_killed_itself_is_repeated_with_the_same_result() {
    let seed = seed_of_run("recovery twice");
    let mut random = Random::from_seed(seed);
    let mut server = Server::start(Options::named("recovery-twice"));
    Client::connect(server.address()).create_topic(TOPIC, PARTITIONS, &[]);
    let mut ledger = load_and_end(&mut server, LOAD, 0, &mut random, Duration::from_millis(700), Server::kill_9);
    for _ in 0..3 {
        server.restart();
        server.kill_9();
    }
    server.restart();
    check_everything(&server, LOAD, &mut ledger);
    let known = ledger.len();
    server.kill_9();
    server.restart();
    check_everything(&server, LOAD, &mut ledger);
    assert_eq!(ledger.len(), known, "a recovery adds nothing and loses nothing");
}

#[test]
fn offsets_go_on_where_they_were_after_a_crash() {
    let mut server = Server::start(Options::named("offsets-go-on"));
    Client::connect(server.address()).create_topic("on", 1, &[]);
    for round in 0..5 {
        let mut client = Client::connect(server.address());
        let base = client.append(partition("on", 0), records::batch_of(0, &[format!("round {round}")]));
        assert_eq!(base, round, "each round's record follows the last one's");
        server.kill_9();
        server.restart();
    }
    assert_eq!(Client::connect(server.address()).read_records(partition("on", 0)).len(), 5);
}

#[test]
fn acks_1_is_as_durable_as_acks_all() {
    let mut server = Server::start(Options::named("acks-1"));
    let mut client = Client::connect(server.address());
    client.create_topic("one", 1, &[]);
    for number in 0..20 {
        let answer = client.produce(partition("one", 0), 1, records::batch_of(0, &[format!("{number}")]));
        assert_eq!((answer.error_code, answer.base_offset), (0, number));
    }
    server.kill_9();
    server.restart();
    assert_eq!(Client::connect(server.address()).end_offset(partition("one", 0)), 20);
}

#[test]
fn a_deleted_topic_does_not_come_back_after_a_crash() {
    let mut server = Server::start(Options::named("deleted-stays-deleted"));
    let mut client = Client::connect(server.address());
    client.create_topic("gone", 3, &[]);
    client.create_topic("kept", 1, &[]);
    client.append(partition("gone", 0), records::batch_of(0, &["x"]));
    client.append(partition("kept", 0), records::batch_of(0, &["y"]));
    assert_eq!(client.delete_topic("gone"), 0);
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    let metadata = client.metadata(&["gone", "kept"]);
    let code = |name: &str| {
        let topic =
            metadata.topics.iter().find(|topic| topic.name.as_ref().is_some_and(|found| found.as_str() == name));
        topic.expect("an answer for each topic asked for").error_code
    };
    assert_eq!(code("gone"), 3, "UNKNOWN_TOPIC_OR_PARTITION");
    assert_eq!(code("kept"), 0);
    client.create_topic("gone", 3, &[]);
    assert_eq!(client.end_offset(partition("gone", 0)), 0, "a new topic of the same name is empty");
    assert_eq!(client.read_records(partition("kept", 0)).len(), 1);
}

#[test]
fn a_relaxed_topic_keeps_a_whole_prefix_after_a_crash() {
    let mut server = Server::start(Options::named("relaxed"));
    let mut client = Client::connect(server.address());
    client.create_topic("relaxed", 1, &[("ringmain.durability", "relaxed")]);
    let values: Vec<String> = (0..500).map(|number| format!("value {number}")).collect();
    for value in &values {
        client.append(partition("relaxed", 0), records::batch_of(0, &[value]));
    }
    server.kill_9();
    server.restart();
    let read = Client::connect(server.address()).read_records(partition("relaxed", 0));
    println!("{} of {} relaxed records survived", read.len(), values.len());
    for (record, value) in read.iter().zip(&values) {
        assert_eq!(record.value.as_deref(), Some(value.as_bytes()));
    }
}

#[test]
fn a_second_process_on_the_same_data_directory_is_refused_with_a_clear_message() {
    let server = Server::start(Options::named("second-process"));
    let data_dir = server.data_dir().to_str().expect("a plain path");
    let (status, said) = run_ringmain(&["serve", "--data", data_dir, "--listen", "127.0.0.1:0", "--cores", "0"]);
    assert!(!status.success(), "the second process must not serve");
    assert!(said.contains(data_dir) || said.contains("ringmain.lock"), "the message names the directory:\n{said}");
    assert!(said.lines().count() <= 5, "a message, not a backtrace:\n{said}");
    assert!(!said.contains("panicked"), "{said}");
    let mut client = Client::connect(server.address());
    assert!(!client.api_versions().is_empty(), "the first process serves on");
}

#[test]
fn an_unsent_answer_may_hide_a_stored_record_but_never_half_of_one() {
    let mut server = Server::start(Options::named("half-sent"));
    Client::connect(server.address()).create_topic("half", 1, &[]);
    for number in 0..10 {
        let mut client = Client::connect(server.address());
        let values: Vec<String> = (0..50).map(|value| format!("{number}-{value}")).collect();
        let request = produce_request(partition("half", 0), -1, records::batch_of(0, &values));
        client.send(9, &request).expect("the server takes the request");
        // The answer is not awaited: the kill may come before, within or after the write.
        server.kill_9();
        server.restart();
    }
    let read = Client::connect(server.address()).read_records(partition("half", 0));
    assert_eq!(read.len() % 50, 0, "batches are there as a whole or not at all");
}
