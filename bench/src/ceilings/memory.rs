//! What one core does with bytes: the checksum of a batch and a copy.

use std::hint::black_box;

use super::{Effort, Figure};
use crate::clock::Stopwatch;

const BATCH_BYTES: usize = 64 << 10;
const COPY_BYTES: usize = 1 << 20;
/// Checksums of the hot batch; a few tens of milliseconds.
const HOT_ROUNDS: usize = 20_000;

/// Measures on one thread.
pub fn measure(effort: Effort) -> Vec<Figure> {
    let mut memory = vec![0x5a_u8; effort.cold_bytes];
    // Pages of fresh memory are only found on the first touch; that is not what is asked here.
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    let hot = &memory[..BATCH_BYTES];
    let watch = Stopwatch::start();
    for _ in 0..HOT_ROUNDS {
        black_box(batch::crc32c(black_box(hot)));
    }
    let hot_gb_per_s = gb_per_s(HOT_ROUNDS * BATCH_BYTES, watch);
    let watch = Stopwatch::start();
    for chunk in memory.chunks_exact(BATCH_BYTES) {
        black_box(batch::crc32c(black_box(chunk)));
    }
    let cold_gb_per_s = gb_per_s(memory.len(), watch);
    let half = memory.len() / 2;
    let (to, from) = memory.split_at_mut(half);
    let watch = Stopwatch::start();
    for (to, from) in to.chunks_exact_mut(COPY_BYTES).zip(from.chunks_exact(COPY_BYTES)) {
        black_box(&mut *to).copy_from_slice(black_box(from));
    }
    let copy_gb_per_s = gb_per_s(half, watch);
    vec![
        Figure::new("CRC-32C 64 KiB in cache", "GB/s", hot_gb_per_s),
        Figure::new("CRC-32C 64 KiB out of cache", "GB/s", cold_gb_per_s),
        Figure::new("memcpy 1 MiB out of cache", "GB/s", copy_gb_per_s),
    ]
}

fn gb_per_s(bytes: usize, watch: Stopwatch) -> f64 {
    bytes as f64 / 1e9 / watch.seconds()
}
