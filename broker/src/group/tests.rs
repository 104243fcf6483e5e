//! The coordinator in virtual time: what single members meet, in the order of Kafka's own rules.

mod consumer_lives;
mod consumers;
mod lives;
mod migration;
mod mixed_lives;

use std::collections::BTreeMap;

use bytes::Bytes;

use super::api::*;
use super::config::GroupConfig;
use super::records::GroupRecord;
use super::{Coordinator, Outcome};
use crate::controller::image::Image;
use crate::controller::{MetadataRecord, TopicId};

const GROUP: &str = "orders";
const SESSION_MS: i32 = 10_000;
const REBALANCE_MS: i32 = 60_000;

/// A coordinator, its time, and everything it ever said. Records are stored at once.
struct World {
    coordinator: Coordinator,
    now: Now,
    waiters: u64,
    answers: Vec<(Waiter, GroupReply)>,
    log: Vec<GroupRecord>,
    /// Where the records of each operation end: they are one batch, which is stored as a whole or not at all.
    ends: Vec<usize>,
    topics: Image,
}

/// The topics that there are at first, with their partitions.
const TOPICS: [(&str, u32); 3] = [("t", 6), ("u", 4), ("other", 1)];

fn topics(known: &[(&str, u32)]) -> Image {
    let mut image = Image::default();
    for (&(name, partitions), id) in known.iter().zip(100..) {
        image.replay(&MetadataRecord::Topic {
            name: name.into(),
            id: TopicId(id),
            partitions,
            configs: BTreeMap::new(),
        });
    }
    image
}

impl World {
    fn new(config: GroupConfig) -> Self {
        let now = Now { mono_ms: 1_000_000, wall_ms: 1_700_000_000_000 };
        Self::replayed(config, Vec::new(), now, topics(&TOPICS))
    }

    /// A coordinator after a start that found these records.
    fn replayed(config: GroupConfig, log: Vec<GroupRecord>, now: Now, topics: Image) -> Self {
        let mut coordinator = Coordinator::new(config);
        log.iter().for_each(|record| coordinator.replay(record.clone()));
        let ends = vec![log.len()];
        let mut world = Self { coordinator, now, waiters: 0, answers: Vec::new(), log, ends, topics };
        let outcome = world.coordinator.on_loaded(now, &world.topics);
        world.carry_out(outcome);
        world
    }

    fn restarted(self, config: GroupConfig) -> Self {
        Self::replayed(config, self.log, self.now, self.topics)
    }

    fn carry_out(&mut self, outcome: Outcome) {
        for record in outcome.records {
            // What is stored is what is read back.
            let (key, value) = record.encode();
            assert_eq!(GroupRecord::decode(Some(&key), value.as_deref()), Ok(Some(record.clone())));
            self.log.push(record.clone());
            self.coordinator.replay(record);
        }
        self.ends.push(self.log.len());
        self.answers.extend(outcome.answers);
        self.coordinator.check();
    }

    fn send(&mut self, request: GroupRequest) -> Waiter {
        self.waiters += 1;
        let waiter = Waiter(self.waiters);
        let outcome = self.coordinator.handle(waiter, request, self.now, &self.topics);
        self.carry_out(outcome);
        waiter
    }

    /// Lets time pass, stopping at each deadline.
    fn pass(&mut self, ms: u64) {
        let until_ms = self.now.mono_ms + ms;
        while self.coordinator.deadline_ms() <= until_ms {
            let at_ms = self.coordinator.deadline_ms().max(self.now.mono_ms);
            self.go_to(at_ms);
            let outcome = self.coordinator.on_time(self.now, &self.topics);
            self.carry_out(outcome);
        }
        self.go_to(until_ms);
    }

    fn go_to(&mut self, mono_ms: u64) {
        self.now.wall_ms += i64::try_from(mono_ms - self.now.mono_ms).expect("a short time");
        self.now.mono_ms = mono_ms;
    }

    fn take(&mut self, waiter: Waiter) -> Option<GroupReply> {
        let at = self.answers.iter().position(|(answered, _)| *answered == waiter)?;
        Some(self.answers.remove(at).1)
    }

