//! Latencies as rows: a table for people, JSON for programs. Pure.

use serde_json::json;

use super::table::table;
use crate::metrics::Stage;
use crate::metrics::latency::Distribution;

/// What a row is about, besides its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Requests from end to end, of all shards.
    Whole,
    Shard(u16),
    Stage(Stage),
}

/// The durations of an API's requests, or of a part of them.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) api: String,
    part: Part,
    pub(super) distribution: Distribution,
}

impl Row {
    pub(super) fn of_api(api: &str, distribution: &Distribution) -> Self {
        Self { api: api.to_owned(), part: Part::Whole, distribution: distribution.clone() }
    }

    pub(super) fn of_shard(api: &str, shard: u16, distribution: &Distribution) -> Self {
        Self { part: Part::Shard(shard), ..Self::of_api(api, distribution) }
    }

    pub(super) fn of_stage(api: &str, stage: Stage, distribution: &Distribution) -> Self {
        Self { part: Part::Stage(stage), ..Self::of_api(api, distribution) }
    }

    /// What stands behind the name of its file.
    pub(super) fn file_suffix(&self) -> String {
        match self.part {
            Part::Whole => format!("{}.hgrm", self.api),
            Part::Shard(shard) => format!("{}.shard-{shard}.hgrm", self.api),
            Part::Stage(stage) => format!("{}.{}.hgrm", self.api, stage.name()),
        }
    }

    fn quantiles_ms(&self) -> [f64; 4] {
        let at = |quantile| ms(self.distribution.quantile_ns(quantile) as f64);
        [at(0.5), at(0.99), at(0.999), ms(self.distribution.max_ns() as f64)]
    }
}

fn ms(ns: f64) -> f64 {
    ns / 1e6
}

pub(super) fn json(rows: &[Row]) -> String {
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let [p50, p99, p999, max] = row.quantiles_ms();
            let told = &row.distribution;
            let mut line = json!({
                "api": row.api, "requests": told.count(), "sum_ms": ms(told.sum_ns() as f64), "mean_ms": ms(told.mean_ns()),
                "p50_ms": p50, "p99_ms": p99, "p99_9_ms": p999, "max_ms": max,
            });
            match row.part {
                Part::Whole => {}
                Part::Shard(shard) => line["shard"] = json!(shard),
                Part::Stage(stage) => line["stage"] = json!(stage.name()),
            }
            line
        })
        .collect();
    serde_json::to_string_pretty(&lines).expect("numbers and names") + "\n"
}

/// One table, or with stages one for each API: there the means count all requests of the API, so that they add up.
pub(super) fn text(rows: &[Row], has_stages: bool) -> String {
    if rows.is_empty() {
        return "no request was answered\n".to_owned();
    }
    if !has_stages {
        return plain(rows);
    }
    let tables: Vec<String> = rows.chunk_by(|row, next| row.api == next.api).map(staged).collect();
    tables.join("\n")
}

fn plain(rows: &[Row]) -> String {
    let cells: Vec<[String; 8]> = rows
        .iter()
        .map(|row| {
            let shard = match row.part {
                Part::Shard(shard) => shard.to_string(),
                Part::Whole | Part::Stage(_) => "all".to_owned(),
            };
            let [p50, p99, p999, max] = row.quantiles_ms().map(figure);
            let (count, mean) = (row.distribution.count().to_string(), figure(ms(row.distribution.mean_ns())));
            [row.api.clone(), shard, count, mean, p50, p99, p999, max]
        })
        .collect();
    table(["api", "shard", "requests", "mean ms", "p50", "p99", "p99.9", "max"], &cells)
}

fn staged(rows: &[Row]) -> String {
    let whole = rows.iter().find(|row| row.part == Part::Whole).expect("an API has a row of its own");
    let (requests, whole_ns) = (whole.distribution.count() as f64, whole.distribution.sum_ns() as f64);
    let cells = |row: &Row, name: &str, meaning: &str| -> [String; 9] {
        let sum_ns = row.distribution.sum_ns() as f64;
        let [p50, p99, p999, max] = row.quantiles_ms().map(figure);
        let share = format!("{:.1} %", 100.0 * sum_ns / whole_ns.max(1.0));
        let count = row.distribution.count().to_string();
        [name.to_owned(), count, share, figure(ms(sum_ns / requests)), p50, p99, p999, max, meaning.to_owned()]
    };
    let mut lines = Vec::new();
    let mut stages_ns = 0.0;
    for row in rows {
        if let Part::Stage(stage) = row.part {
            stages_ns += row.distribution.sum_ns() as f64;
            lines.push(cells(row, stage.name(), stage.meaning()));
        }
    }
    lines.push(cells(whole, "end to end", "from the request's last byte to the answer's"));
    let head = ["stage", "requests", "share", "mean ms", "p50", "p99", "p99.9", "max", ""];
    let share = 100.0 * stages_ns / whole_ns.max(1.0);
    let sum =
        format!("the stages sum to {} ms a request, {share:.1} % of end to end\n", figure(ms(stages_ns / requests)));
    format!("{}\n{}{sum}", whole.api, table(head, &lines))
}

fn figure(ms: f64) -> String {
    format!("{ms:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values_us: &[u64]) -> Distribution {
        let mut distribution = Distribution::default();
        values_us.iter().for_each(|us| distribution.record(us * 1000));
        distribution
    }

    #[test]
    fn the_means_of_stages_count_every_request_so_that_they_add_up() {
        let rows = [
            Row::of_stage("Produce", Stage::Decode, &of(&[100, 100])),
            Row::of_stage("Produce", Stage::MeshOut, &of(&[600])),
            Row::of_api("Produce", &of(&[100, 700])),
        ];
        let text = text(&rows, true);
        let line = |name: &str| -> Vec<String> {
            let line =
                text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
            line[name.len()..].split_whitespace().take(4).map(str::to_owned).collect()
        };
        assert_eq!(line("decode"), ["2", "25.0", "%", "0.100"]);
        assert_eq!(line("mesh_out"), ["1", "75.0", "%", "0.300"]);
        assert_eq!(line("end to end"), ["2", "100.0", "%", "0.400"]);
        assert!(text.ends_with("the stages sum to 0.400 ms a request, 100.0 % of end to end\n"), "{text}");
    }

    #[test]
    fn nothing_answered_is_said_and_files_are_named_after_their_rows() {
        assert_eq!(text(&[], true), "no request was answered\n");
        let names = [
            Row::of_api("Fetch", &of(&[1])).file_suffix(),
            Row::of_shard("Fetch", 1, &of(&[1])).file_suffix(),
            Row::of_stage("Fetch", Stage::LongPoll, &of(&[1])).file_suffix(),
        ];
        assert_eq!(names, ["Fetch.hgrm", "Fetch.shard-1.hgrm", "Fetch.long_poll.hgrm"]);
    }
}
