//! SHELL: compaction, now and then: takes the log that needs it most, carries out a round step by step at a bounded pace, then the next.
//! One such task runs on a shard.
//!
//! What goes wrong here harms nobody: nothing acknowledged lies only in a file that is being written. A failed write or sync costs
//! the new file, and the log is tried again at the next pass; a segment that cannot be read or decoded costs the log its compaction
//! until the next start. Either is told, and nothing of the old files is touched.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::retention::unix_ms;
use super::{Engine, Inner, damage};
use crate::compaction::{Cleaning, MapSeed, Round, Step};
use crate::disk::compacted_file::CompactedFile;
use crate::ids::{LogId, SegmentName};
use crate::limits::COMPACTION_TURN_US;
use crate::ring;

/// Why a round ends before its end.
#[derive(Debug, thiserror::Error)]
enum Stop {
    /// A segment is damaged or unreadable.
    #[error("{0}; the log is not compacted until the next start")]
    Unreadable(String),
    #[error("writing segment {segment}: {error}; what was written is given up")]
    NotWritten { segment: SegmentName, error: io::Error },
    #[error("the log has changed, or there is no space")]
    Unwanted,
}

/// Runs until the engine is shut down or its storage has failed.
pub(super) async fn keep(engine: Engine) {
    let inner = &engine.inner;
    let seed = seed();
    while !inner.is_ending.get() {
        let ended = inner.ring.timeout(inner.ending.notified(), inner.config.compaction_check).await.is_ok();
        if ended || engine.failed() {
            return;
        }
        pass(inner, seed).await;
    }
}

/// Cleans one log after the other until none needs it.
async fn pass(inner: &Rc<Inner>, seed: MapSeed) {
    loop {
        let round = inner.store.borrow().compaction_round(unix_ms());
        let Some(round) = round.filter(|_| !inner.is_ending.get()) else { break };
        let log = round.log;
        match clean(inner, round, seed).await {
            Ok(()) => {}
            Err(Stop::Unwanted) => break,
            Err(stop) => {
                tracing::error!(%log, "compaction: {stop}");
                if let Stop::Unreadable(_) = stop {
                    inner.store.borrow_mut().leave_uncleaned(log);
                } else {
                    break;
                }
            }
        }
    }
    inner.store.borrow_mut().on_compaction_pass();
    inner.work.notify_one();
}

/// One round of one log.
async fn clean(inner: &Rc<Inner>, round: Round, seed: MapSeed) -> Result<(), Stop> {
    let started = super::now();
    let (log, dirty_from, until) = (round.log, round.dirty_from.0, round.until.0);
    let round = Round { revision_min: free_revision(inner, log)?, ..round };
    let mut job = Job { inner, cleaning: Cleaning::new(round, seed), file: None, made: RefCell::default() };
    let result = job.run().await;
    job.file = None;
    for segment in job.made.take() {
        // Nobody names it. Should it stay, the next start removes it.
        if let Err(error) = inner.segments.remove_segment(log, segment).await {
            tracing::warn!(%log, %segment, %error, "a segment that is not needed is left behind");
        }
    }
    inner.store.borrow_mut().on_compaction_ended();
    let totals = job.cleaning.totals();
    inner.count(|stats| {
        stats.compactions += u64::from(result.is_ok());
        stats.compacted_bytes_before += totals.bytes_before;
        stats.compacted_bytes_after += totals.bytes_after;
    });
    result?;
    let ms = started.elapsed().as_millis() as u64;
    tracing::info!(
        %log,
        dirty_from,
        until,
        ms,
        keys = totals.keys,
        bytes_before = totals.bytes_before,
        bytes_after = totals.bytes_after,
        segments_before = totals.segments_before,
        segments_after = totals.segments_after,
        "compacted"
    );
    Ok(())
}

/// A revision that no file of the log has. What a crash has left behind may be removed at any time, so its names are not used again.
fn free_revision(inner: &Inner, log: LogId) -> Result<u32, Stop> {
    let found = inner.segments.found(log).and_then(|found| Ok((found, inner.segments.quarantine().names(log)?)));
    let (found, quarantined) = found.map_err(|error| Stop::Unreadable(error.to_string()))?;
    Ok(found.into_iter().chain(quarantined).map(|segment| segment.revision).max().unwrap_or(0) + 1)
}

