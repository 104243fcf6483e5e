//! Records that leave a log at its front: by DeleteRecords, and by retention.

use super::{code, start};
use std::path::Path;
use tests::calls::{delete_records_request, partition};
use tests::clock::Stopwatch;
use tests::kafka::Client;
use tests::records;
use tests::server::{Options, Server};

/// As a timestamp: the first offset.
const EARLIEST: i64 = -2;
/// Retention and the removal of files come within this time, whatever the machine is doing besides.
const GONE_WITHIN_MS: u64 = 60_000;

/// Deletes what lies before `offset` and gives the error code and where the partition starts.
fn delete_records(client: &mut Client, version: i16, topic: &str, offset: i64) -> (i16, i64) {
    let answer = client.call(version, &delete_records_request(partition(topic, 0), offset));
    let result = &answer.topics[0].partitions[0];
    (result.error_code, result.low_watermark)
}

fn earliest(client: &mut Client, topic: &str) -> i64 {
    client.list_offset(partition(topic, 0), EARLIEST).offset
}

/// Segment files of all topics, the metadata's included.
fn segment_files(server: &Server) -> usize {
    let topics = std::fs::read_dir(server.data_dir().join("topics")).expect("there are topics");
    let logs = topics.flat_map(|topic| std::fs::read_dir(topic.expect("listed").path()).expect("partitions"));
    let files = logs.filter_map(|log| std::fs::read_dir(log.expect("listed").path()).ok()).flatten();
    files
        .filter(|file| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|kind| kind == "log")))
        .count()
}

fn retention_server(name: &str) -> Server {
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    std::fs::write(&config, "\"log.retention.check.interval.ms\" = 100\n").expect("the configuration is written");
    Server::start(Options::named(name).with_arguments(&["--config", &config.display().to_string()]))
}

#[test]
fn deleted_records_stay_deleted_whatever_happens() {
    let (mut server, mut client) = start("delete-records");
    client.create_topic("cut", 1, &[]);
    for _ in 0..20 {
        client.append(partition("cut", 0), records::batch_of(0, &["a", "b"]));
    }
    for (version, offset) in [(0, 3), (1, 8), (2, 15)] {
        assert_eq!(delete_records(&mut client, version, "cut", offset), (0, offset), "version {version}");
        assert_eq!(earliest(&mut client, "cut"), offset);
    }
    assert_eq!(delete_records(&mut client, 2, "cut", 4), (0, 15), "it never goes back");
    assert_eq!(delete_records(&mut client, 2, "cut", 41), (code::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(delete_records(&mut client, 2, "cut", -7), (code::OFFSET_OUT_OF_RANGE, -1));
    assert_eq!(delete_records(&mut client, 2, "nowhere", 0), (code::UNKNOWN_TOPIC_OR_PARTITION, -1));
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    assert_eq!(earliest(&mut client, "cut"), 15);
    assert_eq!(client.fetch(partition("cut", 0), 14, 0, 1).error_code, code::OFFSET_OUT_OF_RANGE);
    let fetched = client.fetch(partition("cut", 0), 15, 0, 1);
    assert_eq!((fetched.error_code, fetched.log_start_offset, fetched.high_watermark), (0, 15, 40));
    assert_eq!(delete_records(&mut client, 2, "cut", -1), (0, 40), "up to the high watermark");
    assert_eq!(client.append(partition("cut", 0), records::batch_of(0, &["next"])), 40);
    assert_eq!(records::decode(&client.fetch(partition("cut", 0), 40, 1_000, 1).records.expect("records")).len(), 1);
}

#[test]
fn a_compacted_topic_lets_nobody_delete_records() {
    let (_server, mut client) = start("delete-compacted");
    client.create_topic("compacted", 1, &[("cleanup.policy", "compact")]);
    assert_eq!(delete_records(&mut client, 2, "compacted", 0), (code::POLICY_VIOLATION, -1));
}

#[test]
fn a_topic_keeps_no_more_than_its_retention_bytes() {
    let server = retention_server("retention-bytes");
    let mut client = Client::connect(server.address());
    client.create_topic(
        "sized",
        1,
        &[("segment.bytes", "1048576"), ("retention.bytes", "2097152"), ("retention.ms", "-1")],
    );
    let mut end = 0;
    for _ in 0..80 {
        end = client.append(partition("sized", 0), records::batch_of(0, &[vec![b'x'; 100_000]])) + 1;
    }
    let watch = Stopwatch::start();
    // About ten batches are in a segment; of eight segments two to three stay.
    while earliest(&mut client, "sized") < end - 40 || segment_files(&server) > 4 {
        assert!(watch.elapsed_ms() < GONE_WITHIN_MS, "starts at {}", earliest(&mut client, "sized"));
        client.fetch(partition("sized", 0), end, 20, 1);
    }
    let first = earliest(&mut client, "sized");
    assert!(end - first >= 20, "no more goes than has to: {first} of {end}");
    assert_eq!(client.fetch(partition("sized", 0), first - 1, 0, 1).error_code, code::OFFSET_OUT_OF_RANGE);
    assert_eq!(client.fetch(partition("sized", 0), first, 0, 1).error_code, 0);
}

#[test]
fn old_records_go_even_from_the_newest_segment() {
    let mut server = retention_server("retention-ms");
    let mut client = Client::connect(server.address());
    client.create_topic("aged", 1, &[("retention.ms", "3600000")]);
    client.create_topic("ageless", 1, &[("retention.ms", "-1")]);
    for topic in ["aged", "ageless"] {
        // Two seconds after the epoch.
        client.append(partition(topic, 0), records::batch_of(2_000, &["old", "older"]));
    }
    let watch = Stopwatch::start();
    while earliest(&mut client, "aged") < 2 {
        assert!(watch.elapsed_ms() < GONE_WITHIN_MS, "it is still there");
        client.fetch(partition("aged", 0), 2, 20, 1);
    }
    assert_eq!(earliest(&mut client, "ageless"), 0);
    assert_eq!(client.append(partition("aged", 0), records::batch_of(2_000, &["new"])), 2);
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    assert!(earliest(&mut client, "aged") >= 2);
    assert_eq!(earliest(&mut client, "ageless"), 0);
}
