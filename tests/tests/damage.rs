//! One bit flips while the node is stopped: in a sealed segment, an index, a checkpoint, the acknowledged part of the journal. Each is
//! told of; none costs more than the bytes that it hit, and none is passed over in silence.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::calls::{delete_records_request, partition};
use tests::clock::{Stopwatch, pause};
use tests::directory::content;
use tests::kafka::Client;
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const TOPIC: &str = "damage";
const PARTITIONS: i32 = 4;
/// As the broker takes it; the first partition fills a few of these.
const SEGMENT_BYTES: &str = "1048576";
const BATCH_RECORDS: i64 = 10;
const CORRUPT_MESSAGE: i16 = 2;
/// What happens in the background happens within this time, whatever the machine is doing besides.
const COMES_WITHIN_MS: u64 = 60_000;
/// What is written in one go: about 3 MiB to the first partition, and a little to the others.
const ENDS: [i64; PARTITIONS as usize] = [400, 30, 30, 30];

/// The only content that may be seen at this place.
fn value(index: i32, offset: i64) -> String {
    format!("{index}/{offset} {}", "x".repeat(8_000))
}

fn start(name: &str) -> Server {
    let server = Server::start(Options::named(name));
    Client::connect(server.address()).create_topic(TOPIC, PARTITIONS, &[("segment.bytes", SEGMENT_BYTES)]);
    write(&server, 0);
    server
}

/// Writes the records of one round, all acknowledged. Each round is as long as the first.
fn write(server: &Server, round: i64) {
    let mut client = Client::connect(server.address());
    for (index, end) in (0..).zip(ENDS) {
        for base in (round * end..(round + 1) * end).step_by(BATCH_RECORDS as usize) {
            let values: Vec<_> = (base..base + BATCH_RECORDS).map(|offset| value(index, offset)).collect();
            assert_eq!(client.append(partition(TOPIC, index), records::batch_of(base, &values)), base);
        }
    }
}

/// Reads from one offset to another, checking every record, or to the first error: gives where it ended, and the error.
fn read(client: &mut Client, index: i32, from: i64, until: i64) -> (i64, i16) {
    let mut next = from;
    while next < until {
        let answer = client.fetch(partition(TOPIC, index), next, 10_000, 1);
        if answer.error_code != 0 {
            return (next, answer.error_code);
        }
        let read = records::decode(&answer.records.unwrap_or_default());
        assert!(!read.is_empty(), "partition {index} ends at {next} instead of {until}");
        for record in read.into_iter().filter(|record| record.offset >= from) {
            assert_eq!(record.offset, next, "partition {index}: no hole and no repetition");
            let expected = value(index, next);
            assert!(record.value.as_deref() == Some(expected.as_bytes()), "partition {index}: other content at {next}");
            next += 1;
        }
    }
    (next, 0)
}

/// Fetches from behind the start of the segment that an index is of.
fn read_from_the_middle(server: &Server, index: &Path) {
    let number = |name: Option<&std::ffi::OsStr>| name.and_then(|name| name.to_str()?.parse::<i64>().ok());
    let base = number(index.file_stem()).expect("named by its base offset");
    let of = number(index.parent().and_then(Path::file_name)).expect("in its partition's directory") as i32;
    let answer = Client::connect(server.address()).fetch(partition(TOPIC, of), base + 3, 10_000, 1);
    assert_eq!(answer.error_code, 0);
}

fn assert_everything(server: &Server, rounds: i64) {
    let mut client = Client::connect(server.address());
    for (index, end) in (0..).zip(ENDS) {
        assert_eq!(client.end_offset(partition(TOPIC, index)), end * rounds, "partition {index}");
        assert_eq!(read(&mut client, index, 0, end * rounds), (end * rounds, 0), "partition {index}");
    }
}

fn files(server: &Server, is_wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let names = |path: &PathBuf| path.file_name().is_some_and(|name| is_wanted(&name.to_string_lossy()));
    content(server.data_dir()).into_keys().filter(names).collect()
}

