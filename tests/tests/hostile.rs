//! Whatever comes to the Kafka port: the broker stays up, bounded in memory, and serves others meanwhile.

use std::time::Duration;
use tests::calls::{FETCH_BY_NAME_VERSION, fetch_request, partition, produce_request};
use tests::clock::Stopwatch;
use tests::kafka::{Client, encode_request};
use tests::process::{raise_open_files_max, resident_bytes, resident_bytes_max};
use tests::random::{Random, seed_of_run};
use tests::records;
use tests::server::{Options, Server};

/// No hostile connection may cost more than this altogether.
const GROWTH_BYTES_MAX: u64 = 256 << 20;
/// A connection that broke the protocol is closed this soon.
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

/// A server with a client that must be served whatever happens besides.
struct Besieged {
    server: Server,
    friend: Client,
    before_bytes: u64,
    appended: i64,
}

impl Besieged {
    fn start(name: &str) -> Besieged {
        let server = Server::start(Options::named(name));
        let mut friend = Client::connect(server.address());
        friend.create_topic("friend", 2, &[]);
        let before_bytes = resident_bytes(server.pid());
        Besieged { server, friend, before_bytes, appended: 0 }
    }

    fn attacker(&self) -> Client {
        Client::connect(self.server.address())
    }

    /// The friend's produce and fetch work, and the memory is within bounds.
    fn assert_serving(&mut self, what: &str) {
        assert!(self.server.is_running(), "{what}: the broker died\n{}", self.server.log_end());
        let base = self.friend.append(partition("friend", 0), records::batch_of(0, &[what]));
        assert_eq!(base, self.appended, "{what}");
        let fetched = self.friend.fetch(partition("friend", 0), base, 5_000, 1);
        let read = records::decode(&fetched.records.unwrap_or_default());
        assert_eq!(read.last().and_then(|record| record.value.as_deref()), Some(what.as_bytes()));
        self.appended += 1;
        let highest = resident_bytes_max(self.server.pid());
        let growth = highest.saturating_sub(self.before_bytes);
        assert!(growth < GROWTH_BYTES_MAX, "{what}: memory grew by {} MiB", growth >> 20);
    }
}

#[test]
fn garbage_closes_its_own_connection_and_no_other() {
    let seed = seed_of_run("garbage");
    let mut random = Random::from_seed(seed);
    let mut besieged = Besieged::start("garbage");
    for number in 0..200 {
        let mut attacker = besieged.attacker();
        let length = usize::try_from(random.between(1, 10_000)).expect("small");
        // The broker may close while we still write.
        let _ = attacker.send_bytes(&random.bytes(length));
        drop(attacker);
        if number % 50 == 0 {
            besieged.assert_serving("garbage");
        }
    }
    for greeting in
        ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}", "SSH-2.0-OpenSSH_9.2\r\n"]
    {
        let mut attacker = besieged.attacker();
        attacker.send_bytes(greeting.as_bytes()).expect("the broker listens");
        besieged.assert_serving("another protocol's greeting");
    }
    besieged.assert_serving("after all garbage");
}

#[test]
fn a_length_prefix_of_two_gigabytes_or_below_zero_closes_the_connection() {
    let mut besieged = Besieged::start("lengths");
    for length in [i32::MAX, i32::MAX - 4, 1 << 30, -1, i32::MIN] {
        let mut attacker = besieged.attacker();
        attacker.send_bytes(&length.to_be_bytes()).expect("the broker listens");
        assert!(attacker.is_closed_within(CLOSED_WITHIN), "a frame of {length} bytes is refused at once");
        besieged.assert_serving("a hostile length");
    }
    for length in [0, 1, 7] {
        let mut attacker = besieged.attacker();
        attacker.send_bytes(&i32::to_be_bytes(length)).expect("the broker listens");
        // The broker may close after the length alone.
        let _ = attacker.send_bytes(&vec![0; usize::try_from(length).expect("small")]);
        assert!(attacker.is_closed_within(CLOSED_WITHIN), "{length} bytes are no request");
        besieged.assert_serving("a frame too short for a header");
    }
}

#[test]
fn half_frames_wait_without_holding_anybody_else() {
    let mut besieged = Besieged::start("half-frames");
    let batch = records::batch_of(0, &[vec![b'x'; 100_000]]);
    let frame = encode_request(9, 1, &produce_request(partition("friend", 1), -1, batch)).expect("a request");
    let mut random = Random::from_seed(1);
    let mut waiting = Vec::new();
    for _ in 0..100 {
        let mut attacker = besieged.attacker();
        let cut = usize::try_from(random.between(1, frame.len() as u64)).expect("small");
        attacker.send_bytes(&frame[..cut]).expect("the broker listens");
        waiting.push((attacker, cut));
    }
    besieged.assert_serving("100 half frames");
    for (attacker, cut) in waiting.iter_mut().take(10) {
        attacker.send_bytes(&frame[*cut..]).expect("the broker still listens");
        attacker.receive_frame().expect("a frame completed later is answered");
    }
    drop(waiting);
    besieged.assert_serving("after the half frames were dropped");
    assert_eq!(besieged.friend.end_offset(partition("friend", 1)), 10, "only completed frames count");
}

