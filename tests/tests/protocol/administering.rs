//! More partitions, sizes on disk, pages of topics, and what one node answers to questions about many.

use super::{code, start};
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_topic_partitions_request::TopicRequest;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, CreateAclsRequest, CreatePartitionsRequest, DeleteAclsRequest,
    DeleteTopicsRequest, DescribeAclsRequest, DescribeClusterRequest, DescribeLogDirsRequest,
    DescribeTopicPartitionsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest,
};
use kafka_protocol::protocol::StrBytes;
use tests::calls::{partition, topic_name};
use tests::clock::wall_ms;
use tests::kafka::Client;
use tests::records;
use uuid::Uuid;

fn grow(client: &mut Client, version: i16, topic: CreatePartitionsTopic, validate_only: bool) -> (i16, String) {
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000)
        .with_validate_only(validate_only);
    let result = client.call(version, &request).results.remove(0);
    (result.error_code, result.error_message.map(|text| text.to_string()).unwrap_or_default())
}

fn to(topic: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic::default().with_name(topic_name(topic)).with_count(count).with_assignments(None)
}

fn partitions(client: &mut Client, topic: &str) -> usize {
    client.metadata(&[topic]).topics[0].partitions.len()
}

#[test]
fn a_topic_gets_more_partitions_and_keeps_what_it_has() {
    let (mut server, mut client) = start("more-partitions");
    client.create_topic("t", 2, &[]);
    for index in 0..2 {
        client.append(partition("t", index), records::batch_of(wall_ms(), &[format!("in {index}")]));
    }
    assert_eq!(grow(&mut client, 3, to("t", 9), true), (0, String::new()));
    assert_eq!(partitions(&mut client, "t"), 2, "it was only asked whether it would work");
    for (version, count) in [(0, 3), (1, 4), (2, 5), (3, 9)] {
        assert_eq!(grow(&mut client, version, to("t", count), false), (0, String::new()), "version {version}");
        assert_eq!(partitions(&mut client, "t"), count as usize);
        // Whoever was told so may write there, through any connection.
        let mut other = Client::connect(server.address());
        assert_eq!(other.append(partition("t", count - 1), records::batch_of(wall_ms(), &["new"])), 0);
    }
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    assert_eq!(partitions(&mut client, "t"), 9);
    for index in 0..2 {
        let values: Vec<_> =
            client.read_records(partition("t", index)).into_iter().map(|record| record.value).collect();
        assert_eq!(values, [Some(format!("in {index}").into())]);
    }
    assert_eq!(client.read_records(partition("t", 8)).len(), 1);
}

#[test]
fn partitions_are_not_taken_away_and_not_given_to_nodes_that_do_not_exist() {
    let (_server, mut client) = start("refused-partitions");
    client.create_topic("t", 2, &[]);
    let same = grow(&mut client, 3, to("t", 2), false);
    assert_eq!(same, (code::INVALID_PARTITIONS, "Topic already has 2 partition(s).".into()));
    assert_eq!(grow(&mut client, 3, to("t", 1), false).0, code::INVALID_PARTITIONS);
    assert_eq!(grow(&mut client, 3, to("t", 1_000_000), false).0, code::INVALID_PARTITIONS);
    assert_eq!(grow(&mut client, 3, to("nowhere", 5), false).0, code::UNKNOWN_TOPIC_OR_PARTITION);
    let on = |nodes: &[i32]| {
        let assignment = |id: &i32| CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(*id)]);
        to("t", 4).with_assignments(Some(nodes.iter().map(assignment).collect()))
    };
    assert_eq!(grow(&mut client, 3, on(&[1]), false).0, code::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(grow(&mut client, 3, on(&[1, 2]), false).0, code::INVALID_REPLICA_ASSIGNMENT);
    assert_eq!(grow(&mut client, 3, on(&[1, 1]), false), (0, String::new()));
    assert_eq!(partitions(&mut client, "t"), 4);
}

