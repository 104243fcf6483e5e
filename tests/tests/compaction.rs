//! Compacted topics as real clients see them: the last value of every key is there, at the offset it always had, whatever has gone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tests::calls::partition;
use tests::clock::Stopwatch;
use tests::jobs::{Job, Seen};
use tests::kafka::Client;
use tests::real_clients::RealClient;
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// No multiple of ten, so that the last value of some keys is null and of others not.
const KEYS: usize = 51;
const RECORDS: usize = 4_000;
/// Compaction comes within this time, whatever the machine is doing besides.
const COMPACTED_WITHIN_MS: u64 = 60_000;

/// A server that looks for logs to compact all the time.
fn server(name: &str) -> Server {
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    std::fs::write(&config, "\"log.cleaner.backoff.ms\" = 100\n").expect("the configuration is written");
    Server::start(Options::named(name).with_arguments(&["--config", &config.display().to_string()]))
}

fn topic(codec: &str) -> String {
    format!("compacted-{codec}")
}

fn job(codec: &'static str) -> Job {
    // One partition and numbered batches: the record `index` has the offset `index`.
    Job { count: RECORDS, keys: KEYS, value_bytes: 500, idempotent: true, ..Job::ordinary(topic(codec), codec) }
}

/// Lets the clients write, then one record of another key and a later time, so that what they wrote lies in sealed segments.
fn produce(server: &Server, client: &mut Client, jobs: &[Job]) {
    RealClient::Confluent.produce(&server.bootstrap(), jobs);
    for job in jobs {
        let later_ms = job.timestamp_ms.expect("the job sets it") + 100_000;
        let mut record = records::record(0, later_ms, "last");
        record.key = Some("of all".into());
        let batch = records::encode(&[record], kafka_protocol::records::Compression::None);
        assert_eq!(client.append(partition(&job.topic, 0), batch), RECORDS as i64);
    }
}

/// Waits until a topic has so few records that most of it must have been compacted.
fn wait_until_compacted(client: &mut Client, topic: &str) {
    let watch = Stopwatch::start();
    loop {
        let left = records::decode(&client.read_batches(partition(topic, 0), 0)).len();
        if left < RECORDS / 3 {
            return;
        }
        assert!(watch.elapsed_ms() < COMPACTED_WITHIN_MS, "{topic}: {left} of {RECORDS} records are still there");
        // A long poll at the end is the pause between two looks.
        let end = client.end_offset(partition(topic, 0));
        client.fetch(partition(topic, 0), end, 100, 1);
    }
}

/// Everything that is there is as it was written, at its offset, and the last value of every key is there.
fn assert_last_values(job: &Job, seen: &[Seen], reader: &str) {
    let mut last: BTreeMap<usize, &Seen> = BTreeMap::new();
    for one in seen.iter().filter(|one| one.offset < RECORDS as i64) {
        let index = usize::try_from(one.offset).expect("an offset");
        assert_eq!(one.record, job.expected(index), "{}: offset {index} read by {reader}", job.topic);
        last.insert(index % KEYS, one);
    }
    for key in 0..KEYS {
        let index = (0..RECORDS).rev().find(|index| index % KEYS == key).expect("every key was written");
        let found = last.get(&key).map(|one| one.offset);
        // A tombstone may be there or not; nothing older may.
        let gone = job.value(index).is_none() && found.is_none();
        assert!(gone || found == Some(index as i64), "{}: key {key} ends at {found:?}, not at {index}", job.topic);
    }
}

fn assert_all(server: &Server, jobs: &[Job], when: &str) {
    let topics: Vec<&str> = jobs.iter().map(|job| job.topic.as_str()).collect();
    for reader in [RealClient::Confluent, RealClient::KafkaPython] {
        let seen = reader.read(&server.bootstrap(), &topics);
        for job in jobs {
            assert_last_values(job, &seen[&job.topic], &format!("{} {when}", reader.name()));
        }
    }
}

