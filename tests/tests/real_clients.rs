//! Unmodified Kafka clients against a real broker: each writes every codec, keys, headers, nulls and 1 MB records, and
//! each reads what all of them wrote.

use std::collections::BTreeMap;
use tests::calls::partition;
use tests::clock::Stopwatch;
use tests::jobs::{Headers, Job, Seen};
use tests::kafka::Client;
use tests::random::count_from_env;
use tests::real_clients::{RealClient, assert_success, has_kcat, kcat, run_with_input};
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const PARTITIONS: i32 = 3;

#[test]
fn every_client_reads_what_every_client_wrote_in_every_codec() {
    let mut server = Server::start(Options::named("real-clients"));
    let mut jobs = Vec::new();
    for client in RealClient::all() {
        let written = jobs_of(client, &server);
        println!("{}: {} jobs written", client.name(), written.len());
        jobs.extend(written);
    }
    assert_codecs_reached_the_broker(&server, &jobs);
    assert_all_read(&server, &jobs, "at once");
    server.terminate();
    server.restart();
    assert_all_read(&server, &jobs, "after a restart");
}

#[test]
fn a_million_records_go_in_and_come_out_equal_with_a_restart_in_between() {
    let ordinary = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let count = usize::try_from(count_from_env("RINGMAIN_MILLION", ordinary)).expect("a count");
    let mut server = Server::start(Options::named("million"));
    Client::connect(server.address()).create_topic("million", 4, &[]);
    let whole = Job {
        count,
        value_bytes: 100,
        keys: 1_000,
        headers: Headers::None,
        idempotent: true,
        ..Job::ordinary("million".to_owned(), "lz4")
    };
    RealClient::Confluent.produce(&server.bootstrap(), std::slice::from_ref(&whole));
    server.terminate();
    server.restart();
    let seen = RealClient::Confluent.read(&server.bootstrap(), &["million"]);
    whole.assert_equal(&seen["million"], "confluent after a restart");
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    let stored: i64 = (0..4).map(|index| client.end_offset(partition("million", index))).sum();
    assert_eq!(stored, count as i64, "records after kill -9");
}

#[test]
fn clients_get_idempotent_producers_and_every_kind_of_acks() {
    let server = Server::start(Options::named("acks-and-ids"));
    let mut control = Client::connect(server.address());
    for client in RealClient::all().into_iter().filter(|&client| client != RealClient::Kcat) {
        let mut jobs = Vec::new();
        for (acks, idempotent) in [("all", true), ("all", false), ("1", false), ("0", false)] {
            let topic = format!("{}-acks-{acks}-{idempotent}", client.name());
            control.create_topic(&topic, PARTITIONS, &[]);
            jobs.push(Job { acks, idempotent, ..Job::ordinary(topic, "none") });
        }
        client.produce(&server.bootstrap(), &jobs);
        for job in &jobs {
            let seen = read_until_complete(&server, job);
            job.assert_equal(&seen, "confluent");
        }
    }
}

#[test]
fn kcat_lists_produces_and_consumes_like_against_any_broker() {
    if !has_kcat() {
        return;
    }
    let server = Server::start(Options::named("kcat"));
    Client::connect(server.address()).create_topic("listed", 7, &[]);
    let listing = run_with_input(&mut kcat(&server.bootstrap(), &["-L"]), b"");
    assert_success("kcat -L", &listing);
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    assert!(listing.contains("topic \"listed\" with 7 partitions"), "{listing}");
    assert!(listing.contains(&format!(" at {}", server.bootstrap())), "{listing}");
    let lines: String = (0..1_000).map(|number| format!("line {number}\n")).collect();
    let mut produce = kcat(&server.bootstrap(), &["-P", "-t", "listed", "-p", "3"]);
    assert_success("kcat -P", &run_with_input(&mut produce, lines.as_bytes()));
    let mut consume = kcat(&server.bootstrap(), &["-C", "-t", "listed", "-p", "3", "-o", "beginning", "-e", "-q"]);
    let consumed = run_with_input(&mut consume, b"");
    assert_success("kcat -C", &consumed);
    assert_eq!(String::from_utf8_lossy(&consumed.stdout), lines);
    let mut tail = kcat(&server.bootstrap(), &["-C", "-t", "listed", "-p", "3", "-o", "-2", "-e", "-q"]);
    let tail = run_with_input(&mut tail, b"");
    assert_eq!(String::from_utf8_lossy(&tail.stdout), "line 998\nline 999\n");
}

