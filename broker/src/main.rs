//! The `ringmain` binary: serves a node, and talks to one from the command line.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use broker::admin;
use broker::config::{Config, ConfigError, Durability, Settings};
use broker::embedded::{self, Remote};
use broker::metrics::limits::METRICS_OFF;
use broker::offline;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use tracing_subscriber::EnvFilter;

/// An event-streaming broker that speaks the Apache Kafka protocol.
#[derive(Parser)]
#[command(name = "ringmain", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a node until SIGTERM or SIGINT.
    ///
    /// Nothing needs to be configured: data goes to ./data, clients connect to 127.0.0.1:9092, every allowed core runs a
    /// shard, and a record is acknowledged when it is on stable storage. When the node is ready, one line on standard
    /// output says so; the trace goes to standard error. SIGUSR1 traces each shard's figures.
    Serve(ServeArgs),
    /// Create, list, describe, alter, enlarge or delete topics of a running cluster.
    Topic(admin::TopicArgs),
    /// Show or change settings of topics and brokers of a running cluster.
    Config(admin::ConfigArgs),
    /// List, describe, reset or delete consumer groups of a running cluster.
    Group(admin::GroupArgs),
    /// Show the nodes of a running cluster and what lies on them.
    Cluster(admin::ClusterArgs),
    /// List, set or delete quotas of clients of a running cluster.
    Quota(admin::QuotaArgs),
    /// Show where the requests of a running node spend their time, stage by stage.
    ///
    /// For example: ringmain latency --by stage --api Produce --over 10
    Latency(admin::LatencyArgs),
    /// Look into a data directory: list segments, decode files, verify every checksum.
    ///
    /// Reads the files of a stopped node and writes nothing. On a running node it warns that what it sees moves.
    Log(offline::LogArgs),
    /// Print a script with which the shell completes commands and flags.
    ///
    /// For example: ringmain completions bash > /etc/bash_completion.d/ringmain
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Args)]
struct ServeArgs {
    /// Directory for everything the node stores; made if it is missing [default: ./data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Address to accept Kafka clients on; port 0 takes a free one [default: 127.0.0.1:9092]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Address that clients are told to connect to [default: the one that is listened on]
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<String>,
    /// Cores to run on, one shard each; after another number of them than last time the start takes a little longer, as the logs are
    /// dealt out anew [default: all allowed cores]
    #[arg(long, value_name = "CORE", value_delimiter = ',')]
    cores: Option<Vec<usize>>,
    /// TOML file with settings under their Kafka names, for example "num.partitions" = 8; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// When produce requests are answered, for topics that do not set ringmain.durability [default: durable]
    #[arg(long, value_name = "WHEN")]
    durability: Option<Durability>,
    /// Memory of the whole node, in bytes [default: an eighth of the machine's]
    #[arg(long, value_name = "BYTES")]
    memory: Option<u64>,
    /// Journal of each shard, in MiB; it bounds the time of recovery [default: 512]
    #[arg(long, value_name = "MIB")]
    journal_mib: Option<u32>,
    /// What producing leaves free of the data's file system, in MiB; below it producers are told to try again later, while
    /// reading and deleting go on [default: a twentieth of the file system, 1024 at most]
    #[arg(long, value_name = "MIB")]
    disk_reserve_mib: Option<u32>,
    /// Where to serve metrics over HTTP (/metrics for Prometheus, /healthz, /readyz, and what `ringmain latency` shows); port 0 takes a
    /// free one, none turns it off [default: 127.0.0.1:9644]
    #[arg(long, value_name = "HOST:PORT")]
    metrics_listen: Option<String>,
    /// This node's id in the cluster [default: 1]
    #[arg(long, value_name = "ID")]
    node_id: Option<i32>,
    /// What to trace, in the syntax of RUST_LOG: error, warn, info, debug, or per module [default: info]
    #[arg(long, value_name = "FILTER")]
    log_level: Option<String>,
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(args) => serve(args),
        Command::Topic(args) => admin::topic(args),
        Command::Config(args) => admin::config(args),
        Command::Group(args) => admin::group(args),
        Command::Cluster(args) => admin::cluster(args),
        Command::Quota(args) => admin::quota(args),
        Command::Latency(args) => admin::latency(args),
        Command::Log(args) => offline::log(args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "ringmain", &mut std::io::stdout());
            ExitCode::SUCCESS
        }
    }
}

fn serve(args: ServeArgs) -> ExitCode {
    let config = match args.into_config() {
        Ok(config) => config,
        Err(error) => return fail(&error),
    };
    let filter = match EnvFilter::try_new(&config.trace_filter) {
        Ok(filter) => filter,
        Err(error) => return fail(&format!("log.level = {} is not understood: {error}", config.trace_filter)),
    };
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    // Signals are held before the shards start, so that their threads never see one.
    let signals = match Signals::new([SIGTERM, SIGINT, SIGUSR1]) {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot wait for signals: {error}")),
    };
    let running = match embedded::start(config) {
        Ok(running) => running,
        Err(error) => return fail(&error),
    };
    let remote = running.remote();
    thread::spawn(move || obey(signals, &remote));
    let (shards, in_ms) = (running.shard_count(), running.start_duration.as_millis());
    let metrics = running.metrics_address.map_or_else(|| METRICS_OFF.to_owned(), |address| address.to_string());
    println!("ready kafka={} shards={shards} in_ms={in_ms} metrics={metrics}", running.address);
    match running.wait() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Carries signals to the node. The first request to stop is obeyed in good order, the second at once.
fn obey(mut signals: Signals, remote: &Remote) {
    let mut stopping = false;
    for signal in signals.forever() {
        match signal {
            SIGUSR1 => remote.report(),
            _ if stopping => {
                eprintln!("ringmain: stopping at once; what was not acknowledged may be lost");
                std::process::exit(128 + signal);
            }
            _ => {
                tracing::info!(signal, "stopping; a second signal stops at once");
                stopping = true;
                remote.stop();
            }
        }
    }
}

impl ServeArgs {
    fn into_config(self) -> Result<Config, ConfigError> {
        let file = self.config.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
        let flags = Settings {
            node_id: self.node_id,
            data_dir: self.data,
            listen: self.listen,
            advertise: self.advertise,
            cores: self.cores,
            durability: self.durability,
            memory_bytes: self.memory,
            journal_mib: self.journal_mib,
            disk_reserve_mib: self.disk_reserve_mib,
            metrics_listen: self.metrics_listen,
            trace_filter: self.log_level,
            ..Settings::default()
        };
        Config::check(flags.over(file))
    }
}

fn fail(error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("ringmain: {error}");
    ExitCode::FAILURE
}