/// The checkpoints of each shard, oldest first.
fn checkpoints(server: &Server) -> Vec<Vec<PathBuf>> {
    let mut by_shard: BTreeMap<PathBuf, Vec<PathBuf>> = BTreeMap::new();
    for path in files(server, |name| name.starts_with("checkpoint-") && !name.contains('.')) {
        by_shard.entry(path.parent().expect("a shard's directory").to_path_buf()).or_default().push(path);
    }
    assert_eq!(by_shard.len(), usize::from(server.ready().shards), "every shard has checkpoints after a stop");
    by_shard.into_values().collect()
}

/// The checkpoints of a shard, given by them, and their copies.
fn with_copies(of_shard: &[PathBuf]) -> Vec<PathBuf> {
    let copies = of_shard[0].with_file_name("copies");
    content(&copies).into_keys().chain(of_shard.iter().cloned()).collect()
}

/// Flips one bit; the same again puts it back.
fn flip(path: &Path, position: u64) {
    let mut bytes = fs::read(path).expect("a file");
    bytes[usize::try_from(position).expect("a position")] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

fn verify(server: &Server) -> (Option<i32>, String) {
    let (status, text) = run_ringmain(&["log", "verify", "--data", server.data_dir().to_str().expect("a plain path")]);
    (status.code(), text)
}

/// The lines of the trace that name this file.
fn told(server: &Server, file: &Path) -> Vec<String> {
    let file = file.to_str().expect("a plain path");
    server.log().lines().filter(|line| line.contains(file)).map(str::to_owned).collect()
}

/// The start must be refused with these words, exit with 1 and leave every file of these directories as it was.
fn assert_refused(server: &mut Server, directories: &[PathBuf], words: &[String]) {
    let look = || directories.iter().map(|directory| content(directory)).collect::<Vec<_>>();
    let before = look();
    let said = server.try_restart().expect_err("the start must be refused");
    for word in words.iter().map(String::as_str).chain(["exit status: 1", "Nothing was changed"]) {
        assert!(said.contains(word), "`{word}` is not in\n{said}");
    }
    assert!(look() == before, "the refused start changed {directories:?}");
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_costs_the_batch_that_it_hit_and_is_told_once() {
    let mut server = start("damage-segment");
    server.terminate();
    let indexes = files(&server, |name| name.ends_with(".idx"));
    let segment = indexes[0].with_extension("log");
    let bytes = fs::read(&segment).expect("a segment");
    // The fifth batch of the segment.
    let position = (0..4).fold(0, |position, _| position + records::batch_len(&bytes[position..]));
    let base = i64::from_be_bytes(bytes[position..position + 8].try_into().expect("8 bytes"));
    flip(&segment, position as u64 + 4_000);
    let (code, text) = verify(&server);
    let named = format!("problem: {} at {position}", segment.display());
    assert!(code == Some(1) && text.contains(&named), "{named} is not among\n{text}");

    server.restart();
    let mut client = Client::connect(server.address());
    for index in 1..PARTITIONS {
        let end = ENDS[index as usize];
        assert_eq!(read(&mut client, index, 0, end), (end, 0));
    }
    for from in [0, base, base + 3, base] {
        let met = read(&mut client, 0, from, ENDS[0]);
        assert_eq!(met, (from.max(base), CORRUPT_MESSAGE), "reading from {from}");
    }
    assert_eq!(read(&mut client, 0, base + BATCH_RECORDS, ENDS[0]), (ENDS[0], 0), "what lies behind is read");
    // The scrub may have come by in the meantime, and tells by itself.
    let by_scrub = |line: &String| line.contains("a sealed segment is not as it was written");
    let told: Vec<_> = told(&server, &segment).into_iter().filter(|line| !by_scrub(line)).collect();
    assert!(told.len() == 1 && told[0].contains(&position.to_string()), "told once, with its position: {told:?}");
    assert_eq!(client.append(partition(TOPIC, 0), records::batch_of(0, &["next"])), ENDS[0]);
    server.terminate();
    assert!(segment.exists() && verify(&server).0 == Some(1), "the file stays as it is");
}

#[test]
fn a_flipped_bit_in_an_index_costs_nothing_and_the_index_is_made_anew() {
    let mut server = start("damage-index");
    server.terminate();
    let indexes = files(&server, |name| name.ends_with(".idx"));
    assert!(indexes.len() > 1, "the first partition has rolled");
    let sound: Vec<_> = indexes.iter().map(|path| fs::read(path).expect("an index")).collect();
    // One in the header, the others in the archive.
    (0..).zip(&indexes).for_each(|(at, path)| flip(path, if at == 0 { 5 } else { 50 }));
    let (code, text) = verify(&server);
    assert_eq!(code, Some(1), "{text}");
    server.restart();
    // Who reads on from one segment into the next needs no index, so each is read from the middle as well.
    indexes.iter().for_each(|path| read_from_the_middle(&server, path));
    assert_everything(&server, 1);
    for path in &indexes {
        let told = told(&server, path);
        assert!(told.len() == 1 && told[0].contains("made anew"), "{told:?}");
    }
    server.terminate();
    let (code, text) = verify(&server);
    assert_eq!(code, Some(0), "{text}");
    assert!(indexes.iter().map(|path| fs::read(path).expect("an index")).eq(sound), "the same as before");
}

#[test]
fn a_flipped_bit_in_the_newest_of_two_checkpoints_costs_nothing() {
    let mut server = start("damage-newest-checkpoint");
    server.terminate();
    server.restart();
    write(&server, 1);
    server.terminate();
    for of_shard in checkpoints(&server) {
        assert_eq!(of_shard.len(), 2, "two stops");
        let older = fs::read(&of_shard[0]).expect("a checkpoint");
        let of_newest = with_copies(&of_shard).into_iter().filter(|path| fs::read(path).expect("a file") != older);
        let of_newest: Vec<_> = of_newest.collect();
        assert_eq!(of_newest.len(), 2, "itself and its copy");
        of_newest.iter().for_each(|path| flip(path, 60));
    }
    server.restart();
    assert_everything(&server, 2);
    assert!(!files(&server, |name| name.ends_with(".damaged")).is_empty(), "set aside, not removed");
    assert!(server.log().contains("doing without it"), "{}", server.log_end());
    write(&server, 2);
    server.terminate();
    let (code, text) = verify(&server);
    assert_eq!(code, Some(0), "{text}");
    server.restart();
    assert_everything(&server, 3);
}

#[test]
fn a_flipped_bit_in_the_only_checkpoint_costs_nothing_because_the_journal_is_whole() {
    let mut server = start("damage-only-checkpoint");
    server.terminate();
    for of_shard in checkpoints(&server) {
        assert_eq!(of_shard.len(), 1, "one stop");
        with_copies(&of_shard).iter().for_each(|path| flip(path, 60));
    }
    server.restart();
    assert_everything(&server, 1);
    assert!(server.log().contains("the journal is whole from its first group on"), "{}", server.log_end());
    write(&server, 1);
    server.terminate();
    server.restart();
    assert_everything(&server, 2);
}

#[test]
fn flipped_bits_in_both_checkpoints_cost_nothing_because_there_are_copies() {
    let mut server = start("damage-both-checkpoints");
    server.terminate();
    server.restart();
    write(&server, 1);
    server.terminate();
    let of_all: Vec<_> = checkpoints(&server).into_iter().flatten().collect();
    of_all.iter().for_each(|path| flip(path, 60));
    // One of them is lost altogether.
    fs::remove_file(&of_all[0]).expect("removed");
    server.restart();
    assert_everything(&server, 2);
    assert!(server.log().contains("its copy is sound and counts"), "{}", server.log_end());
    write(&server, 2);
    server.terminate();
    let (code, text) = verify(&server);
    assert_eq!(code, Some(0), "{text}");
    server.restart();
    assert_everything(&server, 3);
}

#[test]
fn a_start_without_any_sound_checkpoint_is_refused_and_changes_nothing() {
    let mut server = start("damage-all-checkpoints");
    server.terminate();
    server.restart();
    write(&server, 1);
    server.terminate();
    let of_first = checkpoints(&server).remove(0);
    let shard_dir = of_first[0].parent().expect("a shard's directory").to_path_buf();
    let all = with_copies(&of_first);
    all.iter().for_each(|path| flip(path, 60));
    let name = |path: &PathBuf| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut words: Vec<_> = of_first.iter().map(name).collect();
    let offer = "ringmain log rebuild --shard 0".to_owned();
    words.extend(["shard 0 has no sound checkpoint".to_owned(), shard_dir.display().to_string(), offer]);
    assert_refused(&mut server, &[shard_dir], &words);
    all.iter().for_each(|path| flip(path, 60));
    server.restart();
    assert_everything(&server, 2);
}

/// A shard of a later generation begins with checkpoints and an empty journal. Its first group names no predecessor, so a chain
/// from there looked like a whole journal, and one that was empty like a shard that had never been written to.
#[test]
fn a_shard_that_began_with_checkpoints_never_begins_without_them() {
    let mut server = start("damage-later-generation");
    server.terminate();
    if server.ready().shards < 2 {
        eprintln!("skipped: this takes two cores");
        return;
    }
    server.use_cores("0");
    server.restart();
    server.kill_9();
    let of_shard: Vec<_> = checkpoints(&server).into_iter().flatten().collect();
    let all = with_copies(&of_shard);
    all.iter().for_each(|path| flip(path, 60));
    let shard_dir = of_shard[0].parent().expect("a shard's directory").to_path_buf();
    assert_refused(&mut server, &[shard_dir], &["shard 0 has no sound checkpoint".to_owned()]);
    all.iter().for_each(|path| flip(path, 60));
    server.restart();
    assert_everything(&server, 1);
}

fn rebuild(server: &Server, flags: &[&str]) -> (Option<i32>, String) {
    let mut arguments = vec!["log", "rebuild", "--data", server.data_dir().to_str().expect("a plain path")];
    arguments.extend(flags);
    let (status, text) = run_ringmain(&arguments);
    (status.code(), text)
}

/// After a kill the journal has everything that came since the checkpoints, and after a stop before that the files have the rest: so
/// nothing is missing, and what is written next has its place.
#[test]
fn a_shard_without_any_sound_checkpoint_is_rebuilt_when_that_is_asked_for() {
    let mut server = start("damage-rebuild");
    server.terminate();
    server.restart();
    server.terminate();
    server.restart();
    let (code, text) = rebuild(&server, &["--accept-loss"]);
    assert!(code == Some(2) && text.contains("served by another process"), "a node serves it: {text}");
    write(&server, 1);
    server.kill_9();
    let (code, text) = rebuild(&server, &[]);
    assert!(code == Some(2) && text.contains("nothing is lost"), "there is nothing to rebuild: {text}");
    let all: Vec<_> = checkpoints(&server).iter().flat_map(|of_shard| with_copies(of_shard)).collect();
    all.iter().for_each(|path| flip(path, 60));
    let before = content(server.data_dir());
    let (code, text) = rebuild(&server, &[]);
    assert!(code == Some(1) && text.contains("nothing was changed"), "{text}");
    assert!(content(server.data_dir()) == before, "it only says what it would do");
    let (code, text) = rebuild(&server, &["--accept-loss"]);
    assert_eq!(code, Some(0), "{text}");
    let after = content(server.data_dir());
    let is_kept = |(path, bytes): (&PathBuf, &Vec<u8>)| {
        after.get(path) == Some(bytes) || after.get(&path.with_extension("damaged")) == Some(bytes)
    };
    let gone: Vec<_> = before.iter().filter(|file| !file.0.ends_with("ringmain.lock") && !is_kept(*file)).collect();
    assert!(gone.is_empty(), "every byte is still there: {:?}", gone.iter().map(|(path, _)| path).collect::<Vec<_>>());
    server.restart();
    assert_everything(&server, 2);
    write(&server, 2);
    server.terminate();
    let (code, text) = verify(&server);
    assert_eq!(code, Some(0), "{text}");
    server.restart();
    assert_everything(&server, 3);
}

/// A damaged segment is kept when retention takes it, also when the node was restarted since the damage was met.
#[test]
fn a_damaged_segment_goes_into_quarantine_when_its_time_comes_and_with_its_topic() {
    let mut server = start("damage-quarantine");
    server.terminate();
    let segment = files(&server, |name| name.ends_with(".idx"))[0].with_extension("log");
    flip(&segment, 4_000);
    let bytes = fs::read(&segment).expect("a segment");
    server.restart();
    let mut client = Client::connect(server.address());
    assert_eq!(read(&mut client, 0, 0, ENDS[0]), (0, CORRUPT_MESSAGE));
    wait_for("the mark", || marks(&server).len() == 1);
    let (_, text) = verify(&server);
    assert!(text.contains("known to be damaged"), "{text}");

    server.terminate();
    server.restart();
    let mut client = Client::connect(server.address());
    let deleted = client.call(2, &delete_records_request(partition(TOPIC, 0), ENDS[0]));
    assert_eq!(deleted.topics[0].partitions[0].low_watermark, ENDS[0]);
    wait_for("the segment in quarantine", || kept(&server).is_some());
    let kept_file = kept(&server).expect("kept");
    assert!(!segment.exists() && fs::read(&kept_file).expect("a file") == bytes, "with every byte");
    assert_eq!(told(&server, &kept_file).len(), 1, "told once");
    let data = server.data_dir().to_str().expect("a plain path");
    let (_, text) = run_ringmain(&["log", "segments", "--data", data]);
    assert!(text.contains("quarantined"), "{text}");

    assert_eq!(client.delete_topic(TOPIC), 0);
    wait_for("the quarantine to be empty", || kept(&server).is_none() && marks(&server).is_empty());
}

/// The marks of the damaged segment.
fn marks(server: &Server) -> Vec<PathBuf> {
    files(server, |name| name.ends_with("00000000000000000000.damaged"))
}

/// Its file, once nobody needs it any more.
fn kept(server: &Server) -> Option<PathBuf> {
    files(server, |name| name == "00000000000000000000.log").into_iter().find(|path| in_quarantine(path))
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let watch = Stopwatch::start();
    while !is_there() {
        assert!(watch.elapsed_ms() < COMES_WITHIN_MS, "waiting for {what}");
        pause(Duration::from_millis(20));
    }
}

fn in_quarantine(path: &Path) -> bool {
    path.components().any(|component| component.as_os_str() == "quarantine")
}

/// File and position of the groups with records that a later group of the same file says were durable; of one shard, since the others
/// go on to a checkpoint while its start is refused.
fn acknowledged_groups(server: &Server) -> Vec<(PathBuf, u64)> {
    let data = server.data_dir().to_str().expect("a plain path");
    let (status, text) = run_ringmain(&["log", "dump", "journal", "--json", "--data", data]);
    assert!(status.success(), "{text}");
    let mut file = PathBuf::new();
    let (mut groups, mut marks) = (Vec::new(), BTreeMap::new());
    for line in text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON")) {
        let number = |field: &str| line[field].as_u64().expect("a number");
        if line["kind"] == "file" {
            file = PathBuf::from(line["file"].as_str().expect("a path"));
        } else if line["kind"] == "group" {
            let mark = marks.entry(file.clone()).or_insert(0);
            *mark = number("durable_seq").max(*mark);
            if number("frames") > 0 {
                groups.push((file.clone(), number("seq"), number("position")));
            }
        }
    }
    let first = groups[0].0.clone();
    groups.retain(|(file, seq, _)| *file == first && *seq <= marks[file]);
    groups.into_iter().map(|(file, _, position)| (file, position)).collect()
}

#[test]
fn a_flipped_bit_in_the_acknowledged_part_of_the_journal_refuses_the_start_and_changes_nothing() {
    let mut server = start("damage-journal");
    server.kill_9();
    let groups = acknowledged_groups(&server);
    assert!(groups.len() > 2, "many appends were acknowledged");
    for (file, position) in [&groups[groups.len() / 2], &groups[groups.len() - 1]] {
        flip(file, position + 200);
        let shard_dir = file.ancestors().nth(2).expect("a shard's directory").to_path_buf();
        let name = file.file_name().expect("a name").to_string_lossy();
        let words = [format!("{name} at {position}"), shard_dir.display().to_string()];
        assert_refused(&mut server, &[shard_dir], &words);
        let (code, text) = verify(&server);
        let named = format!("problem: {} at {position}", file.display());
        assert!(code == Some(1) && text.contains(&named), "{named} is not among\n{text}");
        flip(file, position + 200);
    }
    server.restart();
    assert_everything(&server, 1);
}
