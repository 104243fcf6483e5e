//! Retention, now and then: asks the store which logs keep too much, and lets them start further on. One such task runs on a shard.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::{Engine, Inner, ahead};
use crate::ids::{LogId, SegmentName};
use crate::limits::RETENTION_FIRST_CHECK_MS;
use crate::store::{CutError, Effect};

/// Runs until the engine is shut down or its storage has failed.
pub(super) async fn keep(engine: Engine) {
    let every = engine.inner.config.retention_check;
    let mut wait = every.min(Duration::from_millis(RETENTION_FIRST_CHECK_MS));
    let mut swept = false;
    loop {
        let inner = &engine.inner;
        if inner.is_ending.get() {
            return;
        }
        let ended = inner.ring.timeout(inner.ending.notified(), wait).await.is_ok();
        if ended || engine.failed() {
            return;
        }
        wait = every;
        if !std::mem::replace(&mut swept, true) {
            for log in engine.logs() {
                find_leftovers(inner, log);
            }
            ahead::remove_leftovers(inner).await;
        }
        check(&engine).await;
    }
}

/// Lets every log start where its configuration wants it to. Nothing here waits for the device: the frames of all logs share groups.
async fn check(engine: &Engine) {
    let inner = &engine.inner;
    let cuts = inner.store.borrow().retention_cuts(unix_ms());
    for (log, start) in cuts {
        loop {
            let cut = inner.store.borrow_mut().cut_log(log, start, inner.now_ms());
            inner.work.notify_one();
            match cut {
                Ok(_) => tracing::info!(%log, start = start.0, "segments past retention go"),
                // It was deleted meanwhile, or the failure has been told.
                Err(CutError::UnknownLog | CutError::OutOfRange | CutError::Failed) => {}
                Err(CutError::Busy) => {
                    engine.writable().await;
                    continue;
                }
            }
            break;
        }
    }
}

/// Looks for the files that a process before this one had no time to remove. They go with the next checkpoint.
fn find_leftovers(inner: &Inner, log: LogId) {
    // Where nothing was ever removed or compacted there is nothing to look for.
    let is_whole = |log: &crate::log::Log| {
        let is_compacted = log.config().compaction.is_some() || log.cleaned_until() > batch::Offset(0);
        log.segments()[0].base_offset == batch::Offset(0) && !is_compacted
    };
    if inner.store.borrow().log(log).is_none_or(is_whole) {
        return;
    }
    inner.store.borrow_mut().on_segments_found(log, found(inner, log));
    inner.work.notify_one();
}

/// Removes segments that nobody needs any more, and keeps the files of some for segments to come.
pub(super) async fn remove_segments(
    inner: &Inner,
    log: LogId,
    segments: Vec<SegmentName>,
    kept: &[SegmentName],
    effects: &mut Vec<Effect>,
) {
    // What lies within these segments goes before them: beside the segments behind them alone it would pass for what was there.
    remove_leftovers(inner, log, &segments).await;
    for segment in segments {
        let is_wanted = kept.contains(&segment);
        let removed = if is_wanted {
            inner.segments.recycle_segment(log, segment).await
        } else {
            inner.segments.remove_segment(log, segment).await.map(|()| false)
        };
        // Nobody reads it any more; the next start tries again.
        if let Err(error) = &removed {
            tracing::warn!(%log, %segment, %error, "a segment that is not needed any more is left behind");
        }
        if is_wanted {
            inner.store.borrow_mut().on_next_file(log, segment.base, removed.unwrap_or(false), effects);
        }
    }
}

/// Removes the files that a process before this one began where the replay after it did not begin a segment. Only files before
/// the first segment of a log that recovery has understood are ever touched. `others` go after them.
async fn remove_leftovers(inner: &Inner, log: LogId, others: &[SegmentName]) {
    // From the end: one that lies within another goes before it.
    for segment in found(inner, log).into_iter().rev().filter(|segment| !others.contains(segment)) {
        let may_go = inner.store.borrow().may_sweep(log, segment);
        if may_go && let Err(error) = inner.segments.remove_segment(log, segment).await {
            tracing::warn!(%log, %segment, %error, "a segment that is not needed any more is left behind");
        }
    }
}

fn found(inner: &Inner, log: LogId) -> BTreeSet<SegmentName> {
    inner.segments.found(log).unwrap_or_else(|error| {
        tracing::warn!(%log, %error, "the files of a log cannot be listed");
        BTreeSet::new()
    })
}

#[expect(clippy::disallowed_methods, reason = "records and producers age by the time of day")]
pub(super) fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
