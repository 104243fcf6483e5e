//! A node that gets more or fewer cores than last time: nothing is lost, offsets go on, and what was deleted stays deleted.
//! Skipped where the machine has one core.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::{DeleteRecordsRequest, DescribeConfigsRequest};
use tests::calls::{partition, topic_name};
use tests::kafka::Client;
use tests::random::{Random, seed_of_run};
use tests::records;
use tests::server::{Options, Server, run_ringmain};
use tests::workload::{Ledger, Load, check_everything, load_and_end};

const LOAD: Load = Load { topic: "spread", partitions: 24, writers: 3 };
const TOPIC_RESOURCE: i8 = 2;
const EARLIEST: i64 = -2;

fn has_two_cores() -> bool {
    let has = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    if !has {
        eprintln!("skipped: this takes two cores");
    }
    has
}

/// The directories of shards under the data directory, as `shards-1/0`.
fn shard_dirs(server: &Server) -> BTreeSet<String> {
    let list = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path()).collect()
    };
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let generations = list(server.data_dir()).into_iter().filter(|path| name(path).starts_with("shards"));
    generations
        .flat_map(|dir| list(&dir).into_iter().map(move |shard| format!("{}/{}", name(&dir), name(&shard))))
        .collect()
}

fn assert_sound(server: &Server) {
    let data = server.data_dir().to_str().expect("a plain path");
    let (status, said) = run_ringmain(&["log", "verify", "--data", data]);
    assert!(status.success(), "{said}");
}

#[test]
fn the_number_of_cores_changes_between_kills_under_load_and_nothing_is_lost() {
    if !has_two_cores() {
        return;
    }
    let seed = seed_of_run("reshard");
    let mut random = Random::from_seed(seed);
    let mut server = Server::start(Options { cores: Some("0,1".to_owned()), ..Options::named("reshard") });
    Client::connect(server.address()).create_topic(LOAD.topic, LOAD.partitions, &[("segment.bytes", "1048576")]);
    let mut ledger = Ledger::default();
    for (round, cores) in (0..).zip(["0", "0,1", "1", "1", "1,0"]) {
        let before_end = Duration::from_millis(random.between(100, 700));
        let end = if random.between(0, 3) == 0 { Server::terminate } else { Server::kill_9 };
        ledger.merge(load_and_end(&mut server, LOAD, round, &mut random, before_end, end));
        server.use_cores(cores);
        let ready = server.restart().clone();
        println!("round {round}: cores {cores}, {} records known, ready in {} ms", ledger.len(), ready.measured_ms);
        assert_eq!(usize::from(ready.shards), cores.split(',').count());
        check_everything(&server, LOAD, &mut ledger);
    }
    assert!(!ledger.is_empty(), "the writers wrote");
    assert_eq!(shard_dirs(&server), ["shards-4/0", "shards-4/1"].map(str::to_owned).into());
    server.terminate();
    assert_sound(&server);
}

#[test]
fn starts_configurations_and_deletions_are_the_same_on_another_number_of_cores() {
    if !has_two_cores() {
        return;
    }
    let mut server = Server::start(Options { cores: Some("0,1".to_owned()), ..Options::named("reshard-topics") });
    let mut client = Client::connect(server.address());
    for topic in ["cut", "gone", "relaxed"] {
        let configs: &[_] =
            if topic == "relaxed" { &[("ringmain.durability", "relaxed"), ("retention.ms", "-1")] } else { &[] };
        client.create_topic(topic, 4, configs);
        for index in 0..4 {
            for _ in 0..10 {
                client.append(partition(topic, index), records::batch_of(0, &["a", "b"]));
            }
        }
    }
    delete_records(&mut client, "cut", 7);
    assert_eq!(client.delete_topic("gone"), 0);
    let before = topic_config(&mut client, "relaxed");
    for cores in ["1", "0,1"] {
        server.kill_9();
        server.use_cores(cores);
        server.restart();
        let mut client = Client::connect(server.address());
        assert_eq!(client.metadata(&["gone"]).topics[0].error_code, 3, "UNKNOWN_TOPIC_OR_PARTITION");
        assert_eq!(topic_config(&mut client, "relaxed"), before);
        for index in 0..4 {
            assert_eq!(client.list_offset(partition("cut", index), EARLIEST).offset, 7);
            assert_eq!(client.end_offset(partition("cut", index)), 20);
            assert_eq!(client.end_offset(partition("relaxed", index)), 20);
        }
    }
    let mut client = Client::connect(server.address());
    client.create_topic("gone", 4, &[]);
    for index in 0..4 {
        assert_eq!(client.end_offset(partition("gone", index)), 0, "a new topic of the same name is empty");
        assert_eq!(client.append(partition("cut", index), records::batch_of(0, &["next"])), 20);
    }
}

fn delete_records(client: &mut Client, topic: &str, offset: i64) {
    let partitions =
        (0..4).map(|index| DeleteRecordsPartition::default().with_partition_index(index).with_offset(offset));
    let wanted = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(partitions.collect());
    let request = DeleteRecordsRequest::default().with_topics(vec![wanted]).with_timeout_ms(10_000);
    let answer = client.call(2, &request);
    assert!(answer.topics[0].partitions.iter().all(|result| result.error_code == 0), "{answer:?}");
}