    fn ask(&mut self, request: GroupRequest) -> GroupReply {
        let waiter = self.send(request);
        self.take(waiter).expect("it is answered at once")
    }

    fn joined(&mut self, waiter: Waiter) -> Joined {
        match self.take(waiter).expect("the join is answered") {
            Ok(GroupAnswer::Joined(joined)) => *joined,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for an id, and joins with it.
    fn join_as_new(&mut self, name: &str) -> (String, Waiter) {
        let Err(GroupFault::MemberIdRequired(id)) = self.ask(join(name, "")) else {
            panic!("an id is given out first")
        };
        let waiter = self.send(join(name, &id));
        (id, waiter)
    }

    /// A stable group of these members, the first of whom leads. Each is assigned its own name.
    fn stable(&mut self, names: &[&str]) -> Vec<String> {
        let (ids, waiters): (Vec<_>, Vec<_>) = names.iter().map(|name| self.join_as_new(name)).unzip();
        self.pass(self.coordinator.config.initial_delay_ms);
        self.pass(self.coordinator.config.initial_delay_ms);
        let joined: Vec<Joined> = waiters.into_iter().map(|waiter| self.joined(waiter)).collect();
        self.sync_all(&ids, joined[0].generation);
        ids
    }

    fn sync_all(&mut self, ids: &[String], generation: i32) {
        let syncs: Vec<Waiter> =
            ids.iter().rev().map(|id| self.send(sync(id, generation, if *id == ids[0] { ids } else { &[] }))).collect();
        for (id, waiter) in ids.iter().rev().zip(syncs) {
            let Some(Ok(GroupAnswer::Synced(synced))) = self.take(waiter) else { panic!("{id} has no assignment") };
            assert_eq!(synced.assignment, Bytes::from(id.clone()));
        }
    }

    fn state(&mut self) -> &'static str {
        match self.ask(GroupRequest::Describe { group: GROUP.into() }) {
            Ok(GroupAnswer::Described(described)) => described.state,
            Err(GroupFault::NotFound) => "Dead",
            other => panic!("{other:?}"),
        }
    }

    fn beat(&mut self, id: &str, generation: i32) -> GroupReply {
        self.ask(heartbeat(id, generation))
    }

    fn offset(&mut self, topic: &str) -> Option<i64> {
        let wanted = Some(vec![(topic.to_owned(), vec![0])]);
        match self.ask(GroupRequest::Fetch(FetchOffsets { group: GROUP.into(), member: None, epoch: -1, wanted })) {
            Ok(GroupAnswer::Fetched(fetched)) => fetched[0].1[0].1.as_ref().map(|committed| committed.offset),
            other => panic!("{other:?}"),
        }
    }
}

/// A subscription to one topic in the form of Kafka's consumers.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1, 0, u8::try_from(topic.len()).expect("a short name")];
    bytes.extend_from_slice(topic.as_bytes());
    bytes.into()
}

fn protocol(name: &str) -> Protocol {
    Protocol { name: name.into(), metadata: subscription("t") }
}

fn join_request(name: &str, id: &str) -> Join {
    Join {
        group: GROUP.into(),
        identity: Identity::member(id),
        client_id: name.into(),
        client_host: "/127.0.0.1".into(),
        protocol_type: "consumer".into(),
        protocols: vec![protocol("range"), protocol("sticky")],
        session_timeout_ms: SESSION_MS,
        rebalance_timeout_ms: REBALANCE_MS,
        knows_member_id_required: true,
        knows_skip_assignment: true,
        fresh: format!("fresh-{name}"),
    }
}

fn join(name: &str, id: &str) -> GroupRequest {
    GroupRequest::Join(Box::new(join_request(name, id)))
}

fn join_static(instance: &str, id: &str, fresh: &str) -> GroupRequest {
    let identity = Identity { member: id.into(), instance: Some(instance.into()) };
    GroupRequest::Join(Box::new(Join { identity, fresh: fresh.into(), ..join_request(instance, id) }))
}

