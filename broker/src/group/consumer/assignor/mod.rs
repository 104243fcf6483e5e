//! Who is to own which partitions: the assignors of the broker (KIP-848), by the names that clients ask for them with.

mod range;
#[cfg(test)]
mod tests;
mod uneven;
mod uniform;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::assignment::Assignment;
use crate::controller::TopicId;

/// An assignor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assignor {
    /// Even shares, and as little as possible moves.
    Uniform,
    /// Neighbouring partitions, the same ones of each topic.
    Range,
}

/// A member, as an assignor sees it.
#[derive(Debug, Clone)]
pub(super) struct Candidate<'a> {
    pub(super) id: &'a str,
    pub(super) instance: Option<&'a str>,
    /// The topics that it subscribes to. All of them exist.
    pub(super) topics: Rc<BTreeSet<TopicId>>,
    /// What it was to own before.
    pub(super) target: &'a Assignment,
}

/// What an assignor is asked.
#[derive(Debug, Default)]
pub(super) struct Question<'a> {
    /// In the order of their ids.
    pub(super) candidates: Vec<Candidate<'a>>,
    /// How many partitions each topic has that anybody subscribes to.
    pub(super) partitions: BTreeMap<TopicId, i32>,
}

impl Assignor {
    pub const ALL: [Self; 2] = [Self::Uniform, Self::Range];

    /// Kafka's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Range => "range",
        }
    }

    /// The name of Kafka's class, by which its configuration may name it.
    pub const fn class_name(self) -> &'static str {
        match self {
            Self::Uniform => "org.apache.kafka.coordinator.group.assignor.UniformAssignor",
            Self::Range => "org.apache.kafka.coordinator.group.assignor.RangeAssignor",
        }
    }

    /// Finds an assignor by either name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|assignor| name == assignor.name() || name == assignor.class_name())
    }

    /// What each candidate is to own, in their order. Every partition that anybody subscribes to has one owner.
    pub(super) fn assign(self, question: &Question<'_>) -> Vec<Assignment> {
        match self {
            _ if question.candidates.is_empty() => Vec::new(),
            Self::Range => range::assign(question),
            Self::Uniform if question.has_one_subscription() => uniform::assign(question),
            Self::Uniform => uneven::assign(question),
        }
    }
}

impl Question<'_> {
    fn has_one_subscription(&self) -> bool {
        let is_same =
            |pair: &[Candidate<'_>]| Rc::ptr_eq(&pair[0].topics, &pair[1].topics) || pair[0].topics == pair[1].topics;
        self.candidates.windows(2).all(is_same)
    }

    fn partitions_of(&self, topic: TopicId) -> impl Iterator<Item = (TopicId, i32)> + use<> {
        let count = self.partitions.get(&topic).copied().unwrap_or(0);
        (0..count).map(move |partition| (topic, partition))
    }
}
