//! Thousands of partitions that nobody uses any more: they keep no file open and little memory, and all that they hold is there.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tests::calls::{partition, produce_request};
use tests::clock::{Stopwatch, pause, wall_ms};
use tests::kafka::Client;
use tests::process::resident_bytes;
use tests::records;
use tests::server::{Options, Server};

const PARTITIONS: i32 = 2_000;
const PRODUCE_VERSION: i16 = 9;
/// Requests that wait for their answers at once.
const WINDOW: usize = 100;
/// With these, each partition has whole blocks to write and a block that is not whole.
const BATCHES: usize = 3;
const VALUE_BYTES: usize = 3_000;
/// Resident memory for each partition. The aim is 16 KiB; what the process has besides and keeps for reuse is in this as well.
const RESIDENT_BYTES_MAX: u64 = 64 << 10;
/// Files of a shard that may be open at once, here of two.
const OPEN_SEGMENTS_MAX: usize = 2 * 1024;
const RESTS_WITHIN: Duration = Duration::from_secs(120);

#[test]
fn partitions_that_nobody_uses_keep_no_file_open_and_little_memory() {
    let mut server = Server::start(Options::named("density"));
    let mut client = Client::connect(server.address());
    let resident_before = resident_bytes(server.pid());
    client.create_topic("dense", PARTITIONS, &[]);
    assert_eq!(client.metadata(&["dense"]).topics[0].partitions.len(), PARTITIONS as usize);

    let value = "x".repeat(VALUE_BYTES);
    let batch = records::batch_of(wall_ms(), &[value.as_str()]);
    for _ in 0..BATCHES {
        produce_to_all(&mut client, &batch);
        assert!(open_segments(server.pid()) <= OPEN_SEGMENTS_MAX);
    }

    let watch = Stopwatch::start();
    let is_written = || fs::read_dir(server.data_dir().join("topics")).is_ok_and(|topics| topics.count() > 0);
    while !is_written() || open_segments(server.pid()) > 0 {
        assert!(watch.elapsed() < RESTS_WITHIN, "{} segment files are open", open_segments(server.pid()));
        pause(Duration::from_millis(100));
    }
    let grown = resident_bytes(server.pid()).saturating_sub(resident_before);
    let each = grown / PARTITIONS as u64;
    println!("{} KiB for each partition", each >> 10);
    assert!(each <= RESIDENT_BYTES_MAX, "{each} bytes for each partition");

    // They can be read and go on, as before.
    for index in [0, 7, PARTITIONS - 1] {
        assert_eq!(client.read_records(partition("dense", index)).len(), BATCHES);
        assert_eq!(client.append(partition("dense", index), batch.clone()), BATCHES as i64);
        assert_eq!(client.read_records(partition("dense", index)).len(), BATCHES + 1);
    }
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    for (index, count) in [(0, BATCHES + 1), (1, BATCHES), (PARTITIONS - 1, BATCHES + 1)] {
        assert_eq!(client.read_records(partition("dense", index)).len(), count);
    }
    server.terminate();
}

fn produce_to_all(client: &mut Client, batch: &Bytes) {
    let indexes: Vec<i32> = (0..PARTITIONS).collect();
    for some in indexes.chunks(WINDOW) {
        let send = |index: &i32| {
            let request = produce_request(partition("dense", *index), -1, batch.clone());
            client.send(PRODUCE_VERSION, &request).expect("the request is sent")
        };
        let pending: Vec<_> = some.iter().map(send).collect();
        for pending in pending {
            let answer = client.receive(&pending).expect("an answer");
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        }
    }
}

/// Segment files that the process has open.
fn open_segments(pid: u32) -> usize {
    let files = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("fd")).expect("the process lives");
    let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    // The server's own trace ends with `.log` as well.
    targets.filter(|target| target.ancestors().any(|dir| dir.ends_with("topics"))).count()
}
