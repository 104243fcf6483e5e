//! Groups of the consumer protocol at the port: every version, and the errors that only a raw client sees.

use super::groups::wait_until_loaded;
use super::{code, start, start_with_config};
use kafka_protocol::messages::consumer_group_heartbeat_request::TopicPartitions;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, DeleteGroupsRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, ListGroupsRequest,
    OffsetCommitRequest, OffsetFetchRequest,
};
use kafka_protocol::protocol::StrBytes;
use std::time::Duration;
use tests::calls::topic_name;
use tests::clock::Stopwatch;
use tests::configs::{DELETE, GROUP, SET};
use tests::kafka::Client;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn find_coordinator(client: &mut Client) {
    let answer = client.call(4, &FindCoordinatorRequest::default().with_coordinator_keys(vec![text("any")]));
    assert_eq!(answer.coordinators[0].error_code, 0, "FindCoordinator");
}

fn join(group: &str, member: &str, topic: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_member_epoch(0)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![topic_name(topic)]))
        .with_topic_partitions(Some(Vec::new()))
}

fn beat(group: &str, member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(-1)
}

fn owned(answer: &ConsumerGroupHeartbeatResponse) -> Vec<i32> {
    let topics = answer.assignment.iter().flat_map(|assignment| &assignment.topic_partitions);
    topics.flat_map(|topic| topic.partitions.iter().copied()).collect()
}

#[test]
fn every_version_of_the_heartbeat_and_of_the_description_is_spoken() {
    let (_server, mut client) = start("consumer-group-versions");
    client.create_topic("t", 2, &[]);
    find_coordinator(&mut client);
    let offered = client.api_versions();
    assert_eq!((offered[&68], offered[&69]), ((0, 1), (0, 1)));
    for version in 0..=1 {
        let group = format!("group-{version}");
        let named = if version == 0 { "" } else { "member-1" };
        let joined = client.call(version, &join(&group, named, "t"));
        assert_eq!((joined.error_code, joined.member_epoch, joined.heartbeat_interval_ms), (0, 1, 5_000));
        assert_eq!(owned(&joined), [0, 1], "version {version}");
        let member = joined.member_id.clone().expect("it is told its id");
        assert!(version == 0 || member.as_str() == "member-1", "{member:?}");
        let again = client.call(version, &beat(&group, &member, 1));
        assert_eq!((again.error_code, again.assignment), (0, None), "version {version}");
        let names = vec![GroupId(text(&group)), GroupId(text("nowhere"))];
        let request =
            ConsumerGroupDescribeRequest::default().with_group_ids(names).with_include_authorized_operations(true);
        let described = client.call(version, &request);
        let [group, nowhere] = &described.groups[..] else { panic!("{described:?}") };
        assert_eq!(
            (group.error_code, group.group_state.as_str(), group.assignor_name.as_str()),
            (0, "Stable", "uniform")
        );
        assert_eq!((group.group_epoch, group.assignment_epoch, group.authorized_operations), (1, 1, 328));
        let one = &group.members[0];
        assert_eq!((one.member_epoch, one.client_host.as_str()), (1, "/127.0.0.1"));
        assert_eq!(one.assignment.topic_partitions[0].topic_name, topic_name("t"));
        assert_eq!(one.assignment, one.target_assignment);
        assert_eq!(one.member_type, if version == 0 { -1 } else { 1 });
        assert_eq!(nowhere.error_code, code::GROUP_ID_NOT_FOUND);
        assert_eq!(nowhere.error_message.as_deref(), Some("Group nowhere not found."));
    }
}

