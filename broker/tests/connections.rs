//! Connections of a running node, byte by byte. What a request means is the handlers' matter; here it is ApiVersions.
//! Two of these tests weigh their process, so they have one of their own.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use broker::config::{Config, Settings};
use broker::embedded::{self, Running};

/// Held by each node, so that none comes or goes while another is weighed.
static ALONE: Mutex<()> = Mutex::new(());

struct Node {
    running: Option<Running>,
    dir: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl Node {
    fn start(name: &str, settings: Settings) -> Node {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("connections-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let core = core_affinity::get_core_ids().expect("cores are known")[0].id;
        let base = Settings {
            data_dir: Some(dir.clone()),
            listen: Some("127.0.0.1:0".to_owned()),
            metrics_listen: Some("none".to_owned()),
            cores: Some(vec![core]),
            ..Settings::default()
        };
        let config = Config::check(settings.over(base)).expect("possible settings");
        Node { running: Some(embedded::start(config).expect("the node starts")), dir, _alone: alone }
    }

    fn address(&self) -> SocketAddr {
        self.running.as_ref().expect("it runs").address
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("the node accepts");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("the option exists");
        stream.set_nodelay(true).expect("the option exists");
        stream
    }

    fn counter(&self, name: &str) -> u64 {
        self.running.as_ref().expect("it runs").metrics().iter().map(|shard| shard.counter(name)).sum()
    }

    fn stop(mut self) {
        self.running.take().expect("it runs").stop().expect("the node stops well");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.running.take());
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// An ApiVersions request of version 0.
fn request(correlation_id: i32) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend_from_slice(&18i16.to_be_bytes());
    body.extend_from_slice(&0i16.to_be_bytes());
    body.extend_from_slice(&correlation_id.to_be_bytes());
    body.extend_from_slice(&(-1i16).to_be_bytes());
    [&(body.len() as i32).to_be_bytes(), &body[..]].concat()
}

/// The correlation id of the next answer.
fn answer(stream: &mut TcpStream) -> i32 {
    let mut prefix = [0; 4];
    stream.read_exact(&mut prefix).expect("an answer comes");
    let mut body = vec![0; i32::from_be_bytes(prefix) as usize];
    stream.read_exact(&mut body).expect("the answer is whole");
    i32::from_be_bytes(*body.first_chunk().expect("an answer has a header"))
}

fn expect_closed(stream: &mut TcpStream) {
    let mut byte = [0];
    match stream.read(&mut byte) {
        Ok(0) => {}
        // The node lives in this process, and a signal for one of its threads may find this one.
        Err(error) if error.kind() == ErrorKind::Interrupted => expect_closed(stream),
        Ok(_) => panic!("an answer came instead of the end"),
        // Closing with unread bytes in the socket resets the connection.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order_however_they_are_cut() {
    let node = Node::start("order", Settings::default());
    let many: Vec<u8> = (0..500).flat_map(request).collect();
    for piece in [1, 3, 4, 5, 17, 1000, many.len()] {
        let mut stream = node.connect();
        let mut reading = stream.try_clone().expect("the stream can be shared");
        // Writing byte by byte takes long, and nothing is learned from more than a few requests.
        let count = if piece < 100 { 40 } else { 500 };
        let sent: Vec<u8> = (0..count).flat_map(request).collect();
        let writing = std::thread::spawn(move || {
            sent.chunks(piece).for_each(|piece| stream.write_all(piece).expect("the node reads"));
            stream
        });
        for expected in 0..count {
            assert_eq!(answer(&mut reading), expected, "pieces of {piece} bytes");
        }
        drop(writing.join().expect("the writer ends"));
    }
    node.stop();
}

#[test]
fn impossible_lengths_and_garbage_close_only_their_own_connection() {
    let node = Node::start("garbage", Settings::default());
    let mut bystander = node.connect();
    let lengths = [0, -1, i32::MIN, i32::MAX, 200 << 20];
    let mut bad: Vec<Vec<u8>> = lengths.iter().map(|length: &i32| length.to_be_bytes().to_vec()).collect();
    bad.push(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec());
    bad.push(vec![0xff; 4096]);
    // A frame that is whole but holds no request.
    bad.push([&10i32.to_be_bytes(), &[0x7f; 10][..]].concat());
    for (number, bytes) in bad.iter().enumerate() {
        let mut stream = node.connect();
        stream.write_all(bytes).expect("the node accepts bytes");
        expect_closed(&mut stream);
        bystander.write_all(&request(number as i32)).expect("the bystander is served");
        assert_eq!(answer(&mut bystander), number as i32);
    }
    assert_eq!(node.counter("connections_violated"), bad.len() as u64);
    node.stop();
}

#[test]
fn half_frames_leave_nothing_behind_when_their_peer_goes() {
    let node = Node::start("half", Settings::default());
    let whole = request(7);
    for cut in 1..whole.len() {
        let mut stream = node.connect();
        stream.write_all(&whole[..cut]).expect("the node accepts bytes");
        stream.shutdown(Shutdown::Write).expect("the stream is open");
        expect_closed(&mut stream);
    }
    // A long frame that was begun: most of its bytes never come.
    let mut stream = node.connect();
    stream.write_all(&(64i32 << 20).to_be_bytes()).expect("the node accepts bytes");
    stream.write_all(&vec![0; 100_000]).expect("the node accepts bytes");
    stream.shutdown(Shutdown::Write).expect("the stream is open");
    expect_closed(&mut stream);
    assert_eq!(node.counter("connections_accepted"), node.counter("connections_closed"));
    node.stop();
}

#[test]
fn a_declared_length_takes_no_memory_until_the_bytes_come() {
    let node = Node::start("declared", Settings::default());
    let before = resident_bytes();
    let streams: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = node.connect();
            stream.write_all(&(100i32 << 20).to_be_bytes()).expect("the node accepts bytes");
            stream.write_all(&[0; 100]).expect("the node accepts bytes");
            stream
        })
        .collect();
    let mut bystander = node.connect();
    bystander.write_all(&request(1)).expect("the node accepts bytes");
    assert_eq!(answer(&mut bystander), 1, "small requests are served beside large ones that do not come");
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes for {} declared frames", streams.len());
    drop(streams);
    node.stop();
}

#[test]
fn one_connection_too_many_is_closed_and_the_others_are_served() {
    let node = Node::start("limit", Settings { connections_max: Some(3), ..Settings::default() });
    let mut served: Vec<TcpStream> = (0..3).map(|_| node.connect()).collect();
    for stream in &mut served {
        stream.write_all(&request(1)).expect("the node reads");
        assert_eq!(answer(stream), 1);
    }
    expect_closed(&mut node.connect());
    drop(served.pop());
    // The place is free once the node has seen the end.
    let refused_at_first = (0..100).any(|_| {
        let mut stream = node.connect();
        let _ = stream.write_all(&request(2));
        let mut byte = [0];
        matches!(stream.read(&mut byte), Ok(1))
    });
    assert!(refused_at_first, "a free place is given again");
    node.stop();
}

#[test]
fn thousands_of_idle_connections_cost_little_each() {
    let node = Node::start("idle", Settings::default());
    let count = 2_000;
    raise_descriptor_limit(2 * count + 200);
    drop(node.connect());
    let before = resident_bytes();
    let mut streams: Vec<TcpStream> = (0..count).map(|_| node.connect()).collect();
    for stream in &mut streams {
        stream.write_all(&request(3)).expect("the node reads");
        assert_eq!(answer(stream), 3);
    }
    let each = resident_bytes().saturating_sub(before) / count as usize;
    assert!(each <= 8 << 10, "{each} bytes for each idle connection");
    println!("{each} bytes for each idle connection");
    node.stop();
    for stream in &mut streams {
        expect_closed(stream);
    }
}

#[test]
fn a_stop_answers_what_was_asked_and_lets_the_directory_go() {
    let node = Node::start("stop", Settings::default());
    let mut stream = node.connect();
    stream.write_all(&(0..50).flat_map(request).collect::<Vec<u8>>()).expect("the node reads");
    for expected in 0..50 {
        assert_eq!(answer(&mut stream), expected);
    }
    let address = node.address();
    node.stop();
    expect_closed(&mut stream);
    assert_eq!(TcpStream::connect(address).expect_err("nobody listens").kind(), ErrorKind::ConnectionRefused);
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = status.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

fn raise_descriptor_limit(wanted: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only read or write the structure they are given.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_cur.max(wanted).min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    assert!(limit.rlim_cur >= wanted, "the machine allows {} descriptors", limit.rlim_cur);
}
