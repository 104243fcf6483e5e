//! Partitions of topics: what a member owns, gives up, or is to own.
//!
//! Invariant: no topic without a partition is kept.

use std::collections::{BTreeMap, BTreeSet};

use crate::controller::TopicId;

/// A set of partitions, by topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignment(BTreeMap<TopicId, BTreeSet<i32>>);

impl Assignment {
    pub const fn nothing() -> Self {
        Self(BTreeMap::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of partitions.
    pub fn len(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    pub fn contains(&self, topic: TopicId, partition: i32) -> bool {
        self.0.get(&topic).is_some_and(|partitions| partitions.contains(&partition))
    }

    /// False if it is there already.
    pub fn insert(&mut self, topic: TopicId, partition: i32) -> bool {
        self.0.entry(topic).or_default().insert(partition)
    }

    pub fn remove(&mut self, topic: TopicId, partition: i32) {
        if let Some(partitions) = self.0.get_mut(&topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.0.remove(&topic);
            }
        }
    }

    /// By topic and partition.
    pub fn iter(&self) -> impl Iterator<Item = (TopicId, i32)> + '_ {
        self.0.iter().flat_map(|(&topic, partitions)| partitions.iter().map(move |&partition| (topic, partition)))
    }

    pub fn topics(&self) -> impl Iterator<Item = (TopicId, &BTreeSet<i32>)> {
        self.0.iter().map(|(&topic, partitions)| (topic, partitions))
    }

    /// Those for which `keep` is true.
    pub fn filtered(&self, mut keep: impl FnMut(TopicId, i32) -> bool) -> Self {
        self.iter().filter(|&(topic, partition)| keep(topic, partition)).collect()
    }

    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.iter().all(|(topic, partition)| other.contains(topic, partition))
    }

    pub fn has_any_of(&self, other: &Self) -> bool {
        self.iter().any(|(topic, partition)| other.contains(topic, partition))
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        const TOPIC_BYTES: usize = 96;
        const PARTITION_BYTES: usize = 8;
        self.0.values().map(|partitions| TOPIC_BYTES + PARTITION_BYTES * partitions.len()).sum()
    }
}

impl FromIterator<(TopicId, i32)> for Assignment {
    fn from_iter<I: IntoIterator<Item = (TopicId, i32)>>(partitions: I) -> Self {
        let mut assignment = Self::default();
        assignment.extend(partitions);
        assignment
    }
}

impl Extend<(TopicId, i32)> for Assignment {
    fn extend<I: IntoIterator<Item = (TopicId, i32)>>(&mut self, partitions: I) {
        for (topic, partition) in partitions {
            self.insert(topic, partition);
        }
    }
}
