//! The disk through io_uring and nothing else: durable sequential writes, and reads, both past the page cache.
//!
//! The file has been written with zeros before, as the broker's journal has: a write into it changes no metadata of the
//! file system, so this is the fastest durable write that the disk offers.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use io_uring::{IoUring, cqueue, opcode, squeue, types};

use super::{Effort, Figure};
use crate::clock::Stopwatch;
use crate::stats;

const MIB: usize = 1 << 20;
const WRITE_BYTES: [usize; 4] = [16 << 10, 64 << 10, 256 << 10, MIB];
const WRITE_DEPTHS: [usize; 2] = [1, 4];
const READ_DEPTHS: [usize; 3] = [1, 4, 8];

/// The writes of which the faster is the floor of a durable acknowledgement: on a core that others keep busy the kernel
/// completes an O_DSYNC write only when a time slice ends, after 4 ms, and a linked sync much earlier.
pub const SMALL_WRITES_P50: [&str; 2] =
    ["disk durable write 16 KiB qd 1, p50", "disk write, linked fdatasync 16 KiB qd 1, p50"];

/// Marks the completion of a sync, beside its slot.
const SYNC: u64 = 1 << 32;

/// One page of a buffer for direct I/O, which wants aligned memory.
#[repr(C, align(4096))]
#[derive(Clone)]
pub struct Page([u8; 4096]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Read,
    /// Into a file that is open with O_DSYNC.
    Write,
    /// With an fdatasync that the kernel starts when the write is done.
    WriteThenSync,
}

/// How one figure is measured.
#[derive(Clone, Copy)]
struct Load {
    direction: Direction,
    bytes: usize,
    depth: usize,
}

struct Outcome {
    mb_per_s: f64,
    latencies_us: Vec<f64>,
}

/// Removes the file when the measurement ends, however it ends.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Measures on a scratch file in `dir`.
pub fn measure(dir: &Path, effort: Effort) -> io::Result<Vec<Figure>> {
    assert!(effort.file_bytes.is_multiple_of(MIB as u64) && effort.file_bytes > 0, "the file is whole MiB");
    let scratch = Scratch(dir.join(format!("ceiling-{}.bin", std::process::id())));
    fill_with_zeros(&scratch.0, effort.file_bytes)?;
    let mut figures = Vec::new();
    let file = open(&scratch.0, libc::O_DIRECT | libc::O_DSYNC)?;
    for bytes in WRITE_BYTES {
        for depth in WRITE_DEPTHS {
            let load = Load { direction: Direction::Write, bytes, depth };
            figures.extend(described(load, run(&file, effort, load)?));
        }
    }
    let file = open(&scratch.0, libc::O_DIRECT)?;
    let load = Load { direction: Direction::WriteThenSync, bytes: WRITE_BYTES[0], depth: 1 };
    figures.extend(described(load, run(&file, effort, load)?));
    for depth in READ_DEPTHS {
        let load = Load { direction: Direction::Read, bytes: MIB, depth };
        figures.extend(described(load, run(&file, effort, load)?));
    }
    Ok(figures)
}

/// Whether a figure of this name is the rate of a durable write; the best of them bounds what can be acknowledged.
pub fn is_write_rate(name: &str) -> bool {
    name.starts_with("disk durable write") && !name.contains(", p")
}

/// Whether a figure of this name is the rate of a read.
pub fn is_read_rate(name: &str) -> bool {
    name.starts_with("disk read")
}

fn described(load: Load, mut outcome: Outcome) -> Vec<Figure> {
    let what = match load.direction {
        Direction::Write => "disk durable write",
        Direction::WriteThenSync => "disk write, linked fdatasync",
        Direction::Read => "disk read",
    };
    let name = format!("{what} {} KiB qd {}", load.bytes >> 10, load.depth);
    let mut figures = vec![Figure::new(name.clone(), "MB/s", outcome.mb_per_s)];
    if load.direction != Direction::Read && load.depth == 1 {
        figures.push(Figure::new(format!("{name}, p50"), "us", stats::percentile(&mut outcome.latencies_us, 0.5)));
        figures.push(Figure::new(format!("{name}, p99"), "us", stats::percentile(&mut outcome.latencies_us, 0.99)));
    }
    figures
}