fn sync(id: &str, generation: i32, assigned: &[String]) -> GroupRequest {
    let assignments = assigned.iter().map(|id| (id.clone(), Bytes::from(id.clone()))).collect();
    let identity = Identity::member(id);
    GroupRequest::Sync(Sync { group: GROUP.into(), identity, generation, assignments, ..Sync::default() })
}

fn heartbeat(id: &str, generation: i32) -> GroupRequest {
    GroupRequest::Heartbeat(Heartbeat { group: GROUP.into(), identity: Identity::member(id), generation })
}

fn leave(id: &str) -> GroupRequest {
    GroupRequest::Leave(Leave { group: GROUP.into(), members: vec![Identity::member(id)] })
}

fn commit(id: &str, generation: i32, topic: &str, offset: i64) -> GroupRequest {
    let new = NewOffset { topic: topic.into(), partition: 0, offset, leader_epoch: 0, metadata: "m".into() };
    GroupRequest::Commit(Commit {
        group: GROUP.into(),
        identity: Identity::member(id),
        generation,
        offsets: vec![new],
        ..Commit::default()
    })
}

fn delete_offset(topic: &str) -> GroupRequest {
    GroupRequest::DeleteOffsets(DeleteOffsets { group: GROUP.into(), partitions: vec![(topic.into(), 0)] })
}

fn committed() -> GroupReply {
    Ok(GroupAnswer::Committed(vec![Ok(())]))
}

fn world() -> World {
    World::new(GroupConfig::default())
}

#[test]
fn members_that_come_together_are_one_generation_with_one_leader() {
    let mut world = world();
    let (first, a) = world.join_as_new("a");
    world.pass(1_000);
    let (second, b) = world.join_as_new("b");
    assert_eq!(world.state(), "PreparingRebalance");
    // The wait is prolonged once because a second member came.
    world.pass(2_000);
    assert!(world.answers.is_empty(), "the group still waits");
    world.pass(3_000);
    let (a, b) = (world.joined(a), world.joined(b));
    assert_eq!((a.generation, b.generation), (1, 1));
    assert_eq!((a.leader.as_str(), b.leader.as_str()), (first.as_str(), first.as_str()));
    let seen: Vec<&str> = a.members.iter().map(|member| member.id.as_str()).collect();
    assert_eq!(seen, [first.as_str(), second.as_str()]);
    assert!(b.members.is_empty(), "only the leader learns who is there");
    assert_eq!(a.protocol.as_deref(), Some("range"));
    world.sync_all(&[first.clone(), second], 1);
    assert_eq!(world.state(), "Stable");
    assert_eq!(world.beat(&first, 1), Ok(GroupAnswer::Beat));
    assert_eq!(world.beat(&first, 0), Err(GroupFault::IllegalGeneration));
    assert_eq!(world.beat("nobody", 1), Err(GroupFault::UnknownMember));
}

#[test]
fn a_member_that_falls_silent_is_taken_out_and_the_others_get_its_share() {
    let mut world = world();
    let ids = world.stable(&["a", "b"]);
    world.pass(6_000);
    assert_eq!(world.beat(&ids[0], 1), Ok(GroupAnswer::Beat));
    world.pass(5_000);
    assert_eq!(world.beat(&ids[0], 1), Err(GroupFault::RebalanceInProgress));
    let again = world.send(join("a", &ids[0]));
    let joined = world.joined(again);
    assert_eq!((joined.generation, joined.members.len()), (2, 1));
}