#[test]
fn topics_are_deleted_by_id_as_well() {
    let (_server, mut client) = start("delete-by-id");
    let id = client.create_topic("t", 1, &[]);
    let by_id = |id| {
        let state = DeleteTopicState::default().with_name(None).with_topic_id(id);
        DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(10_000)
    };
    let unknown = client.call(6, &by_id(Uuid::from_u128(0x1234)));
    assert_eq!(unknown.responses[0].error_code, code::UNKNOWN_TOPIC_ID);
    let deleted = client.call(6, &by_id(id)).responses.remove(0);
    assert_eq!((deleted.error_code, deleted.name), (0, Some(topic_name("t"))));
    assert_eq!(client.metadata(&["t"]).topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn log_dirs_say_how_large_each_partition_is_and_how_much_room_there_is() {
    let (server, mut client) = start("log-dirs");
    client.create_topic("t", 4, &[]);
    client.create_topic("other", 1, &[]);
    let batch = records::batch_of(wall_ms(), &[vec![b'x'; 10_000]]);
    for index in 0..4 {
        for _ in 0..=index {
            client.append(partition("t", index), batch.clone());
        }
    }
    let asked = DescribableLogDirTopic::default().with_topic(topic_name("t")).with_partitions(vec![0, 3, 99]);
    for version in 1..=4 {
        let all = client.call(version, &DescribeLogDirsRequest::default().with_topics(None)).results.remove(0);
        assert_eq!(all.error_code, 0, "version {version}");
        assert_eq!(all.log_dir.as_str(), server.data_dir().display().to_string());
        assert_eq!(all.topics.len(), 2);
        let room = (all.total_bytes, all.usable_bytes);
        assert!(if version < 4 { room == (-1, -1) } else { 0 < room.1 && room.1 <= room.0 }, "{version}: {room:?}");
        let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked.clone()]));
        let some = client.call(version, &request).results.remove(0);
        let sizes: Vec<_> =
            some.topics[0].partitions.iter().map(|one| (one.partition_index, one.partition_size)).collect();
        let bytes = batch.len() as i64;
        assert_eq!((some.topics.len(), sizes), (1, vec![(0, bytes), (3, 4 * bytes)]), "version {version}");
    }
}

