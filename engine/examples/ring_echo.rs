//! How fast one shard answers small requests, and what it costs when idle.
//!
//! One shard echoes 1 KiB messages over loopback to a client thread that drives its connections with epoll. Prints requests
//! per second, latency, CPU time of the shard's thread per request, and the ring's counters; then the CPU of an idle second.
//!
//! `cargo run --release -p engine --example ring_echo -- [CONNECTIONS] [SECONDS] [POLL_US] [SERVER_CORE] [CLIENT_CORE]`

#![expect(clippy::disallowed_methods, reason = "a measurement looks at the clock, and its client thread may sleep")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use engine::ring::{Part, Ring, RingConfig, RingStats, Socket, spawn, spawn_shard};

const MESSAGE_BYTES: usize = 1024;
const IDLE: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let args: Vec<u64> = std::env::args().skip(1).map(|arg| arg.parse().expect("arguments are numbers")).collect();
    let arg = |index: usize, default: u64| args.get(index).copied().unwrap_or(default);
    let (connections, seconds, poll_us) = (arg(0, 64) as usize, arg(1, 3), arg(2, 20));
    let (server_core, client_core) = (arg(3, 0) as usize, arg(4, 1) as usize);

    let config = RingConfig { poll_before_sleep: Duration::from_micros(poll_us), ..RingConfig::default() };
    let (address_sender, address) = mpsc::channel();
    let (sample_request, sample_requests) = mpsc::channel::<()>();
    let (sample_sender, samples) = mpsc::channel();
    let shard = spawn_shard("echo", Some(server_core), config, move |ring| async move {
        let listener = ring.listen(SocketAddr::from(([127, 0, 0, 1], 0)), 1024).expect("listening works");
        address_sender.send(listener.local_addr().expect("it is bound")).expect("main waits");
        spawn(async move {
            while let Ok(socket) = listener.accept().await {
                spawn(echo(socket));
            }
        });
        sample_on_demand(ring, sample_requests, sample_sender).await;
    })?;
    let address = address.recv().expect("the shard listens");
    let waker = shard.waker();
    let sample = || {
        sample_request.send(()).expect("the shard runs");
        waker.wake();
        samples.recv().expect("the shard answers")
    };

    pin_to(client_core);
    let (before, stats_before) = sample();
    let latencies = drive_clients(address, connections, Duration::from_secs(seconds))?;
    let (after, stats_after) = sample();
    report(connections, seconds, after - before, (stats_before, stats_after), latencies);

    let (before, stats_before): (Duration, RingStats) = sample();
    std::thread::sleep(IDLE);
    let (after, stats_after) = sample();
    let share = (after - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    println!("idle: {share:.3} % of a core, {} sleeps a second", (stats_after.sleeps - stats_before.sleeps) / 2);
    drop(sample_request);
    waker.wake();
    shard.join()
}

async fn echo(socket: Socket) {
    let mut parts = vec![Part::Owned(Vec::with_capacity(MESSAGE_BYTES))];
    let mut missing = MESSAGE_BYTES;
    while let Ok(chunk) = socket.recv_provided().await {
        if chunk.is_empty() {
            return;
        }
        let Part::Owned(answer) = &mut parts[0] else { unreachable!("it was made as owned") };
        answer.extend_from_slice(&chunk);
        missing = missing.saturating_sub(chunk.len());
        drop(chunk);
        if missing > 0 {
            continue;
        }
        let (sent, returned) = socket.send_all(parts).await;
        if sent.is_err() {
            return;
        }
        parts = returned;
        let Part::Owned(answer) = &mut parts[0] else { unreachable!("it was made as owned") };
        answer.clear();
        missing = MESSAGE_BYTES;
    }
}

/// Answers each request with the thread's CPU time and the ring's counters. Ends when the requester is gone.
async fn sample_on_demand(ring: Ring, requests: mpsc::Receiver<()>, answers: mpsc::Sender<(Duration, RingStats)>) {
    loop {
        match requests.try_recv() {
            Ok(()) => answers.send((thread_cpu(), ring.stats())).expect("main waits"),
            Err(mpsc::TryRecvError::Empty) => ring.sleep(Duration::from_millis(200)).await,
            Err(mpsc::TryRecvError::Disconnected) => return,
        }
    }
}

fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` has room for the answer and outlives the call.
    let called = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(called, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn pin_to(core: usize) {
    // SAFETY: all zero bytes are a valid empty set, and `set` outlives the calls.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set), 0);
    }
}

/// Keeps one message in flight on every connection. Returns the latencies in microseconds, unsorted.
fn drive_clients(address: SocketAddr, connections: usize, duration: Duration) -> io::Result<Vec<u32>> {
    // SAFETY: the call takes no pointers.
    let epoll = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
    assert!(epoll >= 0);
    let mut clients = BTreeMap::new();
    let message = [7_u8; MESSAGE_BYTES];
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let fd = stream.as_raw_fd();
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: fd as u64 };
        // SAFETY: both descriptors are open and `event` outlives the call.
        assert_eq!(unsafe { libc::epoll_ctl(epoll, libc::EPOLL_CTL_ADD, fd, &raw mut event) }, 0);
        stream.write_all(&message)?;
        clients.insert(fd as u64, (stream, Instant::now(), 0_usize));
    }
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut buffer = [0_u8; MESSAGE_BYTES];
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
    let end = Instant::now() + duration;
    while Instant::now() < end {
        // SAFETY: `events` has room for as many as are asked for.
        let ready = unsafe { libc::epoll_wait(epoll, events.as_mut_ptr(), events.len() as i32, 100) };
        for event in &events[..ready.max(0) as usize] {
            let (stream, sent, received) = clients.get_mut(&{ event.u64 }).expect("only clients are watched");
            *received += stream.read(&mut buffer)?;
            if *received < MESSAGE_BYTES {
                continue;
            }
            latencies.push(sent.elapsed().as_micros() as u32);
            (*sent, *received) = (Instant::now(), 0);
            stream.write_all(&message)?;
        }
    }
    // SAFETY: the descriptor is ours and closed once.
    unsafe { libc::close(epoll) };
    Ok(latencies)
}

fn report(connections: usize, seconds: u64, cpu: Duration, stats: (RingStats, RingStats), mut latencies: Vec<u32>) {
    latencies.sort_unstable();
    let requests = latencies.len();
    let at = |share: f64| latencies[((requests - 1) as f64 * share) as usize];
    let per_request = |before: u64, after: u64| (after - before) as f64 / requests as f64;
    let (before, after) = stats;
    println!(
        "{connections} connections, {MESSAGE_BYTES} B: {} req/s, p50 {} p99 {} p99.9 {} us, {:.2} us CPU a request, {:.2} of a core",
        requests as u64 / seconds,
        at(0.5),
        at(0.99),
        at(0.999),
        cpu.as_secs_f64() * 1e6 / requests as f64,
        cpu.as_secs_f64() / seconds as f64,
    );
    println!(
        "a request: {:.2} enters, {:.2} entries, {:.2} completions, {:.2} sleeps, {:.2} receives, {:.2} sends; {} buffer waits",
        per_request(before.enters, after.enters),
        per_request(before.sqes, after.sqes),
        per_request(before.cqes, after.cqes),
        per_request(before.sleeps, after.sleeps),
        per_request(before.recvs, after.recvs),
        per_request(before.sends, after.sends),
        after.recv_buffer_waits - before.recv_buffer_waits,
    );
}