#[test]
fn a_member_that_comes_later_makes_the_others_join_again() {
    let mut world = world();
    let ids = world.stable(&["a"]);
    let (late, waiting) = world.join_as_new("b");
    assert_eq!(world.beat(&ids[0], 1), Err(GroupFault::RebalanceInProgress));
    assert_eq!(world.ask(sync(&ids[0], 1, &[])), Err(GroupFault::RebalanceInProgress));
    let again = world.send(join("a", &ids[0]));
    assert_eq!(world.joined(again).generation, 2);
    assert_eq!(world.joined(waiting).leader, ids[0]);
    assert_eq!(world.ask(commit(&ids[0], 2, "t", 5)), Err(GroupFault::RebalanceInProgress));
    world.sync_all(&[ids[0].clone(), late], 2);
    assert_eq!(world.ask(commit(&ids[0], 2, "t", 5)), committed());
    assert_eq!(world.ask(commit(&ids[0], 1, "t", 4)), Err(GroupFault::IllegalGeneration));
    assert_eq!(world.offset("t"), Some(5));
}

#[test]
fn members_that_do_not_rejoin_in_time_are_left_behind() {
    let mut world = world();
    let ids = world.stable(&["a", "b"]);
    let again = world.send(join("a", &ids[0]));
    // The other one is alive all the time and does not join.
    for _ in 0..11 {
        world.pass(5_000);
        assert_eq!(world.beat(&ids[1], 1), Err(GroupFault::RebalanceInProgress));
    }
    assert_eq!(world.take(again), None);
    world.pass(5_000);
    assert_eq!(world.joined(again).generation, 2);
    assert_eq!(world.beat(&ids[1], 1), Err(GroupFault::UnknownMember));
}

#[test]
fn a_member_that_never_syncs_does_not_hold_the_others_up() {
    let mut world = world();
    let (first, a) = world.join_as_new("a");
    let (second, b) = world.join_as_new("b");
    world.pass(6_000);
    drop((world.joined(a), world.joined(b)));
    let waiting = world.send(sync(&second, 1, &[]));
    for _ in 0..12 {
        world.pass(5_000);
        // The leader lives, and does not assign.
        let _ = world.beat(&first, 1);
    }
    assert_eq!(world.take(waiting), Some(Err(GroupFault::RebalanceInProgress)));
    let again = world.send(join("b", &second));
    assert_eq!(world.joined(again).leader, second);
}

#[test]
fn the_protocol_that_most_prefer_is_chosen_and_who_has_none_in_common_is_refused() {
    let mut world = world();
    let with = |name: &str, protocols: &[&str]| {
        let protocols = protocols.iter().map(|name| protocol(name)).collect();
        let join = Join { protocols, knows_member_id_required: false, ..join_request(name, "") };
        GroupRequest::Join(Box::new(join))
    };
    let waiters =
        [with("a", &["x", "y"]), with("b", &["y", "x"]), with("c", &["y", "x", "z"])].map(|join| world.send(join));
    assert_eq!(world.ask(with("d", &["z"])), Err(GroupFault::InconsistentProtocol));
    let Err(fault) =
        world.ask(GroupRequest::Join(Box::new(Join { protocol_type: "connect".into(), ..join_request("e", "") })))
    else {
        panic!("another kind of protocol")
    };
    assert_eq!(fault, GroupFault::InconsistentProtocol);
    world.pass(10_000);
    for waiter in waiters {
        assert_eq!(world.joined(waiter).protocol.as_deref(), Some("y"));
    }
}

#[test]
fn an_id_that_is_given_out_and_not_used_expires() {
    let mut world = world();
    let Err(GroupFault::MemberIdRequired(id)) = world.ask(join("a", "")) else { panic!("an id") };
    world.pass(u64::try_from(SESSION_MS).unwrap() + 1);
    assert_eq!(world.ask(join("a", &id)), Err(GroupFault::UnknownMember));
    assert_eq!(world.state(), "Dead");
}

#[test]
fn session_timeouts_outside_the_bounds_are_refused() {
    let mut world = world();
    for session_timeout_ms in [5_999, 1_800_001, -1] {
        let request = GroupRequest::Join(Box::new(Join { session_timeout_ms, ..join_request("a", "") }));
        assert_eq!(world.ask(request), Err(GroupFault::InvalidSessionTimeout));
    }
}

