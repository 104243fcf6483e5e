//! What large batches would gain from going straight to their segment files, with only a reference in the journal: both ways
//! on the bare disk, through io_uring and nothing else, with the same batches.
//!
//! ```text
//! journal:  batches -> group of up to 1 MiB -> write + fdatasync -> ack       ... later: 256 KiB to 1 MiB to each segment
//! direct:   batches -> their blocks to each segment, write + fdatasync  \
//!                   -> a record of theirs to the journal, write + fdatasync +-> ack
//! ```
//! Batches lie back to back in a segment, so a batch's first block holds the end of the one before, which is acknowledged.
//! The direct way therefore writes that block again, keeps first and last block of each batch in the journal's record (the
//! write may tear), and has one write per file in flight: a second one would race with the first for the block they share.

mod direct;
mod files;
mod journal;
mod queue;

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::device::{Counts, Device};
use files::Files;
pub use files::Stock;

/// How acknowledged bytes get to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the engine does.
    Journal,
    /// Into extents that were reserved and never written: what a new segment is.
    DirectReserved,
    /// Into blocks that were written before: what a recycled segment would be.
    DirectRecycled,
    /// Into blocks that are written with zeros while the load runs, as journal files are.
    DirectZeroed,
}

/// A closed loop: every acknowledged batch is followed by another for the same partition.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub batch_bytes: u64,
    pub partitions: usize,
    /// Batches that have not been acknowledged, over all partitions.
    pub in_flight: usize,
    pub time: Duration,
}

/// What a load came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub bytes: u64,
    pub seconds: f64,
    pub acks_us: Vec<f64>,
    /// What the device did meanwhile.
    pub device: Counts,
}

/// Batches on their way, and those that arrived.
struct Tally {
    load: Load,
    watch: Stopwatch,
    bytes: u64,
    acks_us: Vec<f64>,
}

/// A batch that is not acknowledged yet.
#[derive(Clone, Copy, Debug)]
struct Batch {
    partition: usize,
    since: Stopwatch,
}

impl Tally {
    /// The batches that the loop starts with, spread over the partitions.
    fn first_batches(load: Load) -> impl Iterator<Item = Batch> {
        (0..load.in_flight).map(move |index| Batch { partition: index % load.partitions, since: Stopwatch::start() })
    }

    /// The batch that follows an acknowledged one, while there is time.
    fn acknowledge(&mut self, batch: Batch) -> Option<Batch> {
        self.bytes += self.load.batch_bytes;
        self.acks_us.push(batch.since.seconds() * 1e6);
        (self.watch.elapsed() < self.load.time).then(|| Batch { since: Stopwatch::start(), ..batch })
    }
}

/// Runs a load on files of its own in `dir`, which are removed again.
pub fn run(dir: &Path, stock: &Stock, way: Way, load: Load) -> io::Result<Outcome> {
    assert!(load.in_flight >= load.partitions, "every partition has something to do");
    let device = Device::below(dir);
    let files = Files::make(dir, stock, way, load)?;
    let before = device.counts();
    let mut tally = Tally { load, watch: Stopwatch::start(), bytes: 0, acks_us: Vec::new() };
    match way {
        Way::Journal => journal::run(&files, &mut tally)?,
        Way::DirectReserved | Way::DirectRecycled | Way::DirectZeroed => direct::run(&files, &mut tally)?,
    }
    let seconds = tally.watch.seconds();
    Ok(Outcome { bytes: tally.bytes, seconds, acks_us: tally.acks_us, device: device.counts().since(before) })
}
