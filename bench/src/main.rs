//! Measures Ringmain as its users meet it: processes, loopback sockets, a real disk; and in the same run what the machine
//! itself can do, so that every figure is a ratio as well.
//!
//! ```text
//! bench list
//! bench run baseline [--smoke] [--rounds N] [--json FILE] [--data DIR] [--set SCENARIO.KNOB=VALUE]
//! bench curves [--seconds S] [--out DIR]
//! bench compare BEFORE.json AFTER.json
//! ```

mod binaries;
mod bypass;
mod ceilings;
mod client;
mod clock;
mod compare;
mod curves;
mod device;
mod failure;
mod load;
mod machine;
mod process;
mod report;
mod scenarios;
mod scrape;
mod stats;
mod syscalls;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use scenarios::Settings;

/// Measures Ringmain beside the ceilings of the machine.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Names the scenarios and what can be set in them.
    List,
    /// Runs scenarios one after the other. A missed target is a result: the exit code is 0 unless something failed to run.
    Run(RunFlags),
    /// Measures how cost grows with partitions, producers, message and batch size, connections and the size of the log, and
    /// writes curves.md, curves.svg and curves.json. A few minutes.
    Curves(CurveFlags),
    /// Puts two JSON files of runs beside each other, figure by figure.
    Compare {
        /// From `bench run --json`.
        before: PathBuf,
        after: PathBuf,
    },
}

#[derive(clap::Args)]
struct RunFlags {
    /// See `bench list`.
    #[arg(required = true)]
    scenarios: Vec<String>,
    /// Seconds only: shows that every path works.
    #[arg(long)]
    smoke: bool,
    /// Repetitions, interleaved; the tables show their median and spread [default: 3, with --smoke 1].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Write everything as JSON; a list with one report for each scenario.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Directory for the data, on the disk to be measured [default: bench-data in the target directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cores of the broker.
    #[arg(long, default_value = "0,1")]
    cores: String,
    /// SCENARIO.KNOB=VALUE; see `bench list`. May be repeated.
    #[arg(long)]
    set: Vec<String>,
    /// Take the binaries as they are, without asking cargo.
    #[arg(long)]
    no_build: bool,
}

#[derive(clap::Args)]
struct CurveFlags {
    /// Where the three files go.
    #[arg(long, default_value = "bench/results")]
    out: PathBuf,
    /// How long each step is loaded.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Two steps of each curve only: shows that every path works.
    #[arg(long)]
    smoke: bool,
    /// Directory for the data, on the disk to be measured [default: bench-data in the target directory].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Cores of the broker.
    #[arg(long, default_value = "0,1")]
    cores: String,
    /// Take the binaries as they are, without asking cargo.
    #[arg(long)]
    no_build: bool,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::List => {
            list();
            Ok(())
        }
        Command::Run(flags) => run(&flags),
        Command::Curves(flags) => curves(&flags),
        Command::Compare { before, after } => compare::compare(&before, &after).map(|text| print!("{text}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for scenario in scenarios::ALL {
        println!("{:<12} {}", scenario.name, scenario.about);
        for knob in scenario.knobs {
            println!("{:<12}   --set {}.{}={}: {}", "", scenario.name, knob.name, knob.default, knob.about);
        }
    }
}

fn run(flags: &RunFlags) -> Result<(), Failure> {
    let chosen = scenarios::choose(&flags.scenarios)?;
    if cfg!(debug_assertions) {
        eprintln!("bench: built without --release: the ceilings of memory and checksum will be far too low");
    }
    let knobs = scenarios::parse_knobs(&flags.set)?;
    let binaries = binaries::locate(!flags.no_build)?;
    let data_dir = flags.data.clone().unwrap_or_else(|| binaries.target_dir.join("bench-data"));
    let rounds = flags.rounds.map_or(if flags.smoke { 1 } else { 3 }, usize::from);
    let settings = Settings { binaries, data_dir, cores: flags.cores.clone(), rounds, smoke: flags.smoke, knobs };
    let mut reports = Vec::new();
    for scenario in chosen {
        let report = scenarios::run(scenario, &settings)?;
        println!("{report}");
        reports.push(report);
    }
    if let Some(path) = &flags.json {
        let text = serde_json::to_string_pretty(&reports).expect("reports are plain data");
        std::fs::write(path, text).map_err(Failure::machine(format!("writing {}", path.display())))?;
    }
    Ok(())
}

fn curves(flags: &CurveFlags) -> Result<(), Failure> {
    let binaries = binaries::locate(!flags.no_build)?;
    let data_dir = flags.data.clone().unwrap_or_else(|| binaries.target_dir.join("bench-data"));
    let (cores, smoke, knobs) = (flags.cores.clone(), flags.smoke, BTreeMap::new());
    let settings = Settings { binaries, data_dir, cores, rounds: 1, smoke, knobs };
    let curves = scenarios::curves::run(&settings, flags.seconds)?;
    let json = serde_json::to_string_pretty(&curves).expect("curves are plain data") + "\n";
    std::fs::create_dir_all(&flags.out).map_err(Failure::machine(format!("making {}", flags.out.display())))?;
    for (name, text) in [("curves.md", curves.page()), ("curves.svg", curves.svg()), ("curves.json", json)] {
        let path = flags.out.join(name);
        std::fs::write(&path, text).map_err(Failure::machine(format!("writing {}", path.display())))?;
    }
    print!("{}", curves.page());
    Ok(())
}