#[test]
fn a_group_takes_no_more_members_than_it_may() {
    let mut world = World::new(GroupConfig { size_max: 2, ..GroupConfig::default() });
    let ids = world.stable(&["a", "b"]);
    assert_eq!(world.ask(join("c", "")), Err(GroupFault::MaxSizeReached));
    assert_eq!(world.ask(leave(&ids[1])), Ok(GroupAnswer::Left(vec![Ok(())])));
    assert!(matches!(world.ask(join("c", "")), Err(GroupFault::MemberIdRequired(_))));
}

#[test]
fn a_static_member_that_comes_back_takes_its_place_and_nobody_notices() {
    let mut world = world();
    let a = world.send(join_static("i", "", "1"));
    let b = world.send(join_static("j", "", "1"));
    world.pass(6_000);
    let ids = [world.joined(a).member, world.joined(b).member];
    world.sync_all(&ids, 1);
    let back = world.send(join_static("j", "", "2"));
    let joined = world.joined(back);
    assert_eq!((joined.generation, joined.member.as_str(), joined.skip_assignment), (1, "j-2", false));
    assert_eq!(world.state(), "Stable");
    assert_eq!(world.beat(&ids[0], 1), Ok(GroupAnswer::Beat));
    let fenced = Heartbeat {
        group: GROUP.into(),
        identity: Identity { member: ids[1].clone(), instance: Some("j".into()) },
        generation: 1,
    };
    assert_eq!(world.ask(GroupRequest::Heartbeat(fenced)), Err(GroupFault::FencedInstance));
    let Ok(GroupAnswer::Synced(synced)) = world.ask(sync("j-2", 1, &[])) else { panic!("its assignment") };
    assert_eq!(synced.assignment, Bytes::from(ids[1].clone()), "it has what it had");
    // The leader learns who is there, and is told not to assign.
    let back = world.send(join_static("i", "", "2"));
    let joined = world.joined(back);
    assert_eq!((joined.leader.as_str(), joined.skip_assignment, joined.members.len()), ("i-2", true, 2));
    // All of it is stored.
    let mut world = world.restarted(GroupConfig::default());
    assert_eq!(world.beat("j-2", 1), Ok(GroupAnswer::Beat));
    assert_eq!(world.beat("i-2", 1), Ok(GroupAnswer::Beat));
    let gone =
        Leave { group: GROUP.into(), members: vec![Identity { member: String::new(), instance: Some("j".into()) }] };
    assert_eq!(world.ask(GroupRequest::Leave(gone)), Ok(GroupAnswer::Left(vec![Ok(())])));
    assert_eq!(world.state(), "PreparingRebalance");
}

#[test]
fn when_all_have_left_the_group_is_empty_and_its_offsets_stay() {
    let mut world = world();
    let ids = world.stable(&["a"]);
    assert_eq!(world.ask(commit(&ids[0], 1, "t", 9)), committed());
    assert_eq!(world.ask(leave(&ids[0])), Ok(GroupAnswer::Left(vec![Ok(())])));
    assert_eq!(world.ask(leave(&ids[0])), Ok(GroupAnswer::Left(vec![Err(GroupFault::UnknownMember)])));
    assert_eq!(world.state(), "Empty");
    let mut world = world.restarted(GroupConfig::default());
    assert_eq!((world.state(), world.offset("t")), ("Empty", Some(9)));
    let ids = world.stable(&["b"]);
    assert_eq!(world.beat(&ids[0], 3), Ok(GroupAnswer::Beat), "generations go on");
}

#[test]
fn a_stable_group_survives_a_restart() {
    let mut world = world();
    let ids = world.stable(&["a", "b"]);
    assert_eq!(world.ask(commit(&ids[1], 1, "t", 7)), committed());
    let mut world = world.restarted(GroupConfig::default());
    assert_eq!(world.beat(&ids[0], 1), Ok(GroupAnswer::Beat));
    let Ok(GroupAnswer::Synced(synced)) = world.ask(sync(&ids[1], 1, &[])) else { panic!("its assignment") };
    assert_eq!(synced.assignment, Bytes::from(ids[1].clone()));
    assert_eq!(world.offset("t"), Some(7));
    // Members that are not there any more get their session's time and no more.
    world.pass(u64::try_from(SESSION_MS).unwrap());
    assert_eq!(world.state(), "Empty");
}