#[test]
fn an_array_count_never_allocates_more_than_its_bytes_could_hold() {
    let mut besieged = Besieged::start("array-bombs");
    let offered = besieged.friend.api_versions();
    for (key, (low, high)) in offered {
        for version in low..=high {
            for count in [i32::MAX, 1 << 28, 1_000_000] {
                for body in bombs(count) {
                    let mut attacker = besieged.attacker();
                    attacker.send_bytes(&framed(key, version, &body)).expect("the broker listens");
                    // It may be answered with an error or closed; a version whose body happens to fit is answered.
                    drop(attacker);
                }
            }
        }
        besieged.assert_serving(&format!("array bombs for api {key}"));
    }
}

#[test]
fn every_request_cut_short_or_made_longer_is_survived() {
    let seed = seed_of_run("mutations");
    let mut random = Random::from_seed(seed);
    let mut besieged = Besieged::start("mutations");
    let batch = records::batch_of(0, &["a record"]);
    let produce = encode_request(9, 1, &produce_request(partition("friend", 1), -1, batch)).expect("a request");
    let fetch =
        encode_request(FETCH_BY_NAME_VERSION, 1, &fetch_request(partition("friend", 1), 0, 0, 0)).expect("a request");
    for frame in [&produce, &fetch] {
        for cut in 4..frame.len() {
            let mut short = frame[..cut].to_vec();
            short[..4].copy_from_slice(&i32::try_from(cut - 4).expect("small").to_be_bytes());
            besieged.attacker().send_bytes(&short).expect("the broker listens");
        }
        for _ in 0..300 {
            let mut changed = frame.to_vec();
            let position = usize::try_from(random.between(8, frame.len() as u64)).expect("small");
            changed[position] =
                changed[position].wrapping_add(1 + u8::try_from(random.between(0, 255)).expect("a byte"));
            besieged.attacker().send_bytes(&changed).expect("the broker listens");
        }
        besieged.assert_serving("mutated requests");
    }
}

#[test]
fn a_client_that_never_reads_its_answers_is_held_back() {
    let mut besieged = Besieged::start("never-reads");
    let mut writer = besieged.attacker();
    let large = records::batch_of(0, &[vec![b'x'; 900_000]]);
    for _ in 0..8 {
        writer.append(partition("friend", 1), large.clone());
    }
    let attackers: Vec<Client> = (0..8).map(|_| besieged.attacker()).collect();
    std::thread::scope(|scope| {
        for mut attacker in attackers {
            scope.spawn(move || {
                // Each answer is some 7 MB; the requests for 14 GB of them must stop being read at some point.
                for _ in 0..2_000 {
                    let request = fetch_request(partition("friend", 1), 0, 0, 1);
                    if attacker.send(FETCH_BY_NAME_VERSION, &request).is_err() {
                        break;
                    }
                }
            });
        }
        for _ in 0..20 {
            besieged.assert_serving("answers nobody reads");
        }
    });
    besieged.assert_serving("after the answers nobody read");
}

#[test]
fn five_thousand_idle_connections_cost_little_and_hold_nobody() {
    // Each connection takes a file here and one in the broker; both run under the same limit.
    let connections = 5_000.min(usize::try_from(raise_open_files_max()).expect("a limit").saturating_sub(500));
    if connections < 5_000 {
        println!("the limit of open files allows {connections} connections only");
    }
    let mut besieged = Besieged::start("idle");
    let watch = Stopwatch::start();
    let mut idle: Vec<Client> = (0..connections).map(|_| besieged.attacker()).collect();
    println!("{connections} connections in {} ms", watch.elapsed_ms());
    besieged.assert_serving("idle connections");
    for client in idle.iter_mut().step_by(50) {
        assert!(!client.api_versions().is_empty(), "an idle connection is served when it wakes");
    }
    let grown = resident_bytes(besieged.server.pid()).saturating_sub(besieged.before_bytes);
    println!("{connections} idle connections take {} KiB each", grown / 1024 / connections as u64);
    drop(idle);
    besieged.assert_serving("after the idle connections");
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let mut besieged = Besieged::start("come-and-go");
    let files =
        |server: &Server| std::fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the process lives").count();
    besieged.assert_serving("before");
    let before = files(&besieged.server);
    for _ in 0..2_000 {
        let mut client = besieged.attacker();
        client.send_bytes(&[0, 0]).expect("the broker listens");
    }
    let watch = Stopwatch::start();
    loop {
        besieged.assert_serving("connections that come and go");
        let now = files(&besieged.server);
        if now <= before + 20 {
            break;
        }
        assert!(watch.elapsed_ms() < 20_000, "{now} open files where {before} were before");
    }
}

/// Bodies that put the count where some version of some request has its first array, in both encodings.
fn bombs(count: i32) -> Vec<Vec<u8>> {
    let plain = count.to_be_bytes().to_vec();
    let compact = unsigned_varint(count.unsigned_abs() + 1);
    let mut bodies = Vec::new();
    for array in [plain, compact] {
        // Before the first array stand: nothing; a null string and a few numbers; a fetch's replica and limits.
        for skipped in [0, 1, 2, 3, 5, 6, 7, 8, 9, 12, 16, 17, 21, 25] {
            let mut body = vec![0xff; skipped.min(2)];
            body.resize(skipped, 0);
            body.extend_from_slice(&array);
            bodies.push(body);
        }
    }
    bodies
}

fn framed(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend_from_slice(&i32::try_from(10 + body.len()).expect("small").to_be_bytes());
    frame.extend_from_slice(&key.to_be_bytes());
    frame.extend_from_slice(&version.to_be_bytes());
    frame.extend_from_slice(&7_i32.to_be_bytes());
    frame.extend_from_slice(&(-1_i16).to_be_bytes());
    frame.extend_from_slice(body);
    frame
}

fn unsigned_varint(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}