#[test]
fn topics_come_page_by_page() {
    let (_server, mut client) = start("pages");
    client.create_topic("a", 3, &[]);
    client.create_topic("b", 2, &[]);
    let mut request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(2);
    let mut seen = Vec::new();
    loop {
        let answer = client.call(0, &request);
        for topic in &answer.topics {
            let name = topic.name.as_ref().expect("a name").to_string();
            for partition in &topic.partitions {
                assert_eq!((*partition.leader_id, partition.isr_nodes.clone()), (1, vec![BrokerId(1)]));
                assert_eq!(partition.eligible_leader_replicas, Some(Vec::new()), "Java fails on null");
                seen.push((name.clone(), partition.partition_index));
            }
        }
        let Some(next) = answer.next_cursor else { break };
        let cursor = kafka_protocol::messages::describe_topic_partitions_request::Cursor::default();
        request.cursor = Some(cursor.with_topic_name(next.topic_name).with_partition_index(next.partition_index));
    }
    let expected = [("a", 0), ("a", 1), ("a", 2), ("b", 0), ("b", 1)];
    assert_eq!(seen, expected.map(|(name, index)| (name.to_owned(), index)));
    let topic = TopicRequest::default().with_name(topic_name("nowhere"));
    let answer = client.call(0, &DescribeTopicPartitionsRequest::default().with_topics(vec![topic]));
    assert_eq!(answer.topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn elections_are_not_needed_and_partitions_are_where_they_can_be() {
    let (_server, mut client) = start("one-node");
    client.create_topic("t", 2, &[]);
    for version in 0..=2 {
        for kind in [0, 1] {
            let asked = TopicPartitions::default().with_topic(topic_name("t")).with_partitions(vec![1, 5]);
            let request = ElectLeadersRequest::default().with_topic_partitions(Some(vec![asked]));
            let request = if version > 0 { request.with_election_type(kind) } else { request };
            let answer = client.call(version, &request);
            let codes: Vec<_> =
                answer.replica_election_results[0].partition_result.iter().map(|one| one.error_code).collect();
            assert_eq!(codes, [code::ELECTION_NOT_NEEDED, code::UNKNOWN_TOPIC_OR_PARTITION], "version {version}");
        }
        let all = client.call(version, &ElectLeadersRequest::default().with_topic_partitions(None));
        assert_eq!((all.error_code, all.replica_election_results.len()), (0, 0), "version {version}");
    }
    for version in [0, 1] {
        let mut move_to = |nodes: Option<&[i32]>| {
            let nodes = nodes.map(|nodes| nodes.iter().copied().map(BrokerId).collect());
            let one = ReassignablePartition::default().with_partition_index(0).with_replicas(nodes);
            let topic = ReassignableTopic::default().with_name(topic_name("t")).with_partitions(vec![one]);
            let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
            let answer = client.call(version, &request);
            assert_eq!(answer.error_code, 0);
            answer.responses[0].partitions[0].error_code
        };
        assert_eq!(move_to(Some(&[1])), 0, "it is there already");
        assert_eq!(move_to(Some(&[2])), code::INVALID_REPLICA_ASSIGNMENT);
        assert_eq!(move_to(Some(&[])), code::INVALID_REPLICA_ASSIGNMENT);
        assert_eq!(move_to(None), code::NO_REASSIGNMENT_IN_PROGRESS);
    }
    let listed = client.call(0, &ListPartitionReassignmentsRequest::default().with_topics(None));
    assert_eq!((listed.error_code, listed.topics.len()), (0, 0));
}

#[test]
fn without_an_authorizer_rules_of_access_are_answered_as_disabled() {
    let (_server, mut client) = start("no-acls");
    for version in 1..=3 {
        let described = client.call(version, &DescribeAclsRequest::default().with_resource_type_filter(1));
        assert_eq!(described.error_code, code::SECURITY_DISABLED, "version {version}");
        let name = StrBytes::from_static_str("User:me");
        let creation = AclCreation::default().with_resource_type(2).with_principal(name);
        let request = CreateAclsRequest::default().with_creations(vec![creation.clone(), creation]);
        let codes: Vec<_> = client.call(version, &request).results.iter().map(|result| result.error_code).collect();
        assert_eq!(codes, [code::SECURITY_DISABLED; 2], "version {version}");
        let request = DeleteAclsRequest::default().with_filters(vec![DeleteAclsFilter::default()]);
        assert_eq!(client.call(version, &request).filter_results[0].error_code, code::SECURITY_DISABLED);
    }
}

#[test]
fn every_version_describes_the_cluster() {
    let (server, mut client) = start("described-cluster");
    for version in 0..=2 {
        let answer = client.call(version, &DescribeClusterRequest::default());
        let broker = &answer.brokers[0];
        assert_eq!((answer.error_code, answer.brokers.len(), *broker.broker_id), (0, 1, 1), "version {version}");
        assert_eq!((broker.port, broker.is_fenced), (i32::from(server.address().port()), false), "version {version}");
    }
}

#[test]
fn a_request_about_more_partitions_than_can_exist_closes_its_connection_and_no_other() {
    let (server, mut client) = start("too-many-items");
    client.create_topic("t", 1, &[]);
    let elect = |client: &mut Client, count: usize| {
        let asked = TopicPartitions::default().with_topic(topic_name("t")).with_partitions(vec![0; count]);
        client.try_call(2, &ElectLeadersRequest::default().with_topic_partitions(Some(vec![asked])))
    };
    let answer = elect(&mut client, 100_000).expect("as many as can exist are answered");
    assert_eq!(answer.replica_election_results[0].partition_result.len(), 100_000);
    assert!(elect(&mut Client::connect(server.address()), 100_001).is_err());
    assert!(elect(&mut client, 1).is_ok(), "other connections go on");
}
