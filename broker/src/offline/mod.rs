//! The command line that looks into a data directory, without a node: `ringmain log`. It reads and never writes, but for `rebuild` where
//! it is told to.

mod dump;
mod names;
mod rebuild;
mod segments;
mod verify;

use std::fs::{File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use engine::Generation;
use engine::disk::generations;
use engine::inspect::{self, InspectError};
use engine::rebuild::run::RebuildError;

use self::names::{Names, Selection};
use crate::shard::directory::{DirectoryError, Identity, LOCK_FILE};

/// The command could not look. Clap exits with the same code when it does not understand the command line.
const EXIT_NOT_LOOKED: u8 = 2;

/// Arguments of `ringmain log`.
#[derive(Args, Debug)]
pub struct LogArgs {
    #[command(subcommand)]
    command: LogCommand,
    /// Data directory of the node
    #[arg(long, global = true, value_name = "DIR", default_value = "./data")]
    data: PathBuf,
    /// Look at this shard only
    #[arg(long, global = true, value_name = "NUMBER")]
    shard: Option<u16>,
    /// Look at this topic's logs only: its name, or its id in Kafka's spelling or in hex
    #[arg(long, global = true, value_name = "NAME|ID")]
    topic: Option<String>,
    /// Look at this partition's logs only
    #[arg(long, global = true, value_name = "NUMBER")]
    partition: Option<u32>,
    /// Print JSON, one object a line, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum LogCommand {
    /// List the segments of every log, as recovery would find them.
    Segments,
    /// Check every checksum, and that checkpoint, journal and segments agree.
    ///
    /// One line per problem, then a summary. Exits 0 if all is sound, 1 if problems were found, 2 if it could not look.
    Verify,
    /// Decode files.
    Dump {
        #[command(subcommand)]
        what: DumpCommand,
    },
    /// Take back shards of which every checkpoint is damaged, from their segment files and journals.
    ///
    /// Says for each log from where on records may be missing. Changes nothing without --accept-loss, and then removes nothing: the damaged
    /// checkpoints get other names. Exits 0 if it is done, 1 if it would have something to do, 2 if it cannot.
    Rebuild {
        /// Do it: what neither the segment files nor the journal have is lost
        #[arg(long)]
        accept_loss: bool,
    },
}

#[derive(Subcommand, Debug)]
enum DumpCommand {
    /// Journal files, their headers and write groups.
    Journal {
        /// Also the frames of each group
        #[arg(long)]
        frames: bool,
    },
    /// Checkpoints and the logs in them.
    Checkpoint,
    /// The batches of one segment file.
    Segment {
        /// A `.log` file; it need not lie in the data directory
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Also the records of each batch, decompressed to at most 64 MiB a batch
        #[arg(long)]
        records: bool,
    },
}

/// Why a command broke off.
#[derive(Debug, thiserror::Error)]
enum LogError {
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write the result: {0}")]
    Write(#[from] io::Error),
    #[error("cannot tell which shards of {} count, because its node.toml cannot be read", dir.display())]
    UnknownGeneration { dir: PathBuf },
    #[error(transparent)]
    Rebuild(#[from] RebuildError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("a node serves {}: it can only be rebuilt while none does", dir.display())]
    Served { dir: PathBuf },
    #[error("there is no topic {0} in the metadata log, and it is no topic id")]
    UnknownTopic(String),
}

/// What the subcommands work on.
struct Look {
    data: PathBuf,
    generation: Generation,
    shards: Vec<u16>,
    names: Names,
    selection: Selection,
    json: bool,
    running: bool,
}

/// Carries out `ringmain log`: the result goes to standard output, warnings and progress to standard error.
pub fn log(args: LogArgs) -> ExitCode {
    let mut out = BufWriter::new(io::stdout().lock());
    let done = run(args, &mut out).and_then(|code| out.flush().map(|()| code).map_err(LogError::Write));
    match done {
        Ok(code) => code,
        // Whoever reads has seen enough, as `head` does.
        Err(LogError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ringmain: {error}");
            ExitCode::from(EXIT_NOT_LOOKED)
        }
    }
}

fn run(args: LogArgs, out: &mut dyn Write) -> Result<ExitCode, LogError> {
    if let LogCommand::Dump { what: DumpCommand::Segment { file, records } } = &args.command {
        dump::segment(file, *records, args.json, out)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let LogCommand::Rebuild { accept_loss } = args.command {
        let wanted = rebuild::Wanted { data: &args.data, shard: args.shard, accept_loss, json: args.json };
        return rebuild::rebuild(&wanted, out);
    }
    let running = is_served(&args.data);
    if running {
        eprintln!("ringmain: warning: a node serves {}; what is read moves meanwhile", args.data.display());
    }
    let generation = generation(&args.data)?;
    let mut shards = inspect::shards(&args.data, generation)?;
    let names = Names::read(&args.data, generation);
    if let Some(shard) = args.shard {
        if !shards.contains(&shard) {
            return Err(InspectError::UnknownShard { dir: args.data, shard }.into());
        }
        shards = vec![shard];
    }
    let selection = Selection::new(args.topic.as_deref(), args.partition, &names)?;
    let look = Look { data: args.data, generation, shards, names, selection, json: args.json, running };
    match args.command {
        LogCommand::Segments => segments::segments(&look, out)?,
        LogCommand::Verify => return verify::verify(&look, out),
        LogCommand::Dump { what: DumpCommand::Journal { frames } } => dump::journal(&look, frames, out)?,
        LogCommand::Dump { what: DumpCommand::Checkpoint } => dump::checkpoint(&look, out)?,
        LogCommand::Dump { what: DumpCommand::Segment { .. } } | LogCommand::Rebuild { .. } => {
            unreachable!("done above, without these")
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The shards that count: those that the node's file names, or the only ones there are.
fn generation(data: &Path) -> Result<Generation, LogError> {
    match Identity::read(data) {
        Ok(Some(identity)) => return Ok(identity.generation()),
        Ok(None) => {}
        Err(error) => eprintln!("ringmain: warning: {error}"),
    }
    let found = generations::found(data).map_err(|source| LogError::Read { path: data.to_path_buf(), source })?;
    match found.as_slice() {
        [] => Err(InspectError::NoShards { dir: data.to_path_buf() }.into()),
        [only] => Ok(*only),
        _ => Err(LogError::UnknownGeneration { dir: data.to_path_buf() }),
    }
}

/// Whether a node holds the directory's lock. It is let go at once, so that a node that starts meanwhile gets it.
fn is_served(data: &Path) -> bool {
    let Ok(file) = File::open(data.join(LOCK_FILE)) else { return false };
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}
