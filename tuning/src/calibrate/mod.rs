//! Measures the data disk: transfers, and what durability costs. SHELL: [`figures`] judges what was measured.
//!
//! Every load runs a few times for a moment; its median and its slowest and fastest repetition are kept.

#![expect(
    clippy::disallowed_methods,
    reason = "the file says when it was measured, and this thread has nothing else to do"
)]

pub mod figures;
mod files;
mod load;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use figures::{Calibration, GROUP, Point};
use files::Layout;
pub use files::Scratch;
pub use load::Measured;
use load::{Load, Op};

/// Times that each load is run; odd, for a median.
const REPETITIONS: usize = 3;
const TRANSFER_BYTES_SEQUENTIAL: usize = 128 << 10;
const TRANSFER_BYTES_RANDOM: usize = 4 << 10;
/// What an acknowledgement of a quiet broker writes.
const DURABLE_BYTES: usize = 16 << 10;
const FILES_MAX: usize = 8;
/// Long enough for many ticks of the kernel's accounting.
const BUSY_WATCH: Duration = Duration::from_millis(300);

/// How long and how large.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    is_quick: bool,
    repetition: Duration,
    transfer_span_bytes: u64,
    durable_span_bytes: u64,
    depths: &'static [usize],
    file_counts: &'static [usize],
    groups_kib: &'static [usize],
}

impl Extent {
    pub const QUICK: Extent = Extent {
        is_quick: true,
        repetition: Duration::from_millis(60),
        transfer_span_bytes: 128 << 20,
        durable_span_bytes: 16 << 20,
        depths: &[1, 4, 16, 64],
        file_counts: &[1, 8],
        groups_kib: &[16, 64, 256, 1024, 4096],
    };
    pub const FULL: Extent = Extent {
        is_quick: false,
        repetition: Duration::from_millis(400),
        transfer_span_bytes: 1 << 30,
        durable_span_bytes: 64 << 20,
        depths: &[1, 2, 4, 8, 16, 32, 64],
        file_counts: &[1, 2, 4, 8],
        groups_kib: &[4, 16, 64, 128, 256, 512, 1024, 2048, 4096],
    };

    /// Most space that is taken at once.
    pub fn space_bytes(&self) -> u64 {
        self.transfer_span_bytes.max(self.durable_span_bytes * FILES_MAX as u64)
    }
}

/// Measures the disk below `data`, a directory that exists. `device` is what to call it.
pub fn measure(data: &Path, device: &str, extent: &Extent, stop: &AtomicBool) -> io::Result<Calibration> {
    let scratch = Scratch::make(data)?;
    let busy_share = busy_share();
    let bench = Bench { scratch: &scratch, extent, stop };
    let mut points = bench.transfers()?;
    points.extend(bench.durability()?);
    points.extend(bench.groups()?);
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(Calibration {
        directory: data.display().to_string(),
        device: device.to_owned(),
        at_unix_s: since_1970.as_secs(),
        is_quick: extent.is_quick,
        busy_share,
        points,
    })
}

/// What others make of the CPUs while this waits.
fn busy_share() -> f64 {
    let stat = || std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let before = stat();
    std::thread::sleep(BUSY_WATCH);
    figures::busy_share(&before, &stat()).unwrap_or(0.0)
}

/// Small durable writes to one file for a time, as a broker does that answers one producer: the micro workload of `measure`.
pub fn durable_writes(data: &Path, time: Duration, stop: &AtomicBool) -> io::Result<Measured> {
    let scratch = Scratch::make(data)?;
    let span_bytes = Extent::QUICK.durable_span_bytes;
    let files = scratch.files(1, Layout::ZeroWritten, span_bytes, false)?;
    let load = Load { op: Op::WriteAndSync, bytes: DURABLE_BYTES, depth: 1, is_random: false, span_bytes, wraps: true };
    load::run(&files, &load, time, stop)
}

struct Bench<'a> {
    scratch: &'a Scratch,
    extent: &'a Extent,
    stop: &'a AtomicBool,
}

impl Bench<'_> {
    fn transfers(&self) -> io::Result<Vec<Point>> {
        let span_bytes = self.extent.transfer_span_bytes;
        let files = self.scratch.files(1, Layout::ZeroWritten, span_bytes, false)?;
        let mut points = Vec::new();
        for (op, verb) in [(Op::Write, "write"), (Op::Read, "read")] {
            for (is_random, bytes) in [(false, TRANSFER_BYTES_SEQUENTIAL), (true, TRANSFER_BYTES_RANDOM)] {
                for &depth in self.extent.depths {
                    let load = Load { op, bytes, depth, is_random, span_bytes, wraps: true };
                    let order = if is_random { "random" } else { "sequential" };
                    points.push(self.point(format!("{order} {verb}"), &load, || Ok(None), &files)?);
                }
            }
        }
        Ok(points)
    }

    fn durability(&self) -> io::Result<Vec<Point>> {
        let span_bytes = self.extent.durable_span_bytes;
        let mut points = Vec::new();
        for (is_dsync, verb) in [(false, "fdatasync"), (true, "O_DSYNC")] {
            for layout in [Layout::Appended, Layout::Preallocated, Layout::ZeroWritten] {
                for &count in self.extent.file_counts {
                    let load = Load {
                        op: if is_dsync { Op::Write } else { Op::WriteAndSync },
                        bytes: DURABLE_BYTES,
                        depth: 1,
                        is_random: false,
                        span_bytes,
                        wraps: layout == Layout::ZeroWritten,
                    };
                    let name = format!("durable, {verb}, {}, {count} files", layout.name());
                    // What was written once is no longer appended to, or unwritten: each repetition needs new files.
                    let fresh = || self.scratch.files(count, layout, span_bytes, is_dsync).map(Some);
                    points.push(self.point(name, &load, fresh, &[])?);
                }
            }
        }
        Ok(points)
    }

    fn groups(&self) -> io::Result<Vec<Point>> {
        let span_bytes = self.extent.durable_span_bytes;
        let files = self.scratch.files(1, Layout::ZeroWritten, span_bytes, false)?;
        let point = |kib: &usize| {
            let bytes = kib << 10;
            let load = Load { op: Op::WriteAndSync, bytes, depth: 1, is_random: false, span_bytes, wraps: true };
            self.point(GROUP.to_owned(), &load, || Ok(None), &files)
        };
        self.extent.groups_kib.iter().map(point).collect()
    }

    /// Runs a load on the files that `fresh` makes for each repetition, or on `files` where it makes none.
    fn point(
        &self,
        name: String,
        load: &Load,
        fresh: impl Fn() -> io::Result<Option<Vec<File>>>,
        files: &[File],
    ) -> io::Result<Point> {
        let mut depth = load.depth * files.len();
        let mut runs = Vec::new();
        for _ in 0..REPETITIONS {
            let made = fresh()?;
            let files = made.as_deref().unwrap_or(files);
            depth = load.depth * files.len();
            runs.push(load::run(files, load, self.extent.repetition, self.stop)?);
        }
        runs.sort_by(|a, b| a.operations_per_s.total_cmp(&b.operations_per_s));
        let Measured { operations_per_s, p50_us, p99_us } = runs[REPETITIONS / 2];
        Ok(Point {
            load: name,
            bytes: load.bytes as u64,
            depth: depth as u64,
            operations_per_s,
            operations_per_s_min: runs[0].operations_per_s,
            operations_per_s_max: runs[REPETITIONS - 1].operations_per_s,
            mb_per_s: operations_per_s * load.bytes as f64 / 1e6,
            p50_us,
            p99_us,
        })
    }
}
