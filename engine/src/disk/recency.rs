//! Which of the open files was used when. Pure.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use crate::ids::{LogId, SegmentName};

/// A segment file.
pub type Key = (LogId, SegmentName);

/// Files in the order of their last uses. Every file stands in both maps.
#[derive(Debug, Default)]
pub struct Recency {
    last_use: BTreeMap<Key, u64>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    /// Uses before this one are older than the last call of [`Recency::unused`].
    mark: u64,
}

impl Recency {
    pub fn len(&self) -> usize {
        self.last_use.len()
    }

    pub fn on_use(&mut self, key: Key) {
        self.uses += 1;
        if let Some(before) = self.last_use.insert(key, self.uses) {
            self.by_use.remove(&before);
        }
        self.by_use.insert(self.uses, key);
    }

    pub fn on_closed(&mut self, key: Key) {
        if let Some(last) = self.last_use.remove(&key) {
            self.by_use.remove(&last);
        }
    }

    /// The file that was not used for longest.
    pub fn oldest(&self) -> Option<Key> {
        self.by_use.values().next().copied()
    }

    /// The files that were not used since the last call.
    pub fn unused(&mut self) -> Vec<Key> {
        let unused = self.by_use.range(..=self.mark).map(|(_, key)| *key).collect();
        self.mark = self.uses;
        unused
    }
}

#[cfg(test)]
mod tests {
    use batch::Offset;

    use super::*;

    fn key(partition: u32) -> Key {
        (LogId { topic: 1, partition }, SegmentName::appended(Offset(0)))
    }

    #[test]
    fn the_oldest_is_the_one_that_was_not_used_for_longest() {
        let mut recency = Recency::default();
        [1, 2, 3, 1].into_iter().for_each(|partition| recency.on_use(key(partition)));
        assert_eq!((recency.oldest(), recency.len()), (Some(key(2)), 3));
        recency.on_closed(key(2));
        assert_eq!((recency.oldest(), recency.len()), (Some(key(3)), 2));
    }

    #[test]
    fn a_file_is_unused_when_two_looks_have_passed_without_a_use() {
        let mut recency = Recency::default();
        [1, 2].into_iter().for_each(|partition| recency.on_use(key(partition)));
        assert_eq!(recency.unused(), []);
        recency.on_use(key(2));
        assert_eq!(recency.unused(), [key(1)]);
        recency.on_closed(key(1));
        assert_eq!(recency.unused(), [key(2)]);
    }
}
