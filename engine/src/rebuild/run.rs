//! SHELL: reads what is left of a shard without sound checkpoints, and writes the checkpoint that was made from it. Through the ordinary,
//! blocking file system: nobody serves the shard meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use batch::Offset;

use super::{JournalRun, LogInJournal, LogReport, SegmentScan, checkpoint, journal_run, plan};
use crate::checkpoint::{Checkpoint, LogCheckpoint};
use crate::disk::layout::Layout;
use crate::disk::{checkpoint_files, generations};
use crate::ids::{Generation, JournalFileId, LogId, SegmentName};
use crate::inspect::{self, InspectError, JournalFile};
use crate::segment_index::{self, SegmentIndex};
use crate::store::lost_checkpoints;
use crate::store::recovery::{FoundFile, ReopenError};

/// Bytes of a segment that are read at once.
const PIECE_BYTES: usize = 1 << 20;

/// The new checkpoint is written under so many sequence numbers, as for a new shard.
const CHECKPOINTS: u64 = 2;

/// Why a shard cannot be rebuilt. Nothing has been changed, unless a write has failed.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error(
        "shard {0} has a sound checkpoint, or a journal that makes up for it: an ordinary start serves it, and nothing is lost"
    )]
    NotNeeded(u16),
    #[error(
        "the journal of shard {shard} is damaged too ({error}). Restore it from a copy, or move it away, to rebuild the shard from its \
         segment files alone"
    )]
    Journal { shard: u16, error: ReopenError },
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error("{}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> RebuildError {
    let path = path.to_path_buf();
    move |error| RebuildError::Io { path, error }
}

/// A shard as it would be after a rebuild. Nothing has been changed yet.
pub struct Rebuild {
    layout: Layout,
    checkpoint: Checkpoint,
    damaged: Vec<PathBuf>,
    reports: Vec<LogReport>,
    groups: usize,
}

impl Rebuild {
    /// Reads what is left of a shard. Of the logs that have files those count that are its own.
    pub fn look(
        data: &Path,
        generation: Generation,
        shard: u16,
        is_own: &dyn Fn(LogId) -> bool,
    ) -> Result<Rebuild, RebuildError> {
        let layout = Layout::new(data, generation, shard);
        if !layout.shard_dir().is_dir() {
            return Err(InspectError::UnknownShard { dir: data.to_path_buf(), shard }.into());
        }
        let checkpoints = checkpoint_files::read(&layout).map_err(at(&layout.shard_dir()))?;
        let mut journal = Vec::new();
        for id in inspect::journal_files(&layout)? {
            journal.extend(inspect::read_journal_file(&layout, id)?);
        }
        let run = run(shard, &journal)?;
        let starts_by_itself = lost_checkpoints::check_journal(generation, checkpoints.newest_seq, run.groups).is_ok();
        if checkpoints.newest.is_some() || starts_by_itself {
            return Err(RebuildError::NotNeeded(shard));
        }
        let last_file = journal.iter().map(|file| file.id).max().unwrap_or(JournalFileId(0));
        let mut logs: BTreeSet<LogId> = found_logs(&layout)?.into_iter().filter(|log| is_own(*log)).collect();
        logs.extend(run.logs.keys());
        let (mut pictures, mut reports) = (Vec::new(), Vec::new());
        for log in logs {
            let in_journal = run.logs.get(&log).copied().unwrap_or_default();
            // The start finds the deletion in the journal and removes the files.
            if !in_journal.is_dropped {
                let (picture, report) = look_at_log(&layout, log, in_journal)?;
                pictures.push(picture);
                reports.push(report);
            }
        }
        let seq = checkpoints.newest_seq + 1;
        let checkpoint = checkpoint(layout.shard_index(), seq, &run, last_file, pictures);
        Ok(Rebuild { layout, checkpoint, damaged: checkpoints.damaged, reports, groups: run.groups })
    }

    /// What becomes of each log.
    pub fn reports(&self) -> &[LogReport] {
        &self.reports
    }

    /// Groups of the journal that the next start will replay.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The checkpoints that will be set aside.
    pub fn damaged(&self) -> &[PathBuf] {
        &self.damaged
    }

    /// Marks what is damaged, writes the new checkpoint, and gives the damaged ones other names. Nothing is removed, and no byte of a
    /// segment is changed.
    pub fn carry_out(&self) -> Result<(), RebuildError> {
        for report in &self.reports {
            for (segment, what) in &report.set_aside {
                mark(&self.layout, report.log, *segment, what)?;
            }
            if let Some(segment) = report.in_the_way {
                move_away(&self.layout, report.log, segment)?;
            }
        }
        for log in &self.checkpoint.logs {
            sync_files(&self.layout, log)?;
        }
        for number in 0..CHECKPOINTS {
            let checkpoint = Checkpoint { seq: self.checkpoint.seq + number, ..self.checkpoint.clone() };
            let path = self.layout.checkpoint(checkpoint.seq);
            generations::write_checkpoint(&path, &checkpoint).map_err(at(&path))?;
        }
        let shard_dir = self.layout.shard_dir();
        sync_dir(&shard_dir)?;
        let copies = self.layout.checkpoint_copies().filter(|path| path.exists());
        for path in self.damaged.iter().cloned().chain(copies) {
            fs::rename(&path, path.with_extension("damaged")).map_err(at(&path))?;
        }
        sync_dir(&shard_dir)
    }
}

