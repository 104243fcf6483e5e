//! Making the targets of a group: what each member is to own from an epoch on.

use std::collections::BTreeMap;

use super::assignor::{Candidate, Question};
use super::topics::Subscriptions;
use super::{Assignment, Assignor, Consumer};
use crate::controller::image::Image;

/// A member in whose place another one steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replacement<'a> {
    pub(super) old: &'a str,
    pub(super) new: &'a str,
}

impl Consumer {
    /// What each of the members is to own.
    pub(super) fn assign(
        &self,
        assignors: &[Assignor],
        topics: &Image,
        subscriptions: &Subscriptions<'_>,
        replacement: Option<Replacement<'_>>,
    ) -> BTreeMap<String, Assignment> {
        let former_id = |id: &str| match replacement {
            Some(replacement) if replacement.new == id => replacement.old.to_owned(),
            _ => id.to_owned(),
        };
        let members = subscriptions.by_member(topics);
        let mut question = Question::default();
        for (id, profile, subscribed) in &members {
            for topic in subscribed.iter().filter_map(|&id| topics.topic_by_id(id)) {
                let partitions = i32::try_from(topic.partitions).expect("bounded by PARTITIONS_PER_TOPIC_MAX");
                question.partitions.insert(topic.id, partitions);
            }
            question.candidates.push(Candidate {
                id,
                instance: profile.instance.as_deref(),
                topics: subscribed.clone(),
                target: self.target_of(&former_id(id)),
            });
        }
        let shares = elect(assignors, subscriptions).assign(&question);
        members.iter().map(|(id, _, _)| (*id).to_owned()).zip(shares).collect()
    }
}

/// The assignor that most members ask for, of those there are; the first one if nobody asks.
pub(super) fn elect(assignors: &[Assignor], subscriptions: &Subscriptions<'_>) -> Assignor {
    let mut votes = vec![0usize; assignors.len()];
    for (_, profile) in subscriptions.profiles() {
        let wanted = profile.assignor.as_deref().and_then(Assignor::find);
        if let Some(place) = wanted.and_then(|wanted| assignors.iter().position(|&known| known == wanted)) {
            votes[place] += 1;
        }
    }
    let most = votes.iter().max().copied().unwrap_or(0);
    let elected = votes.iter().position(|&count| count == most).expect("a broker has an assignor");
    assignors[elected]
}
