//! Looks whether a machine is set up for Ringmain and says what to change. It changes nothing.
//!
//! ```text
//! kernel, disk, network, topology  read, through root.rs
//!   -> rules (P): facts -> findings -> plan (P): script -> table (P)
//! ```
//! P = pure.

mod disk;
mod kernel;
mod network;
mod plan;
mod root;
mod rules;
mod table;
mod topology;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use root::Root;
use rules::Facts;

/// Looks whether this machine is set up for Ringmain.
#[derive(Parser)]
#[command(name = "tuning", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// A table of what is and what is wanted. Exit code 1 if something keeps the broker from starting.
    Check(Where),
    /// A shell script that would change what can be changed. Nothing is applied.
    Plan(Where),
}

#[derive(Args)]
struct Where {
    /// The broker's data directory; it need not exist.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// Read /sys and /proc below this directory, a captured copy; limits and trials of the machine are then left out.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let (place, is_plan) = match Cli::parse().command {
        Command::Check(place) => (place, false),
        Command::Plan(place) => (place, true),
    };
    let findings = rules::evaluate(&read(&place));
    if place.json {
        println!("{}", serde_json::to_string_pretty(&findings).expect("findings are plain data"));
    } else if is_plan {
        print!("{}", plan::script(&findings));
    } else {
        print!("{}", table::render(&findings));
    }
    // A plan that could be printed has succeeded, whatever it says.
    if !is_plan && plan::is_fatal(&findings) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn read(place: &Where) -> Facts {
    let root = Root::new(&place.root);
    Facts {
        kernel: kernel::read(&root),
        disk: disk::read(&root, &place.data),
        network: network::read(&root),
        topology: topology::read(&root),
    }
}
