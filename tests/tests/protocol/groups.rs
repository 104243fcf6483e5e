//! Groups at the port: every version of every API about them, and the errors that only a raw client sees.

use super::{code, start};
use bytes::Bytes;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest,
    LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    SyncGroupRequest,
};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;
use tests::calls::{delete_records_request, partition, topic_name};
use tests::clock::Stopwatch;
use tests::kafka::Client;
use tests::records;
use tests::server::{Options, Server};

const OFFSETS_TOPIC: &str = "__consumer_offsets";
const SESSION_MS: i32 = 6_000;
/// OffsetCommit and OffsetFetch name topics up to this version; `topic_ids` has the one after it.
const NAMES_UNTIL: i16 = 9;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn group_id(group: &str) -> GroupId {
    GroupId(text(group))
}

/// A server that does not make the first members of a group wait, and a client that has asked for a coordinator.
pub(super) fn start_groups(name: &str) -> (Server, Client) {
    let file = tests::binary::target_dir().join(format!("{name}.toml"));
    std::fs::write(&file, "\"group.initial.rebalance.delay.ms\" = 0\n").expect("a configuration file");
    let options = Options::named(name).with_arguments(&["--config", file.to_str().expect("a plain path")]);
    let server = Server::start(options);
    let mut client = Client::connect(server.address());
    find_coordinator(&mut client);
    (server, client)
}

fn find_coordinator(client: &mut Client) {
    let answer = client.call(4, &FindCoordinatorRequest::default().with_coordinator_keys(vec![text("any")]));
    assert_eq!(answer.coordinators[0].error_code, 0, "FindCoordinator");
}

fn join_request(group: &str, member: &str) -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"opaque"));
    JoinGroupRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(member))
        .with_session_timeout_ms(SESSION_MS)
        .with_rebalance_timeout_ms(SESSION_MS)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Joins and syncs alone, in these versions; gives the member id and the generation.
fn join_alone(client: &mut Client, group: &str, join_version: i16, sync_version: i16) -> (StrBytes, i32) {
    let mut request = join_request(group, "");
    if join_version == 0 {
        request.rebalance_timeout_ms = -1;
    }
    let mut joined = client.call(join_version, &request);
    if join_version >= 4 {
        assert_eq!(joined.error_code, code::MEMBER_ID_REQUIRED, "JoinGroup {join_version}");
        request.member_id = joined.member_id;
        joined = client.call(join_version, &request);
    }
    assert_eq!(joined.error_code, 0, "JoinGroup {join_version}");
    assert_eq!((joined.members.len(), &joined.leader), (1, &joined.member_id), "JoinGroup {join_version}");
    assert_eq!(joined.members[0].metadata, Bytes::from_static(b"opaque"), "JoinGroup {join_version}");
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"all of it"));
    let mut request = SyncGroupRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(joined.member_id.clone())
        .with_generation_id(joined.generation_id)
        .with_assignments(vec![assignment]);
    if sync_version >= 5 {
        request = request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
    }
    let synced = client.call(sync_version, &request);
    assert_eq!(
        (synced.error_code, synced.assignment),
        (0, Bytes::from_static(b"all of it")),
        "SyncGroup {sync_version}"
    );
    (joined.member_id, joined.generation_id)
}

fn commit_request(group: &str, member: &str, generation: i32, topic: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_member_id(text(member))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![topic])
}

fn commit(client: &mut Client, request: &OffsetCommitRequest) -> i16 {
    client.call(8, request).topics[0].partitions[0].error_code
}

fn fetch(client: &mut Client, version: i16, group: &str, topic: &str) -> i64 {
    if version >= 8 {
        let topics = OffsetFetchRequestTopics::default().with_name(topic_name(topic)).with_partition_indexes(vec![0]);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(group_id(group))
            .with_member_epoch(-1)
            .with_topics(Some(vec![topics]));
        let answer = client.call(version, &OffsetFetchRequest::default().with_groups(vec![asked]));
        assert_eq!(answer.groups[0].error_code, 0, "OffsetFetch {version}");
        return answer.groups[0].topics[0].partitions[0].committed_offset;
    }
    let topics = OffsetFetchRequestTopic::default().with_name(topic_name(topic)).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(Some(vec![topics]));
    let answer = client.call(version, &request);
    assert_eq!(answer.error_code, 0, "OffsetFetch {version}");
    answer.topics[0].partitions[0].committed_offset
}

