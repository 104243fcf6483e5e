//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::binaries;

/// Facts of the machine and the build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: f64,
    pub kernel: String,
    /// Type, device and options of the file system with the data.
    pub data_file_system: String,
    /// The sources' commit, with `+` where files differ from it.
    pub commit: String,
    /// Runnable tasks over the minute before the run: well above 0, and others shared the cores.
    pub load_1min: f64,
    /// The part of a run in which the hypervisor ran something else on our cores, in percent.
    pub steal_percent: f64,
}

/// The kernel's count of CPU time, for [`Machine::steal_percent`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CpuTicks {
    all: u64,
    stolen: u64,
}

/// Reads the facts; what cannot be read says so.
pub fn describe(data_dir: &Path) -> Machine {
    let cpuinfo = read("/proc/cpuinfo");
    let meminfo = read("/proc/meminfo");
    let memory_kib: f64 =
        field(&meminfo, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0.0);
    let mountinfo = read("/proc/self/mountinfo");
    let data_dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_path_buf());
    Machine {
        cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_gib: memory_kib / f64::from(1 << 20),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        data_file_system: mount_of(&mountinfo, &data_dir).unwrap_or_else(|| "unknown".to_owned()),
        commit: commit().unwrap_or_else(|| "unknown".to_owned()),
        load_1min: read("/proc/loadavg").split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
        steal_percent: 0.0,
    }
}

/// The count since the machine started.
pub fn cpu_ticks() -> CpuTicks {
    parse_ticks(&read("/proc/stat"))
}

/// The stolen part of the time between two counts, in percent.
pub fn steal_percent(before: CpuTicks, after: CpuTicks) -> f64 {
    let all = after.all.saturating_sub(before.all).max(1);
    100.0 * after.stolen.saturating_sub(before.stolen) as f64 / all as f64
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    Some(line.split_once(':')?.1.trim())
}

/// `cpu user nice system idle iowait irq softirq steal guest guest_nice`; the guest columns are part of the first two.
fn parse_ticks(stat: &str) -> CpuTicks {
    let line = stat.lines().next().unwrap_or_default();
    let columns: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|text| text.parse().ok()).collect();
    CpuTicks { all: columns.iter().sum(), stolen: columns.get(7).copied().unwrap_or(0) }
}

/// The mount with the longest mount point above `dir`; of equals the last, which covers the others.
fn mount_of(mountinfo: &str, dir: &Path) -> Option<String> {
    let parse = |line: &str| -> Option<(usize, String)> {
        let (left, right) = line.split_once(" - ")?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let point = Path::new(left.get(4)?);
        dir.starts_with(point).then(|| {
            let text = format!("{} on {} ({})", right.first().unwrap_or(&"?"), right.get(1).unwrap_or(&"?"), left[5]);
            (point.components().count(), text)
        })
    };
    mountinfo.lines().filter_map(parse).max_by_key(|&(depth, _)| depth).map(|(_, text)| text)
}

fn commit() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(binaries::workspace_dir()).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"])?;
    Some(format!("{}{}", git(&["rev-parse", "--short=12", "HEAD"])?, if changed.is_empty() { "" } else { "+" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_and_latest_mount_is_the_one_that_counts() {
        let mountinfo = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n\
                         30 27 0:9 / /data rw,noatime - xfs /dev/nvme0n1 rw\n\
                         31 27 0:9 / /database rw - tmpfs none rw\n";
        let found = |dir: &str| mount_of(mountinfo, Path::new(dir));
        assert_eq!(found("/data/x").as_deref(), Some("xfs on /dev/nvme0n1 (rw,noatime)"));
        assert_eq!(found("/srv").as_deref(), Some("ext4 on /dev/vda (rw,relatime)"));
    }

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        let before = parse_ticks("cpu  100 0 100 700 0 0 0 100 50 0\ncpu0 1 2 3");
        let after = parse_ticks("cpu  150 0 150 1490 0 0 0 110 50 0\n");
        assert_eq!(before, CpuTicks { all: 1000, stolen: 100 });
        assert!((steal_percent(before, after) - 10.0 * 100.0 / 900.0).abs() < 1e-9);
    }
}
