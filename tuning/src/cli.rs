//! The command line as data.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::facts::Facts;
use crate::plan::Finding;
use crate::root::Root;
use crate::rules;
use crate::state::{self, StateFile};

/// Looks whether this machine is set up for Ringmain, changes it, and measures what that gave.
#[derive(Parser)]
#[command(name = "tuning", version, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 it is done, or all is well; 1 check has warnings, or calibrate has found drift; 2 check has \
                        found what keeps the broker from starting; 3 the command failed; 64 the command line is not \
                        understood."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// A table of what is and what is wanted, why it matters and what to run.
    ///
    /// Exit codes: 0 all is well, 1 there are warnings, 2 something keeps the broker from starting.
    Check(Where),
    /// A shell script that does what apply does, and names what only a person can do. Nothing is changed.
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
    /// Measure the data disk: transfers at several depths, and what durability costs.
    ///
    /// Takes about 10 s with --quick and 90 s without, and 128 MiB or 1 GiB of space, which it gives back. The figures
    /// go to a file; if there is one already, what changed by more than its spread and a tenth is printed, and the exit
    /// code is 1.
    Calibrate(Calibrate),
    /// Measure what one tuner gives: a load without and with it in turn, in percent with the spread. Only root can.
    ///
    /// Afterwards, and after an interrupt, the setting is as it was.
    Measure(Measure),
    /// Find the number of shards: run loadgen against ringmain in several layouts, show them side by side and pick one.
    Sweep(Sweep),
}

#[derive(Args)]
pub struct Where {
    /// The broker's data directory; it need not exist.
    #[arg(long, default_value = "./data")]
    data: PathBuf,
    /// Read /sys and /proc below this directory, a captured copy; trials of the machine are then left out.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

impl Where {
    pub fn findings(&self) -> Vec<Finding> {
        rules::evaluate(&Facts::read(&Root::new(&self.root), &self.data))
    }
}

#[derive(Args)]
pub struct Apply {
    /// The broker's data directory; it need not exist.
    #[arg(long, default_value = "./data")]
    pub data: PathBuf,
    #[command(flatten)]
    pub place: Scratch,
    /// Change only what these tuners ask for.
    #[arg(long, value_name = "TUNER", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Where to change files.
#[derive(Args)]
pub struct Scratch {
    /// Change files below this directory, a captured copy.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// The state file [default: /run/ringmain-tuning.json, below --root]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

impl Scratch {
    pub fn root(&self) -> Root {
        Root::new(&self.root)
    }

    pub fn state_file(&self) -> StateFile {
        self.state_file_or(state::PATH)
    }

    /// The file that was asked for, or else `path` below the root.
    pub fn state_file_or(&self, path: &str) -> StateFile {
        StateFile::new(self.state.clone().unwrap_or_else(|| self.root.join(path.trim_start_matches('/'))))
    }
}

#[derive(Args)]
pub struct Calibrate {
    /// The broker's data directory, or another one on the same disk; it must exist.
    #[arg(long, default_value = "./data")]
    pub data: PathBuf,
    /// Fewer depths and shorter repetitions.
    #[arg(long)]
    pub quick: bool,
    /// Where the figures go, and the figures of the last time are read from.
    #[arg(long, value_name = "FILE", default_value = "calibration.toml")]
    pub out: PathBuf,
    /// Set the size of write groups in this file, for ringmain serve --config; other lines of it stay.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set it also from figures that were taken while other work kept the CPUs busy.
    #[arg(long, requires = "config")]
    pub even_if_busy: bool,
}

#[derive(Args)]
pub struct Measure {
    /// As tuning check calls it, for example disk-scheduler.
    pub tuner: String,
    /// The broker's data directory; it must exist.
    #[arg(long, default_value = "./data")]
    pub data: PathBuf,
    #[command(flatten)]
    pub place: Scratch,
    /// How often to measure without and with the tuner.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub rounds: u16,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Load a broker through this loadgen program instead of writing small durable blocks.
    #[arg(long, value_name = "PROGRAM")]
    pub loadgen: Option<PathBuf>,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Sweep {
    /// A directory on the broker's disk; it must exist, and what is written there is removed.
    #[arg(long, default_value = ".")]
    pub data: PathBuf,
    /// Two seconds for each measurement and one repetition, instead of five and three.
    #[arg(long)]
    pub quick: bool,
    /// The ringmain program [default: the one beside this program]
    #[arg(long, value_name = "PROGRAM")]
    pub ringmain: Option<PathBuf>,
    /// The loadgen program [default: the one beside this program]
    #[arg(long, value_name = "PROGRAM")]
    pub loadgen: Option<PathBuf>,
    /// Set the cores in this file, for ringmain serve --config; other lines of it stay.
    #[arg(long, value_name = "FILE", default_value = "ringmain.toml")]
    pub config: PathBuf,
    /// JSON instead of text.
    #[arg(long)]
    pub json: bool,
}