#[test]
fn every_offered_version_of_the_group_apis_decodes_to_the_last_byte() {
    let (_server, mut client) = start_groups("group-versions");
    client.create_topic("t", 1, &[]);
    let offered = client.api_versions();
    for version in offered[&11].0..=offered[&11].1 {
        let group = format!("joined-by-{version}");
        let (member, generation) = join_alone(&mut client, &group, version, version.min(offered[&14].1));
        for version in offered[&12].0..=offered[&12].1 {
            let beat = HeartbeatRequest::default().with_group_id(group_id(&group)).with_member_id(member.clone());
            assert_eq!(client.call(version, &beat.with_generation_id(generation)).error_code, 0, "Heartbeat {version}");
        }
        for version in offered[&8].0..=NAMES_UNTIL {
            let request = commit_request(&group, &member, generation, "t", i64::from(version));
            let answer = client.call(version, &request);
            assert_eq!(answer.topics[0].partitions[0].error_code, 0, "OffsetCommit {version}");
        }
        for version in offered[&9].0..=NAMES_UNTIL {
            assert_eq!(fetch(&mut client, version, &group, "t"), i64::from(NAMES_UNTIL), "OffsetFetch {version}");
        }
        for version in offered[&15].0..=offered[&15].1 {
            let answer = client.call(version, &DescribeGroupsRequest::default().with_groups(vec![group_id(&group)]));
            let described = &answer.groups[0];
            assert_eq!(
                (described.error_code, described.group_state.as_str()),
                (0, "Stable"),
                "DescribeGroups {version}"
            );
            assert_eq!(described.members[0].member_assignment, Bytes::from_static(b"all of it"));
            assert_eq!(described.members[0].client_host.as_str(), "/127.0.0.1");
        }
        let leave_version = version.min(offered[&13].1);
        let leave = LeaveGroupRequest::default().with_group_id(group_id(&group));
        let leave = match leave_version {
            3.. => leave.with_members(vec![MemberIdentity::default().with_member_id(member.clone())]),
            _ => leave.with_member_id(member.clone()),
        };
        let left = client.call(leave_version, &leave);
        assert_eq!(left.error_code, 0, "LeaveGroup {leave_version}");
        assert!(left.members.iter().all(|member| member.error_code == 0), "LeaveGroup {leave_version}");
    }
    let groups = usize::try_from(offered[&11].1 - offered[&11].0 + 1).expect("a few");
    for version in offered[&16].0..=offered[&16].1 {
        let answer = client.call(version, &ListGroupsRequest::default());
        assert_eq!((answer.error_code, answer.groups.len()), (0, groups), "ListGroups {version}");
    }
    for version in offered[&42].0..=offered[&42].1 {
        let names = vec![group_id(&format!("joined-by-{version}")), group_id("unheard-of")];
        let answer = client.call(version, &DeleteGroupsRequest::default().with_groups_names(names));
        let codes: Vec<i16> = answer.results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [0, code::GROUP_ID_NOT_FOUND], "DeleteGroups {version}");
        assert_eq!(fetch(&mut client, 8, &format!("joined-by-{version}"), "t"), -1, "its offsets went with it");
    }
    let partitions = vec![OffsetDeleteRequestPartition::default().with_partition_index(0)];
    let topic = OffsetDeleteRequestTopic::default().with_name(topic_name("t")).with_partitions(partitions);
    let request = OffsetDeleteRequest::default().with_group_id(group_id("joined-by-9")).with_topics(vec![topic]);
    assert_eq!(client.call(0, &request).error_code, 0, "OffsetDelete");
    assert_eq!(fetch(&mut client, 8, "joined-by-9", "t"), -1);
}

#[test]
fn a_member_that_only_waits_is_answered_when_the_node_stops_and_holds_nothing_up() {
    let (mut server, mut client) = start_groups("stop-with-members");
    let (_leader, _) = join_alone(&mut client, "g", 3, 3);
    // The second one waits for the first to join again, which it does not.
    let mut second = Client::connect(server.address());
    let pending = second.send(3, &join_request("g", "")).expect("the broker listens");
    client.api_versions();
    let watch = Stopwatch::start();
    server.terminate();
    assert!(watch.elapsed() < Duration::from_secs(3), "the stop took {:?}", watch.elapsed());
    if let Ok(answer) = second.receive(&pending) {
        assert_eq!(answer.error_code, code::COORDINATOR_NOT_AVAILABLE);
    }
}

#[test]
fn committed_offsets_and_groups_survive_kill_9_and_topics_take_theirs_along() {
    let (mut server, mut client) = start_groups("groups-killed");
    for topic in ["kept", "gone"] {
        client.create_topic(topic, 1, &[]);
        assert_eq!(commit(&mut client, &commit_request("simple", "", -1, topic, 41)), 0);
    }
    let (member, generation) = join_alone(&mut client, "members", 9, 5);
    assert_eq!(commit(&mut client, &commit_request("members", &member, generation, "kept", 42)), 0);
    assert_eq!(client.delete_topic("gone"), 0);
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    wait_until_loaded(&mut client);
    assert_eq!(fetch(&mut client, 8, "simple", "kept"), 41);
    assert_eq!(fetch(&mut client, 7, "members", "kept"), 42);
    assert_eq!(fetch(&mut client, 8, "simple", "gone"), -1);
    let beat = HeartbeatRequest::default().with_group_id(group_id("members")).with_member_id(member.clone());
    assert_eq!(client.call(4, &beat.with_generation_id(generation)).error_code, 0, "the member is still one");
    assert_eq!(
        commit(&mut client, &commit_request("members", &member, generation + 1, "kept", 43)),
        code::ILLEGAL_GENERATION
    );
    assert_eq!(commit(&mut client, &commit_request("members", "", -1, "kept", 43)), code::UNKNOWN_MEMBER_ID);
    assert_eq!(
        commit(&mut client, &commit_request("simple", "", -1, "unheard-of", 1)),
        code::UNKNOWN_TOPIC_OR_PARTITION
    );
    let mut long = commit_request("simple", "", -1, "kept", 44);
    long.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4_097)));
    assert_eq!(commit(&mut client, &long), code::OFFSET_METADATA_TOO_LARGE);
    assert_eq!(fetch(&mut client, 8, "simple", "kept"), 41);
}

