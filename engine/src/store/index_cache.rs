//! Indexes of sealed segments that somebody has read lately, within a bound on their bytes; the least recently used goes first.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::rc::Rc;

use batch::Offset;

use crate::ids::{LogId, SegmentName};
use crate::log::SparseIndex;

/// What the maps take for one index, about.
const ENTRY_BYTES: usize = 128;

struct Cached {
    index: Rc<SparseIndex>,
    used: u64,
}

/// One shard's cache. `by_use` has exactly the indexes that are there, by when they were last used.
pub struct IndexCache {
    bytes_max: usize,
    bytes: usize,
    uses: u64,
    indexes: BTreeMap<(LogId, SegmentName), Cached>,
    by_use: BTreeMap<u64, (LogId, SegmentName)>,
}

impl IndexCache {
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, bytes: 0, uses: 0, indexes: BTreeMap::new(), by_use: BTreeMap::new() }
    }

    pub fn get(&mut self, log: LogId, segment: SegmentName) -> Option<Rc<SparseIndex>> {
        let cached = self.indexes.get_mut(&(log, segment))?;
        self.by_use.remove(&cached.used);
        self.uses += 1;
        cached.used = self.uses;
        self.by_use.insert(self.uses, (log, segment));
        Some(cached.index.clone())
    }

    pub fn insert(&mut self, log: LogId, segment: SegmentName, index: Rc<SparseIndex>) {
        self.remove(log, segment);
        self.uses += 1;
        self.bytes += ENTRY_BYTES + index.memory_bytes();
        self.indexes.insert((log, segment), Cached { index, used: self.uses });
        self.by_use.insert(self.uses, (log, segment));
        while self.bytes > self.bytes_max {
            let Some((_, oldest)) = self.by_use.first_key_value() else { break };
            let (log, segment) = *oldest;
            self.remove(log, segment);
        }
    }

    pub fn remove(&mut self, log: LogId, segment: SegmentName) {
        if let Some(cached) = self.indexes.remove(&(log, segment)) {
            self.by_use.remove(&cached.used);
            self.bytes -= ENTRY_BYTES + cached.index.memory_bytes();
        }
    }

    pub fn remove_log(&mut self, log: LogId) {
        let of_log = (log, SegmentName::appended(Offset(i64::MIN)))
            ..=(log, SegmentName { base: Offset::MAX, revision: u32::MAX });
        let segments: Vec<SegmentName> = self.indexes.range(of_log).map(|((_, segment), _)| *segment).collect();
        segments.into_iter().for_each(|segment| self.remove(log, segment));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: LogId = LogId { topic: 1, partition: 0 };
    const OTHER: LogId = LogId { topic: 1, partition: 1 };

    fn name(base: i64) -> SegmentName {
        SegmentName::appended(Offset(base))
    }

    fn cache(count: usize) -> IndexCache {
        IndexCache::new(count * (ENTRY_BYTES + SparseIndex::default().memory_bytes()))
    }

    #[test]
    fn what_was_used_last_stays() {
        let mut cache = cache(2);
        cache.insert(LOG, name(0), Rc::default());
        cache.insert(LOG, name(1), Rc::default());
        assert!(cache.get(LOG, name(0)).is_some());
        cache.insert(OTHER, name(0), Rc::default());
        assert!(cache.get(LOG, name(1)).is_none());
        assert!(cache.get(LOG, name(0)).is_some() && cache.get(OTHER, name(0)).is_some());
    }

    #[test]
    fn nothing_stays_of_a_log_that_goes() {
        let mut cache = cache(10);
        (0..3).for_each(|base| cache.insert(LOG, name(base), Rc::default()));
        cache.insert(OTHER, name(0), Rc::default());
        cache.remove_log(LOG);
        assert!(cache.get(LOG, name(1)).is_none() && cache.get(OTHER, name(0)).is_some());
        cache.remove(OTHER, name(0));
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn an_index_larger_than_the_bound_is_not_kept() {
        let mut cache = IndexCache::new(0);
        cache.insert(LOG, name(0), Rc::default());
        assert!(cache.get(LOG, name(0)).is_none());
        assert_eq!(cache.bytes, 0);
    }
}
