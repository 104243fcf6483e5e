//! Topics come, are described, and go.

use super::{code, start};
use kafka_protocol::messages::MetadataRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use tests::calls::{partition, topic_name};
use tests::kafka::Client;
use tests::records;

#[test]
fn a_topic_deleted_and_made_again_is_empty_and_has_another_id() {
    let (_server, mut client) = start("recreate");
    let mut ids = std::collections::BTreeSet::new();
    for round in 0..10 {
        assert!(ids.insert(client.create_topic("again", 4, &[])), "round {round}: an id never comes twice");
        for index in 0..4 {
            assert_eq!(client.append(partition("again", index), records::batch_of(0, &["x", "y"])), 0, "round {round}");
        }
        assert_eq!(client.delete_topic("again"), 0, "round {round}");
        let gone = client.produce(partition("again", 0), -1, records::batch_of(0, &["z"]));
        assert_eq!(gone.error_code, code::UNKNOWN_TOPIC_OR_PARTITION, "round {round}");
    }
    assert_eq!(client.delete_topic("again"), code::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn a_topic_keeps_its_id_and_its_records_over_restarts() {
    let (mut server, mut client) = start("keeps-id");
    let id = client.create_topic("kept", 3, &[]);
    client.append(partition("kept", 2), records::batch_of(0, &["x"]));
    for stop in [tests::server::Server::kill_9, tests::server::Server::terminate] {
        stop(&mut server);
        server.restart();
        let mut client = Client::connect(server.address());
        let metadata = client.metadata(&["kept"]);
        assert_eq!((metadata.topics[0].topic_id, metadata.topics[0].partitions.len()), (id, 3));
        assert_eq!(client.read_records(partition("kept", 2)).len(), 1);
    }
}

#[test]
fn what_cannot_be_a_topic_is_refused_with_the_reason() {
    let (_server, mut client) = start("refused-topics");
    client.create_topic("taken", 1, &[]);
    let refused = |client: &mut Client, name: &str, partitions: i32, configs: &[(&str, &str)]| {
        client.try_create_topic(name, partitions, configs).expect_err("refused").0
    };
    assert_eq!(refused(&mut client, "taken", 1, &[]), code::TOPIC_ALREADY_EXISTS);
    for name in ["", ".", "..", "with space", "with/slash", &"x".repeat(250)] {
        assert_eq!(refused(&mut client, name, 1, &[]), code::INVALID_TOPIC, "{name:?}");
    }
    assert_eq!(refused(&mut client, "none", 0, &[]), code::INVALID_PARTITIONS);
    assert_eq!(refused(&mut client, "negative", -5, &[]), code::INVALID_PARTITIONS);
    assert_eq!(refused(&mut client, "far-too-many", i32::MAX, &[]), code::INVALID_PARTITIONS);
    assert_eq!(refused(&mut client, "odd", 1, &[("ringmain.durability", "perhaps")]), code::INVALID_CONFIG);
    assert_eq!(refused(&mut client, "odd", 1, &[("segment.bytes", "many")]), code::INVALID_CONFIG);
    assert_eq!(client.metadata(&["odd"]).topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
}

#[test]
fn more_replicas_than_brokers_are_refused() {
    use kafka_protocol::messages::{CreateTopicsRequest, create_topics_request::CreatableTopic};
    let (_server, mut client) = start("replicas");
    let topic =
        CreatableTopic::default().with_name(topic_name("copied")).with_num_partitions(1).with_replication_factor(3);
    let answer = client.call(7, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000));
    assert_eq!(answer.topics[0].error_code, code::INVALID_REPLICATION_FACTOR);
}

#[test]
fn metadata_creates_a_topic_only_if_the_client_allows_it() {
    let (server, mut client) = start("auto-create");
    let unknown = client.metadata(&["on-demand"]);
    assert_eq!(unknown.topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("on-demand")));
    let request = MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    // Kafka may answer LEADER_NOT_AVAILABLE or UNKNOWN_TOPIC_OR_PARTITION until the topic is there; clients ask again.
    client.call(12, &request);
    let mut partitions = 0;
    for _ in 0..100 {
        partitions = Client::connect(server.address()).call(12, &request).topics[0].partitions.len();
        if partitions > 0 {
            break;
        }
    }
    assert!(partitions > 0, "the topic was created");
    assert_eq!(client.append(partition("on-demand", 0), records::batch_of(0, &["x"])), 0);
}

#[test]
fn metadata_of_everything_lists_every_topic_once() {
    let (_server, mut client) = start("list-all");
    for number in 0..30 {
        client.create_topic(&format!("topic-{number}"), 1 + number % 3, &[]);
    }
    let all = client.call(12, &MetadataRequest::default().with_topics(None));
    let names: Vec<String> = all
        .topics
        .iter()
        .filter(|topic| !topic.is_internal)
        .map(|topic| topic.name.as_ref().expect("a name").as_str().to_owned())
        .collect();
    let different: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), different.len()), (30, 30));
    let none = client.call(12, &MetadataRequest::default().with_topics(Some(Vec::new())));
    assert!(none.topics.is_empty(), "an empty list asks for no topic");
    assert_eq!(none.brokers.len(), 1);
}

#[test]
fn a_topic_created_with_minus_one_gets_the_brokers_defaults() {
    let (_server, mut client) = start("defaults");
    client.create_topic("defaults", -1, &[]);
    let metadata = client.metadata(&["defaults"]);
    assert!(!metadata.topics[0].partitions.is_empty());
}

/// Kafka without rules of access answers with every operation, and clients print what they get; nothing was answered.
#[test]
fn who_asks_what_it_may_do_is_told_everything_and_who_does_not_ask_nothing() {
    use kafka_protocol::messages::DescribeClusterRequest;
    const NOT_ASKED: i32 = i32::MIN;
    const OF_TOPICS: i32 = 0b1101_1111_1000;
    const OF_THE_CLUSTER: i32 = 0b1_1111_1010_0000;
    let (_server, mut client) = start("operations");
    client.create_topic("open", 1, &[]);
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name("open")));
    let silent = MetadataRequest::default().with_topics(Some(vec![topic]));
    let asking = silent.clone().with_include_topic_authorized_operations(true);
    assert_eq!(client.call(12, &silent).topics[0].topic_authorized_operations, NOT_ASKED);
    assert_eq!(client.call(12, &asking).topics[0].topic_authorized_operations, OF_TOPICS);
    let asking = asking.with_include_cluster_authorized_operations(true);
    let answer = client.call(9, &asking);
    assert_eq!(answer.topics[0].topic_authorized_operations, OF_TOPICS);
    assert_eq!(answer.cluster_authorized_operations, OF_THE_CLUSTER);
    for (is_asked, expected) in [(false, NOT_ASKED), (true, OF_THE_CLUSTER)] {
        let request = DescribeClusterRequest::default().with_include_cluster_authorized_operations(is_asked);
        assert_eq!(client.call(0, &request).cluster_authorized_operations, expected);
    }
}
