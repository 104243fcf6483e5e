//! Reads that begin with a sealed segment's index: whether it is in memory, and whether what was read of its file is the index.

#![forbid(unsafe_code)]

use std::rc::Rc;

use super::{ReadError, Store};
use crate::ids::{LogId, SegmentName};
use crate::log::{ReadPlan, ReadRequest, SparseIndex, TimePlan};
use crate::segment_index::{self, SegmentIndexError};

/// Why an index that was read is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The log or the segment has gone meanwhile.
    #[error(transparent)]
    Gone(ReadError),
    #[error(transparent)]
    Damaged(SegmentIndexError),
}

impl Store {
    pub fn plan_read(&mut self, id: LogId, request: ReadRequest) -> Result<ReadPlan, ReadError> {
        let log = &self.logs.get(&id).ok_or(ReadError::UnknownLog)?.log;
        let plan = log.plan_read(request);
        let ReadPlan::Index(read) = plan else { return Ok(plan) };
        let cached = self.indexes.get(id, read.segment);
        Ok(cached.map_or(plan, |index| log.plan_indexed(read, &index)))
    }

    /// Where to begin the search for the first record at or after a time.
    pub fn plan_timestamp(&mut self, id: LogId, timestamp_ms: i64) -> Result<TimePlan, ReadError> {
        let log = &self.logs.get(&id).ok_or(ReadError::UnknownLog)?.log;
        let plan = log.plan_timestamp(timestamp_ms);
        let TimePlan::Within(segment) = plan else { return Ok(plan) };
        let cached = self.indexes.get(id, segment);
        Ok(cached.map_or(plan, |index| log.plan_timestamp_indexed(&index, timestamp_ms)))
    }

    /// A sealed segment's index, if it is in memory.
    pub fn cached_index(&mut self, id: LogId, segment: SegmentName) -> Option<Rc<SparseIndex>> {
        self.indexes.get(id, segment)
    }

    /// The bytes of an index file have been read. The index is kept for the next reader.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when these are not the index of this segment.
    pub fn on_index_read(&mut self, id: LogId, name: SegmentName, bytes: &[u8]) -> Result<Rc<SparseIndex>, IndexError> {
        let log = self.log(id).ok_or(IndexError::Gone(ReadError::UnknownLog))?;
        let segment = log.segment(name).ok_or(IndexError::Gone(ReadError::OutOfRange))?;
        let index = segment_index::decode(bytes).map_err(IndexError::Damaged)?;
        index.check_belongs(id, &segment.to_checkpoint()).map_err(IndexError::Damaged)?;
        let index = Rc::new(SparseIndex::from_entries(index.entries));
        self.indexes.insert(id, name, index.clone());
        Ok(index)
    }
}
