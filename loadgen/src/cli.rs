//! The command line: which command was asked for, and how the process ends.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands::{self, Complaints};
use crate::compare::{Of, compare};
use crate::flags::{BrokerFlags, Flags, Output, PeerFlags, seconds};
use crate::{Failure, Mode};

/// Loads a Kafka-protocol broker and shows how it answered. Without --bootstrap it starts a Ringmain broker in this
/// process on a temporary directory. Without a command it produces.
#[derive(Parser)]
#[command(name = "loadgen", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Produce, and measure the time to the acknowledgement.
    Produce {
        #[command(flatten)]
        flags: Flags,
        #[command(flatten)]
        peer: PeerFlags,
    },
    /// Consume what is there.
    Consume {
        #[command(flatten)]
        flags: Flags,
        #[command(flatten)]
        peer: PeerFlags,
    },
    /// Produce and consume, and measure the time from a record's due time to its consumer.
    E2e {
        #[command(flatten)]
        flags: Flags,
        #[command(flatten)]
        peer: PeerFlags,
    },
    /// Find the maximum, then measure latency from end to end at 50, 70 and 90 percent of it.
    Latency {
        #[command(flatten)]
        flags: Flags,
        /// Measure to the acknowledgement only, without consumers.
        #[arg(long)]
        ack_only: bool,
    },
    /// One producer, and several consumers that each read everything.
    Fanout(Flags),
    /// Fill a topic, then produce at a fixed rate alone, and beside a consumer that reads everything from the beginning.
    Backfill {
        #[command(flatten)]
        flags: Flags,
        /// Seconds of filling, as fast as it goes. Without --rate, three tenths of that speed are produced afterwards.
        #[arg(long, default_value = "5", value_parser = seconds)]
        fill: Duration,
    },
    /// Many connections, each of which sends a record now and then.
    Connections {
        #[command(flatten)]
        flags: Flags,
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=5000))]
        connections: u16,
        /// Seconds between two records of one connection; --rate says it for all together.
        #[arg(long, default_value = "10", value_parser = seconds)]
        every: Duration,
    },
    /// Load the streams of a TOML file, all at the same time; loadgen/workloads has an example with every key.
    Mixed {
        file: PathBuf,
        #[command(flatten)]
        broker: BrokerFlags,
        #[command(flatten)]
        output: Output,
    },
    /// Produce to a sink in this process that keeps nothing: what the generator itself can do.
    Sink(Flags),
    /// Put runs that were written with --save beside each other: a table, and a page with their curves.
    Compare {
        /// NAME of --save, or one of its files; LABEL=NAME calls it otherwise; A+B adds up two generators of one run. The
        /// others are held against the first.
        #[arg(required = true, num_args = 2..)]
        runs: Vec<String>,
        /// The page.
        #[arg(long, default_value = "compare.html")]
        html: PathBuf,
        /// Which latency [default: e2e where all runs have it, else ack].
        #[arg(long, value_enum)]
        of: Option<OfFlag>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum OfFlag {
    Ack,
    E2e,
    Service,
}

/// Runs what the process's arguments ask for.
pub fn main() -> ExitCode {
    let command = Cli::parse().command.or_else(|| Cli::parse_from(["loadgen", "produce"]).command);
    match run(command.expect("produce is a command")) {
        Ok(complaints) => {
            complaints.iter().for_each(|reason| eprintln!("loadgen: {reason}"));
            if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(failure) => {
            eprintln!("loadgen: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<Complaints, Failure> {
    match command {
        Command::Produce { flags, peer } => commands::load(Mode::Produce, &flags, &peer),
        Command::Consume { flags, peer } => commands::load(Mode::Consume, &flags, &peer),
        Command::E2e { flags, peer } => commands::load(Mode::EndToEnd, &flags, &peer),
        Command::Latency { flags, ack_only } => commands::latency(&flags, ack_only),
        Command::Fanout(flags) => commands::fan_out(&flags),
        Command::Backfill { flags, fill } => commands::catch_up(&flags, fill),
        Command::Connections { flags, connections, every } => {
            commands::connections(&flags, usize::from(connections), every)
        }
        Command::Mixed { file, broker, output } => commands::mixed(&file, &broker, &output),
        Command::Sink(flags) => commands::sink(&flags),
        Command::Compare { runs, html, of } => put_beside(&runs, of, &html),
    }
}

fn put_beside(runs: &[String], of: Option<OfFlag>, html: &Path) -> Result<Complaints, Failure> {
    let of = of.map(|of| match of {
        OfFlag::Ack => Of::Ack,
        OfFlag::E2e => Of::EndToEnd,
        OfFlag::Service => Of::Service,
    });
    print!("{}", compare(runs, of, html)?);
    Ok(Vec::new())
}