/// Offsets for timestamps are those of records that are there.
fn assert_timestamps(client: &mut Client, job: &Job) {
    let of = partition(&job.topic, 0);
    let left = records::decode(&client.read_batches(of, 0));
    let first_ms = job.timestamp_ms.expect("the job sets it");
    for after_ms in [0, 1, 700, 2_000, RECORDS as i64 - 1] {
        let wanted = left.iter().find(|record| record.timestamp >= first_ms + after_ms).expect("the last one is there");
        let found = client.list_offset(of, first_ms + after_ms);
        assert_eq!((found.offset, found.timestamp), (wanted.offset, wanted.timestamp), "{} +{after_ms} ms", job.topic);
    }
    assert_eq!(client.list_offset(of, -3).offset, RECORDS as i64, "{}: the newest record", job.topic);
    // A reader may ask for an offset that has gone, and gets what follows.
    let gone = left[0].offset / 2;
    assert!(gone > 0, "{}: the first records are gone", job.topic);
    let fetched = records::decode(&client.fetch(of, gone, 0, 1).records.expect("records"));
    assert_eq!(fetched.iter().map(|record| record.offset).find(|offset| *offset >= gone), Some(left[0].offset));
}

fn compacted_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(compacted_files(&path));
        } else if path.to_string_lossy().contains(".r") && path.extension().is_some_and(|extension| extension == "log")
        {
            found.push(path);
        }
    }
    found
}

#[test]
fn compacted_topics_keep_the_last_value_of_every_key_in_every_codec() {
    let mut server = server("compaction");
    let mut client = Client::connect(server.address());
    let jobs: Vec<Job> = CODECS.into_iter().map(job).collect();
    for job in &jobs {
        let configs = [
            ("cleanup.policy", "compact"),
            ("segment.ms", "300"),
            ("min.cleanable.dirty.ratio", "0.1"),
            ("delete.retention.ms", "500"),
        ];
        client.create_topic(&job.topic, 1, &configs);
    }
    produce(&server, &mut client, &jobs);
    for job in &jobs {
        wait_until_compacted(&mut client, &job.topic);
        let codec_of = records::headers(&client.read_batches(partition(&job.topic, 0), 0));
        let as_sent = |batch: &kafka_protocol::records::BatchDecodeInfo| {
            let codec = format!("{:?}", batch.compression).to_lowercase();
            codec == job.codec || codec == "none"
        };
        assert!(codec_of.iter().all(as_sent), "{}: another codec", job.topic);
    }
    assert_all(&server, &jobs, "at once");
    jobs.iter().for_each(|job| assert_timestamps(&mut client, job));
    server.kill_9();
    server.restart();
    assert_all(&server, &jobs, "after a kill");
    server.terminate();
    assert!(!compacted_files(server.data_dir()).is_empty(), "segments were written anew");
    let data = server.data_dir().display().to_string();
    let (status, text) = run_ringmain(&["log", "verify", "--data", &data]);
    assert!(status.success() && !text.contains("problem"), "{text}");
    server.restart();
    assert_all(&server, &jobs, "after a restart");
    let mut client = Client::connect(server.address());
    jobs.iter().for_each(|job| assert_timestamps(&mut client, job));
}

#[test]
fn what_must_stay_for_a_while_stays_and_what_is_deleted_too_goes_by_retention() {
    let server = server("compaction-lag");
    let mut client = Client::connect(server.address());
    let common = [("segment.ms", "300"), ("min.cleanable.dirty.ratio", "0"), ("retention.ms", "1")];
    let with = |policy: &'static str, lag_ms: &'static str| {
        let own = [("cleanup.policy", policy), ("min.compaction.lag.ms", lag_ms)];
        common.into_iter().chain(own).collect::<Vec<_>>()
    };
    client.create_topic("young", 1, &with("compact", "86400000"));
    client.create_topic("compacted-none", 1, &with("compact", "0"));
    let young = Job { topic: "young".to_owned(), ..job("none") };
    produce(&server, &mut client, &[young, job("none")]);
    wait_until_compacted(&mut client, "compacted-none");
    assert_eq!(client.read_records(partition("young", 0)).len(), RECORDS + 1, "nothing is old enough");
    // Retention does not touch what is only compacted, though all of it is older than a millisecond.
    assert_eq!(client.list_offset(partition("compacted-none", 0), -2).offset, 0);
}
