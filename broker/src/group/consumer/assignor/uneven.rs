//! Even shares where members subscribe to different topics: what was not owned goes to those who have least, and then partitions move
//! from those who have most to those who have least, topic by topic, until nothing gets better.

use std::collections::{BTreeMap, BTreeSet};

use super::Question;
use crate::controller::TopicId;
use crate::group::consumer::Assignment;

/// Rounds through all topics. Where subscriptions overlap without being the same each round about halves what is uneven; Kafka stops at the same number.
const ROUNDS_MAX: usize = 16;

/// Shares on their way to being even.
struct Balance<'a, 'q> {
    question: &'a Question<'q>,
    shares: Vec<Assignment>,
    /// Number of partitions of each share: counting them again and again would take most of the time.
    loads: Vec<usize>,
}

pub(super) fn assign(question: &Question<'_>) -> Vec<Assignment> {
    let mut subscribers = BTreeMap::<TopicId, Vec<usize>>::new();
    for (place, candidate) in question.candidates.iter().enumerate() {
        for &topic in candidate.topics.iter() {
            subscribers.entry(topic).or_default().push(place);
        }
    }
    let mut free: Assignment = subscribers.keys().flat_map(|&topic| question.partitions_of(topic)).collect();
    let mut balance = Balance { question, shares: Vec::new(), loads: Vec::new() };
    balance.keep(&mut free);
    // Topics with many partitions for each subscriber first, because there is least choice; then those with few subscribers.
    let mut topics: Vec<(TopicId, Vec<usize>)> = subscribers.into_iter().collect();
    let density = |(topic, members): &(TopicId, Vec<usize>)| question.partitions[topic] as f64 / members.len() as f64;
    topics.sort_by(|one, other| density(other).total_cmp(&density(one)).then(one.1.len().cmp(&other.1.len())));
    for (topic, members) in &topics {
        balance.deal_out(*topic, members, &free);
    }
    for _ in 0..ROUNDS_MAX {
        let moved: usize = topics.iter().map(|(topic, members)| balance.even_out(*topic, members)).sum();
        if moved == 0 {
            break;
        }
    }
    balance.shares
}

impl Balance<'_, '_> {
    /// Each member keeps what it had and still subscribes to; nobody keeps what another one has.
    fn keep(&mut self, free: &mut Assignment) {
        for candidate in &self.question.candidates {
            let is_kept =
                |topic: TopicId, partition| candidate.topics.contains(&topic) && free.contains(topic, partition);
            let kept = candidate.target.filtered(is_kept);
            kept.iter().for_each(|(topic, partition)| free.remove(topic, partition));
            self.loads.push(kept.len());
            self.shares.push(kept);
        }
    }

    fn by_load(&self, members: &[usize]) -> BTreeSet<(usize, usize)> {
        members.iter().map(|&place| (self.loads[place], place)).collect()
    }

    fn deal_out(&mut self, topic: TopicId, members: &[usize], free: &Assignment) {
        let mut by_load = self.by_load(members);
        for (topic, partition) in
            self.question.partitions_of(topic).filter(|&(topic, partition)| free.contains(topic, partition))
        {
            let (load, place) = by_load.pop_first().expect("a topic has a subscriber");
            by_load.insert((load + 1, place));
            self.shares[place].insert(topic, partition);
            self.loads[place] += 1;
        }
    }

    /// Moves partitions of one topic between its subscribers, and counts them.
    fn even_out(&mut self, topic: TopicId, members: &[usize]) -> usize {
        let mut by_load = self.by_load(members);
        let mut moved = 0;
        while let Some(&(least, taker)) = by_load.first() {
            // Whoever has most may own nothing of this topic.
            let giver = by_load.iter().rev().take_while(|(load, _)| *load > least + 1).find_map(|&(load, place)| {
                let mut owned = self.shares[place].topics().filter(|(owned, _)| *owned == topic);
                owned.next().and_then(|(_, partitions)| partitions.last().copied()).map(|last| (load, place, last))
            });
            let Some((most, giver, partition)) = giver else { break };
            by_load.remove(&(most, giver));
            by_load.remove(&(least, taker));
            by_load.extend([(most - 1, giver), (least + 1, taker)]);
            self.shares[giver].remove(topic, partition);
            self.shares[taker].insert(topic, partition);
            self.loads[giver] -= 1;
            self.loads[taker] += 1;
            moved += 1;
        }
        moved
    }
}
