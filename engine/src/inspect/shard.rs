//! One shard as recovery would take it back, without taking it back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use batch::{BatchView, Offset};

use super::checkpoints::{FoundCheckpoint, checkpoints};
use super::journal::{JournalFile, journal_files, read_journal_file};
use super::quarantine::{DamagedSegment, damaged_segments};
use super::segment::{SegmentReader, Step};
use super::{InspectError, cannot_read};
use crate::checkpoint::{Checkpoint, LogCheckpoint, SegmentCheckpoint};
use crate::disk::layout::Layout;
use crate::frame::FrameKind;
use crate::ids::{Generation, GroupSeq, JournalFileId, LogId};
use crate::journal::{self, End, FilesConfig, KnownFile, Recovered};
use crate::limits::{BLOCK_BYTES, JOURNAL_BYTES_DEFAULT, JOURNAL_FILE_BYTES};
use crate::log::Log;
use crate::memory::BufPool;
use crate::store::recovery::{self, FoundFile, ReopenError};
use crate::store::{Store, StoreLimits};

/// What recovery would say of the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It ends so, and the shard would start.
    Sound(End),
    /// Acknowledged records are missing; the shard would refuse to start.
    Corrupt(End),
    /// Its frames do not fit the checkpoint; the shard would refuse to start.
    Misfit(String),
}

/// A shard's files and what they come to.
pub struct ShardPicture {
    pub shard: u16,
    pub layout: Layout,
    /// Oldest first, damaged ones included.
    pub checkpoints: Vec<FoundCheckpoint>,
    /// The files that hold groups still needed, oldest first.
    pub needed: Vec<JournalFile>,
    /// The files that surely hold none.
    pub unneeded: Vec<JournalFileId>,
    pub recovered: Recovered,
    pub verdict: Verdict,
    /// By id. With a verdict other than sound these are the checkpoint's alone.
    pub logs: Vec<LogPicture>,
}

/// One log.
#[derive(Debug, Clone)]
pub struct LogPicture {
    pub log: LogId,
    pub dir: PathBuf,
    pub start: Offset,
    /// The offset after the last record.
    pub end: Offset,
    /// Oldest first; the last one is the active segment.
    pub segments: Vec<SegmentPicture>,
    /// Segments that are marked as damaged, of which some are not among the others any more.
    pub damaged: Vec<DamagedSegment>,
}

/// One segment.
#[derive(Debug, Clone)]
pub struct SegmentPicture {
    pub path: PathBuf,
    pub base_offset: Offset,
    pub next_offset: Offset,
    /// Bytes of batches, those included that are in the checkpoint or in the journal only.
    pub bytes: u64,
    /// Size of the file; `None` if there is no file yet.
    pub file_bytes: Option<u64>,
    /// Milliseconds since the Unix epoch; -1 for none.
    pub max_timestamp: i64,
    pub sealed: bool,
}

impl ShardPicture {
    /// Reads the shard's checkpoints and journal. It holds the journal in memory twice over, as recovery does.
    pub fn read(data: &Path, generation: Generation, shard: u16) -> Result<ShardPicture, InspectError> {
        let layout = Layout::new(data, generation, shard);
        if !layout.shard_dir().is_dir() {
            return Err(InspectError::UnknownShard { dir: data.to_path_buf(), shard });
        }
        let checkpoints = checkpoints(&layout)?;
        let saved = newest_sound(&checkpoints);
        let from = recovery::replay_from(u32::from(shard), saved);
        // The newest file is read first: on a running node the older ones then hold all that came before it.
        let mut files = Vec::new();
        for id in journal_files(&layout)?.into_iter().rev() {
            files.extend(read_journal_file(&layout, id)?);
        }
        files.reverse();
        let heads: Vec<_> =
            files.iter().map(|file| (file.id, &file.bytes()[..file.bytes().len().min(2 * BLOCK_BYTES)])).collect();
        let unread = recovery::unread(&heads, from.replay_from, GroupSeq::NONE);
        let unneeded: Vec<_> = files.drain(..unread.len()).map(|file| file.id).collect();
        let scans: Vec<_> = files.iter().map(|file| file.scan.clone()).collect();
        let recovered = journal::recover(&scans, from);
        let (verdict, store) = judge(shard, saved, &files, &unread, recovered.end);
        let mut logs: Vec<LogPicture> = match (store, saved) {
            (Some(store), _) => {
                store.log_ids().filter_map(|id| store.log(id)).map(|log| of_log(&layout, log)).collect()
            }
            (None, Some(saved)) => saved.logs.iter().map(|saved| of_checkpoint(&layout, saved)).collect(),
            (None, None) => Vec::new(),
        };
        for log in &mut logs {
            log.damaged = damaged_segments(&layout, log.log)?;
        }
        Ok(ShardPicture { shard, layout, needed: files, unneeded, recovered, verdict, logs, checkpoints })
    }

    /// The checkpoint that counts.
    pub fn saved(&self) -> Option<&Checkpoint> {
        newest_sound(&self.checkpoints)
    }