#[test]
fn what_a_member_gets_wrong_has_a_code_of_its_own() {
    let (_server, mut client) = start_with_config("consumer-group-codes", "\"group.consumer.max.size\" = 2\n");
    client.create_topic("t", 2, &[]);
    let before = client.call(1, &join("g", "a", "t"));
    assert_eq!(before.error_code, code::NOT_COORDINATOR, "nobody has asked for a coordinator");
    find_coordinator(&mut client);
    assert_eq!(client.call(1, &join("g", "a", "t").with_instance_id(Some(text("one")))).error_code, 0);
    let assert_code = |client: &mut Client, expected: i16, request: ConsumerGroupHeartbeatRequest| {
        let answer = client.call(1, &request);
        assert_eq!(answer.error_code, expected, "{request:?}: {:?}", answer.error_message);
        assert!(answer.error_message.is_some_and(|message| !message.is_empty()), "a reason for {expected}");
    };
    assert_code(&mut client, code::INVALID_REQUEST, join("g", "", "t"));
    assert_code(&mut client, code::INVALID_REQUEST, join("", "b", "t"));
    assert_code(&mut client, code::UNKNOWN_MEMBER_ID, beat("g", "nobody", 1));
    assert_code(&mut client, code::UNKNOWN_MEMBER_ID, beat("nowhere", "nobody", 1));
    assert_code(&mut client, code::GROUP_ID_NOT_FOUND, beat("nowhere", "nobody", -1));
    assert_code(&mut client, code::FENCED_MEMBER_EPOCH, beat("g", "a", 7).with_instance_id(Some(text("one"))));
    let usurper = join("g", "b", "t").with_instance_id(Some(text("one")));
    assert_code(&mut client, code::UNRELEASED_INSTANCE_ID, usurper);
    let fenced = beat("g", "b", 1).with_instance_id(Some(text("one")));
    assert_code(&mut client, code::FENCED_INSTANCE_ID, fenced);
    let assignor = join("g", "b", "t").with_server_assignor(Some(text("sticky")));
    assert_code(&mut client, code::UNSUPPORTED_ASSIGNOR, assignor);
    let pattern = join("g", "b", "t").with_subscribed_topic_regex(Some(text("(")));
    assert_code(&mut client, code::INVALID_REGULAR_EXPRESSION, pattern);
    assert_eq!(client.call(1, &join("g", "b", "t")).error_code, 0);
    assert_code(&mut client, code::GROUP_MAX_SIZE_REACHED, join("g", "c", "t"));
    let classic = client.call(6, &DescribeGroupsRequest::default().with_groups(vec![GroupId(text("g"))]));
    assert_eq!(classic.groups[0].error_code, code::GROUP_ID_NOT_FOUND);
    assert_eq!(classic.groups[0].error_message.as_deref(), Some("Group g is not a classic group."));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    assert_eq!(client.call(2, &delete).results[0].error_code, code::NON_EMPTY_GROUP);
    for (wanted, count) in [("consumer", 1), ("Consumer", 1), ("classic", 0)] {
        let request = ListGroupsRequest::default().with_types_filter(vec![text(wanted)]);
        assert_eq!(client.call(5, &request).groups.len(), count, "{wanted}");
    }
}

#[test]
fn a_partition_moves_when_it_was_given_up_and_offsets_follow_epochs_through_a_crash() {
    let (mut server, mut client) = start("consumer-group-moves");
    client.create_topic("t", 2, &[]);
    find_coordinator(&mut client);
    let joined = client.call(1, &join("g", "a", "t"));
    let id = joined.assignment.as_ref().expect("everything").topic_partitions[0].topic_id;
    let second = client.call(1, &join("g", "b", "t"));
    assert_eq!((second.member_epoch, owned(&second)), (2, vec![]));
    let told = client.call(1, &beat("g", "a", 1));
    assert_eq!((told.member_epoch, owned(&told)), (1, vec![0]));
    let commit = |client: &mut Client, epoch: i32, version: i16| {
        let partition = OffsetCommitRequestPartition::default().with_partition_index(0).with_committed_offset(11);
        let topic = OffsetCommitRequestTopic::default().with_name(topic_name("t")).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text("a"))
            .with_generation_id_or_member_epoch(epoch)
            .with_topics(vec![topic]);
        client.call(version, &request).topics[0].partitions[0].error_code
    };
    assert_eq!(commit(&mut client, 1, 9), 0);
    assert_eq!(commit(&mut client, 1, 8), code::UNSUPPORTED_VERSION);
    let given_up = TopicPartitions::default().with_topic_id(id).with_partitions(vec![0]);
    let moved = client.call(1, &beat("g", "a", 1).with_topic_partitions(Some(vec![given_up])));
    assert_eq!(moved.member_epoch, 2);
    assert_eq!(commit(&mut client, 1, 9), code::STALE_MEMBER_EPOCH);
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    wait_until_loaded(&mut client);
    assert_eq!(owned(&client.call(1, &beat("g", "b", 2))), [1], "what was free before the crash is free");
    let fetch = |client: &mut Client, member: Option<&str>, epoch: i32| {
        let topics = OffsetFetchRequestTopics::default().with_name(topic_name("t")).with_partition_indexes(vec![0]);
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(member.map(text))
            .with_member_epoch(epoch)
            .with_topics(Some(vec![topics]));
        let answer = client.call(9, &OffsetFetchRequest::default().with_groups(vec![asked]));
        let group = &answer.groups[0];
        (group.error_code, group.topics.first().map(|topic| topic.partitions[0].committed_offset))
    };
    assert_eq!(fetch(&mut client, Some("a"), 2), (0, Some(11)));
    assert_eq!(fetch(&mut client, Some("a"), 1), (code::STALE_MEMBER_EPOCH, None));
    assert_eq!(fetch(&mut client, Some("c"), 2), (code::UNKNOWN_MEMBER_ID, None));
    assert_eq!(fetch(&mut client, None, -1), (0, Some(11)));
}

