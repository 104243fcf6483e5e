//! Even shares where all members subscribe to the same topics: shares differ by one partition at most, and no more partitions move than
//! that takes.

use super::Question;
use crate::group::consumer::Assignment;

pub(super) fn assign(question: &Question<'_>) -> Vec<Assignment> {
    let topics = &question.candidates[0].topics;
    let all: Assignment = topics.iter().flat_map(|&topic| question.partitions_of(topic)).collect();
    let members = question.candidates.len();
    let quota = all.len() / members;
    let extras = all.len() % members;
    // What each member keeps of what it had; nobody keeps what another one has.
    let mut free = all.clone();
    let mut shares: Vec<Assignment> = Vec::with_capacity(members);
    for candidate in &question.candidates {
        let kept = candidate.target.filtered(|topic, partition| free.contains(topic, partition));
        kept.iter().for_each(|(topic, partition)| free.remove(topic, partition));
        shares.push(kept);
    }
    // Whoever has more than the others anyway is the one to have one more.
    let mut quotas = vec![quota; members];
    let (rich, others): (Vec<usize>, Vec<usize>) = (0..members).partition(|&place| shares[place].len() > quota);
    for &place in rich.iter().chain(&others).take(extras) {
        quotas[place] += 1;
    }
    for place in rich {
        let above: Vec<_> = shares[place].iter().skip(quotas[place]).collect();
        for (topic, partition) in above {
            shares[place].remove(topic, partition);
            free.insert(topic, partition);
        }
    }
    let mut free = free.iter();
    for (share, quota) in shares.iter_mut().zip(quotas) {
        let missing = quota.saturating_sub(share.len());
        share.extend(free.by_ref().take(missing));
    }
    assert!(free.next().is_none(), "the quotas make up all partitions");
    shares
}