    /// Hands every batch of a log to `take`, from the oldest on: those in segment files, those in the checkpoint, those in the
    /// journal.
    pub fn each_batch(
        &self,
        id: LogId,
        take: &mut dyn FnMut(BatchView<'_>) -> Result<(), String>,
    ) -> Result<(), InspectError> {
        let failed = |what: String| InspectError::Log { log: id, what };
        let saved = self.saved().and_then(|saved| saved.logs.iter().find(|log| log.log == id));
        let mut next = Offset(0);
        if let Some(saved) = saved {
            next = saved.next_offset;
            for segment in &saved.segments {
                let mut reader = open_segment(&self.layout, saved, segment)?;
                while let Some(step) = reader.next_step() {
                    match step {
                        Step::Batch { batch, crc: Ok(()), .. } => take(batch).map_err(failed)?,
                        Step::Batch { position, crc: Err(error), .. } => {
                            return Err(failed(format!("at {position}: {error}")));
                        }
                        Step::Broken { position, what } => return Err(failed(format!("at {position}: {what}"))),
                    }
                }
            }
        }
        for group in &self.recovered.groups {
            let Some(file) = self.needed.iter().find(|file| file.id == group.context.file) else { continue };
            for frame in file.frames(group) {
                let frame = frame.map_err(|error| failed(format!("group {}: {error}", group.context.seq)))?;
                let fields = frame.fields();
                if fields.log != id || fields.kind != FrameKind::Batch || fields.base_offset < next {
                    continue;
                }
                if let Ok(Some((batch, _))) = BatchView::first(frame.payload()) {
                    take(batch).map_err(failed)?;
                }
            }
        }
        Ok(())
    }
}

/// A segment's batches: those in its file as far as the checkpoint vouches for it, and those of the last block, which is in the
/// checkpoint.
pub(super) fn open_segment(
    layout: &Layout,
    saved: &LogCheckpoint,
    segment: &SegmentCheckpoint,
) -> Result<SegmentReader, InspectError> {
    let is_active = saved.segments.last().is_some_and(|active| active.base_offset == segment.base_offset);
    let (mut file_end, mut tail) =
        if is_active { (saved.flushed_position, saved.tail_block.clone()) } else { (segment.bytes, Vec::new()) };
    if file_end == 0 {
        return Ok(SegmentReader::new(None, 0, tail));
    }
    let path = layout.segment(saved.log, segment.name());
    let file = File::open(&path).map_err(cannot_read(&path))?;
    let file_bytes = file.metadata().map_err(cannot_read(&path))?.len();
    if file_bytes < file_end {
        // Too short: what there is can still be walked, and the walk finds that it ends too early.
        (file_end, tail) = (file_bytes, Vec::new());
    }
    Ok(SegmentReader::new(Some(file), file_end, tail))
}

fn newest_sound(checkpoints: &[FoundCheckpoint]) -> Option<&Checkpoint> {
    checkpoints.iter().rev().find_map(|found| found.content.as_ref().ok())
}

/// Lets recovery take the shard back in memory, and keeps what it comes to.
fn judge(
    shard: u16,
    saved: Option<&Checkpoint>,
    files: &[JournalFile],
    unread: &[KnownFile],
    end: End,
) -> (Verdict, Option<Store>) {
    if matches!(end, End::Corrupt { .. }) {
        return (Verdict::Corrupt(end), None);
    }
    let found: Vec<_> = files.iter().map(|file| FoundFile { file: file.id, bytes: file.bytes() }).collect();
    let on_disk = (files.len() + unread.len()) as u64 * JOURNAL_FILE_BYTES;
    // The store never gets to write, so its bounds only have to hold what is there.
    let config = FilesConfig { file_bytes: JOURNAL_FILE_BYTES, bytes_max: on_disk.max(JOURNAL_BYTES_DEFAULT), salt: 0 };
    let limits = StoreLimits::new(usize::MAX, u64::MAX);
    let pool = BufPool::new(0);
    match recovery::reopen((u32::from(shard), limits, config), pool, saved.cloned(), &found, (unread, GroupSeq::NONE)) {
        Ok(reopened) => (Verdict::Sound(end), Some(reopened.store)),
        Err(ReopenError::Corrupt { seq, reason }) => (Verdict::Corrupt(End::Corrupt { seq, reason }), None),
        Err(ReopenError::Misfit(what)) => (Verdict::Misfit(what), None),
    }
}

fn of_log(layout: &Layout, log: &Log) -> LogPicture {
    let segments =
        log.segments().iter().map(|segment| segment_picture(layout, log.id(), &segment.to_checkpoint())).collect();
    LogPicture {
        log: log.id(),
        dir: layout.log_dir(log.id()),
        start: log.start_offset(),
        end: log.end_offset(),
        segments,
        damaged: Vec::new(),
    }
}

fn of_checkpoint(layout: &Layout, saved: &LogCheckpoint) -> LogPicture {
    let segments = saved.segments.iter().map(|segment| segment_picture(layout, saved.log, segment)).collect();
    LogPicture {
        log: saved.log,
        dir: layout.log_dir(saved.log),
        start: saved.log_start_offset,
        end: saved.next_offset,
        segments,
        damaged: Vec::new(),
    }
}

fn segment_picture(layout: &Layout, log: LogId, segment: &SegmentCheckpoint) -> SegmentPicture {
    let path = layout.segment(log, segment.name());
    SegmentPicture {
        file_bytes: file_bytes(&path),
        path,
        base_offset: segment.base_offset,
        next_offset: segment.next_offset,
        bytes: segment.bytes,
        max_timestamp: segment.max_timestamp,
        sealed: segment.sealed,
    }
}

fn file_bytes(path: &Path) -> Option<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Some(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // A file that cannot be asked is reported when it is read.
        Err(_) => None,
    }
}
