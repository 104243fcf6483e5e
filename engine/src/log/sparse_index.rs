//! Sparse index of one segment: for about every `INDEX_INTERVAL_BYTES` of it, where a batch starts and how late the
//! records up to the next entry are.

#![forbid(unsafe_code)]

use batch::Offset;

use crate::checkpoint::IndexEntry;

/// Invariant: offsets and positions both grow strictly from entry to entry; the first entry is at position 0.
#[derive(Debug, Clone, Default)]
pub struct SparseIndex {
    entries: Vec<IndexEntry>,
}

impl SparseIndex {
    pub fn from_entries(entries: Vec<IndexEntry>) -> Self {
        debug_assert!(entries.windows(2).all(|w| w[0].offset < w[1].offset && w[0].position < w[1].position));
        Self { entries }
    }

    /// What it takes in memory, itself included.
    pub fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.entries.capacity() * size_of::<IndexEntry>()
    }

    pub fn entries(&self) -> &[IndexEntry] {
        &self.entries
    }

    /// Notes a batch that was appended at `position`. It gets an entry of its own when the last one is far enough behind.
    pub fn on_batch(&mut self, base_offset: Offset, position: u64, max_timestamp: i64, interval_bytes: u64) {
        match self.entries.last_mut() {
            Some(last) if position < u64::from(last.position) + interval_bytes => {
                last.max_timestamp = last.max_timestamp.max(max_timestamp);
            }
            _ => {
                let position = u32::try_from(position).expect("segment positions stay below 2 GiB");
                self.entries.push(IndexEntry { offset: base_offset.0, position, max_timestamp });
            }
        }
    }

    /// The offset of the batch that starts at `position`, if it has an entry.
    pub fn offset_at(&self, position: u64) -> Option<Offset> {
        let found = self.entries.binary_search_by_key(&position, |entry| u64::from(entry.position));
        found.ok().map(|at| Offset(self.entries[at].offset))
    }

    /// Position of a batch that starts at or before `offset`, at most an index interval before the batch that holds it.
    pub fn position_before(&self, offset: Offset) -> u64 {
        let after = self.entries.partition_point(|entry| entry.offset <= offset.0);
        self.entries.get(after.saturating_sub(1)).map_or(0, |entry| u64::from(entry.position))
    }

    /// The largest indexed batch start at or before `position`.
    pub fn batch_start_before(&self, position: u64) -> u64 {
        let after = self.entries.partition_point(|entry| u64::from(entry.position) <= position);
        self.entries.get(after.saturating_sub(1)).map_or(0, |entry| u64::from(entry.position))
    }

    /// The first indexed batch start past `position`, if there is one.
    pub fn batch_start_after(&self, position: u64) -> Option<u64> {
        let after = self.entries.partition_point(|entry| u64::from(entry.position) <= position);
        self.entries.get(after).map(|entry| u64::from(entry.position))
    }

    /// Where the first stretch starts that holds a record at `timestamp_ms` or later.
    pub fn offset_for_timestamp(&self, timestamp_ms: i64) -> Option<Offset> {
        self.entries.iter().find(|entry| entry.max_timestamp >= timestamp_ms).map(|entry| Offset(entry.offset))
    }

    /// Keeps about one entry for each `interval_bytes`; what the dropped ones knew of timestamps stays with their forerunner.
    pub fn thin(&mut self, interval_bytes: u64) {
        self.entries = self.thinned(interval_bytes);
    }

    /// The entries that [`SparseIndex::thin`] would leave.
    pub fn thinned(&self, interval_bytes: u64) -> Vec<IndexEntry> {
        let mut kept: Vec<IndexEntry> = Vec::with_capacity(self.entries.len() / 4 + 1);
        for entry in &self.entries {
            match kept.last_mut() {
                Some(last) if u64::from(entry.position) < u64::from(last.position) + interval_bytes => {
                    last.max_timestamp = last.max_timestamp.max(entry.max_timestamp);
                }
                _ => kept.push(*entry),
            }
        }
        kept.shrink_to_fit();
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> SparseIndex {
        let mut index = SparseIndex::default();
        for i in 0..100 {
            index.on_batch(Offset(i * 10), i as u64 * 1000, 1000 - i, 4000);
        }
        index
    }

    #[test]
    fn an_offset_is_found_at_or_after_the_indexed_position() {
        let index = index();
        assert_eq!(index.entries().len(), 25);
        assert_eq!(index.position_before(Offset(0)), 0);
        assert_eq!(index.position_before(Offset(39)), 0);
        assert_eq!(index.position_before(Offset(40)), 4000);
        assert_eq!(index.position_before(Offset(5000)), 96_000);
        assert_eq!(index.batch_start_before(7_999), 4000);
        assert_eq!(index.batch_start_after(7_999), Some(8000));
        assert_eq!(index.batch_start_after(96_000), None);
    }

    #[test]
    fn thinning_forgets_no_timestamp() {
        let mut index = index();
        assert_eq!(index.offset_for_timestamp(1000), Some(Offset(0)));
        index.thin(40_000);
        assert_eq!(index.entries().len(), 3);
        assert_eq!(index.offset_for_timestamp(1000), Some(Offset(0)));
        assert_eq!(index.offset_for_timestamp(1001), None);
    }
}
