//! A damaged segment is marked, so that its file is kept when its time comes, be it after a restart.

use std::rc::Rc;

use super::Inner;
use crate::ids::{LogId, SegmentName};
use crate::ring;

/// Marks a segment in the background: whoever met the damage goes on.
pub(super) fn mark(inner: &Rc<Inner>, log: LogId, segment: SegmentName, what: String) {
    // One that has gone meanwhile needs no mark, and nobody would ever remove it.
    if !inner.store.borrow().names_segment(log, segment) {
        return;
    }
    inner.store.borrow_mut().on_mark_begun(log);
    let inner = inner.clone();
    ring::spawn(async move {
        // Nothing acknowledged depends on it. It is tried again when the damage is met by the next process.
        if let Err(error) = inner.segments.quarantine().mark(log, segment, &what).await {
            tracing::warn!(%log, %segment, %error, "a damaged segment cannot be marked: it may be removed when its time comes");
        }
        inner.store.borrow_mut().on_mark_ended(log);
        inner.work.notify_one();
    });
}
