//! Does every checksum hold, and do checkpoint, journal and segments agree with each other?
//!
//! What is checked: every checkpoint; the journal files that are still needed, judged as recovery would; every segment up to where
//! the newest sound checkpoint says that its file ends, and the block that the checkpoint holds itself. What lies behind is
//! in the journal.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use batch::Offset;

use super::quarantine::damaged_segments;
use super::shard::open_segment;
use super::walk::{SegmentCheck, Walked};
use super::{InspectError, ShardPicture, Verdict};
use crate::checkpoint::{IndexEntry, LogCheckpoint, SegmentCheckpoint};
use crate::disk::layout::Layout;
use crate::ids::{Generation, LogId, SegmentName};
use crate::journal::{CorruptReason, End};
use crate::segment_index;

/// A running node's journal moves while it is read; what looks damaged is read again this often.
const LOOKS_MAX: usize = 3;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something is not as it was written, or is missing.
    Problem,
    /// Worth knowing, and as it may be after a crash or on a running node.
    Note,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    pub path: PathBuf,
    /// Position in the file, in bytes, where it can be said.
    pub position: Option<u64>,
    pub log: Option<LogId>,
    pub what: String,
}

/// What was looked at and what came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub shards: usize,
    pub checkpoints: usize,
    pub journal_files: usize,
    /// Write groups that count.
    pub groups: usize,
    pub logs: usize,
    pub segments: usize,
    pub batches: u64,
    pub records: u64,
    /// Bytes of journal and segments that were read.
    pub bytes: u64,
    pub problems: usize,
    pub notes: usize,
}

/// What to look at, and who is told.
pub struct Verify<'a> {
    pub data: &'a Path,
    /// The shards that count.
    pub generation: Generation,
    /// A node serves the directory: files that go away meanwhile are no problem.
    pub running: bool,
    /// The logs whose segments are checked.
    pub wants: &'a dyn Fn(LogId) -> bool,
    pub found: &'a mut dyn FnMut(Finding),
    /// Told now and then what is being read and how many bytes have been.
    pub progress: &'a mut dyn FnMut(&Path, u64),
    pub summary: Summary,
}

/// Checks one shard. Findings go to `verify.found`, counts to `verify.summary`.
///
/// # Errors
/// When it could not be looked at all; that says nothing about the shard.
pub fn verify_shard(verify: &mut Verify<'_>, shard: u16) -> Result<(), InspectError> {
    let mut picture = ShardPicture::read(verify.data, verify.generation, shard)?;
    for _ in 1..LOOKS_MAX {
        if !verify.running || matches!(picture.verdict, Verdict::Sound(_)) {
            break;
        }
        picture = ShardPicture::read(verify.data, verify.generation, shard)?;
    }
    verify.summary.shards += 1;
    verify.checkpoints(&picture);
    verify.journal(&picture);
    let Some(saved) = picture.saved() else { return Ok(()) };
    // What the journal deletes after the checkpoint may be gone from the disk, and nobody will look for it.
    let alive: BTreeSet<(LogId, Offset)> = (picture.logs.iter())
        .flat_map(|log| log.segments.iter().map(|segment| (log.log, segment.base_offset)))
        .collect();
    for log in saved.logs.iter().filter(|log| is_alive(&alive, log.log)) {
        if (verify.wants)(log.log) {
            verify.log(&picture, log, &alive)?;
        }
    }
    Ok(())
}

fn is_alive(alive: &BTreeSet<(LogId, Offset)>, log: LogId) -> bool {
    alive.range((log, Offset(i64::MIN))..=(log, Offset::MAX)).next().is_some()
}

