//! `cargo sim`: lets the simulation of the store run for the seeds that the command line names.
//!
//! The simulation is a test, so that it runs wherever tests run, and a test takes no flags of its own. So this is a launcher: it
//! runs that test, built for release, with the variables that it reads.

use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo sim                            the seeds that the tests run
cargo sim --seed N                   that one alone, and what it has seen
cargo sim --seeds N [--first N]      so many, from 0 or from --first on";

const TEST: &str = "nothing_acknowledged_is_lost_and_nothing_gets_stuck_whatever_happens";

fn main() -> ExitCode {
    let mut variables = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let variable = match flag.as_str() {
            "--seed" => "RINGMAIN_SIM_SEED",
            "--seeds" => "RINGMAIN_SIM_SEEDS",
            "--first" => "RINGMAIN_SIM_FIRST",
            _ => return refuse(&format!("there is no `{flag}`")),
        };
        match arguments.next().filter(|value| value.parse::<u64>().is_ok()) {
            Some(value) => variables.push((variable, value)),
            None => return refuse(&format!("`{flag}` takes a number")),
        }
    }
    let is_set = |wanted: &str| variables.iter().any(|(variable, _)| *variable == wanted);
    if is_set("RINGMAIN_SIM_SEED") && variables.len() > 1 {
        return refuse("`--seed` names one seed, which goes with no other flag");
    }
    run(variables)
}

fn run(variables: Vec<(&str, String)>) -> ExitCode {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--release", "--package", "engine", "--test", "store", "--", "--nocapture", "--exact", TEST]);
    match cargo.envs(variables).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => refuse(&format!("cargo does not run: {error}")),
    }
}

fn refuse(why: &str) -> ExitCode {
    eprintln!("{why}\n\n{USAGE}");
    ExitCode::from(2)
}
