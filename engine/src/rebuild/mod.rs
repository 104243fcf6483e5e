//! A shard of which no checkpoint is sound, taken back as far as its segment files and its journal lead: decisions only. The shell
//! is `run`; the simulation in `tests/store` hands in a simulated disk's files.
//!
//! What comes of it is a checkpoint as it may have been when the oldest group of the journal was written, and the journal is replayed
//! on top as at any start:
//!
//! ```text
//!   files:     |--- sealed ---|--- sealed ---|--- active --:. . .        sound up to `:`
//!   journal:                                 |..batch|batch|batch|..     its first batch of the log: from there on the journal counts
//! ```
//! Where the journal does not reach back to what the files have, something is missing: the last block of an active segment is in no file,
//! and of a log that never filled a block there is no file at all. So this is never done unasked.

#![forbid(unsafe_code)]

mod files;
mod journal_run;
mod producers;
pub mod run;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use batch::{LeaderEpoch, Offset};

pub use files::{FoundSegment, SegmentScan};
pub use journal_run::{JournalRun, LogInJournal, journal_run};
pub use producers::FoundProducers;

use crate::checkpoint::{Checkpoint, LogCheckpoint, SegmentCheckpoint};
use crate::ids::{JournalFileId, LogId, SegmentName};
use crate::log::block_start;

/// How the journal goes on behind a log's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continuation {
    /// It has batches that the files have as well, or all that there ever was: nothing is missing, and everything is as it was written.
    Proven,
    /// It begins where the files end. The last records before may be others than were acknowledged: blocks of an active segment are written
    /// ahead of the journal, and one that a restart has cut may still lie there.
    Adjoins,
    /// It begins further on. What lies between is a gap, and the last records before that may be others, as above.
    Behind,
    /// It has nothing of the log. The last records in the files may be others, as above.
    Nothing,
}

/// What is known of a log after a rebuild.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    pub log: LogId,
    /// Where it starts now. Records before it are gone, and some that were deleted from here on may be back.
    pub start: Offset,
    /// Where its files end, or the journal begins.
    pub end: Offset,
    pub continuation: Continuation,
    /// Stretches that are missing for sure, each up to the offset before which it ends.
    pub gaps: Vec<(Offset, Offset)>,
    /// Files that are damaged, or that contradict others, and why.
    pub set_aside: Vec<(SegmentName, String)>,
    /// One of these has the name of the file that the log goes on in, so it has to move.
    pub in_the_way: Option<SegmentName>,
}

impl LogReport {
    /// From here on records may be missing at the end of the log, and their offsets may be given again.
    pub fn missing_from(&self) -> Option<Offset> {
        (self.continuation == Continuation::Nothing).then_some(self.end)
    }
}

/// A log as the new checkpoint will have it, but for its last block.
#[derive(Debug, Clone)]
pub struct PlannedLog {
    pub checkpoint: LogCheckpoint,
    pub report: LogReport,
}

impl PlannedLog {
    /// The bytes of its active segment that are the last block, which belongs into the checkpoint.
    pub fn tail_block(&self) -> Option<(SegmentName, std::ops::Range<u64>)> {
        let active = self.checkpoint.segments.last().expect("a log has an active segment");
        let range = self.checkpoint.flushed_position..active.bytes;
        (!range.is_empty()).then(|| (active.name(), range))
    }
}

