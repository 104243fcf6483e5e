//! What calibration has found, as it is kept in its file; what changed since; what follows for the broker. Pure.
#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

use crate::table;

/// A change below this is not worth a word even where repetitions agree.
const DRIFT_SHARE_MIN: f64 = 0.10;
/// The chosen write group reaches this share of the best durable throughput.
const GROUP_SHARE_WANTED: f64 = 0.8;

/// The file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    pub directory: String,
    pub device: String,
    /// Seconds since 1970.
    pub at_unix_s: u64,
    pub is_quick: bool,
    /// The share of the CPUs that others used just before; a disk waits for CPUs as well.
    pub busy_share: f64,
    pub points: Vec<Point>,
}

/// One kind of load: the median of its repetitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Words that name it, as `durable fdatasync zero-written 8 files` or `group`.
    pub load: String,
    pub bytes: u64,
    /// Operations under way at once, over all files.
    pub depth: u64,
    pub operations_per_s: f64,
    /// The slowest and the fastest repetition.
    pub operations_per_s_min: f64,
    pub operations_per_s_max: f64,
    pub mb_per_s: f64,
    pub p50_us: f64,
    pub p99_us: f64,
}

impl Point {
    fn is_same_load(&self, other: &Point) -> bool {
        (&self.load, self.bytes, self.depth) == (&other.load, other.bytes, other.depth)
    }
}

/// The share of CPU time that was not idle between two texts of `/proc/stat`; none if they do not tell.
pub fn busy_share(before: &str, after: &str) -> Option<f64> {
    // user nice system idle iowait irq softirq steal, and two that are counted in the first two already.
    let ticks = |text: &str| -> Option<(f64, f64)> {
        let words = text.lines().next()?.strip_prefix("cpu ")?.split_whitespace().take(8);
        let ticks: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
        Some((ticks.iter().sum(), ticks.get(3)? + ticks.get(4)?))
    };
    let ((all_before, idle_before), (all_after, idle_after)) = (ticks(before)?, ticks(after)?);
    let all = all_after - all_before;
    (all > 0.0).then(|| 1.0 - (idle_after - idle_before) / all)
}

/// The points as a table.
pub fn render(calibration: &Calibration) -> String {
    let head = ["load", "KiB", "depth", "MB/s", "op/s", "min..max", "p50 us", "p99 us"].map(str::to_owned);
    let row = |point: &Point| {
        [
            point.load.clone(),
            (point.bytes >> 10).to_string(),
            point.depth.to_string(),
            format!("{:.1}", point.mb_per_s),
            format!("{:.0}", point.operations_per_s),
            format!("{:.0}..{:.0}", point.operations_per_s_min, point.operations_per_s_max),
            format!("{:.0}", point.p50_us),
            format!("{:.0}", point.p99_us),
        ]
    };
    let rows: Vec<[String; 8]> = std::iter::once(head).chain(calibration.points.iter().map(row)).collect();
    table::columns(&rows)
}

impl Calibration {
    /// Whether the figures of both were taken in the same way of the same disk.
    pub fn is_comparable(&self, other: &Calibration) -> bool {
        (&self.device, self.is_quick) == (&other.device, other.is_quick)
    }
}

/// A sentence for each load whose repetitions now all lie beyond those of `before`, by more than a tenth in the median.
pub fn drift(before: &Calibration, now: &Calibration) -> Vec<String> {
    let sentence = |point: &Point| -> Option<String> {
        let old = before.points.iter().find(|old| old.is_same_load(point))?;
        let share = point.operations_per_s / old.operations_per_s - 1.0;
        let is_apart = point.operations_per_s_max < old.operations_per_s_min
            || point.operations_per_s_min > old.operations_per_s_max;
        (is_apart && share.abs() > DRIFT_SHARE_MIN).then(|| {
            let Point { load, bytes, depth, operations_per_s, .. } = point;
            format!(
                "{load}, {} KiB, depth {depth}: {:.0} -> {operations_per_s:.0} op/s ({:+.0} %)",
                bytes >> 10,
                old.operations_per_s,
                share * 100.0
            )
        })
    };
    now.points.iter().filter_map(sentence).collect()
}

/// The smallest write group that reaches most of the best durable throughput: larger ones only make each record wait
/// longer. None if no group was measured.
pub fn group_bytes(calibration: &Calibration) -> Option<u64> {
    let groups = || calibration.points.iter().filter(|point| point.load == GROUP);
    let best = groups().map(|point| point.mb_per_s).fold(0.0, f64::max);
    groups().filter(|point| point.mb_per_s >= best * GROUP_SHARE_WANTED).map(|point| point.bytes).min()
}

/// The load that sizes write groups.
pub const GROUP: &str = "group, zero-written, fdatasync";

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration(points: &[(&str, u64, f64)]) -> Calibration {
        let point = |&(load, bytes, rate): &(&str, u64, f64)| Point {
            load: load.to_owned(),
            bytes,
            depth: 1,
            operations_per_s: rate,
            operations_per_s_min: rate * 0.9,
            operations_per_s_max: rate * 1.1,
            mb_per_s: rate * bytes as f64 / 1e6,
            p50_us: 1.0,
            p99_us: 2.0,
        };
        Calibration {
            directory: "/data".to_owned(),
            device: "vda".to_owned(),
            at_unix_s: 0,
            is_quick: true,
            busy_share: 0.0,
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn only_a_change_beyond_the_spread_of_both_runs_is_drift() {
        let before = calibration(&[("read", 4096, 100.0), ("write", 4096, 100.0), ("gone", 4096, 1.0)]);
        let now = calibration(&[("read", 4096, 85.0), ("write", 4096, 50.0), ("new", 4096, 1.0)]);
        assert_eq!(drift(&before, &now), ["write, 4 KiB, depth 1: 100 -> 50 op/s (-50 %)"]);
        assert!(drift(&before, &before).is_empty());
    }

    #[test]
    fn the_group_is_the_smallest_that_reaches_most_of_the_throughput() {
        let calibration = calibration(&[
            (GROUP, 64 << 10, 1000.0),
            (GROUP, 256 << 10, 900.0),
            (GROUP, 1 << 20, 250.0),
            ("other", 4096, 1e9),
        ]);
        assert_eq!(group_bytes(&calibration), Some(256 << 10));
    }

    #[test]
    fn time_that_is_idle_or_waits_for_a_disk_is_not_busy() {
        let before = "cpu  100 0 0 1000 0 0 0 0 0 0\ncpu0 1 1 1 1\n";
        let after = "cpu  125 0 0 1050 25 0 0 0 0 0\n";
        assert_eq!(busy_share(before, after), Some(0.25));
        assert_eq!(busy_share(before, before), None);
        assert_eq!(busy_share("", after), None);
    }

    #[test]
    fn the_file_reads_back_as_it_was_written() {
        let calibration = calibration(&[(GROUP, 4096, 12.5)]);
        let text = toml::to_string(&calibration).expect("plain data");
        assert_eq!(toml::from_str::<Calibration>(&text).expect("its own text"), calibration);
    }
}
