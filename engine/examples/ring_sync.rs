//! What a durable write costs through the ring, by method, size and polling budget, on a file of written extents.
//!
//! `cargo run --release -p engine --example ring_sync -- [DIRECTORY] [SECONDS]`

#![expect(clippy::disallowed_methods, reason = "a measurement looks at the clock")]

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use engine::memory::AlignedBuf;
use engine::ring::{Ring, RingConfig, SyncMethod, spawn_shard};

const FILE_BYTES: usize = 256 << 20;
const FILL_BYTES: usize = 4 << 20;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let directory = PathBuf::from(args.next().unwrap_or_else(|| ".".to_owned()));
    let seconds: u64 = args.next().map_or(1, |seconds| seconds.parse().expect("seconds are a number"));
    for poll_us in [0, 20] {
        let poll_before_sleep = Duration::from_micros(poll_us);
        let config = RingConfig { poll_before_sleep, ..RingConfig::default() };
        let path = directory.join("ring_sync.data");
        let shard = spawn_shard("sync", Some(1), config, move |ring| async move {
            println!("poll_before_sleep {poll_us} us");
            let result = measure(&ring, &path, Duration::from_secs(seconds)).await;
            result.and(ring.unlink(&path).await)
        })?;
        shard.join()??;
    }
    Ok(())
}

async fn measure(ring: &Ring, path: &std::path::Path, duration: Duration) -> io::Result<()> {
    let file = ring.open(path, libc::O_RDWR | libc::O_CREAT | libc::O_DIRECT, 0o600).await?;
    let mut fill = AlignedBuf::zeroed(FILL_BYTES);
    for position in (0..FILE_BYTES).step_by(FILL_BYTES) {
        let (result, buf) = ring.write_all_at(&file, fill, position as u64).await;
        result?;
        fill = buf;
    }
    ring.fsync(&file).await?;
    for bytes in [16 << 10, 128 << 10, 1 << 20] {
        for method in [SyncMethod::Dsync, SyncMethod::LinkedFsync] {
            let mut buf = AlignedBuf::zeroed(bytes);
            let mut latencies = Vec::new();
            let end = Instant::now() + duration;
            let mut position = 0;
            while Instant::now() < end {
                let start = Instant::now();
                let (result, returned) = ring.write_at_durable(&file, buf, position as u64, method).await;
                result?;
                buf = returned;
                latencies.push(start.elapsed().as_micros() as u32);
                position = (position + bytes) % FILE_BYTES;
            }
            report(bytes, method, duration, latencies);
        }
    }
    Ok(())
}

fn report(bytes: usize, method: SyncMethod, duration: Duration, mut latencies: Vec<u32>) {
    latencies.sort_unstable();
    let writes = latencies.len();
    let at = |share: f64| latencies[((writes - 1) as f64 * share) as usize];
    let rate = (writes * bytes) as f64 / duration.as_secs_f64() / 1e9;
    println!(
        "{:>4} KiB {method:?}: p50 {} p99 {} p99.9 {} max {} us, {rate:.3} GB/s",
        bytes >> 10,
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
