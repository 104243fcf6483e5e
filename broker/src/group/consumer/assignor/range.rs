//! Neighbouring partitions to each member, topic by topic: members that subscribe to topics of the same size own the same partitions of
//! each, so that streams can be joined.

use std::collections::BTreeMap;

use super::{Candidate, Question};
use crate::controller::TopicId;
use crate::group::consumer::Assignment;

/// What is left of a topic while it is dealt out.
struct Topic {
    next: i32,
    quota: i32,
    /// So many members more get one partition beyond the quota.
    extras: i32,
}

pub(super) fn assign(question: &Question<'_>) -> Vec<Assignment> {
    let mut subscribers = BTreeMap::<TopicId, i32>::new();
    for &topic in question.candidates.iter().flat_map(|candidate| candidate.topics.iter()) {
        *subscribers.entry(topic).or_default() += 1;
    }
    let dealt = |(topic, members): (TopicId, i32)| {
        let count = question.partitions.get(&topic).copied().unwrap_or(0);
        (topic, Topic { next: 0, quota: count / members, extras: count % members })
    };
    let mut topics: BTreeMap<TopicId, Topic> = subscribers.into_iter().map(dealt).collect();
    // Static members come first, by the ids that they keep: so they get the same again after a restart.
    let mut order: Vec<usize> = (0..question.candidates.len()).collect();
    let rank = |candidate: &Candidate<'_>| {
        (candidate.instance.is_none(), candidate.instance.unwrap_or(candidate.id).to_owned())
    };
    order.sort_by_cached_key(|&place| rank(&question.candidates[place]));
    let mut shares = vec![Assignment::default(); question.candidates.len()];
    for place in order {
        for topic in question.candidates[place].topics.iter() {
            let left = topics.get_mut(topic).expect("subscribed topics are counted");
            let extra = i32::from(left.extras > 0);
            left.extras -= extra;
            let end = left.next + left.quota + extra;
            shares[place].extend((left.next..end).map(|partition| (*topic, partition)));
            left.next = end;
        }
    }
    shares
}
