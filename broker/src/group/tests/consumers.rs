//! Groups of the consumer protocol: what single members meet, in the order of Kafka's own rules.

use super::*;
use crate::group::consumer::{Assignment, Assignor};

const INTERVAL_MS: u64 = 5_000;
const CONSUMER_SESSION_MS: u64 = 45_000;

/// A member as its client knows itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    pub(super) epoch: i32,
    pub(super) owned: Assignment,
    pub(super) topics: Vec<String>,
    pub(super) pattern: Option<String>,
    pub(super) assignor: Option<String>,
}

impl Client {
    pub(super) fn named(id: &str, topics: &[&str]) -> Self {
        let topics = topics.iter().map(|&topic| topic.to_owned()).collect();
        Self { id: id.to_owned(), topics, assignor: Some("range".into()), ..Self::default() }
    }

    pub(super) fn with_instance(self, instance: &str) -> Self {
        Self { instance: Some(instance.to_owned()), ..self }
    }

    pub(super) fn joining(&self) -> ConsumerBeat {
        ConsumerBeat {
            epoch: 0,
            rebalance_timeout_ms: REBALANCE_MS,
            topics: Some(self.topics.clone()),
            pattern: self.pattern.clone(),
            assignor: self.assignor.clone(),
            owned: Some(Assignment::default()),
            ..self.leaving(0)
        }
    }

    /// Everything the client knows, as after an error.
    pub(super) fn whole(&self) -> ConsumerBeat {
        ConsumerBeat { epoch: self.epoch, owned: Some(self.owned.clone()), ..self.joining() }
    }

    pub(super) fn short(&self) -> ConsumerBeat {
        self.leaving(self.epoch)
    }

    pub(super) fn leaving(&self, epoch: i32) -> ConsumerBeat {
        ConsumerBeat {
            group: GROUP.into(),
            member: self.id.clone(),
            epoch,
            instance: self.instance.clone(),
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: -1,
            makes_own_id: true,
            fresh: "fresh".into(),
            ..ConsumerBeat::default()
        }
    }

    /// Takes an answer, and owns at once what it says.
    pub(super) fn take(&mut self, beaten: &ConsumerBeaten) {
        self.id.clone_from(&beaten.member);
        self.epoch = beaten.epoch;
        if let Some(assignment) = &beaten.assignment {
            self.owned = assignment.clone();
        }
    }

    pub(super) fn partitions(&self) -> Vec<i32> {
        self.owned.iter().map(|(_, partition)| partition).collect()
    }
}

impl World {
    pub(super) fn beaten(&mut self, beat: ConsumerBeat) -> Result<ConsumerBeaten, GroupFault> {
        match self.ask(GroupRequest::ConsumerBeat(Box::new(beat))) {
            Ok(GroupAnswer::ConsumerBeaten(beaten)) => Ok(*beaten),
            Ok(other) => panic!("{other:?}"),
            Err(fault) => Err(fault),
        }
    }

    fn join_now(&mut self, client: &mut Client) {
        let beaten = self.beaten(client.joining()).expect("it may join");
        client.take(&beaten);
    }

    /// A heartbeat that says what the client owns.
    fn beat_now(&mut self, client: &mut Client) {
        let beaten = self.beaten(client.whole()).expect("it is a member");
        client.take(&beaten);
    }

