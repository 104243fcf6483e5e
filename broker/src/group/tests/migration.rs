//! Groups that change their protocol: empty ones, and ones whose members move one by one.

use super::consumers::Client;
use super::*;
use crate::group::config::Migration;
use crate::group::consumer::Assignment;

/// What a classic consumer says: topics, no user data, what it owns.
fn said(topics: &[&str], owned: &[(&str, &[i32])]) -> Bytes {
    fn string(out: &mut Vec<u8>, text: &str) {
        out.extend_from_slice(&u16::try_from(text.len()).expect("a short name").to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let count = |count: usize| u32::try_from(count).expect("a few").to_be_bytes();
    let mut out = vec![0, 1];
    out.extend_from_slice(&count(topics.len()));
    topics.iter().for_each(|topic| string(&mut out, topic));
    out.extend_from_slice(&[0xff; 4]);
    out.extend_from_slice(&count(owned.len()));
    for (topic, partitions) in owned {
        string(&mut out, topic);
        out.extend_from_slice(&count(partitions.len()));
        partitions.iter().for_each(|partition| out.extend_from_slice(&partition.to_be_bytes()));
    }
    out.into()
}

/// An assignment as members of the classic protocol read it.
pub(super) fn assignment(partitions: &[i32]) -> Bytes {
    let mut out = vec![0, 1, 0, 0, 0, 1, 0, 1, b't'];
    out.extend_from_slice(&u32::try_from(partitions.len()).expect("a few").to_be_bytes());
    partitions.iter().for_each(|partition| out.extend_from_slice(&partition.to_be_bytes()));
    out.extend_from_slice(&[0xff; 4]);
    out.into()
}

fn nothing() -> Bytes {
    Bytes::from_static(&[0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
}

pub(super) fn classic_join(name: &str, id: &str, owned: &[i32]) -> GroupRequest {
    let owned: &[(&str, &[i32])] = if owned.is_empty() { &[] } else { &[("t", owned)] };
    let protocols = vec![Protocol { name: "range".into(), metadata: said(&["t"], owned) }];
    GroupRequest::Join(Box::new(Join { protocols, ..join_request(name, id) }))
}

impl World {
    /// A stable classic group of two members, who own the halves of a topic.
    fn classic_pair(&mut self) -> [String; 2] {
        let ids = ["a", "b"].map(|name| match self.ask(classic_join(name, "", &[])) {
            Err(GroupFault::MemberIdRequired(id)) => id,
            other => panic!("{other:?}"),
        });
        let joins = [("a", &ids[0]), ("b", &ids[1])].map(|(name, id)| self.send(classic_join(name, id, &[])));
        self.pass(6_000);
        let generation = joins.map(|waiter| self.joined(waiter).generation)[0];
        let shares = vec![(ids[0].clone(), assignment(&[0, 1, 2])), (ids[1].clone(), assignment(&[3, 4, 5]))];
        let request = |id: &str, assignments| {
            let identity = Identity::member(id);
            GroupRequest::Sync(Sync { group: GROUP.into(), identity, generation, assignments, ..Sync::default() })
        };
        let syncs = [self.send(request(&ids[1], Vec::new())), self.send(request(&ids[0], shares))];
        syncs.into_iter().for_each(|waiter| assert!(self.take(waiter).expect("an answer").is_ok()));
        assert_eq!(self.state(), "Stable");
        ids
    }

    /// What a classic member in a group of the other protocol is told to own.
    fn rejoin(&mut self, name: &str, id: &str, owned: &[i32]) -> (i32, Bytes) {
        let joined = match self.ask(classic_join(name, id, owned)) {
            Ok(GroupAnswer::Joined(joined)) => *joined,
            other => panic!("{other:?}"),
        };
        assert!(joined.leader.is_empty() && joined.members.is_empty(), "nobody is to assign");
        match self.ask(sync(id, joined.generation, &[])) {
            Ok(GroupAnswer::Synced(synced)) => (joined.generation, synced.assignment),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_empty_group_becomes_what_the_next_member_speaks_and_keeps_its_offsets() {
    let config = GroupConfig { migration: Migration::Disabled, ..GroupConfig::default() };
    let mut world = World::new(config);
    assert_eq!(world.ask(commit("", -1, "t", 7)), committed());
    let ids = world.classic_pair();
    for id in &ids {
        assert!(world.ask(leave(id)).is_ok());
    }
    assert_eq!(world.state(), "Empty");
    let mut client = Client::named("new", &["t"]);
    let beaten = world.beaten(client.joining()).expect("it may join");
    client.take(&beaten);
    assert_eq!((client.owned.len(), world.describe_consumer().state), (6, "Stable"));
    let mut world = world.restarted(config);
    assert_eq!((world.describe_consumer().state, world.offset("t")), ("Stable", Some(7)));
    world.beaten(client.leaving(-1)).expect("it leaves");
    let ids = world.classic_pair();
    let mut world = world.restarted(config);
    assert_eq!((world.state(), world.offset("t")), ("Stable", Some(7)));
    // With members it stays what it is, if the policy says so.
    assert_eq!(world.beaten(client.joining()), Err(GroupFault::OtherProtocol));
    assert_eq!(world.beat(&ids[0], 1), Ok(GroupAnswer::Beat));
}

#[test]
fn members_move_to_the_consumer_protocol_one_by_one() {
    let mut world = world();
    let [a, b] = world.classic_pair();
    let mut client = Client::named("new", &["t"]);
    let beaten = world.beaten(client.joining()).expect("it may join");
    client.take(&beaten);
    assert!(client.owned.is_empty(), "everything is owned by others");
    let described = world.describe_consumer();
    assert_eq!((described.state, described.members.len()), ("Reconciling", 3));
    let mut world = world.restarted(GroupConfig::default());
    // Those who were there are told to join, and give up what is not theirs any more.
    assert_eq!(world.beat(&a, 1), Err(GroupFault::RebalanceInProgress));
    assert_eq!(world.beat(&b, 1), Err(GroupFault::RebalanceInProgress));
    let (generation, share) = world.rejoin("a", &a, &[]);
    assert_eq!(share, assignment(&[0, 1]));
    assert_eq!(world.beat(&a, generation), Ok(GroupAnswer::Beat));
    // One of the cooperative kind still owns everything when it joins, and joins once more when it has given up.
    let (old, share) = world.rejoin("b", &b, &[3, 4, 5]);
    assert_eq!((old, share), (1, assignment(&[3])));
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert!(client.owned.is_empty(), "what it is to have is not given up yet");
    assert_eq!(world.beat(&b, old), Err(GroupFault::RebalanceInProgress));
    let (generation, share) = world.rejoin("b", &b, &[3]);
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert_eq!((share, client.partitions()), (assignment(&[2, 3]), vec![4, 5]));
    assert_eq!(world.describe_consumer().state, "Stable");
    // Their commits are judged as they know it.
    assert_eq!(world.ask(commit(&b, generation, "t", 4)), committed());
    assert_eq!(world.ask(commit(&b, old, "t", 4)), Err(GroupFault::IllegalGeneration));
    for id in [&a, &b] {
        assert_eq!(world.ask(leave(id)), Ok(GroupAnswer::Left(vec![Ok(())])));
    }
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert_eq!(client.owned.len(), 6);
}

#[test]
fn when_the_last_member_of_the_consumer_protocol_goes_the_group_is_classic_again() {
    let mut world = world();
    let [a, b] = world.classic_pair();
    let mut client = Client::named("new", &["t"]);
    client.take(&world.beaten(client.joining()).expect("it may join"));
    let (generation, _) = world.rejoin("a", &a, &[]);
    world.rejoin("b", &b, &[]);
    world.beaten(client.leaving(-1)).expect("it leaves");
    assert_eq!(world.state(), "PreparingRebalance");
    let mut loaded = World::replayed(GroupConfig::default(), world.log.clone(), world.now, world.topics.clone());
    assert_eq!(loaded.state(), "Stable", "after a start they go on as they were");
    assert!(world.beat(&a, generation).is_err());
    let joins = [world.send(classic_join("a", &a, &[])), world.send(classic_join("b", &b, &[]))];
    let joined = joins.map(|waiter| world.joined(waiter));
    assert_eq!(joined[0].generation, joined[1].generation);
    let leader = joined.iter().find(|joined| joined.leader == joined.member).expect("somebody leads");
    assert_eq!(leader.members.len(), 2);
    assert!(joined[0].generation > generation);
}

#[test]
fn a_classic_member_joins_a_group_of_the_consumer_protocol_and_one_that_is_not_understood_does_not() {
    let mut world = world();
    let mut client = Client::named("new", &["t"]);
    client.take(&world.beaten(client.joining()).expect("it may join"));
    let stranger = Join { protocol_type: "connect".into(), ..join_request("x", "") };
    assert_eq!(world.ask(GroupRequest::Join(Box::new(stranger))), Err(GroupFault::InconsistentProtocol));
    let Err(GroupFault::MemberIdRequired(id)) = world.ask(classic_join("a", "", &[])) else { panic!("an id first") };
    let (generation, share) = world.rejoin("a", &id, &[]);
    assert_eq!(share, nothing(), "all is owned by the other");
    client.take(&world.beaten(client.whole()).expect("a member"));
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert_eq!(world.beat(&id, generation), Err(GroupFault::RebalanceInProgress), "there is something to have");
    let (generation, share) = world.rejoin("a", &id, &[]);
    assert_eq!((share, client.partitions()), (assignment(&[0, 1, 2]), vec![3, 4, 5]));
    // One that does not join when it is told to is in the way of the others.
    world.replay_topics(&[MetadataRecord::TopicPartitions { id: TopicId(100), partitions: 8 }]);
    let waited_ms = u64::try_from(REBALANCE_MS).expect("a time");
    for _ in 0..=waited_ms / 5_000 {
        client.take(&world.beaten(client.whole()).expect("a member"));
        let _ = world.beat(&id, generation);
        world.pass(5_000);
    }
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert_eq!((client.owned.len(), world.describe_consumer().members.len()), (8, 1));
    let away = Client { owned: Assignment::default(), ..client };
    assert!(world.beaten(away.leaving(-1)).is_ok());
}

/// A heartbeat of the classic protocol looks at no topics, and passed them as looked at: if it was the first after a topic had grown, nobody
/// got the new partitions. Found by the lives of `mixed_lives`.
#[test]
fn a_topic_that_grows_is_noticed_also_when_a_classic_member_beats_first() {
    let mut world = world();
    let [a, b] = world.classic_pair();
    let mut client = Client::named("new", &["t"]);
    client.take(&world.beaten(client.joining()).expect("it may join"));
    let (generation, _) = world.rejoin("a", &a, &[]);
    world.rejoin("b", &b, &[]);
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert_eq!((client.partitions(), world.describe_consumer().state), (vec![4, 5], "Stable"));
    world.replay_topics(&[MetadataRecord::TopicPartitions { id: TopicId(100), partitions: 9 }]);
    assert_eq!(world.beat(&a, generation), Ok(GroupAnswer::Beat));
    client.take(&world.beaten(client.whole()).expect("a member"));
    assert_eq!(world.beat(&a, generation), Err(GroupFault::RebalanceInProgress));
    // What others have to give up first comes a round later.
    for _ in 0..2 {
        world.rejoin("a", &a, &[]);
        world.rejoin("b", &b, &[]);
        client.take(&world.beaten(client.whole()).expect("a member"));
    }
    let shares = [world.rejoin("a", &a, &[]).1, world.rejoin("b", &b, &[]).1];
    assert_eq!(shares, [assignment(&[0, 1, 2]), assignment(&[3, 4, 5])]);
    assert_eq!((client.partitions(), world.describe_consumer().state), (vec![6, 7, 8], "Stable"));
}
