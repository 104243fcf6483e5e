//! Which layouts of shards and load generator are tried, and which is picked. Pure.
#![forbid(unsafe_code)]

use serde::Serialize;

use crate::table;

/// Of layouts that reach this share of the best throughput the one with the shortest tail is picked.
const THROUGHPUT_SHARE_GOOD: f64 = 0.95;

/// Where shards and load generator run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Layout {
    /// One shard on each.
    pub shard_cores: Vec<usize>,
    /// The generator may use all of them.
    pub generator_cores: Vec<usize>,
}

impl Layout {
    fn name(&self) -> String {
        let list = |cores: &[usize]| cores.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
        let clients =
            if self.generator_cores == self.shard_cores { "same".to_owned() } else { list(&self.generator_cores) };
        format!("shards on {}, clients on {clients}", list(&self.shard_cores))
    }
}

/// 1 to all `cores` as shards, the generator on the same cores and, while some are left, on the others. `is_quick` leaves
/// out numbers of shards that are not powers of two, but not the largest.
pub fn layouts(cores: &[usize], is_quick: bool) -> Vec<Layout> {
    let mut layouts = Vec::new();
    for count in 1..=cores.len() {
        if is_quick && !count.is_power_of_two() && count != cores.len() {
            continue;
        }
        let (shards, others) = cores.split_at(count);
        for generator in [shards, others] {
            if !generator.is_empty() {
                layouts.push(Layout { shard_cores: shards.to_vec(), generator_cores: generator.to_vec() });
            }
        }
    }
    layouts
}

/// A layout and what it reached: medians of the repetitions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    pub layout: Layout,
    pub mb_per_s: f64,
    pub records_per_s: f64,
    /// Due time to arrival at the consumer, at a rate that is the same for all layouts.
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    /// What the generator found wrong with its own figures.
    pub complaints: Vec<String>,
}

/// The row that is picked and the reason; none of no rows.
pub fn pick(rows: &[Row]) -> Option<(&Row, String)> {
    let best = rows.iter().max_by(|a, b| a.mb_per_s.total_cmp(&b.mb_per_s))?;
    let good = rows.iter().filter(|row| row.mb_per_s >= best.mb_per_s * THROUGHPUT_SHARE_GOOD);
    let picked = good.min_by(|a, b| a.p99_us.total_cmp(&b.p99_us))?;
    let reason = if picked == best {
        format!("highest throughput, {:.0} MB/s, and no other within 5 % of it has a lower p99", picked.mb_per_s)
    } else {
        format!(
            "{:.0} MB/s is within 5 % of the best, {:.0}, and its p99 of {:.0} us is the lowest of those",
            picked.mb_per_s, best.mb_per_s, picked.p99_us
        )
    };
    Some((picked, reason))
}

/// The rows side by side.
pub fn render(rows: &[Row], rate: u64) -> String {
    let latency = |name: &str| format!("{name} us at {rate}/s");
    let head = [
        "layout".to_owned(),
        "MB/s".to_owned(),
        "msg/s".to_owned(),
        latency("p50"),
        "p99".to_owned(),
        "p99.9".to_owned(),
    ];
    let row = |row: &Row| {
        [
            row.layout.name(),
            format!("{:.0}", row.mb_per_s),
            format!("{:.0}", row.records_per_s),
            format!("{:.0}", row.p50_us),
            format!("{:.0}", row.p99_us),
            format!("{:.0}", row.p999_us),
        ]
    };
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(row)).collect();
    let mut text = table::columns(&lines);
    for row in rows {
        row.complaints.iter().for_each(|complaint| text.push_str(&format!("{}: {complaint}\n", row.layout.name())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(shards: usize, mb_per_s: f64, p99_us: f64) -> Row {
        let cores: Vec<usize> = (0..shards).collect();
        let layout = Layout { shard_cores: cores.clone(), generator_cores: cores };
        Row {
            layout,
            mb_per_s,
            records_per_s: mb_per_s * 1e3,
            p50_us: 1.0,
            p99_us,
            p999_us: p99_us,
            complaints: vec![],
        }
    }

    #[test]
    fn the_generator_is_tried_on_the_same_cores_and_on_those_that_are_left() {
        let names: Vec<String> = layouts(&[0, 2], false).iter().map(Layout::name).collect();
        assert_eq!(
            names,
            ["shards on 0, clients on same", "shards on 0, clients on 2", "shards on 0,2, clients on same"]
        );
        let counts = |is_quick| {
            let mut counts: Vec<usize> =
                layouts(&[0, 1, 2, 3, 4, 5], is_quick).iter().map(|layout| layout.shard_cores.len()).collect();
            counts.dedup();
            counts
        };
        assert_eq!(counts(false), [1, 2, 3, 4, 5, 6]);
        assert_eq!(counts(true), [1, 2, 4, 6]);
    }

    #[test]
    fn of_layouts_with_about_the_best_throughput_the_shortest_tail_wins() {
        let rows = [row(1, 500.0, 900.0), row(2, 700.0, 2000.0), row(3, 690.0, 1000.0)];
        let (picked, reason) = pick(&rows).expect("a row");
        assert_eq!(picked.layout.shard_cores.len(), 3);
        assert!(reason.contains("within 5 % of the best, 700"), "{reason}");
        assert!(pick(&rows[..2]).expect("a row").1.starts_with("highest throughput, 700 MB/s"));
        assert!(pick(&[]).is_none());
    }
}
