//! Reads that begin with a sealed segment's index: whether it is in memory, and whether what was read of its file is the index.

#![forbid(unsafe_code)]

use std::rc::Rc;

use super::{ReadError, Store};
use crate::ids::{LogId, SegmentName};
use crate::log::{ReadPlan, ReadRequest, SegmentWalk, SparseIndex, TimePlan, WalkFault};
use crate::segment_index::{self, SegmentIndex, SegmentIndexError};

/// Why an index that was read is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The log or the segment has gone meanwhile.
    #[error(transparent)]
    Gone(ReadError),
    #[error(transparent)]
    Damaged(SegmentIndexError),
}

/// Why a walk gave no index to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    #[error("the segment has gone meanwhile")]
    Gone,
    #[error("the segment is damaged {0}")]
    Segment(WalkFault),
    #[error("the batches in the segment are not those that the log knows")]
    Misfit,
}

impl Store {
    pub fn plan_read(&mut self, id: LogId, request: ReadRequest) -> Result<ReadPlan, ReadError> {
        if let Some(plan) = self.plan_reading_on(id, request) {
            return Ok(plan);
        }
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

    /// A sealed segment whose index is lost has been walked to its end, or to the first thing in it that is wrong. The index is kept for
    /// the next reader as far as the walk has come. Gives what to write beside the segment, if it is sound.
    ///
    /// # Errors
    /// [`RebuildError::Gone`] when the segment is not there any more; everything else says what is wrong with it.
    pub fn on_walked(
        &mut self,
        id: LogId,
        name: SegmentName,
        walk: &mut SegmentWalk,
        fault: Option<WalkFault>,
    ) -> (Rc<SparseIndex>, Result<SegmentIndex, RebuildError>) {
        let segment = self.log(id).and_then(|log| log.segment(name));
        let summary = segment.map(|segment| segment.to_checkpoint());
        let rebuilt =
            fault.map_or_else(|| walk.end(), Err).map_err(RebuildError::Segment).and_then(|(found, index)| {
                let summary = summary.ok_or(RebuildError::Gone)?;
                let entries = index.entries().to_vec();
                // What compaction has removed shows in the summary but not in the batches that are left.
                let fits = if name.revision == 0 { found == summary } else { found.bytes == summary.bytes };
                if fits { Ok(SegmentIndex { log: id, summary, entries }) } else { Err(RebuildError::Misfit) }
            });
        let index = Rc::new(walk.index());
        if summary.is_some() {
            self.indexes.insert(id, name, index.clone());
        }
        (index, rebuilt)
    }
}
