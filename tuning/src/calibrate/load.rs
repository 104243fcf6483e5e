//! One kind of load on files for a moment, through io_uring. SHELL.

#![expect(clippy::disallowed_methods, reason = "this measures time")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use io_uring::{IoUring, opcode, squeue, types};

use crate::aligned::{BLOCK_BYTES, Block};

const RING_ENTRIES: u32 = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Read,
    Write,
    /// A write and, linked to it, a data sync: one operation.
    WriteAndSync,
}

/// What to do, to each of some files alike.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub op: Op,
    pub bytes: usize,
    /// Operations under way at once in each file.
    pub depth: usize,
    pub is_random: bool,
    /// The part of each file that is used.
    pub span_bytes: u64,
    /// Start over at the end of the span; otherwise the load ends there.
    pub wraps: bool,
}

/// What a load has shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    pub operations_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

/// An operation that is under way, or will be again.
struct Slot {
    file: usize,
    started: Instant,
    buffer: Vec<Block>,
}

/// Runs `load` for a time, or to the end of its span, or until `stop`.
pub fn run(files: &[File], load: &Load, time: Duration, stop: &AtomicBool) -> io::Result<Measured> {
    let mut ring: IoUring =
        IoUring::builder().setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun().build(RING_ENTRIES)?;
    let started = Instant::now();
    let slot = |index: usize| Slot {
        file: index % files.len(),
        started,
        buffer: pattern(index as u64 + 1, load.bytes / BLOCK_BYTES),
    };
    let mut slots: Vec<Slot> = (0..files.len() * load.depth).map(slot).collect();
    let mut positions = Positions::new(load, files.len());
    let mut under_way = 0;
    for index in 0..slots.len() {
        under_way += usize::from(begin(&mut ring, files, load, &mut slots, index, &mut positions)?);
    }
    let mut latencies_ns = Vec::new();
    while under_way > 0 {
        ring.submit_and_wait(1)?;
        let completions: Vec<(u64, i32)> = ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        for (user_data, result) in completions {
            check(user_data, result, load)?;
            let is_first_half = load.op == Op::WriteAndSync && user_data & 1 == 0;
            if is_first_half {
                continue;
            }
            let index = (user_data >> 1) as usize;
            latencies_ns.push(slots[index].started.elapsed().as_nanos() as u64);
            under_way -= 1;
            let is_over = started.elapsed() >= time || stop.load(Ordering::Relaxed);
            if !is_over && begin(&mut ring, files, load, &mut slots, index, &mut positions)? {
                under_way += 1;
            }
        }
    }
    if stop.load(Ordering::Relaxed) {
        return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped"));
    }
    Ok(measured(latencies_ns, started.elapsed()))
}

/// Neither the device nor the host below it shall find zeros to leave out.
fn pattern(seed: u64, blocks: usize) -> Vec<Block> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut block = Block([0; BLOCK_BYTES]);
    for word in block.0.chunks_exact_mut(8) {
        state = next_random(state);
        word.copy_from_slice(&state.to_le_bytes());
    }
    vec![block; blocks.max(1)]
}

/// Marsaglia's xorshift with 64 bits.
fn next_random(mut state: u64) -> u64 {
    state ^= state << 13;
    state ^= state >> 7;
    state ^ state << 17
}

/// Where the next operation of each file goes.
struct Positions {
    next: Vec<u64>,
    random: u64,
}

impl Positions {
    fn new(load: &Load, files: usize) -> Positions {
        assert!(load.span_bytes >= load.bytes as u64, "an operation fits the span");
        Positions { next: vec![0; files], random: 0x2545_f491_4f6c_dd1d }
    }

    /// None at the end of a span that does not wrap.
    fn take(&mut self, load: &Load, file: usize) -> Option<u64> {
        let operations = load.span_bytes / load.bytes as u64;
        if load.is_random {
            self.random = next_random(self.random);
            return Some(self.random % operations * load.bytes as u64);
        }
        let next = &mut self.next[file];
        if *next == operations {
            if !load.wraps {
                return None;
            }
            *next = 0;
        }
        *next += 1;
        Some((*next - 1) * load.bytes as u64)
    }
}