#[test]
fn who_is_no_member_commits_only_where_nobody_is() {
    let mut world = world();
    assert_eq!(world.ask(commit("", -1, "t", 1)), committed());
    assert_eq!((world.state(), world.offset("t")), ("Empty", Some(1)));
    assert_eq!(world.ask(commit("x", 3, "t", 2)), Err(GroupFault::UnknownMember));
    world.stable(&["a"]);
    assert_eq!(world.ask(commit("", -1, "t", 3)), Err(GroupFault::UnknownMember));
    assert_eq!(world.offset("t"), Some(1));
}

#[test]
fn metadata_that_is_too_long_is_refused_and_the_other_offsets_are_stored() {
    let mut world = World::new(GroupConfig { offset_metadata_bytes_max: 4, ..GroupConfig::default() });
    let new = |topic: &str, metadata: &str| NewOffset {
        topic: topic.into(),
        partition: 0,
        offset: 1,
        leader_epoch: -1,
        metadata: metadata.into(),
    };
    let offsets = vec![new("long", "12345"), new("short", "1234")];
    let request = Commit { group: GROUP.into(), generation: -1, offsets, ..Commit::default() };
    let expected = vec![Err(GroupFault::MetadataTooLarge), Ok(())];
    assert_eq!(world.ask(GroupRequest::Commit(request)), Ok(GroupAnswer::Committed(expected)));
    assert_eq!((world.offset("long"), world.offset("short")), (None, Some(1)));
}

#[test]
fn offsets_of_an_empty_group_expire_and_the_group_with_them() {
    let config = GroupConfig { offsets_retention_ms: 3_600_000, ..GroupConfig::default() };
    let mut world = World::new(config);
    let ids = world.stable(&["a"]);
    assert_eq!(world.ask(commit(&ids[0], 1, "t", 9)), committed());
    assert_eq!(world.ask(leave(&ids[0])), Ok(GroupAnswer::Left(vec![Ok(())])));
    world.pass(3_000_000);
    assert_eq!(world.offset("t"), Some(9));
    world.pass(1_500_000);
    assert_eq!((world.offset("t"), world.state()), (None, "Dead"));
    assert_eq!(world.coordinator.bytes(), 0);
    let mut world = world.restarted(config);
    assert_eq!((world.offset("t"), world.state()), (None, "Dead"));
}

#[test]
fn offsets_that_members_need_do_not_expire_and_those_of_other_topics_do() {
    let config = GroupConfig { offsets_retention_ms: 60_000, retention_check_ms: 1_000, ..GroupConfig::default() };
    let mut world = World::new(config);
    let ids = world.stable(&["a"]);
    for topic in ["t", "other"] {
        assert_eq!(world.ask(commit(&ids[0], 1, topic, 9)), committed());
    }
    assert_eq!(world.ask(delete_offset("t")), Ok(GroupAnswer::OffsetsDeleted(vec![Err(GroupFault::Subscribed)])));
    for _ in 0..20 {
        world.pass(5_000);
        assert_eq!(world.beat(&ids[0], 1), Ok(GroupAnswer::Beat));
    }
    assert_eq!((world.offset("t"), world.offset("other")), (Some(9), None));
}

#[test]
fn a_client_that_says_how_long_is_taken_at_its_word() {
    let config = GroupConfig { retention_check_ms: 1_000, ..GroupConfig::default() };
    let mut world = World::new(config);
    let GroupRequest::Commit(request) = commit("", -1, "t", 4) else { unreachable!("it is one") };
    let request = Commit { retention_ms: Some(30_000), ..request };
    assert_eq!(world.ask(GroupRequest::Commit(request)), committed());
    world.pass(28_000);
    assert_eq!(world.offset("t"), Some(4));
    world.pass(4_000);
    assert_eq!(world.offset("t"), None);
}

