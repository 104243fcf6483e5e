//! `ringmain log`: what a stopped node has written is found sound, every flipped bit is found and named, and looking changes
//! nothing.

use std::fs;
use std::path::{Path, PathBuf};
use tests::calls::partition;
use tests::directory::content;
use tests::kafka::Client;
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const TOPIC: &str = "inspected";
/// As the broker takes it; the writes below fill a few of these.
const SEGMENT_BYTES: &str = "1048576";

/// About 3 MiB into partition 0 and a handful of records into partition 1.
fn write(server: &Server) {
    let mut client = Client::connect(server.address());
    client.create_topic(TOPIC, 2, &[("segment.bytes", SEGMENT_BYTES)]);
    let value = "x".repeat(8_000);
    for round in 0..40 {
        client.append(partition(TOPIC, 0), records::batch_of(round, &[&value; 10]));
    }
    client.append(partition(TOPIC, 1), records::batch_of(7, &["a", "b", "c"]));
}

/// Exit code and output of `ringmain log` on the directory; what it leaves of the directory is compared with before.
fn look(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let before = content(data);
    let mut all = vec!["log"];
    all.extend(arguments);
    all.extend(["--data", data.to_str().expect("a plain path")]);
    let (status, text) = run_ringmain(&all);
    assert!(content(data) == before, "`{}` changed the directory", all.join(" "));
    (status.code(), text)
}

fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}\n{text}"))).collect()
}

/// Flips one bit, lets `see` look, and puts it back.
fn with_flipped_bit(path: &Path, position: u64, see: impl FnOnce()) {
    let sound = fs::read(path).expect("a file");
    let mut damaged = sound.clone();
    damaged[usize::try_from(position).expect("a position")] ^= 0x10;
    fs::write(path, damaged).expect("written");
    see();
    fs::write(path, sound).expect("written");
}

/// `verify` must exit 1 and name the file, and the position if one is given.
fn assert_found(data: &Path, path: &Path, position: Option<u64>) {
    let (code, text) = look(data, &["verify"]);
    let position = position.map(|position| format!(" at {position}")).unwrap_or_default();
    let named = format!("problem: {}{position}", path.display());
    assert!(code == Some(1) && text.contains(&named), "{named} is not among\n{text}");
}

