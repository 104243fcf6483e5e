//! Flags to [`Options`], a [`crate::Report`] to text, files and an exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Parser, Subcommand, ValueEnum};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::compare::{Of, compare};
use crate::flags::{Flags, Output, options};
use crate::{Failure, Mode, Report};

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
    Produce(Flags),
    /// Consume what is there.
    Consume(Flags),
    /// Produce and consume, and measure the time from a record's due time to its consumer.
    E2e(Flags),
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
    let done = match Cli::parse().command {
        Some(Command::Produce(flags)) => load(Mode::Produce, &flags),
        Some(Command::Consume(flags)) => load(Mode::Consume, &flags),
        Some(Command::E2e(flags)) => load(Mode::EndToEnd, &flags),
        Some(Command::Compare { runs, html, of }) => put_beside(&runs, of, &html),
        None => load(Mode::Produce, &defaults()),
    };
    match done {
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

fn put_beside(runs: &[String], of: Option<OfFlag>, html: &Path) -> Result<Vec<String>, Failure> {
    let of = of.map(|of| match of {
        OfFlag::Ack => Of::Ack,
        OfFlag::E2e => Of::EndToEnd,
        OfFlag::Service => Of::Service,
    });
    print!("{}", compare(runs, of, html)?);
    Ok(Vec::new())
}

/// Runs a load, shows and keeps its figures, and gives what is wrong with them.
fn load(mode: Mode, flags: &Flags) -> Result<Vec<String>, Failure> {
    let options = options(mode, flags);
    stop_on_interrupt(&options.stop)?;
    let report = crate::run(options)?;
    keep(&report, &flags.output.named())?;
    Ok(report.outcome.complaints().collect())
}

fn keep(report: &Report, output: &Output) -> Result<(), Failure> {
    match output.json.as_deref() {
        Some(path) if path == Path::new("-") => println!("{}", report.to_json()),
        json => {
            print!("{report}");
            if let Some(path) = json {
                write(path, &report.to_json())?;
            }
        }
    }
    if let Some(path) = &output.hdr_out {
        for (suffix, text) in report.distributions() {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            write(Path::new(&name), &text)?;
        }
    }
    Ok(())
}

/// The first interrupt ends the run in order, so that a temporary directory does not stay behind; a second one kills.
fn stop_on_interrupt(stop: &Arc<AtomicBool>) -> std::io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 1, Arc::clone(stop))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

fn defaults() -> Flags {
    match Cli::parse_from(["loadgen", "produce"]).command {
        Some(Command::Produce(flags)) => flags,
        _ => unreachable!("produce was asked for"),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| Failure::Output { path: path.to_owned(), source })
}
