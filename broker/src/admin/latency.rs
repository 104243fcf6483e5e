//! `ringmain latency`: where the requests of a running node spend their time.
//!
//! It asks the node's metrics endpoint, not its Kafka port: the Kafka protocol has no request for this, and a node whose Kafka side is
//! overloaded still tells. Histograms come whole, so that those of several shards are merged and differences taken here.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::latency_report::{self, Row};
use crate::metrics::latency::ApiLatency;
use crate::metrics::latency_wire::NodeLatency;
use crate::metrics::limits::METRICS_LISTEN_DEFAULT;

const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The node waits for its shards for less than this.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// No node's latencies take more.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Arguments of `ringmain latency`.
#[derive(Args, Debug)]
pub struct LatencyArgs {
    /// What the rows are: the stages of each API's requests, shards, or APIs
    #[arg(long, value_enum, default_value_t = By::Stage)]
    by: By,
    /// Only this API, by its Kafka name, for example Produce; may be given several times
    #[arg(long = "api", value_name = "API")]
    apis: Vec<String>,
    /// Only what is answered in so many seconds from now on [default: all since the node's start]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    over: Option<u64>,
    /// Write each row's histogram for HdrHistogram's plotter, in milliseconds, to FILE with the row's name behind it
    #[arg(long, value_name = "FILE")]
    hdr_out: Option<PathBuf>,
    /// Where the node serves its metrics: `metrics=` in the line that it printed when it was ready
    #[arg(long, value_name = "HOST:PORT", default_value = METRICS_LISTEN_DEFAULT)]
    metrics: String,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Stage,
    Shard,
    Api,
}

/// Why latencies cannot be shown. Each message is a sentence for the person at the command line.
#[derive(Debug, thiserror::Error)]
enum LatencyError {
    #[error(
        "cannot reach the metrics of a node at {address}: {source}; the node prints where they are when it is ready (--metrics HOST:PORT)"
    )]
    Unreachable { address: String, source: io::Error },
    #[error("the connection to {address} broke: {source}")]
    Broken { address: String, source: io::Error },
    #[error("{address} does not answer as a Ringmain node: {reason}")]
    NotOurs { address: String, reason: String },
    #[error("cannot write {}: {source}", path.display())]
    Unwritable { path: PathBuf, source: io::Error },
}

/// Carries out `ringmain latency`.
pub fn latency(args: LatencyArgs) -> ExitCode {
    match show(&args) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ringmain: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(args: &LatencyArgs) -> Result<String, LatencyError> {
    let mut shards = read(&args.metrics)?;
    if let Some(seconds) = args.over {
        wait(Duration::from_secs(seconds));
        shards = since(read(&args.metrics)?, &shards);
    }
    for apis in shards.values_mut() {
        apis.retain(|api, latency| is_wanted(args, api) && latency.total.count() > 0);
    }
    let rows = rows(args.by, &shards);
    if let Some(path) = &args.hdr_out {
        write_histograms(path, &rows)?;
    }
    Ok(match args.json {
        true => latency_report::json(&rows),
        false => latency_report::text(&rows, args.by == By::Stage),
    })
}

fn is_wanted(args: &LatencyArgs, api: &str) -> bool {
    args.apis.is_empty() || args.apis.iter().any(|wanted| wanted.eq_ignore_ascii_case(api))
}

type Shards = BTreeMap<u16, BTreeMap<String, ApiLatency>>;

fn read(address: &str) -> Result<Shards, LatencyError> {
    let body = get(address, "/latency")?;
    let told: NodeLatency = serde_json::from_str(&body)
        .map_err(|error| LatencyError::NotOurs { address: address.to_owned(), reason: error.to_string() })?;
    Ok(told.shards.iter().map(|shard| (shard.shard, shard.latencies())).collect())
}

/// One HTTP request. The node closes the connection behind its answer.
fn get(address: &str, path: &str) -> Result<String, LatencyError> {
    let unreachable = |source| LatencyError::Unreachable { address: address.to_owned(), source };
    let broken = |source| LatencyError::Broken { address: address.to_owned(), source };
    let not_ours = |reason: &str| LatencyError::NotOurs { address: address.to_owned(), reason: reason.to_owned() };
    let mut addresses = address.to_socket_addrs().map_err(unreachable)?;
    let resolved = addresses.next().ok_or_else(|| unreachable(io::Error::other("the host has no address")))?;
    let mut stream = TcpStream::connect_timeout(&resolved, CONNECT_WAIT).map_err(unreachable)?;
    stream.set_read_timeout(Some(ANSWER_WAIT)).map_err(broken)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").map_err(broken)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).map_err(broken)?;
    let answer = String::from_utf8(answer).map_err(|_| not_ours("its answer is no text"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| not_ours("its answer is not HTTP"))?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(not_ours(&format!("it says {status}")));
    }
    Ok(body.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "the command line has no core to hold up")]
fn wait(duration: Duration) {
    thread::sleep(duration);
}

/// What has come since `earlier`, unless the node was restarted meanwhile, which begins anew.
fn since(later: Shards, earlier: &Shards) -> Shards {
    let mut differences = Shards::new();
    for (shard, apis) in later {
        let before = earlier.get(&shard);
        let differ = |(api, latency): (String, ApiLatency)| {
            let difference = before.and_then(|before| before.get(&api)).map(|before| latency.since(before));
            (api, difference.unwrap_or(latency))
        };
        differences.insert(shard, apis.into_iter().map(differ).collect());
    }
    differences
}

fn rows(by: By, shards: &Shards) -> Vec<Row> {
    let mut rows = Vec::new();
    if by == By::Shard {
        for (shard, apis) in shards {
            rows.extend(apis.iter().map(|(api, latency)| Row::of_shard(api, *shard, &latency.total)));
        }
        rows.sort_by(|left, right| left.api.cmp(&right.api));
        return rows;
    }
    let mut merged: BTreeMap<&str, ApiLatency> = BTreeMap::new();
    for (api, latency) in shards.values().flatten() {
        merged.entry(api).or_default().add(latency);
    }
    for (api, latency) in &merged {
        if by == By::Stage {
            rows.extend(latency.stages().map(|(stage, told)| Row::of_stage(api, stage, told)));
        }
        rows.push(Row::of_api(api, &latency.total));
    }
    rows
}

fn write_histograms(path: &Path, rows: &[Row]) -> Result<(), LatencyError> {
    for row in rows {
        let mut name = path.to_owned().into_os_string();
        name.push(format!(".{}", row.file_suffix()));
        let path = PathBuf::from(name);
        std::fs::write(&path, row.distribution.percentile_text())
            .map_err(|source| LatencyError::Unwritable { path: path.clone(), source })?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}
