//! Reading the index of a sealed segment, once for all who want it at the same time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::Inner;
use crate::ids::{LogId, SegmentName};
use crate::log::SparseIndex;
use crate::ring::sync::Notify;
use crate::store::{IndexError, ReadError};

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
    let bytes = inner.segments.read_index(log, segment).await.map_err(|error| {
        tracing::error!(%log, %segment, %error, "reading the index of a segment failed");
        ReadError::Failed
    })?;
    let read = inner.store.borrow_mut().on_index_read(log, segment, &bytes);
    read.map_err(|error| match error {
        IndexError::Gone(error) => error,
        IndexError::Damaged(error) => {
            tracing::error!(%log, %segment, %error, "the index of a segment is damaged");
            ReadError::Failed
        }
    })
}