#[test]
fn groups_and_offsets_are_deleted_when_nobody_is_in_the_way() {
    let mut world = world();
    let delete = || GroupRequest::Delete { group: GROUP.into() };
    assert_eq!(world.ask(delete()), Err(GroupFault::NotFound));
    assert_eq!(world.ask(delete_offset("t")), Err(GroupFault::NotFound));
    let ids = world.stable(&["a"]);
    assert_eq!(world.ask(commit(&ids[0], 1, "t", 9)), committed());
    assert_eq!(world.ask(commit(&ids[0], 1, "u", 9)), committed());
    assert_eq!(world.ask(delete()), Err(GroupFault::NonEmpty));
    assert_eq!(world.ask(delete_offset("u")), Ok(GroupAnswer::OffsetsDeleted(vec![Ok(())])));
    assert_eq!(world.ask(leave(&ids[0])), Ok(GroupAnswer::Left(vec![Ok(())])));
    assert_eq!(world.ask(delete()), Ok(GroupAnswer::Deleted));
    assert_eq!((world.state(), world.offset("t"), world.coordinator.bytes()), ("Dead", None, 0));
    let mut world = world.restarted(GroupConfig::default());
    assert_eq!((world.state(), world.offset("t")), ("Dead", None));
}

#[test]
fn a_topic_that_is_deleted_takes_its_offsets_along_now_or_at_the_next_start() {
    let mut world = world();
    for topic in ["t", "u"] {
        assert_eq!(world.ask(commit("", -1, topic, 4)), committed());
    }
    let records = world.coordinator.on_topics_deleted(&["t".into()]);
    world.carry_out(Outcome { records, ..Outcome::default() });
    assert_eq!((world.offset("t"), world.offset("u")), (None, Some(4)));
    let mut coordinator = Coordinator::new(GroupConfig::default());
    world.log.iter().for_each(|record| coordinator.replay(record.clone()));
    let outcome = coordinator.on_loaded(world.now, &topics(&[("t", 6)]));
    assert_eq!(outcome.records.len(), 1, "the offset of the topic that is gone");
}

#[test]
fn without_room_nothing_new_is_taken_and_what_is_there_goes_on() {
    let mut world = world();
    let ids = world.stable(&["a"]);
    assert_eq!(world.ask(commit(&ids[0], 1, "t", 1)), committed());
    world.coordinator.set_room(false);
    assert_eq!(world.ask(join("b", "")), Err(GroupFault::Full));
    assert_eq!(world.ask(commit(&ids[0], 1, "t", 2)), committed());
    assert_eq!(world.ask(commit(&ids[0], 1, "u", 2)), Ok(GroupAnswer::Committed(vec![Err(GroupFault::Full)])));
    assert_eq!((world.offset("t"), world.offset("u")), (Some(2), None));
}

#[test]
fn a_thousand_members_join_within_the_initial_delay_and_only_the_leader_learns_of_all() {
    let mut world = world();
    let names: Vec<String> = (0..1_000).map(|number| format!("m{number:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (ids, waiters): (Vec<_>, Vec<_>) = names.iter().map(|name| world.join_as_new(name)).unzip();
    world.pass(6_000);
    let joined: Vec<Joined> = waiters.into_iter().map(|waiter| world.joined(waiter)).collect();
    assert_eq!(joined.iter().map(|joined| joined.members.len()).sum::<usize>(), 1_000);
    world.sync_all(&ids, 1);
}

#[test]
fn lists_let_through_what_is_asked_for() {
    let mut world = world();
    world.stable(&["a"]);
    let list = |states: &[&str], types: &[&str]| GroupFilter {
        states: states.iter().map(|&state| state.to_owned()).collect(),
        types: types.iter().map(|&kind| kind.to_owned()).collect(),
    };
    let count = |filter: &GroupFilter| world.coordinator.list(filter).len();
    assert_eq!(count(&list(&[], &[])), 1);
    assert_eq!(count(&list(&["stable", "empty"], &["classic"])), 1);
    assert_eq!(count(&list(&["empty"], &[])), 0);
    assert_eq!(count(&list(&[], &["consumer"])), 0);
}
