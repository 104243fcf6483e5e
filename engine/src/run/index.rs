//! Reading the index of a sealed segment, or making it anew, once for all who want it at the same time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Inner, damage};
use crate::ids::{LogId, SegmentName};
use crate::log::{SegmentWalk, SparseIndex};
use crate::ring::sync::Notify;
use crate::store::{IndexError, ReadError, RebuildError};

/// What is read at once of a segment whose index is made anew: other work gets its turn in between.
const WALK_BYTES: usize = 1 << 20;

/// Indexes that are being read.
#[derive(Default)]
pub(super) struct IndexReads {
    under_way: RefCell<BTreeSet<(LogId, SegmentName)>>,
    ended: Notify,
}

/// Takes its entry back also when the reader is gone before the end.
struct UnderWay<'a> {
    reads: &'a IndexReads,
    key: (LogId, SegmentName),
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.reads.under_way.borrow_mut().remove(&self.key);
        self.reads.ended.notify_waiters();
    }
}

/// The index of a sealed segment, from memory or from its file.
pub(super) async fn read(inner: &Rc<Inner>, log: LogId, segment: SegmentName) -> Result<Rc<SparseIndex>, ReadError> {
    let key = (log, segment);
    let reads = &inner.indexes;
    while reads.under_way.borrow().contains(&key) {
        reads.ended.notified().await;
    }
    if let Some(index) = inner.store.borrow_mut().cached_index(log, segment) {
        return Ok(index);
    }
    reads.under_way.borrow_mut().insert(key);
    let _under_way = UnderWay { reads, key };
    let what = match inner.segments.read_index(log, segment).await {
        Ok(bytes) => match inner.store.borrow_mut().on_index_read(log, segment, &bytes) {
            Ok(index) => return Ok(index),
            Err(IndexError::Gone(error)) => return Err(error),
            Err(IndexError::Damaged(error)) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    rebuild(inner, log, segment, &what).await
}

/// Makes an index anew from the segment, a piece at a time, and writes it.
async fn rebuild(
    inner: &Rc<Inner>,
    log: LogId,
    segment: SegmentName,
    what: &str,
) -> Result<Rc<SparseIndex>, ReadError> {
    let end = {
        let store = inner.store.borrow();
        let log = store.log(log).ok_or(ReadError::UnknownLog)?;
        log.segment(segment).ok_or(ReadError::OutOfRange)?.bytes
    };
    let file = inner.layout.segment_index(log, segment);
    tracing::warn!(%log, file = %file.display(), what, "the index of a segment cannot be used; it is made anew");
    let mut walk = SegmentWalk::new(segment);
    let mut fault = None;
    for position in (0..end).step_by(WALK_BYTES) {
        let upto = end.min(position + WALK_BYTES as u64);
        let (buf, start, filled) = inner.segments.read(log, segment, position, upto).await.map_err(|error| {
            tracing::error!(%log, %segment, position, %error, "reading a segment failed");
            ReadError::Failed
        })?;
        if let Err(error) = walk.on_bytes(buf.get(start..filled).unwrap_or_default()) {
            fault = Some(error);
            break;
        }
    }
    let (index, rebuilt) = inner.store.borrow_mut().on_walked(log, segment, &mut walk, fault);
    match rebuilt {
        Ok(rebuilt) => {
            // It is in memory; without its file it is only made once more after it has been forgotten.
            if let Err(error) = inner.segments.write_index_durably(&rebuilt).await {
                tracing::warn!(%log, %segment, %error, "an index that was made anew cannot be written");
            }
        }
        Err(RebuildError::Gone) => {}
        Err(error) => {
            if inner.told_damage.borrow_mut().is_news(log, segment) {
                let file = inner.layout.segment(log, segment);
                tracing::error!(%log, file = %file.display(), %error, "a segment is damaged; what can be read of it is served");
                damage::mark(inner, log, segment, error.to_string());
            }
        }
    }
    Ok(index)
}