struct Job<'a> {
    inner: &'a Rc<Inner>,
    cleaning: Cleaning,
    file: Option<CompactedFile>,
    /// Files made since the last replacement.
    made: RefCell<Vec<SegmentName>>,
}

impl Job<'_> {
    async fn run(&mut self) -> Result<(), Stop> {
        let mut pace = Pace::new(self.inner.config.compaction_bytes_per_s);
        let mut turn = super::now();
        loop {
            let step = self.cleaning.step().map_err(|error| {
                damage::mark(self.inner, self.cleaning.round().log, error.segment, error.to_string());
                Stop::Unreadable(error.to_string())
            })?;
            match step {
                Step::Working => {
                    if turn.elapsed() < Duration::from_micros(COMPACTION_TURN_US) {
                        continue;
                    }
                    ring::yield_now().await;
                }
                Step::Done => return Ok(()),
                step => {
                    let bytes = self.carry_out(step).await?;
                    pace.wait(self.inner, bytes).await;
                }
            }
            if self.inner.is_ending.get() || !self.inner.store.borrow().wants_compaction(self.cleaning.round()) {
                return Err(Stop::Unwanted);
            }
            turn = super::now();
        }
    }

    /// Returns how many bytes were read or written.
    async fn carry_out(&mut self, step: Step) -> Result<u64, Stop> {
        let log = self.cleaning.round().log;
        let not_written = |segment| move |error| Stop::NotWritten { segment, error };
        match step {
            Step::Read { segment, range } => {
                let read = self.inner.segments.read(log, segment, range.start, range.end).await;
                if !self.inner.store.borrow().names_segment(log, segment) {
                    return Err(Stop::Unwanted);
                }
                let unreadable =
                    |what: String| Stop::Unreadable(format!("segment {segment} at {}: {what}", range.start));
                let (buf, start, filled) = read.map_err(|error| unreadable(error.to_string()))?;
                let wanted = (range.end - range.start) as usize;
                let bytes = buf.get(start..filled).filter(|bytes| bytes.len() == wanted);
                self.cleaning.on_bytes(bytes.ok_or_else(|| unreadable("the file ends too early".to_owned()))?);
                Ok(range.end - range.start)
            }
            Step::Create(segment) => {
                self.inner.store.borrow_mut().on_compaction_file(log, segment);
                self.made.borrow_mut().push(segment);
                let made = self.inner.segments.create_compacted(log, segment).await;
                self.file = Some(made.map_err(not_written(segment))?);
                Ok(0)
            }
            Step::Write { segment, position, bytes } => {
                let file = self.file.as_ref().expect("a file is created before it is written to");
                file.write(position, &bytes).await.map_err(not_written(segment))?;
                Ok(bytes.len() as u64)
            }
            Step::Finish { segment, bytes, index } => {
                let file = self.file.take().expect("a file is created before it is finished");
                self.inner.segments.write_index_durably(&index).await.map_err(not_written(segment))?;
                file.finish(bytes).await.map_err(not_written(segment))?;
                Ok(0)
            }
            Step::Replace(replacement) => {
                let replaced = self.inner.store.borrow_mut().replace_segments(log, &replacement);
                self.inner.work.notify_one();
                if !replaced {
                    return Err(Stop::Unwanted);
                }
                self.made.borrow_mut().clear();
                Ok(0)
            }
            Step::Working | Step::Done => Ok(0),
        }
    }
}

/// Spreads work over time: after so many bytes it waits until they are due.
struct Pace {
    bytes_per_s: u64,
    due: Instant,
}

impl Pace {
    fn new(bytes_per_s: u64) -> Self {
        Self { bytes_per_s: bytes_per_s.max(1), due: super::now() }
    }

    async fn wait(&mut self, inner: &Inner, bytes: u64) {
        // What was not used before is not caught up with.
        let now = super::now();
        self.due = self.due.max(now) + Duration::from_micros(bytes.saturating_mul(1_000_000) / self.bytes_per_s);
        let wait = self.due.saturating_duration_since(now);
        if wait > Duration::ZERO {
            inner.ring.sleep(wait).await;
        }
    }
}

/// Keys for this process's hashes.
fn seed() -> MapSeed {
    let word = || u64::from(super::recovery::random_salt()) << 32 | u64::from(super::recovery::random_salt());
    MapSeed(word(), word())
}
