//! What the block device under the data was asked to do, as the kernel counts it: by everybody who uses it, not the broker alone.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::clock::Stopwatch;
use crate::failure::Failure;

/// Counts since the machine started. (`Documentation/admin-guide/iostats.rst` of the kernel)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    writes: u64,
    syncs: u64,
}

/// Requests per second over a stretch of time.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    pub writes_per_s: f64,
    /// Requests to empty the device's cache.
    pub syncs_per_s: f64,
}

/// A stretch of time in which requests are counted.
pub struct Counting {
    device: (u32, u32),
    before: Option<Counts>,
    watch: Stopwatch,
}

impl Counting {
    /// Begins to count what goes to the device that `dir` lies on.
    pub fn start(dir: &Path) -> Result<Counting, Failure> {
        let meta = fs::metadata(dir).map_err(Failure::machine(format!("looking at {}", dir.display())))?;
        let device = (libc::major(meta.dev()), libc::minor(meta.dev()));
        Ok(Counting { device, before: counts(device), watch: Stopwatch::start() })
    }

    /// What it came to since the start; nothing where the file system has no block device of its own.
    pub fn rates(&self) -> Option<Rates> {
        let (before, after) = (self.before?, counts(self.device)?);
        let per_second = |before: u64, after: u64| after.saturating_sub(before) as f64 / self.watch.seconds();
        let writes_per_s = per_second(before.writes, after.writes);
        Some(Rates { writes_per_s, syncs_per_s: per_second(before.syncs, after.syncs) })
    }
}

fn counts(device: (u32, u32)) -> Option<Counts> {
    parse(&fs::read_to_string("/proc/diskstats").ok()?, device)
}

/// Columns 1 and 2 are the device's number, 8 the writes, 19 the cache flushes, all counted from 1.
fn parse(stats: &str, (major, minor): (u32, u32)) -> Option<Counts> {
    let mut lines = stats.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_it = |fields: &Vec<&str>| {
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok());
        number(0) == Some(major) && number(1) == Some(minor)
    };
    let fields = lines.find(is_it)?;
    let count = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
    Some(Counts { writes: count(7)?, syncs: count(18)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_device_is_read() {
        let stats = "   7       0 loop0 1 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n 254       0 vda 10 1 80 5 42 3 900 6 0 7 8 0 0 0 0 77 4\n";
        assert_eq!(parse(stats, (254, 0)), Some(Counts { writes: 42, syncs: 77 }));
        assert_eq!(parse(stats, (8, 0)), None);
    }
}
