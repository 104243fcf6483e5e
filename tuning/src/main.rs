//! Looks whether a machine is set up for Ringmain, changes it, and changes it back.
//!
//! ```text
//! kernel, disk, network, power, topology  read, through root.rs
//!   -> rules (P): facts -> findings -> table (P), plan (P): script
//!   -> apply: writes, and the state file that revert reads
//! ```
//! P = pure.

mod apply;
mod disk;
mod interrupts;
mod kernel;
mod network;
mod plan;
mod power;
mod root;
mod rules;
mod state;
mod table;
mod topology;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use apply::{ApplyError, Outcome};
use plan::{Finding, Severity};
use root::Root;
use rules::Facts;
use state::StateFile;

const EXIT_FAILED: u8 = 3;
/// The command line was not understood; EX_USAGE of sysexits.h, so that it is not taken for a verdict.
const EXIT_USAGE: u8 = 64;

/// Looks whether this machine is set up for Ringmain.
#[derive(Parser)]
#[command(name = "tuning", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 it is done, or all is well; 1 check has warnings; 2 check has found what keeps the \
                        broker from starting; 3 the command failed; 64 the command line is not understood."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A table of what is and what is wanted, why it matters and what to run.
    ///
    /// Exit codes: 0 all is well, 1 there are warnings, 2 something keeps the broker from starting.
    Check(Where),
    /// A shell script that does what can be changed by a command. Nothing is changed.
    Plan(Where),
    /// Write what plan shows, and keep what was there in a state file. Only root can.
    ///
    /// One file that cannot be written does not keep the others from being written; the exit code is 3 then.
    /// Settings end with the next boot.
    Apply(Apply),
    /// Put back what apply changed, byte for byte.
    Revert(Scratch),
    /// Copy what check reads of this machine into a directory, for --root: to show it to somebody else.
    Capture {
        /// The directory; made if it is missing.
        directory: PathBuf,
        /// The broker's data directory.
        #[arg(long, default_value = "./data")]
        data: PathBuf,
    },
}

#[derive(Args)]
struct Where {
    /// The broker's data directory; it need not exist.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// Read /sys and /proc below this directory, a captured copy; trials of the machine are then left out.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Apply {
    /// The broker's data directory; it need not exist.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    #[command(flatten)]
    place: Scratch,
    /// Change only what these tuners ask for.
    #[arg(long, value_name = "TUNER", value_delimiter = ',')]
    only: Vec<String>,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Where to change files.
#[derive(Args)]
struct Scratch {
    /// Change files below this directory, a captured copy.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// The state file [default: /run/ringmain-tuning.json, below --root]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

impl Scratch {
    fn state_file(&self) -> StateFile {
        StateFile::new(self.state.clone().unwrap_or_else(|| self.root.join(state::PATH.trim_start_matches('/'))))
    }
}

impl Where {
    fn findings(&self) -> Vec<Finding> {
        rules::evaluate(&read(&Root::new(&self.root), &self.data))
    }
}

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    match command {
        Command::Check(place) => check(&place),
        Command::Plan(place) => {
            let findings = place.findings();
            let text = if place.json { json(&findings) } else { plan::script(&findings) };
            print!("{text}");
            ExitCode::SUCCESS
        }
        Command::Apply(args) => report(apply(&args)),
        Command::Revert(place) => report(revert(&place)),
        Command::Capture { directory, data } => {
            read(&Root::capturing(directory), &data);
            ExitCode::SUCCESS
        }
    }
}

fn check(place: &Where) -> ExitCode {
    let findings = place.findings();
    let text = if place.json { json(&findings) } else { table::render(&findings) };
    print!("{text}");
    match plan::worst(&findings) {
        Severity::Ok | Severity::Info => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(1),
        Severity::Fatal => ExitCode::from(2),
    }
}

fn apply(args: &Apply) -> Result<Vec<Outcome>, ApplyError> {
    let root = Root::new(&args.place.root);
    let findings = apply::chosen(rules::evaluate(&read(&root, &args.data)), &args.only)?;
    if args.dry_run {
        let lines = findings.iter().flat_map(Finding::writes).map(plan::Write::line);
        return Ok(lines.map(|line| Outcome { line: format!("would run: {line}"), result: Ok(()) }).collect());
    }
    apply::require_root(&root)?;
    apply::apply(&root, &findings, &args.place.state_file())
}

fn revert(place: &Scratch) -> Result<Vec<Outcome>, ApplyError> {
    let root = Root::new(&place.root);
    apply::require_root(&root)?;
    apply::revert(&root, &place.state_file())
}

fn report(outcomes: Result<Vec<Outcome>, ApplyError>) -> ExitCode {
    let outcomes = match outcomes {
        Ok(outcomes) => outcomes,
        Err(error) => {
            eprintln!("tuning: {error}");
            return ExitCode::from(EXIT_FAILED);
        }
    };
    if outcomes.is_empty() {
        println!("nothing to change");
    }
    let mut code = ExitCode::SUCCESS;
    for Outcome { line, result } in &outcomes {
        match result {
            Ok(()) => println!("{line}"),
            Err(error) => {
                eprintln!("tuning: failed: {line}: {error}");
                code = ExitCode::from(EXIT_FAILED);
            }
        }
    }
    code
}

fn json(findings: &[Finding]) -> String {
    serde_json::to_string_pretty(findings).expect("findings are plain data") + "\n"
}

fn read(root: &Root, data: &std::path::Path) -> Facts {
    Facts {
        kernel: kernel::read(root),
        disk: disk::read(root, data),
        network: network::read(root),
        topology: topology::read(root),
        power: power::read(root),
    }
}