/// Decides what a log comes to. `files` are all its segment files, each walked up to the first batch that the journal has.
pub fn plan(log: LogId, journal: LogInJournal, files: Vec<FoundSegment>) -> PlannedLog {
    let first = journal.first_batch.unwrap_or(Offset::MAX);
    // The replay writes these anew where it gets to them; what it does not get to it has in other files.
    let before = files.into_iter().filter(|file| file.name.base < first).collect();
    let (mut ladder, rejected) = files::ladder(before);
    let doubtful: Vec<_> = rejected.iter().filter_map(|file| within(file, &ladder)).collect();
    let mut gaps = files::gaps(&ladder);
    let file_end = ladder.last().map(|file| file.summary.next_offset);
    // A log without files begins where the journal does.
    let known_end = journal.first_batch.unwrap_or(journal.start_before);
    let end = file_end.unwrap_or(known_end).max(known_end);
    if let Some(last) = ladder.last().filter(|last| last.summary.next_offset < end && !last.is_compacted()) {
        gaps.push((last.summary.next_offset, end));
    }
    let continuation = continuation(&journal, ladder.last());
    let goes_on = |last: &FoundSegment| {
        journal.first_batch == Some(last.summary.next_offset) && !last.is_sealed && !last.is_compacted()
    };
    let active = match ladder.pop_if(|last| goes_on(last)) {
        Some(last) => FoundSegment { summary: SegmentCheckpoint { sealed: false, ..last.summary }, ..last },
        // What lies behind the sound part of a file is left alone: the log goes on in another.
        None => FoundSegment::empty(end),
    };
    let start = ladder.first().map_or(active.name.base, |file| file.name.base);
    let damaged = rejected.iter().chain(ladder.iter().filter(|file| file.is_damaged()));
    let report = LogReport {
        log,
        start,
        end,
        continuation,
        gaps,
        set_aside: damaged.filter_map(damage).chain(doubtful).collect(),
        in_the_way: rejected.iter().map(|file| file.name).find(|name| *name == active.name),
    };
    let leader_epochs = epochs(ladder.iter().chain([&active]));
    let producers = producers::join(ladder.iter().chain([&active]).map(|file| &file.producers));
    let segments = ladder.iter().map(|file| SegmentCheckpoint { sealed: true, ..file.summary }).chain([active.summary]);
    let checkpoint = LogCheckpoint {
        log,
        log_start_offset: start,
        segments: segments.collect(),
        next_offset: active.summary.next_offset,
        flushed_position: block_start(active.summary.bytes),
        tail_block: Vec::new(),
        active_index: active.entries,
        leader_epochs,
        cleaned_until: Offset(0),
        producers,
    };
    PlannedLog { checkpoint, report }
}

fn continuation(journal: &LogInJournal, last: Option<&FoundSegment>) -> Continuation {
    let Some(first) = journal.first_batch else { return Continuation::Nothing };
    match last {
        None if first == Offset(0) => Continuation::Proven,
        Some(last) if last.beyond == Some((first, journal.first_crc)) => Continuation::Proven,
        // Beside a compacted file there may be a gap that compaction has left.
        Some(last) if last.summary.next_offset == first || last.is_compacted() => Continuation::Adjoins,
        _ => Continuation::Behind,
    }
}

fn damage(file: &FoundSegment) -> Option<(SegmentName, String)> {
    let fault = file.fault.as_ref()?;
    Some((file.name, fault.to_string()))
}

/// A sound file that begins within another, neither made by compaction. One of the two is left from before a restart that cut what nobody
/// was promised, and nothing says for sure which: the one that is passed over must not be swept away as if it were nothing.
fn within(file: &FoundSegment, ladder: &[FoundSegment]) -> Option<(SegmentName, String)> {
    let holds = |other: &&FoundSegment| {
        !other.is_compacted() && (other.name.base..other.summary.next_offset).contains(&file.name.base)
    };
    let is_doubtful = !file.is_compacted() && file.fault.is_none();
    let other = ladder.iter().find(holds).filter(|other| is_doubtful && other.name.base < file.name.base)?;
    let what =
        format!("it begins within segment {}, which counts; one of the two is left from before a restart", other.name);
    Some((file.name, what))
}

/// Those of all files, without any that would not grow.
fn epochs<'a>(files: impl Iterator<Item = &'a FoundSegment>) -> Vec<(LeaderEpoch, Offset)> {
    let mut epochs: Vec<(LeaderEpoch, Offset)> = Vec::new();
    for (epoch, first) in files.flat_map(|file| &file.leader_epochs) {
        if epochs.last().is_none_or(|(last, _)| last < epoch) {
            epochs.push((*epoch, *first));
        }
    }
    epochs
}

/// The checkpoint from which the journal leads to what there is.
pub fn checkpoint(
    shard: u32,
    seq: u64,
    run: &JournalRun,
    last_file: JournalFileId,
    logs: Vec<LogCheckpoint>,
) -> Checkpoint {
    Checkpoint {
        shard,
        seq,
        replay_from: run.replay_from,
        last_group: run.before.seq,
        last_group_checksum: run.before.checksum,
        durable_seq: run.durable_seq,
        last_file,
        logs: logs.into_iter().map(Arc::new).collect(),
    }
}