fn run(shard: u16, journal: &[JournalFile]) -> Result<JournalRun, RebuildError> {
    let found: Vec<_> = journal.iter().map(|file| FoundFile { file: file.id, bytes: file.bytes() }).collect();
    journal_run(u32::from(shard), &found).map_err(|error| RebuildError::Journal { shard, error })
}

/// The logs that have directories, those of other shards included.
fn found_logs(layout: &Layout) -> Result<Vec<LogId>, RebuildError> {
    let mut logs = Vec::new();
    for topic_dir in entries(&layout.topics_dir())? {
        let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned).unwrap_or_default();
        let Ok(topic) = u128::from_str_radix(&name(&topic_dir), 16) else { continue };
        for log_dir in entries(&topic_dir)? {
            let log = name(&log_dir).parse().map(|partition| LogId { topic, partition });
            logs.extend(log.ok().filter(|log| layout.log_dir(*log) == log_dir));
        }
    }
    Ok(logs)
}

fn look_at_log(layout: &Layout, log: LogId, journal: LogInJournal) -> Result<(LogCheckpoint, LogReport), RebuildError> {
    let mut names: BTreeMap<SegmentName, PathBuf> = BTreeMap::new();
    for path in entries(&layout.log_dir(log))? {
        let is_segment = path.extension().is_some_and(|extension| extension == "log");
        names.extend(Layout::segment_name(&path).filter(|_| is_segment).map(|name| (name, path)));
    }
    let mut files = Vec::new();
    for (name, path) in names {
        let mut file = File::open(&path).map_err(at(&path))?;
        let file_bytes = file.metadata().map_err(at(&path))?.len();
        let index = read_index(layout, log, name);
        let until = journal.first_batch.unwrap_or(Offset::MAX);
        let mut scan = SegmentScan::new(log, name, file_bytes, index, until);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = file.read(&mut piece).map_err(at(&path))?;
            if read == 0 || !scan.on_bytes(&piece[..read]) {
                break;
            }
        }
        files.push(scan.end());
    }
    let mut planned = plan(log, journal, files);
    if let Some((name, range)) = planned.tail_block() {
        let path = layout.segment(log, name);
        let mut block = vec![0; (range.end - range.start) as usize];
        let read = File::open(&path).and_then(|file| file.read_exact_at(&mut block, range.start));
        read.map_err(at(&path))?;
        planned.checkpoint.tail_block = block;
    }
    Ok((planned.checkpoint, planned.report))
}

fn read_index(layout: &Layout, log: LogId, name: SegmentName) -> Option<SegmentIndex> {
    segment_index::decode(&fs::read(layout.segment_index(log, name)).ok()?).ok()
}

/// As `disk::quarantine` does, without a ring.
fn mark(layout: &Layout, log: LogId, segment: SegmentName, what: &str) -> Result<(), RebuildError> {
    let (dir, path) = (layout.quarantine_dir(log), layout.damage_mark(log, segment));
    fs::create_dir_all(&dir).map_err(at(&dir))?;
    fs::write(&path, format!("found by a rebuild {what}"))
        .and_then(|()| File::open(&path)?.sync_all())
        .map_err(at(&path))?;
    dir.ancestors().take(4).try_for_each(sync_dir)
}

fn move_away(layout: &Layout, log: LogId, segment: SegmentName) -> Result<(), RebuildError> {
    let (path, target) = (layout.segment(log, segment), layout.quarantined(log, segment));
    fs::create_dir_all(layout.quarantine_dir(log)).map_err(at(&target))?;
    fs::rename(&path, &target).map_err(at(&path))?;
    sync_dir(&layout.quarantine_dir(log))?;
    sync_dir(&layout.log_dir(log))
}

/// The files that the checkpoint is about to name may never have been synced.
fn sync_files(layout: &Layout, log: &LogCheckpoint) -> Result<(), RebuildError> {
    for segment in log.segments.iter().filter(|segment| segment.bytes > 0) {
        let path = layout.segment(log.log, segment.name());
        File::open(&path).and_then(|file| file.sync_all()).map_err(at(&path))?;
    }
    let dir = layout.log_dir(log.log);
    if dir.is_dir() { dir.ancestors().take(3).try_for_each(sync_dir) } else { Ok(()) }
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, RebuildError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at(dir))?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(at(dir))).collect()
}

fn sync_dir(path: &Path) -> Result<(), RebuildError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(at(path))
}