fn topic_config(client: &mut Client, topic: &str) -> Vec<(String, Option<String>)> {
    let resource =
        DescribeConfigsResource::default().with_resource_type(TOPIC_RESOURCE).with_resource_name(topic_name(topic).0);
    let answer = client.call(4, &DescribeConfigsRequest::default().with_resources(vec![resource]));
    let configs = answer.results[0].configs.iter();
    configs.map(|config| (config.name.to_string(), config.value.as_ref().map(ToString::to_string))).collect()
}

/// What crashes between the steps leave is put there by hand: a half written generation beside the one that counts, a new
/// `node.toml` that did not get its name, and an old generation that was not removed.
#[test]
fn what_a_crash_in_between_leaves_is_cleared_up_and_nothing_else_is() {
    if !has_two_cores() {
        return;
    }
    let mut server = Server::start(Options { cores: Some("0,1".to_owned()), ..Options::named("reshard-crash") });
    let mut client = Client::connect(server.address());
    client.create_topic("kept", 6, &[]);
    let values = |round: i32, index: i32| [format!("round {round} partition {index}")];
    let mut rounds = 0;
    let mut live = |server: &mut Server, cores: &str| {
        server.use_cores(cores);
        server.restart();
        let mut client = Client::connect(server.address());
        for index in 0..6 {
            let read = client.read_records(partition("kept", index));
            assert_eq!(read.len(), usize::try_from(rounds).expect("small"), "partition {index}");
            client.append(partition("kept", index), records::batch_of(0, &values(rounds, index)));
        }
        rounds += 1;
        server.kill_9();
    };
    server.kill_9();
    let data = server.data_dir().to_owned();
    live(&mut server, "0,1");

    let half = data.join("shards-1/0");
    fs::create_dir_all(half.join("journal")).expect("made");
    fs::write(half.join("checkpoint-0000000000000009"), "half of it").expect("written");
    fs::write(data.join("node.toml.new"), "format_version = 1\nshard_co").expect("written");
    live(&mut server, "0,1");
    assert_eq!(shard_dirs(&server), ["shards/0", "shards/1"].map(str::to_owned).into());

    fs::create_dir_all(half.join("journal")).expect("made");
    fs::write(half.join("notes"), "of a person").expect("written");
    let old = copy_of(&data.join("shards"));
    live(&mut server, "0");
    assert_eq!(shard_dirs(&server), ["shards-1/0", "shards-2/0"].map(str::to_owned).into());
    assert!(half.join("notes").is_file(), "what no shard has written stays");

    restore(&old, &data.join("shards"));
    live(&mut server, "0");
    assert!(!data.join("shards").exists(), "an old generation is removed at the next start");
    live(&mut server, "0,1");
    assert_eq!(shard_dirs(&server), ["shards-1/0", "shards-3/0", "shards-3/1"].map(str::to_owned).into());
    live(&mut server, "1,0");
    assert_sound(&server);
}

type Files = Vec<(PathBuf, Vec<u8>)>;

fn copy_of(dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(copy_of(&path));
        } else {
            files.push((path.clone(), fs::read(&path).expect("a file")));
        }
    }
    files
}

fn restore(files: &Files, dir: &Path) {
    for (path, bytes) in files {
        assert!(path.starts_with(dir));
        fs::create_dir_all(path.parent().expect("a directory")).expect("made");
        fs::write(path, bytes).expect("written");
    }
}

#[test]
fn a_node_whose_journal_is_damaged_keeps_its_shards_and_says_why() {
    if !has_two_cores() {
        return;
    }
    let mut server = Server::start(Options { cores: Some("0,1".to_owned()), ..Options::named("reshard-damaged") });
    let mut client = Client::connect(server.address());
    client.create_topic("kept", 2, &[]);
    for number in 0..50 {
        for index in 0..2 {
            client.append(partition("kept", index), records::batch_of(0, &[format!("{number}")]));
        }
    }
    server.kill_9();
    let journals = copy_of(&server.data_dir().join("shards/1/journal"));
    let is_used = |bytes: &[u8]| bytes[8192..12_288].iter().any(|byte| *byte != 0);
    let (path, sound) = journals.iter().find(|(_, bytes)| is_used(bytes)).expect("a journal with groups");
    let mut damaged = sound.clone();
    damaged[8192 + 200] ^= 1;
    fs::write(path, &damaged).expect("damaged");
    server.use_cores("0");
    let said = server.try_restart().expect_err("acknowledged records are missing");
    assert!(said.contains("cannot be dealt out anew"), "{said}");
    assert!(said.contains("misses acknowledged records"), "{said}");
    assert_eq!(shard_dirs(&server), ["shards/0", "shards/1"].map(str::to_owned).into());
    assert!(fs::read(path).expect("it is there") == damaged, "nothing was changed");
    fs::write(path, sound).expect("repaired");
    server.restart();
    assert_eq!(server.ready().shards, 1);
    let mut client = Client::connect(server.address());
    for index in 0..2 {
        assert_eq!(client.read_records(partition("kept", index)).len(), 50);
    }
}
