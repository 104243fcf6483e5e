//! A bit that flips in a sealed segment is found although nobody reads it, and told with its file and position.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::calls::partition;
use tests::clock::{Stopwatch, pause};
use tests::kafka::Client;
use tests::records;
use tests::server::{Options, Server};

const TOPIC: &str = "scrubbed";
/// Whatever the machine is doing besides. The scrub begins a second after the start.
const FOUND_WITHIN_MS: u64 = 60_000;
const TOLD: &str = "a sealed segment is not as it was written";

/// The segment files of the topic, in the order of their offsets.
fn segments(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for topic in fs::read_dir(data.join("topics")).expect("there are topics") {
        for log in fs::read_dir(topic.expect("listed").path()).expect("partitions") {
            for file in fs::read_dir(log.expect("listed").path()).expect("segments") {
                let path = file.expect("listed").path();
                let is_large = path.metadata().expect("a file").len() > 500_000;
                found
                    .extend((is_large && path.extension().is_some_and(|extension| extension == "log")).then_some(path));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_flipped_bit_that_nobody_reads_is_found_and_told_with_its_place() {
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrub.toml");
    fs::write(&config, "\"log.scrub.mib.per.second\" = 1024\n").expect("the configuration is written");
    let options = Options::named("scrub").with_arguments(&["--config", &config.display().to_string()]);
    let mut server = Server::start(options);
    let mut client = Client::connect(server.address());
    client.create_topic(TOPIC, 1, &[("segment.bytes", "1048576")]);
    for _ in 0..40 {
        client.append(partition(TOPIC, 0), records::batch_of(0, &[vec![b'x'; 100_000]]));
    }
    drop(client);
    server.terminate();
    let damaged = segments(server.data_dir()).swap_remove(1);
    let file = File::options().read(true).write(true).open(&damaged).expect("a sealed segment");
    let mut byte = [0];
    file.read_exact_at(&mut byte, 150_000).expect("within the file");
    file.write_all_at(&[byte[0] ^ 4], 150_000).expect("a bit flips");
    assert!(!server.log().contains(TOLD), "{}", server.log_end());

    server.restart();
    let watch = Stopwatch::start();
    while !server.log().contains(TOLD) {
        assert!(watch.elapsed_ms() < FOUND_WITHIN_MS, "nobody told of it\n{}", server.log_end());
        pause(Duration::from_millis(50));
    }
    let log = server.log();
    let said: Vec<_> = log.lines().filter(|line| line.contains(TOLD)).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains(&damaged.display().to_string()) && said[0].contains("position=1"), "{}", said[0]);
    server.terminate();
    assert!(server.log().contains("damaged_segments=1"), "the figures count it\n{}", server.log_end());
}