/// Groups are loaded beside the start.
pub(super) fn wait_until_loaded(client: &mut Client) {
    let watch = Stopwatch::start();
    while client.call(4, &ListGroupsRequest::default()).error_code == code::COORDINATOR_LOAD_IN_PROGRESS {
        assert!(watch.elapsed() < Duration::from_secs(30), "groups are loaded in that time");
    }
}

#[test]
fn the_offsets_topic_is_the_broker_s_own() {
    let (_server, mut client) = start("offsets-topic");
    assert_eq!(client.metadata(&[OFFSETS_TOPIC]).topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
    let without = client.call(9, &join_request("g", ""));
    assert_eq!(without.error_code, code::NOT_COORDINATOR, "nobody has asked for a coordinator");
    find_coordinator(&mut client);
    let metadata = client.metadata(&[OFFSETS_TOPIC]);
    let topic = &metadata.topics[0];
    assert_eq!((topic.error_code, topic.partitions.len(), topic.is_internal), (0, 50, true));
    assert_eq!(client.delete_topic(OFFSETS_TOPIC), code::POLICY_VIOLATION);
    let produced = client.produce(partition(OFFSETS_TOPIC, 0), -1, records::batch_of(1_000, &["x".to_owned()]));
    assert_eq!(produced.error_code, code::INVALID_TOPIC);
    let cut = client.call(2, &delete_records_request(partition(OFFSETS_TOPIC, 0), -1));
    assert_eq!(cut.topics[0].partitions[0].error_code, code::INVALID_TOPIC);
}

#[test]
fn a_thousand_members_are_one_group_within_seconds() {
    const MEMBERS: usize = 1_000;
    tests::process::raise_open_files_max();
    let file = tests::binary::target_dir().join("thousand-members.toml");
    std::fs::write(&file, "\"group.initial.rebalance.delay.ms\" = 1000\n").expect("a configuration file");
    let options =
        Options::named("thousand-members").with_arguments(&["--config", file.to_str().expect("a plain path")]);
    let server = Server::start(options);
    find_coordinator(&mut Client::connect(server.address()));
    let mut members: Vec<Client> = (0..MEMBERS).map(|_| Client::connect(server.address())).collect();
    let watch = Stopwatch::start();
    let join = join_request("g", "").with_session_timeout_ms(60_000).with_rebalance_timeout_ms(60_000);
    let pending: Vec<_> = members.iter_mut().map(|member| member.send(3, &join).expect("the broker listens")).collect();
    let joined: Vec<_> =
        members.iter_mut().zip(&pending).map(|(member, pending)| member.receive(pending).expect("an answer")).collect();
    assert!(joined.iter().all(|joined| (joined.error_code, joined.generation_id) == (0, 1)), "one generation");
    // The leader last, so that everybody waits for it.
    let leader = joined.iter().position(|joined| joined.leader == joined.member_id).expect("a leader");
    let assignments = joined[leader].members.iter().map(|member| {
        let id = member.member_id.clone();
        SyncGroupRequestAssignment::default().with_assignment(id.clone().into_bytes()).with_member_id(id)
    });
    let mut assignments: Vec<_> = assignments.collect();
    assert_eq!(assignments.len(), MEMBERS);
    let order: Vec<usize> = (0..MEMBERS).filter(|&place| place != leader).chain([leader]).collect();
    let mut pending = Vec::new();
    for &place in &order {
        let assigned = if place == leader { std::mem::take(&mut assignments) } else { Vec::new() };
        let sync = SyncGroupRequest::default()
            .with_group_id(group_id("g"))
            .with_generation_id(1)
            .with_member_id(joined[place].member_id.clone())
            .with_assignments(assigned);
        pending.push(members[place].send(3, &sync).expect("the broker listens"));
    }
    for (&place, pending) in order.iter().zip(&pending) {
        let synced = members[place].receive(pending).expect("an answer");
        assert_eq!((synced.error_code, synced.assignment), (0, joined[place].member_id.clone().into_bytes()));
    }
    println!("{MEMBERS} members joined and have their assignments after {:?}", watch.elapsed());
    assert!(watch.elapsed() < Duration::from_secs(5), "{:?}", watch.elapsed());
}