fn open(path: &Path, flags: i32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// Makes a file of so many bytes, whole MiB, all of them written and on stable storage.
pub fn fill_with_zeros(path: &Path, file_bytes: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let zeros = vec![Page([0; 4096]); MIB / 4096];
    let file = OpenOptions::new().write(true).create_new(true).custom_flags(libc::O_DIRECT).open(path)?;
    for position in (0..file_bytes).step_by(MIB) {
        file.write_all_at(bytes_of(&zeros), position)?;
    }
    file.sync_all()
}

fn bytes_of(pages: &[Page]) -> &[u8] {
    // SAFETY: a Page is 4096 initialised bytes without padding, and the slice borrows the pages.
    unsafe { std::slice::from_raw_parts(pages.as_ptr().cast::<u8>(), std::mem::size_of_val(pages)) }
}

/// Keeps `depth` transfers in flight, one after the other through the file and round again, for the slice's time.
fn run(file: &File, effort: Effort, load: Load) -> io::Result<Outcome> {
    let mut ring: IoUring<squeue::Entry, cqueue::Entry> =
        IoUring::builder().setup_single_issuer().setup_coop_taskrun().setup_defer_taskrun().build(16)?;
    let mut buffers: Vec<Vec<Page>> = (0..load.depth).map(|slot| pages_for(load.bytes, slot as u8)).collect();
    let mut started = vec![Stopwatch::start(); load.depth];
    let mut position = 0;
    let mut queue = |ring: &mut IoUring<_, _>, slot: usize| {
        let entries = transfer(file, &mut buffers[slot], load, position, slot);
        position = (position + load.bytes as u64) % effort.file_bytes;
        // SAFETY: the buffer lives in `buffers` until every transfer has completed: the loop below ends only then.
        unsafe { ring.submission().push_multiple(&entries).expect("the queue is longer than the depth") };
        entries.len()
    };
    let watch = Stopwatch::start();
    let mut in_flight: usize = (0..load.depth).map(|slot| queue(&mut ring, slot)).sum();
    let (mut failed, mut latencies_us, mut ended) = (None, Vec::new(), Duration::ZERO);
    while in_flight > 0 {
        wait_for_one(&ring);
        let done: Vec<(u64, i32)> = ring.completion().map(|entry| (entry.user_data(), entry.result())).collect();
        for (what, result) in done {
            in_flight -= 1;
            let (slot, is_sync) = ((what & !SYNC) as usize, what & SYNC != 0);
            if let Err(error) = whole(result, if is_sync { 0 } else { load.bytes }) {
                failed = failed.or(Some(error));
            }
            // A transfer with a sync has ended with it, not before.
            if failed.is_some() || is_sync != (load.direction == Direction::WriteThenSync) {
                continue;
            }
            ended = watch.elapsed();
            latencies_us.push(started[slot].seconds() * 1e6);
            if ended < effort.slice {
                started[slot] = Stopwatch::start();
                in_flight += queue(&mut ring, slot);
            }
        }
    }
    let bytes = latencies_us.len() as f64 * load.bytes as f64;
    failed.map_or(Ok(Outcome { mb_per_s: bytes / 1e6 / ended.as_secs_f64(), latencies_us }), Err)
}

/// Hands over what is queued and sleeps until something is done. If the kernel refuses, transfers may be in flight whose
/// buffers must not be freed, so the process ends there and then.
pub fn wait_for_one(ring: &IoUring<squeue::Entry, cqueue::Entry>) {
    loop {
        match ring.submit_and_wait(1) {
            Ok(_) => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                eprintln!("bench: io_uring_enter: {error}");
                std::process::abort();
            }
        }
    }
}

/// The entries of one transfer. Links are sound here: both entries are queued before anything is handed over.
fn transfer(file: &File, buffer: &mut [Page], load: Load, position: u64, slot: usize) -> Vec<squeue::Entry> {
    let (fd, address, bytes) = (types::Fd(file.as_raw_fd()), buffer.as_mut_ptr().cast::<u8>(), load.bytes as u32);
    let write = || opcode::Write::new(fd, address, bytes).offset(position).build().user_data(slot as u64);
    match load.direction {
        Direction::Read => {
            vec![opcode::Read::new(fd, address, bytes).offset(position).build().user_data(slot as u64)]
        }
        Direction::Write => vec![write()],
        Direction::WriteThenSync => {
            let sync = opcode::Fsync::new(fd).flags(types::FsyncFlags::DATASYNC).build();
            vec![write().flags(squeue::Flags::IO_LINK), sync.user_data(slot as u64 | SYNC)]
        }
    }
}

/// What the kernel said about a transfer of so many bytes.
pub fn whole(result: i32, bytes: usize) -> io::Result<()> {
    match result {
        code if code < 0 => Err(io::Error::from_raw_os_error(-code)),
        count if count as usize == bytes => Ok(()),
        count => Err(io::Error::other(format!("{count} of {bytes} bytes were transferred"))),
    }
}

/// Bytes that no disk compresses away.
pub fn pages_for(bytes: usize, seed: u8) -> Vec<Page> {
    let mut state = u64::from(seed) + 1;
    let mut pages = vec![Page([0; 4096]); bytes / 4096];
    for byte in pages.iter_mut().flat_map(|page| page.0.iter_mut()) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    pages
}