#[test]
fn what_a_node_wrote_is_sound_and_every_flipped_bit_is_found_and_nothing_is_changed() {
    let mut server = Server::start(Options::named("inspect"));
    write(&server);
    server.terminate();
    let data = server.data_dir().to_path_buf();
    let (code, text) = look(&data, &["verify"]);
    assert!(code == Some(0) && text.contains("sound"), "{text}");

    let (code, text) = look(&data, &["segments", "--topic", TOPIC, "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let segments = json_lines(&text);
    let ends: Vec<_> = segments.iter().map(|s| (s["partition"].as_u64(), s["end_offset"].as_i64())).collect();
    assert!(ends.contains(&(Some(0), Some(400))) && ends.contains(&(Some(1), Some(3))), "{text}");
    let sealed = segments.iter().find(|s| s["sealed"] == true).expect("partition 0 has rolled");
    let active = segments.iter().find(|s| s["sealed"] == false && s["partition"] == 0).expect("an active segment");
    for segment in [sealed, active] {
        let path = PathBuf::from(segment["file"].as_str().expect("a path"));
        // In the first batch's records; its own file position is 0.
        with_flipped_bit(&path, 4_000, || assert_found(&data, &path, Some(0)));
    }

    let (_, text) = look(&data, &["dump", "checkpoint", "--json"]);
    let checkpoints: Vec<_> = json_lines(&text).into_iter().filter(|line| line["kind"] == "checkpoint").collect();
    assert!(!checkpoints.is_empty(), "a clean stop leaves a checkpoint on each shard");
    for found in checkpoints {
        let path = PathBuf::from(found["file"].as_str().expect("a path"));
        with_flipped_bit(&path, 40, || assert_found(&data, &path, None));
    }
    let (code, _) = look(&data, &["verify"]);
    assert_eq!(code, Some(0), "every bit is back in its place");
}

#[test]
fn a_flipped_bit_in_the_journal_of_a_killed_node_is_found_at_its_group() {
    let mut server = Server::start(Options::named("inspect-journal"));
    write(&server);
    server.kill_9();
    let data = server.data_dir().to_path_buf();
    let (code, text) = look(&data, &["verify"]);
    assert_eq!(code, Some(0), "{text}");
    let (_, text) = look(&data, &["segments", "--topic", TOPIC, "--partition", "0"]);
    assert!(text.contains("400"), "the end is in the journal only:\n{text}");

    let (code, text) = look(&data, &["dump", "journal", "--frames", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let mut file = String::new();
    let (mut groups, mut marks) = (Vec::new(), Vec::new());
    for line in json_lines(&text) {
        match line["kind"].as_str() {
            Some("file") => file = line["file"].as_str().expect("a path").to_owned(),
            Some("group") => {
                let number = |field: &str| line[field].as_u64().expect("a number");
                marks.push((file.clone(), number("durable_seq")));
                if number("frames") > 0 {
                    groups.push((file.clone(), number("seq"), number("position")));
                }
            }
            _ => {}
        }
    }
    // A group counts as acknowledged once a later one of the same shard, here of the same file, says so.
    groups.retain(|(file, seq, _)| marks.iter().any(|(other, mark)| other == file && mark >= seq));
    assert!(text.contains(TOPIC), "frames are called by their topic's name");
    // In a frame's header, and in a payload.
    for (file, _, position) in [&groups[1], &groups[groups.len() - 1]] {
        let path = Path::new(file);
        for inside in [100, 200] {
            with_flipped_bit(path, position + inside, || assert_found(&data, path, Some(*position)));
        }
    }
    server.restart();
    assert_eq!(Client::connect(server.address()).end_offset(partition(TOPIC, 0)), 400);
}

#[test]
fn segment_files_are_decoded_to_their_records() {
    let mut server = Server::start(Options::named("inspect-dump"));
    write(&server);
    server.terminate();
    let data = server.data_dir().to_path_buf();
    let (_, text) = look(&data, &["segments", "--topic", TOPIC, "--partition", "1", "--json"]);
    let file = json_lines(&text)[0]["file"].as_str().expect("a path").to_owned();
    let (code, text) = look(&data, &["dump", "segment", &file, "--records", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let lines = json_lines(&text);
    assert_eq!(
        (&lines[0]["kind"], &lines[0]["records"], &lines[0]["crc_ok"]),
        (&"batch".into(), &3.into(), &true.into())
    );
    let values: Vec<_> = lines[1..].iter().map(|record| record["value"].as_str().unwrap_or_default()).collect();
    assert_eq!(values, ["a", "b", "c"]);
    let (code, text) = look(&data, &["dump", "segment", &file, "--records"]);
    assert!(code == Some(0) && text.contains("crc ok") && text.contains("value b"), "{text}");
}

#[test]
fn a_running_node_is_looked_at_with_a_warning_and_nothing_to_look_at_is_exit_2() {
    let server = Server::start(Options::named("inspect-running"));
    write(&server);
    let data = server.data_dir().to_str().expect("a plain path");
    let (status, text) = run_ringmain(&["log", "verify", "--data", data]);
    assert!(status.code() == Some(0) && text.contains("warning") && text.contains("sound"), "{text}");
    let (status, text) = run_ringmain(&["log", "verify", "--data", "/nonexistent"]);
    assert_eq!(status.code(), Some(2), "{text}");
    let (status, text) = run_ringmain(&["log", "segments", "--data", data, "--topic", "unheard"]);
    assert_eq!(status.code(), Some(2), "{text}");
}