impl Verify<'_> {
    fn tell(&mut self, severity: Severity, path: &Path, position: Option<u64>, log: Option<LogId>, what: String) {
        match severity {
            Severity::Problem => self.summary.problems += 1,
            Severity::Note => self.summary.notes += 1,
        }
        (self.found)(Finding { severity, path: path.to_path_buf(), position, log, what });
    }

    fn checkpoints(&mut self, picture: &ShardPicture) {
        for found in &picture.checkpoints {
            self.summary.checkpoints += 1;
            let what = match &found.content {
                Err(error) => error.to_string(),
                Ok(content) if content.seq != found.seq => {
                    format!("it bears the sequence {}, its name another", content.seq)
                }
                Ok(content) if content.shard != u32::from(picture.shard) => {
                    format!("it belongs to shard {}", content.shard)
                }
                Ok(_) => continue,
            };
            // A copy that was being written when the process was killed is torn, and harms nobody.
            let severity = if found.is_copy { Severity::Note } else { Severity::Problem };
            self.tell(severity, &found.path, None, None, what);
        }
    }

    fn journal(&mut self, picture: &ShardPicture) {
        self.summary.journal_files += picture.needed.len();
        self.summary.groups += picture.recovered.groups.len();
        for file in &picture.needed {
            self.summary.bytes += file.bytes().len() as u64;
            (self.progress)(&file.path, self.summary.bytes);
        }
        self.end_of_journal(picture);
        for file in &picture.recovered.damaged_headers {
            let what = "the header block is damaged; the groups in the file count all the same".to_owned();
            self.tell(Severity::Problem, &picture.layout.journal_file(*file), Some(0), None, what);
        }
        let told = match picture.recovered.end {
            End::Corrupt { reason: CorruptReason::Damaged { file, position, .. }, .. } => Some((file, position)),
            _ => None,
        };
        let last = picture.recovered.chain.last_seq;
        for file in &picture.needed {
            for (head, error) in &file.scan.bad {
                let (seq, position) = (head.context.seq, head.context.position);
                // What lies beyond the last group is told of as the torn tail, all at once.
                if told != Some((file.id, position)) && seq <= last {
                    let what = format!("group {seq} is damaged, and no group that counts follows it: {error}");
                    self.tell(Severity::Note, &file.path, Some(position), None, what);
                }
            }
        }
    }

    fn end_of_journal(&mut self, picture: &ShardPicture) {
        // Behind the last group that counts; in the journal's directory if none does.
        let last = picture.recovered.groups.last();
        let (path, position) = last.map_or((picture.layout.journal_dir(), None), |last| {
            let behind = last.context.position + u64::from(last.group_bytes);
            (picture.layout.journal_file(last.context.file), Some(behind))
        });
        match &picture.verdict {
            Verdict::Sound(End::TornTail { seq, groups_cut }) => {
                let what = format!(
                    "the journal ends before group {seq}; beyond it {groups_cut} groups were under way, and recovery will cut them"
                );
                self.tell(Severity::Note, &path, position, None, what);
            }
            Verdict::Sound(_) => {}
            Verdict::Corrupt(End::Corrupt { seq, reason }) => {
                let (path, position) = match *reason {
                    CorruptReason::Damaged { file, position, .. } => {
                        (picture.layout.journal_file(file), Some(position))
                    }
                    CorruptReason::ForeignFile { file, .. } | CorruptReason::NewerVersion { file, .. } => {
                        (picture.layout.journal_file(file), None)
                    }
                    CorruptReason::Missing { .. } => (path, position),
                };
                let what = format!("acknowledged group {seq} is missing, and the shard will not start: {reason}");
                self.tell(Severity::Problem, &path, position, None, what);
            }
            Verdict::Corrupt(end) => unreachable!("a corrupt journal does not end with {end:?}"),
            Verdict::Misfit(what) => {
                let what = format!("the journal does not fit the checkpoint, and the shard will not start: {what}");
                self.tell(Severity::Problem, &path, position, None, what);
            }
        }
    }

    fn log(
        &mut self,
        picture: &ShardPicture,
        saved: &LogCheckpoint,
        alive: &BTreeSet<(LogId, Offset)>,
    ) -> Result<(), InspectError> {
        self.summary.logs += 1;
        for segment in saved.segments.iter().filter(|segment| alive.contains(&(saved.log, segment.base_offset))) {
            self.summary.segments += 1;
            self.segment(picture, saved, segment)?;
        }
        self.quarantine(picture, saved.log)?;
        self.leftovers(picture, saved)
    }

    /// What is known of damaged segments of a log, and kept of them.
    fn quarantine(&mut self, picture: &ShardPicture, log: LogId) -> Result<(), InspectError> {
        for known in damaged_segments(&picture.layout, log)? {
            let what = match known.is_quarantined {
                true => format!("a damaged segment that nobody needs any more is kept here ({})", known.what),
                false => format!("this segment is known to be damaged ({})", known.what),
            };
            self.tell(Severity::Note, &known.path, None, Some(log), what);
        }
        Ok(())
    }

    fn segment(
        &mut self,
        picture: &ShardPicture,
        saved: &LogCheckpoint,
        segment: &SegmentCheckpoint,
    ) -> Result<(), InspectError> {
        let path = picture.layout.segment(saved.log, segment.name());
        let log = Some(saved.log);
        let reader = match open_segment(&picture.layout, saved, segment) {
            Ok(reader) => reader,
            Err(InspectError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let severity = if self.running { Severity::Note } else { Severity::Problem };
                self.tell(
                    severity,
                    &path,
                    None,
                    log,
                    format!("the file is missing; {} bytes belong in it", segment.bytes),
                );
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let index = self.index(picture, saved, segment);
        let mut check = SegmentCheck::new(saved, segment, reader, index);
        if let Some(what) = check.last_block_differs(&path) {
            self.tell(Severity::Note, &path, Some(saved.flushed_position), log, what);
        }
        while let Some(walked) = check.next_walked() {
            match walked {
                Walked::Batch { bytes, records } => {
                    self.summary.batches += 1;
                    self.summary.records += records;
                    self.summary.bytes += bytes;
                    (self.progress)(&path, self.summary.bytes);
                }
                Walked::Wrong { position, what } => self.tell(Severity::Problem, &path, Some(position), log, what),
            }
        }
        Ok(())
    }

    /// The entries of a segment's index, or none if there is something wrong with it.
    fn index(&mut self, picture: &ShardPicture, saved: &LogCheckpoint, segment: &SegmentCheckpoint) -> Vec<IndexEntry> {
        if !segment.sealed {
            return saved.active_index.clone();
        }
        let path = picture.layout.segment_index(saved.log, segment.name());
        let read = std::fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => "the index is missing".to_owned(),
            _ => format!("the index cannot be read: {error}"),
        });
        let index = read.and_then(|bytes| {
            let index = segment_index::decode(&bytes).map_err(|error| error.to_string())?;
            index.check_belongs(saved.log, segment).map_err(|error| error.to_string())?;
            Ok(index.entries)
        });
        index.unwrap_or_else(|what| {
            let what = format!("{what}; it is made anew when somebody reads here");
            let severity = if self.running { Severity::Note } else { Severity::Problem };
            self.tell(severity, &path, None, Some(saved.log), what);
            Vec::new()
        })
    }

    /// Segment files that nothing names, below the one that is written to. Above it there may be files begun since.
    fn leftovers(&mut self, picture: &ShardPicture, saved: &LogCheckpoint) -> Result<(), InspectError> {
        let named: BTreeSet<SegmentName> = saved.segments.iter().map(|segment| segment.name()).collect();
        let active = saved.segments.last().map_or(Offset(0), |segment| segment.base_offset);
        let Ok(entries) = std::fs::read_dir(picture.layout.log_dir(saved.log)) else { return Ok(()) };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        for path in paths {
            let is_leftover = |name: SegmentName| (name.revision > 0 || name.base < active) && !named.contains(&name);
            if Layout::segment_name(&path).is_some_and(is_leftover) {
                let what = "no checkpoint names this file".to_owned();
                self.tell(Severity::Note, &path, None, Some(saved.log), what);
            }
        }
        Ok(())
    }
}
