//! Looks whether a machine is set up for Ringmain, changes it and changes it back, and measures.
//!
//! ```text
//! kernel, disk, network, power, topology  read, through root.rs
//!   -> rules (P): facts -> findings -> table (P), plan (P): script
//!   -> apply: writes, and the state file that revert reads
//! calibrate: loads on the disk -> figures (P): file, drift, write group
//! measure: a load, apply, the load again, revert -> effects
//! sweep: brokers under load -> layout (P): table, pick
//! ```
//! P = pure.

mod aligned;
mod apply;
mod calibrate;
mod cli;
mod disk;
mod facts;
mod interrupts;
mod kernel;
mod loadgen_report;
mod measure;
mod network;
mod plan;
mod power;
mod root;
mod rules;
mod settings_file;
mod state;
mod sweep;
mod table;
mod topology;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use clap::Parser;
use signal_hook::consts::{SIGINT, SIGTERM};

use apply::Outcome;
use calibrate::figures::{self, Calibration};
use cli::{Cli, Command};
use facts::Facts;
use plan::{Finding, Severity};
use root::Root;

const EXIT_FAILED: u8 = 3;
/// The command line was not understood; EX_USAGE of sysexits.h, so that it is not taken for a verdict.
const EXIT_USAGE: u8 = 64;

/// With more of the CPUs in use by others, figures of the disk are also figures of the wait for a CPU.
const BUSY_SHARE_MAX: f64 = 0.2;

type Ended = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) => {
            // There is nobody to tell if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { 0 });
        }
    };
    let ended = match command {
        Command::Check(place) => Ok(check(&place)),
        Command::Plan(place) => {
            let findings = place.findings();
            print!("{}", if place.json { json(&findings) } else { plan::script(&findings) });
            Ok(ExitCode::SUCCESS)
        }
        Command::Apply(args) => apply(&args),
        Command::Revert(place) => revert(&place),
        Command::Capture { directory, data } => {
            Facts::read(&Root::capturing(directory), &data);
            Ok(ExitCode::SUCCESS)
        }
        Command::Calibrate(args) => calibrate(&args),
        Command::Measure(args) => measure(&args),
        Command::Sweep(args) => sweep(&args),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("tuning: {error}");
        ExitCode::from(EXIT_FAILED)
    })
}