#[test]
fn the_settings_of_groups_are_described() {
    let text = "\"group.consumer.assignors\" = [\"range\"]\n\"offsets.retention.minutes\" = 7\n\
                \"group.consumer.migration.policy\" = \"upgrade\"\n";
    let (_server, mut client) = start_with_config("group-settings", text);
    let resource = DescribeConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(StrBytes::from_static_str("1"))
        .with_configuration_keys(None);
    let answer = client.call(4, &DescribeConfigsRequest::default().with_resources(vec![resource]));
    let configs = &answer.results[0].configs;
    let value = |name: &str| {
        let found = configs.iter().find(|config| config.name.as_str() == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not described"));
        assert!(found.read_only, "{name}");
        found.value.as_ref().map(ToString::to_string).unwrap_or_default()
    };
    assert_eq!(value("group.consumer.assignors"), "range");
    assert_eq!(value("offsets.retention.minutes"), "7");
    assert_eq!(value("group.consumer.migration.policy"), "upgrade");
    assert_eq!(value("group.consumer.session.timeout.ms"), "45000");
    assert_eq!(value("group.consumer.heartbeat.interval.ms"), "5000");
    assert_eq!(value("group.max.session.timeout.ms"), "1800000");
    assert_eq!(value("offsets.topic.num.partitions"), "50");
}

/// Looks until the group has so many members left, and tells how long that took.
fn wait_for_members(client: &mut Client, group: &str, count: usize) -> Duration {
    let watch = Stopwatch::start();
    loop {
        let names = vec![GroupId(text(group))];
        let described = client.call(1, &ConsumerGroupDescribeRequest::default().with_group_ids(names));
        if described.groups[0].members.len() == count {
            return watch.elapsed();
        }
        assert!(watch.elapsed() < Duration::from_secs(20), "still {} members", described.groups[0].members.len());
    }
}

#[test]
fn a_group_s_own_settings_act_with_the_next_heartbeat_and_outlive_a_kill() {
    const SESSION: &str = "consumer.session.timeout.ms";
    const INTERVAL: &str = "consumer.heartbeat.interval.ms";
    let bounds =
        "\"group.consumer.min.session.timeout.ms\" = 500\n\"group.consumer.min.heartbeat.interval.ms\" = 100\n";
    let (mut server, mut client) = start_with_config("group-settings", bounds);
    client.create_topic("t", 2, &[]);
    find_coordinator(&mut client);
    let described = client.describe_configs(GROUP, "short");
    let value = |name: &str| {
        let config = &described[name];
        (config.value.as_deref().map(str::to_owned), config.config_source)
    };
    assert_eq!((value(SESSION), value(INTERVAL)), ((Some("45000".into()), 5), (Some("5000".into()), 5)));
    for group in ["short", "long"] {
        assert_eq!(client.call(1, &join(group, "stays", "t")).heartbeat_interval_ms, 5_000);
    }
    let changes = [(SET, SESSION, Some("1000")), (SET, INTERVAL, Some("200"))];
    assert_eq!(client.alter_configs(GROUP, "short", &changes), (0, String::new()));
    assert_eq!(client.alter_configs(GROUP, "short", &[(SET, SESSION, Some("1"))]).0, code::INVALID_CONFIG);
    assert_eq!(client.alter_configs(GROUP, "short", &[(SET, SESSION, Some("150"))]).0, code::INVALID_CONFIG);
    assert_eq!(client.alter_configs(GROUP, "short", &[(SET, "segment.ms", Some("1"))]).0, code::INVALID_CONFIG);
    assert_eq!(client.alter_configs(GROUP, "", &changes).0, code::INVALID_REQUEST);
    assert_eq!(
        client.call(1, &beat("long", "stays", 1)).heartbeat_interval_ms,
        5_000,
        "another group follows the node"
    );
    assert_eq!(client.call(1, &beat("short", "stays", 1)).heartbeat_interval_ms, 200);
    assert!(wait_for_members(&mut client, "short", 0) < Duration::from_secs(10), "its session was a second");

    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    wait_until_loaded(&mut client);
    let described = client.describe_configs(GROUP, "short");
    assert_eq!((described[SESSION].value.as_deref(), described[SESSION].config_source), (Some("1000"), 8));
    let joined = client.call(1, &join("short", "comes", "t"));
    assert_eq!(joined.heartbeat_interval_ms, 200);
    assert!(wait_for_members(&mut client, "short", 0) < Duration::from_secs(10), "from its first second on");
    let unset = [(DELETE, SESSION, None), (DELETE, INTERVAL, None)];
    assert_eq!(client.alter_configs(GROUP, "short", &unset).0, 0);
    assert_eq!(client.call(1, &join("short", "comes", "t")).heartbeat_interval_ms, 5_000);
}