    pub(super) fn describe_consumer(&mut self) -> DescribedConsumer {
        match self.ask(GroupRequest::DescribeConsumer { group: GROUP.into() }) {
            Ok(GroupAnswer::DescribedConsumer(described)) => *described,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn replay_topics(&mut self, records: &[MetadataRecord]) {
        for record in records {
            self.topics.replay(record);
        }
        self.coordinator.on_topics_changed();
    }

    /// A group in which everybody has what it is to have.
    fn settled(&mut self, names: &[&str]) -> Vec<Client> {
        let mut clients: Vec<Client> = names.iter().map(|name| Client::named(name, &["t"])).collect();
        clients.iter_mut().for_each(|client| self.join_now(client));
        for _ in 0..3 {
            clients.iter_mut().for_each(|client| self.beat_now(client));
        }
        assert_eq!(self.describe_consumer().state, "Stable");
        clients
    }
}

fn shares(clients: &[Client]) -> Vec<Vec<i32>> {
    clients.iter().map(Client::partitions).collect()
}

#[test]
fn three_members_share_six_partitions_and_the_share_of_one_that_dies_moves_within_the_session() {
    let mut world = world();
    let mut clients = world.settled(&["a", "b", "c"]);
    assert_eq!(shares(&clients), [[0, 1], [2, 3], [4, 5]]);
    clients.remove(1);
    let mut waited_ms = 0;
    while shares(&clients) != [[0, 1, 2], [3, 4, 5]] {
        assert!(waited_ms <= CONSUMER_SESSION_MS + 3 * INTERVAL_MS, "{:?}", shares(&clients));
        world.pass(INTERVAL_MS);
        waited_ms += INTERVAL_MS;
        clients.iter_mut().for_each(|client| world.beat_now(client));
    }
    assert!(waited_ms >= CONSUMER_SESSION_MS, "it may still have been there");
}

#[test]
fn two_of_eight_members_are_idle() {
    let mut world = world();
    let clients = world.settled(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    assert_eq!(clients.iter().filter(|client| client.owned.is_empty()).count(), 2);
}

#[test]
fn a_partition_is_given_out_when_its_owner_has_given_it_up_and_not_before() {
    let mut world = world();
    let (mut a, mut b) = (Client::named("a", &["t"]), Client::named("b", &["t"]));
    world.join_now(&mut a);
    assert_eq!((a.epoch, a.partitions()), (1, vec![0, 1, 2, 3, 4, 5]));
    world.join_now(&mut b);
    assert_eq!((b.epoch, b.partitions()), (2, vec![]), "nothing is free yet");
    let told = world.beaten(a.short()).expect("a member");
    let left = told.assignment.clone().expect("it is told what it keeps");
    assert_eq!((told.epoch, left.len()), (1, 3), "and keeps its epoch");
    assert_eq!(world.describe_consumer().state, "Reconciling");
    // It has not said that it gave anything up.
    assert_eq!(world.beaten(a.short()).expect("a member").epoch, 1);
    world.beat_now(&mut b);
    assert!(b.owned.is_empty());
    a.take(&told);
    world.beat_now(&mut a);
    assert_eq!(a.epoch, 2);
    let given = world.beaten(b.short()).expect("a member").assignment.expect("news come without asking");
    assert_eq!(given.iter().map(|(_, partition)| partition).collect::<Vec<_>>(), [3, 4, 5]);
    assert_eq!(world.describe_consumer().state, "Stable");
}

#[test]
fn a_member_that_does_not_give_up_in_time_is_fenced() {
    let mut world = world();
    let (mut a, mut b) = (Client::named("a", &["t"]), Client::named("b", &["t"]));
    world.join_now(&mut a);
    world.join_now(&mut b);
    let mut outcome = Ok(a.epoch);
    let mut waited_ms = 0;
    while outcome.is_ok() && waited_ms < 2 * REBALANCE_MS as u64 {
        outcome = world.beaten(a.short()).map(|beaten| beaten.epoch);
        world.beat_now(&mut b);
        world.pass(INTERVAL_MS);
        waited_ms += INTERVAL_MS;
    }
    assert_eq!(outcome, Err(GroupFault::UnknownMember));
    assert!(waited_ms >= REBALANCE_MS as u64, "{waited_ms}");
    world.beat_now(&mut b);
    assert_eq!(b.partitions(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn an_answer_that_was_lost_is_given_again_and_an_older_epoch_is_fenced() {
    let mut world = world();
    let mut clients = world.settled(&["a", "b"]);
    let before = clients[0].clone();
    world.beaten(clients[1].leaving(-1)).expect("it leaves");
    let lost = world.beaten(before.whole()).expect("a member");
    assert_eq!((lost.epoch, lost.assignment.as_ref().map(Assignment::len)), (before.epoch + 1, Some(6)));
    assert_eq!(world.beaten(before.short()), Err(GroupFault::FencedEpoch), "it might own anything");
    let again = world.beaten(before.whole());
    assert_eq!(again.as_ref(), Ok(&lost));
    clients[0].take(&lost);
    world.join_now(&mut clients[1]);
    world.beat_now(&mut clients[0]);
    world.beat_now(&mut clients[0]);
    assert_eq!(world.beaten(before.whole()), Err(GroupFault::FencedEpoch));
    let ahead = Client { epoch: 99, ..clients[0].clone() };
    assert_eq!(world.beaten(ahead.whole()), Err(GroupFault::FencedEpoch));
    // Whoever is fenced begins anew with the id that it has.
    world.join_now(&mut clients[0]);
    assert_eq!(clients[0].partitions(), [0, 1, 2]);
}

#[test]
fn a_static_member_that_goes_for_a_while_gets_back_what_it_had() {
    let mut world = world();
    let mut a = Client::named("a", &["t"]).with_instance("one");
    let mut b = Client::named("b", &["t"]);
    world.join_now(&mut a);
    world.join_now(&mut b);
    for _ in 0..2 {
        world.beat_now(&mut a);
        world.beat_now(&mut b);
    }
    assert_eq!(shares(&[a.clone(), b.clone()]), [[0, 1, 2], [3, 4, 5]]);
    let mut again = Client { id: "a-again".into(), epoch: 0, owned: Assignment::default(), ..a.clone() };
    assert_eq!(world.beaten(again.joining()), Err(GroupFault::UnreleasedInstance));
    assert_eq!(world.beaten(a.leaving(-2)).map(|beaten| beaten.epoch), Ok(-2));
    world.beat_now(&mut b);
    assert_eq!(b.partitions(), [3, 4, 5], "nothing moves");
    world.join_now(&mut again);
    assert_eq!((again.partitions(), again.epoch), (vec![0, 1, 2], b.epoch));
    assert_eq!(world.beaten(a.whole()), Err(GroupFault::FencedInstance));
    // Should it not come back, its session ends as that of others.
    assert_eq!(world.beaten(again.leaving(-2)).map(|beaten| beaten.epoch), Ok(-2));
    for _ in 0..10 {
        world.pass(INTERVAL_MS);
        world.beat_now(&mut b);
    }
    assert_eq!(b.partitions(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn topics_that_come_grow_and_go_make_new_targets() {
    let mut world = world();
    let mut a = Client::named("a", &["t", "later"]);
    world.join_now(&mut a);
    assert_eq!(a.owned.len(), 6);
    let later = MetadataRecord::Topic { name: "later".into(), id: TopicId(7), partitions: 2, configs: BTreeMap::new() };
    world.replay_topics(&[later]);
    world.beat_now(&mut a);
    assert_eq!((a.owned.len(), a.epoch), (8, 2));
    world.replay_topics(&[MetadataRecord::TopicPartitions { id: TopicId(7), partitions: 5 }]);
    world.beat_now(&mut a);
    assert_eq!((a.owned.len(), a.epoch), (11, 3));
    // Also while the coordinator was away.
    world.topics.replay(&MetadataRecord::TopicDeleted { id: TopicId(7) });
    let mut world = world.restarted(GroupConfig::default());
    world.beat_now(&mut a);
    world.beat_now(&mut a);
    assert_eq!((a.owned.len(), world.describe_consumer().epoch), (6, 4));
    // Nothing that concerns them: nothing happens.
    world.replay_topics(&[]);
    let records = world.log.len();
    world.beat_now(&mut a);
    assert_eq!((a.epoch, world.log.len()), (4, records));
}

#[test]
fn a_regular_expression_covers_topics_that_come_later() {
    let mut world = world();
    let mut a = Client { pattern: Some("[t-z].*".into()), ..Client::named("a", &[]) };
    world.join_now(&mut a);
    world.beat_now(&mut a);
    assert_eq!(a.owned.len(), 10);
    let create = |name: &str, id| MetadataRecord::Topic {
        name: name.into(),
        id: TopicId(id),
        partitions: 1,
        configs: BTreeMap::new(),
    };
    world.replay_topics(&[create("w", 7), create("a", 8), create("__consumer_offsets", 9)]);
    world.beat_now(&mut a);
    assert_eq!(a.owned.len(), 10, "not for each topic at once");
    world.pass(INTERVAL_MS);
    world.beat_now(&mut a);
    assert_eq!(a.owned.len(), 11);
    let described = world.describe_consumer();
    assert_eq!(described.members[0].profile.pattern.as_deref(), Some("[t-z].*"));
    let broken = Client { pattern: Some("(".into()), ..a.clone() };
    assert!(matches!(world.beaten(broken.whole()), Err(GroupFault::InvalidPattern(_))));
    // It wants topics by name from here on.
    let named = Client { pattern: Some(String::new()), topics: vec!["u".into()], ..a.clone() };
    a.take(&world.beaten(named.whole()).expect("a member"));
    world.beat_now(&mut Client { pattern: None, topics: vec!["u".into()], ..a.clone() });
    assert_eq!(world.ask(delete_offset("t")), Ok(GroupAnswer::OffsetsDeleted(vec![Ok(())])));
    assert_eq!(world.ask(delete_offset("u")), Ok(GroupAnswer::OffsetsDeleted(vec![Err(GroupFault::Subscribed)])));
}

#[test]
fn requests_that_make_no_sense_are_refused_in_kafka_s_words() {
    let mut world = world();
    let client = Client::named("a", &["t"]);
    let invalid = |beat: ConsumerBeat, world: &mut World| match world.beaten(beat) {
        Err(GroupFault::Invalid(message)) => message,
        other => panic!("{other:?}"),
    };
    let nameless = ConsumerBeat { member: String::new(), ..client.joining() };
    assert_eq!(invalid(nameless.clone(), &mut world), "MemberId can't be empty.");
    let owning = ConsumerBeat { owned: None, ..client.joining() };
    assert_eq!(invalid(owning, &mut world), "TopicPartitions must be empty when (re-)joining.");
    let nothing = ConsumerBeat { topics: None, ..client.joining() };
    assert!(invalid(nothing, &mut world).starts_with("Either SubscribedTopicNames"));
    let hasty = ConsumerBeat { rebalance_timeout_ms: -1, ..client.joining() };
    assert!(invalid(hasty, &mut world).starts_with("RebalanceTimeoutMs"));
    assert_eq!(invalid(client.leaving(-3), &mut world), "MemberEpoch is invalid.");
    assert_eq!(invalid(client.leaving(-2), &mut world), "InstanceId can't be null.");
    let unheard_of = ConsumerBeat { assignor: Some("best".into()), ..client.joining() };
    let expected = "ServerAssignor best is not supported. Supported assignors: uniform, range.";
    assert_eq!(world.beaten(unheard_of), Err(GroupFault::UnsupportedAssignor(expected.into())));
    assert_eq!(world.beaten(client.leaving(-1)), Err(GroupFault::NotFound));
    assert!(world.log.is_empty() && world.state() == "Dead", "nothing came of any of it");
    // In the first version ids were the coordinator's to make.
    let older = ConsumerBeat { makes_own_id: false, ..nameless };
    assert_eq!(world.beaten(older).map(|beaten| beaten.member), Ok("fresh".into()));
    assert_eq!(world.beaten(Client { epoch: 3, ..client.clone() }.short()), Err(GroupFault::UnknownMember));
}

#[test]
fn a_full_group_takes_nobody_else_in() {
    let mut world = World::new(GroupConfig { consumer_size_max: 1, ..GroupConfig::default() });
    let mut a = Client::named("a", &["t"]).with_instance("one");
    world.join_now(&mut a);
    assert_eq!(world.beaten(Client::named("b", &["t"]).joining()), Err(GroupFault::MaxSizeReached));
    assert_eq!(world.beaten(a.leaving(-2)).map(|beaten| beaten.epoch), Ok(-2));
    let mut again = Client { id: "c".into(), ..a };
    world.join_now(&mut again);
}

#[test]
fn offsets_are_taken_from_members_with_their_epoch_and_given_to_them() {
    let mut world = world();
    let clients = world.settled(&["a", "b"]);
    let at = |epoch, knows_not_found| {
        let GroupRequest::Commit(commit) = commit("a", epoch, "t", 5) else { unreachable!() };
        GroupRequest::Commit(Commit { knows_not_found, ..commit })
    };
    assert_eq!(world.ask(at(clients[0].epoch, true)), committed());
    assert_eq!(world.ask(at(clients[0].epoch, false)), Err(GroupFault::OldVersion));
    assert_eq!(world.ask(at(clients[0].epoch - 1, true)), Err(GroupFault::StaleEpoch));
    assert_eq!(world.ask(commit("", -1, "t", 9)), Err(GroupFault::UnknownMember));
    let fetch = |member: Option<&str>, epoch| {
        let wanted = Some(vec![("t".to_owned(), vec![0])]);
        let member = member.map(str::to_owned);
        GroupRequest::Fetch(FetchOffsets { group: GROUP.into(), member, epoch, wanted })
    };
    assert_eq!(world.ask(fetch(Some("a"), 0)), Err(GroupFault::StaleEpoch));
    assert_eq!(world.ask(fetch(Some("nobody"), 1)), Err(GroupFault::UnknownMember));
    assert!(world.ask(fetch(Some("a"), clients[0].epoch)).is_ok());
    assert_eq!(world.offset("t"), Some(5), "an administrator is no member");
    assert_eq!(world.ask(GroupRequest::Delete { group: GROUP.into() }), Err(GroupFault::NonEmpty));
    // Whatever was committed outlives the members, and then goes with the group.
    for client in &clients {
        world.beaten(client.leaving(-1)).expect("it leaves");
    }
    let mut world = world.restarted(GroupConfig::default());
    assert_eq!((world.describe_consumer().state, world.offset("t")), ("Empty", Some(5)));
    assert_eq!(world.ask(GroupRequest::Delete { group: GROUP.into() }), Ok(GroupAnswer::Deleted));
    assert_eq!((world.state(), world.offset("t")), ("Dead", None));
    let world = world.restarted(GroupConfig::default());
    assert_eq!(world.coordinator.bytes(), 0);
}

#[test]
fn a_group_that_was_loaded_goes_on_where_it_was() {
    let mut world = world();
    let mut clients = world.settled(&["a", "b", "c"]);
    let before = world.describe_consumer();
    let mut world = world.restarted(GroupConfig::default());
    assert_eq!(world.describe_consumer(), before);
    let records = world.log.len();
    for client in &mut clients {
        let beaten = world.beaten(client.short()).expect("a member");
        assert_eq!((beaten.epoch, beaten.assignment), (client.epoch, None));
    }
    assert_eq!(world.log.len(), records, "nothing has changed");
    // Who has died meanwhile has one session to show itself.
    world.pass(CONSUMER_SESSION_MS - 1);
    assert_eq!(world.describe_consumer().members.len(), 3);
    world.pass(2);
    assert_eq!(world.describe_consumer().members.len(), 0);
}

#[test]
fn a_heartbeat_that_changes_nothing_writes_nothing() {
    let mut world = world();
    let mut clients = world.settled(&["a", "b"]);
    let records = world.log.len();
    for _ in 0..20 {
        clients.iter_mut().for_each(|client| world.beat_now(client));
        world.pass(INTERVAL_MS);
    }
    assert_eq!(world.log.len(), records);
}

#[test]
fn groups_are_listed_by_their_type_and_expire_when_nothing_is_left() {
    let mut world = world();
    let clients = world.settled(&["a"]);
    let list = |world: &World, kind: &str| {
        let filter = GroupFilter { states: Vec::new(), types: vec![kind.to_owned()] };
        world.coordinator.list(&filter)
    };
    let listed = list(&world, "consumer");
    assert_eq!((listed.len(), listed[0].state, listed[0].kind), (1, "Stable", "consumer"));
    assert_eq!(list(&world, "classic").len(), 0);
    assert_eq!(world.ask(GroupRequest::Describe { group: GROUP.into() }), Err(GroupFault::OtherProtocol));
    world.beaten(clients[0].leaving(-1)).expect("it leaves");
    assert_eq!(list(&world, "consumer")[0].state, "Empty");
    world.pass(GroupConfig::default().retention_check_ms);
    assert_eq!(list(&world, "consumer").len(), 0);
}

#[test]
fn the_assignor_that_most_members_ask_for_is_taken() {
    let mut world =
        World::new(GroupConfig { assignors: &[Assignor::Uniform, Assignor::Range], ..GroupConfig::default() });
    let with = |id: &str, assignor: Option<&str>| Client {
        assignor: assignor.map(str::to_owned),
        ..Client::named(id, &["t"])
    };
    world.join_now(&mut with("a", None));
    assert_eq!(world.describe_consumer().assignor, "uniform");
    world.join_now(&mut with("b", Some("range")));
    assert_eq!(world.describe_consumer().assignor, "range");
    world.join_now(&mut with("c", Some("uniform")));
    world.join_now(&mut with("d", Some("uniform")));
    assert_eq!(world.describe_consumer().assignor, "uniform");
}