fn check(place: &cli::Where) -> ExitCode {
    let findings = place.findings();
    print!("{}", if place.json { json(&findings) } else { table::render(&findings) });
    match plan::worst(&findings) {
        Severity::Ok | Severity::Info => ExitCode::SUCCESS,
        Severity::Warning => ExitCode::from(1),
        Severity::Fatal => ExitCode::from(2),
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("plain data") + "\n"
}

fn apply(args: &cli::Apply) -> Ended {
    let root = args.place.root();
    let findings = apply::chosen(rules::evaluate(&Facts::read(&root, &args.data)), &args.only)?;
    if args.dry_run {
        let lines = findings.iter().flat_map(Finding::writes).map(plan::Write::line);
        return Ok(report(lines.map(|line| Outcome { line: format!("would run: {line}"), result: Ok(()) }).collect()));
    }
    apply::require_root(&root)?;
    Ok(report(apply::apply(&root, &findings, &args.place.state_file())?))
}

fn revert(place: &cli::Scratch) -> Ended {
    let root = place.root();
    apply::require_root(&root)?;
    Ok(report(apply::revert(&root, &place.state_file())?))
}

fn report(outcomes: Vec<Outcome>) -> ExitCode {
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

fn calibrate(args: &cli::Calibrate) -> Ended {
    let extent = if args.quick { calibrate::Extent::QUICK } else { calibrate::Extent::FULL };
    let disk = disk::read(&Root::new("/"), &args.data);
    if disk.free_bytes.is_some_and(|free| free < 2 * extent.space_bytes()) {
        return Err(format!(
            "{} has too little free space: {} MiB are needed",
            args.data.display(),
            (2 * extent.space_bytes()) >> 20
        )
        .into());
    }
    let device = disk.device.map_or_else(|| "unknown".to_owned(), |device| device.name);
    let before: Option<Calibration> = match std::fs::read_to_string(&args.out) {
        Ok(text) => Some(toml::from_str(&text).map_err(|error| format!("{}: {error}", args.out.display()))?),
        Err(_) => None,
    };
    let now = calibrate::measure(&args.data, &device, &extent, &*stop_flag()?)?;
    print!("{}", figures::render(&now));
    std::fs::write(
        &args.out,
        format!("# Written by tuning calibrate; read by its next run.\n{}", toml::to_string(&now)?),
    )?;
    println!("\nwritten to {}", args.out.display());
    let is_busy = now.busy_share > BUSY_SHARE_MAX;
    if is_busy {
        println!(
            "{:.0} % of the CPUs were busy with other work: these figures are not those of a quiet machine",
            now.busy_share * 100.0
        );
    }
    if let Some(bytes) = figures::group_bytes(&now) {
        println!("write groups of {} KiB reach 80 % of the best durable throughput", bytes >> 10);
        if let Some(config) = &args.config {
            set_group(config, bytes, &device, is_busy, args.even_if_busy)?;
        }
    }
    let drift = match before {
        Some(before) if before.is_comparable(&now) => figures::drift(&before, &now),
        Some(_) => {
            println!("not compared with the figures before, which are of another disk or of other repetitions");
            Vec::new()
        }
        None => Vec::new(),
    };
    drift.iter().for_each(|sentence| println!("drift: {sentence}"));
    Ok(ExitCode::from(u8::from(!drift.is_empty())))
}

/// Figures of a busy machine say how long a disk waits for a CPU; a broker must not be sized by them unasked.
fn set_group(config: &Path, bytes: u64, device: &str, is_busy: bool, even_if_busy: bool) -> std::io::Result<()> {
    if is_busy && !even_if_busy {
        println!("not set in {}: run it on a quiet machine, or with --even-if-busy", config.display());
        return Ok(());
    }
    let why = format!("tuning calibrate on {device}{}", if is_busy { ", when other work kept it busy" } else { "" });
    settings_file::set(config, "journal.group.kib", &(bytes >> 10).to_string(), &why)?;
    println!("set in {}", config.display());
    Ok(())
}

fn measure(args: &cli::Measure) -> Ended {
    let root = args.place.root();
    apply::require_root(&root)?;
    let file = args.place.state_file_or(measure::STATE_PATH);
    if file.load()?.is_some() {
        return Err(
            format!("a measurement did not end: run tuning revert --state {} first", file.path().display()).into()
        );
    }
    let findings = rules::evaluate(&Facts::read(&root, &args.data));
    let findings = apply::chosen(findings, std::slice::from_ref(&args.tuner))?;
    if findings.iter().all(|finding| finding.writes().is_empty()) {
        return Err(format!("{} has nothing to change here, so that there is nothing to measure", args.tuner).into());
    }
    let data = args.data.clone();
    let workload = match &args.loadgen {
        Some(program) => measure::Workload::Loadgen { program: program.clone(), data },
        None => measure::Workload::DurableWrites { data },
    };
    let extent = (usize::from(args.rounds), Duration::try_from_secs_f64(args.seconds)?);
    let samples = measure::run(&root, &findings, &file, &workload, extent, &*stop_flag()?)?;
    let effects = measure::effects(&samples);
    print!("{}", if args.json { json(&effects) } else { measure::render(&args.tuner, &effects) });
    Ok(ExitCode::SUCCESS)
}

fn sweep(args: &cli::Sweep) -> Ended {
    let cores = rules::shard_cores(&topology::read(&Root::new("/")));
    let (seconds, repetitions) = if args.quick { (2.0, 1) } else { (5.0, 3) };
    let sweep = sweep::Sweep {
        ringmain: args.ringmain.clone().map_or_else(|| beside("ringmain"), Ok)?,
        loadgen: args.loadgen.clone().map_or_else(|| beside("loadgen"), Ok)?,
        data: args.data.clone(),
        seconds,
        repetitions,
    };
    let (rows, rate) = sweep.run(&sweep::layout::layouts(&cores, args.quick), &*stop_flag()?)?;
    let (picked, reason) = sweep::layout::pick(&rows).ok_or("this process may run on no core")?;
    let value = format!("{:?}", picked.layout.shard_cores);
    settings_file::set(&args.config, "cores", &value, &format!("tuning sweep: {reason}"))?;
    if args.json {
        print!(
            "{}",
            json(
                &serde_json::json!({ "rows": rows, "rate": rate, "cores": picked.layout.shard_cores, "reason": reason })
            )
        );
    } else {
        print!("{}\ncores = {value}: {reason}\nset in {}\n", sweep::layout::render(&rows, rate), args.config.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// A program that was installed together with this one.
fn beside(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.parent().unwrap_or(Path::new("/")).join(name);
    if path.exists() { Ok(path) } else { Err(format!("{} does not exist: pass --{name}", path.display())) }
}

/// Set by the first interrupt, so that what was made or changed is taken back. The second one kills.
fn stop_flag() -> std::io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}
