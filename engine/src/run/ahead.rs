//! Files for segments to come. A failure to make or to remove one is told and costs nothing else: a segment without one gets its file
//! when it begins.

use std::io;
use std::rc::Rc;

use batch::Offset;

use super::{Inner, start};
use crate::disk::free_space::is_exhausted;
use crate::ids::LogId;
use crate::store::Effect;

pub(super) async fn make(inner: &Inner, (log, name): (LogId, Offset), bytes: u64, effects: &mut Vec<Effect>) {
    let made = inner.segments.make_next(log, name, bytes).await;
    // A log has no directory before its first blocks are written.
    let is_told = |error: &&io::Error| !is_exhausted(error) && error.kind() != io::ErrorKind::NotFound;
    if let Some(error) = made.as_ref().err().filter(is_told) {
        tracing::warn!(%log, %error, "no file can be made for the next segment before it begins");
    }
    inner.store.borrow_mut().on_next_file(log, name, made.is_ok(), effects);
}

pub(super) async fn remove(inner: &Inner, (log, name): (LogId, Offset), at_once: bool, effects: &mut Vec<Effect>) {
    if let Err(error) = inner.segments.remove_next(log, name, at_once).await {
        tracing::warn!(%log, %error, "a file for a segment to come is left behind");
    }
    inner.store.borrow_mut().on_next_file(log, name, false, effects);
}

/// Removes the files that a process before this one has left.
pub(super) async fn remove_leftovers(inner: &Rc<Inner>) {
    let logs = inner.store.borrow().log_ids().collect();
    let found = inner.segments.found_next(logs).await.unwrap_or_else(|error| {
        tracing::warn!(shard = inner.config.shard, %error, "cannot look for files that were made for segments to come");
        Vec::new()
    });
    let mut effects = Vec::new();
    for (log, name) in found {
        inner.store.borrow_mut().on_next_file_found(log, name, &mut effects);
    }
    start(inner, &mut effects);
}