/// Queues the next operation of a slot; false if there is none left.
fn begin(
    ring: &mut IoUring,
    files: &[File],
    load: &Load,
    slots: &mut [Slot],
    index: usize,
    positions: &mut Positions,
) -> io::Result<bool> {
    let slot = &mut slots[index];
    let Some(position) = positions.take(load, slot.file) else { return Ok(false) };
    let (fd, bytes) = (types::Fd(files[slot.file].as_raw_fd()), load.bytes as u32);
    let user_data = (index as u64) << 1;
    let buffer = slot.buffer.as_mut_ptr().cast::<u8>();
    let write = || opcode::Write::new(fd, buffer, bytes).offset(position).build().user_data(user_data);
    let entries = match load.op {
        Op::Read => vec![opcode::Read::new(fd, buffer, bytes).offset(position).build().user_data(user_data)],
        Op::Write => vec![write()],
        Op::WriteAndSync => {
            let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build().user_data(user_data | 1);
            vec![write().flags(squeue::Flags::IO_LINK), sync]
        }
    };
    slot.started = Instant::now();
    // SAFETY: the buffer belongs to the slot, which lives until the ring is idle and has one operation at a time; the
    // files outlive the ring's operations as well, because `run` waits for all of them, or the ring is closed first.
    let pushed = unsafe { ring.submission().push_multiple(&entries) };
    pushed.map_err(|_| io::Error::other("the ring is too small for the load"))?;
    Ok(true)
}

fn check(user_data: u64, result: i32, load: &Load) -> io::Result<()> {
    let is_sync = user_data & 1 == 1;
    match result {
        0 if is_sync => Ok(()),
        moved if moved >= 0 && moved as usize == load.bytes => Ok(()),
        moved if moved >= 0 => Err(io::Error::other(format!("{moved} of {} bytes were moved", load.bytes))),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}

fn measured(mut latencies_ns: Vec<u64>, elapsed: Duration) -> Measured {
    latencies_ns.sort_unstable();
    let at = |share: f64| {
        let index = ((latencies_ns.len() as f64 * share) as usize).min(latencies_ns.len().saturating_sub(1));
        latencies_ns.get(index).map_or(0.0, |&ns| ns as f64 / 1e3)
    };
    Measured { operations_per_s: latencies_ns.len() as f64 / elapsed.as_secs_f64(), p50_us: at(0.5), p99_us: at(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load { op: Op::Read, bytes: 4096, depth: 1, is_random: false, span_bytes: 10_000, wraps: false };

    #[test]
    fn positions_stay_in_the_span_and_end_there_unless_they_wrap() {
        let take = |load: &Load| {
            let mut positions = Positions::new(load, 1);
            (0..3).map(|_| positions.take(load, 0)).collect::<Vec<_>>()
        };
        assert_eq!(take(&LOAD), [Some(0), Some(4096), None]);
        assert_eq!(take(&Load { wraps: true, ..LOAD }), [Some(0), Some(4096), Some(0)]);
        let random = take(&Load { is_random: true, ..LOAD });
        assert!(random.iter().all(|position| [Some(0), Some(4096)].contains(position)), "{random:?}");
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let measured = measured((1..=100).rev().map(|ms| ms * 1_000_000).collect(), Duration::from_secs(10));
        assert_eq!((measured.operations_per_s, measured.p50_us, measured.p99_us), (10.0, 51_000.0, 100_000.0));
    }

    #[test]
    fn what_is_written_and_synced_is_counted_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = File::create(directory.path().join("file")).expect("a file");
        let load = Load { op: Op::WriteAndSync, ..LOAD };
        let measured = run(&[file], &load, Duration::from_secs(1), &AtomicBool::new(false)).expect("a load");
        assert!(measured.operations_per_s > 0.0 && measured.p99_us >= measured.p50_us);
        assert_eq!(std::fs::metadata(directory.path().join("file")).expect("a file").len(), 8192);
    }
}