#[test]
fn producing_to_an_unknown_topic_creates_it() {
    if !has_kcat() {
        return;
    }
    let server = Server::start(Options::named("auto-create"));
    let mut produce = kcat(&server.bootstrap(), &["-P", "-t", "made-on-the-way"]);
    assert_success("kcat -P", &run_with_input(&mut produce, b"first\n"));
    let mut consume = kcat(&server.bootstrap(), &["-C", "-t", "made-on-the-way", "-o", "beginning", "-e", "-q"]);
    assert_eq!(run_with_input(&mut consume, b"").stdout, b"first\n");
}

#[test]
fn the_command_line_creates_lists_describes_and_deletes_topics() {
    let server = Server::start(Options::named("command-line"));
    let bootstrap = server.bootstrap();
    let topic = |arguments: &[&str]| {
        let (status, said) = run_ringmain(&[&["topic"], arguments, &["--bootstrap", &bootstrap]].concat());
        (status.success(), said)
    };
    let (created, said) = topic(&["create", "orders", "--partitions", "5"]);
    assert!(created, "{said}");
    let (again, said) = topic(&["create", "orders", "--partitions", "5"]);
    assert!(!again && !said.contains("panicked"), "a second creation is refused: {said}");
    let (_, listed) = topic(&["list"]);
    assert!(listed.contains("orders"), "{listed}");
    let (_, described) = topic(&["describe", "orders"]);
    assert!(described.contains("orders") && described.contains('5'), "{described}");
    let (deleted, said) = topic(&["delete", "orders"]);
    assert!(deleted, "{said}");
    let (_, listed) = topic(&["list"]);
    assert!(!listed.contains("orders"), "{listed}");
}

/// Lets a client write one ordinary and one large job per codec.
fn jobs_of(client: RealClient, server: &Server) -> Vec<Job> {
    let mut control = Client::connect(server.address());
    let mut jobs = Vec::new();
    for codec in CODECS {
        let name = |kind: &str| format!("{}-{codec}-{kind}", client.name());
        for job in [Job::ordinary(name("small"), codec), Job::large(name("large"), codec)] {
            control.create_topic(&job.topic, PARTITIONS, &[]);
            jobs.push(client.fit(job));
        }
    }
    client.produce(&server.bootstrap(), &jobs);
    jobs
}

fn assert_all_read(server: &Server, jobs: &[Job], when: &str) {
    let bootstrap = server.bootstrap();
    let read = |reader: RealClient| {
        let jobs = || jobs.iter().filter(|job| reader.can_read(job));
        let topics: Vec<&str> = jobs().map(|job| job.topic.as_str()).collect();
        let seen: BTreeMap<String, Vec<Seen>> = reader.read(&bootstrap, &topics);
        for job in jobs() {
            let none = Vec::new();
            job.assert_equal(seen.get(&job.topic).unwrap_or(&none), &format!("{} {when}", reader.name()));
        }
        println!("{} read {} topics {when}", reader.name(), topics.len());
    };
    std::thread::scope(|scope| {
        for reader in RealClient::all().into_iter().filter(|client| client.reads()) {
            let read = &read;
            scope.spawn(move || read(reader));
        }
    });
}

/// The batches lie in the broker in the codec asked for: the client really compressed, and nobody undid it.
fn assert_codecs_reached_the_broker(server: &Server, jobs: &[Job]) {
    let mut client = Client::connect(server.address());
    for job in jobs {
        let mut compressed = 0;
        for index in 0..PARTITIONS {
            for batch in records::headers(&client.read_batches(partition(&job.topic, index), 0)) {
                let codec = format!("{:?}", batch.compression).to_lowercase();
                // A client may send a batch as it is when compression makes it no smaller; no other codec may appear.
                assert!(codec == job.codec || codec == "none", "{}: a {codec} batch", job.topic);
                compressed += u32::from(codec == job.codec);
            }
        }
        assert!(compressed > 0, "{}: no batch is stored as {}", job.topic, job.codec);
    }
}

/// With acks=0 the client is done before the broker is, so the reader waits until all is there.
fn read_until_complete(server: &Server, job: &Job) -> Vec<Seen> {
    let mut control = Client::connect(server.address());
    let watch = Stopwatch::start();
    loop {
        let ends: Vec<i64> = (0..PARTITIONS).map(|index| control.end_offset(partition(&job.topic, index))).collect();
        if ends.iter().sum::<i64>() >= job.count as i64 {
            break;
        }
        assert!(watch.elapsed_ms() < 30_000, "{}: only {ends:?} of {} records came", job.topic, job.count);
        // A long poll at one end is the pause between two looks.
        control.fetch(partition(&job.topic, 0), ends[0], 100, 1);
    }
    let mut seen = RealClient::Confluent.read(&server.bootstrap(), &[&job.topic]);
    seen.remove(&job.topic).unwrap_or_default()
}
