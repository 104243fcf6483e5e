//! Workloads that are several runs, through the command line.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::broker_in_memory::{Broker, Temper};

fn loadgen(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_loadgen")).current_dir(directory).args(arguments).output().expect("loadgen starts")
}

/// Runs a command on a broker in memory and gives what it prints and what it keeps as JSON.
fn run(arguments: &[&str]) -> (String, Value) {
    let directory = tempfile::tempdir().unwrap();
    let address = Broker::start(Temper::default()).address.to_string();
    let shape = ["--bootstrap", &address, "--partitions", "4", "--size", "100", "--json", "out.json"];
    let output = loadgen(directory.path(), &[arguments, &shape[..]].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = std::fs::read_to_string(directory.path().join("out.json")).unwrap_or_else(|_| panic!("{text}{said}"));
    (text, serde_json::from_str(&json).unwrap())
}

fn number(json: &Value, pointer: &str) -> u64 {
    json.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {json}"))
}

#[test]
fn latency_runs_at_parts_of_the_maximum_that_it_finds() {
    let (text, json) = run(&["latency", "--producers", "1", "--duration", "0.3", "--warm-up", "0", "--ack-only"]);
    let names: Vec<&str> = json.as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["max", "50 %", "70 %", "90 %"], "{text}");
    let maximum = json.pointer("/0/report/produced/records_per_s").and_then(Value::as_f64).unwrap();
    for (place, share) in [(1, 0.5), (2, 0.7), (3, 0.9)] {
        let rate = number(&json, &format!("/{place}/report/workload/rate_records_per_s")) as f64;
        assert!((rate / maximum - share).abs() < 0.01, "{rate} of {maximum}");
    }
    assert!(text.lines().count() > 5 && text.contains("due/s"), "{text}");
}

#[test]
fn fanout_has_one_producer_and_readers_of_everything() {
    let arguments = ["fanout", "--consumers", "3", "--rate", "1000", "--duration", "0.5", "--warm-up", "0"];
    let (text, json) = run(&arguments);
    assert_eq!(number(&json, "/workload/producers"), 1);
    assert_eq!((number(&json, "/records/acked"), number(&json, "/records/arrived")), (500, 1500), "{text}");
    assert_eq!(number(&json, "/records/lost"), 0);
}

#[test]
fn backfill_reads_all_that_was_filled_beside_producers() {
    let arguments =
        ["backfill", "--fill", "0.1", "--rate", "2000", "--duration", "0.5", "--warm-up", "0", "--producers", "2"];
    let (text, json) = run(&arguments);
    let acked = |place: usize| number(&json, &format!("/{place}/report/records/acked"));
    assert_eq!((acked(1), acked(2)), (1000, 1000), "{text}");
    assert!(number(&json, "/3/report/consumed/records") >= acked(0) + 1000, "{text}");
}

#[test]
fn connections_are_many_and_slow() {
    let arguments = ["connections", "--connections", "300", "--every", "0.5", "--duration", "1", "--warm-up", "0"];
    let (text, json) = run(&arguments);
    assert_eq!(number(&json, "/workload/producers"), 300);
    assert_eq!((number(&json, "/records/sent"), number(&json, "/records/acked")), (600, 600), "{text}");
    let requests = json.pointer("/produced/requests_per_s").and_then(Value::as_f64);
    // Each record has a request of its own, but on a machine that is busy two that were due may leave together.
    assert!(requests.is_some_and(|requests| requests > 300.0 && requests <= 600.0), "{requests:?}: {text}");
}

#[test]
fn a_file_of_streams_is_loaded_at_once_on_a_real_broker() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("two.toml");
    let text = "duration-s = 1\nwarm-up-s = 0\n\
                [[stream]]\ntopic = 'small'\npartitions = 2\nconsumers = 1\nmessage-bytes = { min = 40, max = 400 }\nrate = 500\n\
                keys = { distribution = 'zipf', count = 50 }\ncompression = 'zstd'\n\
                [[stream]]\ntopic = 'large'\ntopics = 2\npartitions = 1\nproducers = 1\nmessage-bytes = 9000\nrate = 100\n";
    std::fs::write(&file, text).unwrap();
    let output = loadgen(directory.path(), &["mixed", "two.toml", "--cores", "0", "--save", "two"]);
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for (name, acked) in [("small", 500), ("large-0", 100), ("large-1", 100)] {
        let kept = std::fs::read_to_string(directory.path().join(format!("two-{name}.json")));
        let json: Value = serde_json::from_str(&kept.unwrap_or_else(|_| panic!("{text}{said}"))).unwrap();
        assert_eq!(number(&json, "/records/acked"), acked, "{name}");
        assert_eq!(number(&json, "/records/arrived"), if name == "small" { acked } else { 0 }, "{name}");
        assert!(directory.path().join(format!("two-{name}.hlog")).exists());
    }
    std::fs::write(&file, "[[stream]]\ntopic = 'a'\nkey = 3\n").unwrap();
    let output = loadgen(directory.path(), &["mixed", "two.toml"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("loadgen: two.toml: line 3: unknown field `key`") && said.lines().count() == 1, "{said}");
}

/// Loads two brokers in turn with these flags for their guarantees.
fn beside(durability: &str, peer_durability: &str) -> (String, Value) {
    let peer = Broker::start(Temper::default()).address.to_string();
    let told = ["--durability-of", durability, "--peer-durability", peer_durability];
    let pace = ["produce", "--rate", "1000", "--duration", "0.3", "--warm-up", "0", "--rounds", "2", "--peer", &peer];
    run(&[&pace[..], &told[..]].concat())
}

#[test]
fn two_brokers_have_a_ratio_only_if_they_promise_the_same() {
    let (text, json) = beside("device", "device");
    assert!(text.contains("B / A") && text.matches("durability").count() == 1, "{text}");
    for side in 0..2 {
        assert_eq!(json.pointer(&format!("/sides/{side}/reports")).and_then(Value::as_array).map(Vec::len), Some(2));
        assert_eq!(number(&json, &format!("/sides/{side}/reports/1/records/acked")), 300);
    }
    let (text, _) = beside("device", "page-cache");
    assert!(!text.contains("B / A"), "{text}");
    assert!(text.contains("an acknowledgement means device on A and page cache on B"), "{text}");
    assert_eq!(text.matches("durability").count(), 2, "a table for each: {text}");
}

#[test]
fn a_sink_takes_and_acknowledges_everything() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["sink", "--duration", "0.3", "--warm-up", "0", "--json", "out.json"];
    let output = loadgen(directory.path(), &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(directory.path().join("out.json")).unwrap()).unwrap();
    assert!(output.status.success() && text.contains("one core of the generator drives"), "{text}");
    assert!(number(&json, "/records/sent") > 0);
    assert_eq!(number(&json, "/records/sent"), number(&json, "/records/acked"));
}
