//! What every assignor promises, for random groups; and the pictures that users know.

use proptest::prelude::*;

use super::*;

const TOPICS: u128 = 4;

fn topics(ids: &[u128]) -> Rc<BTreeSet<TopicId>> {
    Rc::new(ids.iter().map(|&id| TopicId(id)).collect())
}

fn share(topic: u128, partitions: std::ops::Range<i32>) -> Assignment {
    partitions.map(|partition| (TopicId(topic), partition)).collect()
}

/// Members with these names, all subscribed to topic 0, and what they had before.
fn group<'a>(members: &[(&'a str, &'a Assignment)], partitions: i32) -> Question<'a> {
    let topics = topics(&[0]);
    let candidate = |&(id, target): &(&'a str, &'a Assignment)| Candidate {
        id,
        instance: None,
        topics: Rc::clone(&topics),
        target,
    };
    Question {
        candidates: members.iter().map(candidate).collect(),
        partitions: BTreeMap::from([(TopicId(0), partitions)]),
    }
}

#[test]
fn three_members_share_six_partitions_and_eight_leave_two_idle() {
    let nothing = Assignment::default();
    for assignor in Assignor::ALL {
        let three = group(&[("a", &nothing), ("b", &nothing), ("c", &nothing)], 6);
        assert_eq!(assignor.assign(&three), [share(0, 0..2), share(0, 2..4), share(0, 4..6)], "{assignor:?}");
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let eight = group(&names.map(|name| (name, &nothing)), 6);
        let shares = assignor.assign(&eight);
        assert_eq!(shares.iter().filter(|share| share.is_empty()).count(), 2, "{assignor:?}");
    }
}

#[test]
fn range_gives_the_same_partitions_of_each_topic_and_static_members_the_same_again() {
    let nothing = Assignment::default();
    let both = topics(&[1, 2]);
    let candidate = |id: &'static str, instance| Candidate { id, instance, topics: Rc::clone(&both), target: &nothing };
    let partitions = BTreeMap::from([(TopicId(1), 3), (TopicId(2), 3)]);
    let candidates = vec![candidate("x", Some("second")), candidate("y", None), candidate("z", Some("first"))];
    let shares = Assignor::Range.assign(&Question { candidates, partitions });
    let owner_of = |partition| shares.iter().position(|share| share.contains(TopicId(1), partition));
    assert_eq!([0, 1, 2].map(owner_of), [Some(2), Some(0), Some(1)]);
    assert!(shares.iter().all(|share| share.iter().all(|(_, partition)| share.contains(TopicId(2), partition))));
}

#[test]
fn uniform_moves_only_what_it_has_to() {
    let (most, rest, nothing) = (share(0, 0..4), share(0, 4..7), Assignment::default());
    // Seven partitions: with a third member shares are of three, two and two.
    let shares = Assignor::Uniform.assign(&group(&[("a", &most), ("b", &rest), ("c", &nothing)], 7));
    assert!(shares[0].is_subset_of(&most) && shares[1].is_subset_of(&rest));
    assert_eq!(shares.iter().map(Assignment::len).collect::<Vec<_>>(), [3, 2, 2]);
    // Whoever has one more keeps it, wherever it stands.
    let (one, two) = (share(0, 0..1), share(0, 1..3));
    assert_eq!(Assignor::Uniform.assign(&group(&[("a", &one), ("b", &two)], 3)), [one.clone(), two.clone()]);
}

#[derive(Debug, Clone)]
struct Case {
    /// Subscriptions, and places in a former group whose shares they had.
    members: Vec<BTreeSet<u128>>,
    partitions: Vec<i32>,
    later: Vec<i32>,
}

fn case() -> impl Strategy<Value = Case> {
    let subscription = proptest::collection::btree_set(0..TOPICS, 0..4);
    let alike = (1usize..9, subscription.clone()).prop_map(|(count, topics)| vec![topics; count]);
    let members = prop_oneof![proptest::collection::vec(subscription, 1..9), alike];
    let sizes = || proptest::collection::vec(0..12i32, TOPICS as usize);
    (members, sizes(), sizes()).prop_map(|(members, partitions, later)| Case { members, partitions, later })
}

fn question<'a>(ids: &'a [String], members: &[BTreeSet<u128>], sizes: &[i32], had: &'a [Assignment]) -> Question<'a> {
    let exists = |topic: &&u128| sizes[**topic as usize] > 0;
    let candidates = members.iter().zip(ids).zip(had).map(|((subscribed, id), target)| Candidate {
        id,
        instance: None,
        topics: Rc::new(subscribed.iter().filter(exists).map(|&id| TopicId(id)).collect()),
        target,
    });
    let partitions = (0..TOPICS).zip(sizes).filter(|(_, size)| **size > 0).map(|(id, &size)| (TopicId(id), size));
    Question { candidates: candidates.collect(), partitions: partitions.collect() }
}

/// Every partition that anybody subscribes to has one owner, who subscribes to it.
fn check(question: &Question<'_>, shares: &[Assignment]) {
    assert_eq!(shares.len(), question.candidates.len());
    let mut owned = Assignment::default();
    for (share, candidate) in shares.iter().zip(&question.candidates) {
        for (topic, partition) in share.iter() {
            assert!(candidate.topics.contains(&topic), "{} does not subscribe to {topic}", candidate.id);
            assert!(owned.insert(topic, partition), "two owners of {topic} {partition}");
        }
    }
    let subscribed: BTreeSet<TopicId> =
        question.candidates.iter().flat_map(|candidate| candidate.topics.iter().copied()).collect();
    let all: Assignment = subscribed.into_iter().flat_map(|topic| question.partitions_of(topic)).collect();
    assert_eq!(owned, all, "every partition has an owner, and none that does not exist");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_partition_has_one_owner_and_shares_are_even(case in case()) {
        let ids: Vec<String> = (0..case.members.len()).map(|number| format!("member-{number}")).collect();
        for assignor in Assignor::ALL {
            let nothing = vec![Assignment::default(); ids.len()];
            let first = question(&ids, &case.members, &case.partitions, &nothing);
            let shares = assignor.assign(&first);
            check(&first, &shares);
            // The same question again changes nothing.
            let again = question(&ids, &case.members, &case.partitions, &shares);
            prop_assert_eq!(&assignor.assign(&again), &shares, "{:?}", assignor);
            // Members have gone and topics have grown, or are gone themselves.
            let kept = case.members.len().div_ceil(2);
            let later = question(&ids[..kept], &case.members[..kept], &case.later, &shares[..kept]);
            let moved = assignor.assign(&later);
            check(&later, &moved);
            if assignor == Assignor::Uniform && later.has_one_subscription() {
                let sizes = moved.iter().map(Assignment::len);
                prop_assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
            }
        }
    }
}
