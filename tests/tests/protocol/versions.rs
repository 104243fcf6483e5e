//! Which versions are offered, and that each of them is really spoken: old clients and new ones share one port.

use super::{code, start};
use bytes::{Buf, BufMut, BytesMut};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, CreateTopicsRequest, DeleteTopicsRequest, FindCoordinatorRequest,
    InitProducerIdRequest, MetadataRequest,
};
use kafka_protocol::messages::{create_topics_request::CreatableTopic, delete_topics_request::DeleteTopicState};
use kafka_protocol::protocol::{Decodable, StrBytes};
use std::time::Duration;
use tests::calls::{fetch_request, partition, produce_request, topic_name};
use tests::kafka::Client;
use tests::records;
use uuid::Uuid;

/// What clients of today cannot do without: key, and a range that must be inside the offered one.
const NEEDED: [(i16, i16, i16); 8] =
    [(0, 0, 9), (1, 4, 13), (2, 1, 7), (3, 0, 12), (18, 0, 3), (19, 2, 7), (20, 1, 6), (22, 0, 4)];

#[test]
fn every_api_that_clients_need_is_offered_from_its_oldest_to_its_newest_version() {
    let (_server, mut client) = start("offered");
    let offered = client.api_versions();
    for (key, low, high) in NEEDED {
        let (min, max) = *offered.get(&key).unwrap_or_else(|| panic!("api {key} is not offered"));
        assert!(min <= low && high <= max, "api {key} is offered as {min}-{max}, clients need {low}-{high}");
    }
}

#[test]
fn an_unknown_version_of_api_versions_gets_the_oldest_answer_with_the_error_and_the_right_range() {
    let (_server, mut client) = start("unknown-version");
    for version in [5, 99, i16::MAX] {
        client.send_bytes(&request_with_body(18, version, 41, &[])).expect("the broker listens");
        let mut frame = client.receive_frame().expect("an answer");
        assert_eq!(frame.get_i32(), 41, "the correlation id");
        let answer = ApiVersionsResponse::decode(&mut frame, 0).expect("a body of version 0");
        assert_eq!(answer.error_code, code::UNSUPPORTED_VERSION);
        assert!(
            answer.api_keys.iter().any(|api| api.api_key == 18 && api.max_version >= 3),
            "the range to use instead"
        );
        assert!(!frame.has_remaining(), "nothing behind the answer");
    }
    assert!(!client.api_versions().is_empty(), "the connection goes on");
}

#[test]
fn an_unknown_api_or_version_closes_the_connection() {
    let (server, mut other) = start("unknown-api");
    for (key, version) in [(9_999, 0), (-1, 0), (1, 99), (3, -1), (19, 0)] {
        let mut client = Client::connect(server.address());
        client.send_bytes(&request_with_body(key, version, 1, &[])).expect("the broker listens");
        assert!(client.is_closed_within(Duration::from_secs(10)), "api {key} version {version}");
    }
    assert!(!other.api_versions().is_empty(), "another connection is not touched");
}

#[test]
fn produce_before_batches_is_answered_with_an_error_or_closed_and_stores_nothing() {
    let (server, mut control) = start("produce-0");
    control.create_topic("old", 1, &[]);
    for version in 0..=2 {
        let mut client = Client::connect(server.address());
        let message = records::old_message(0, b"from before 2017");
        let mut body = BytesMut::new();
        body.put_i16(-1);
        body.put_i32(10_000);
        body.put_i32(1);
        body.put_i16(3);
        body.put_slice(b"old");
        body.put_i32(1);
        body.put_i32(0);
        body.put_i32(i32::try_from(message.len()).expect("small"));
        body.put_slice(&message);
        client.send_bytes(&request_with_body(0, version, 1, &body)).expect("the broker listens");
        // Kafka answers with the error or closes; both tell the client. What counts is that nothing is stored.
        let _ = client.receive_frame();
        assert_eq!(control.end_offset(partition("old", 0)), 0, "version {version}");
    }
}

#[test]
fn every_offered_version_of_api_versions_and_metadata_decodes_to_the_last_byte() {
    let (_server, mut client) = start("metadata-versions");
    client.create_topic("described", 3, &[]);
    let offered = client.api_versions();
    for version in offered[&18].0..=offered[&18].1.min(4) {
        let name = StrBytes::from_static_str("ringmain-tests");
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request = request.with_client_software_name(name.clone()).with_client_software_version(name);
        }
        let answer = client.call(version, &request);
        assert_eq!((answer.error_code, answer.api_keys.len()), (0, offered.len()), "ApiVersions {version}");
    }
    for version in offered[&3].0..=offered[&3].1 {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name("described")));
        let mut request = MetadataRequest::default().with_topics(Some(vec![topic]));
        request.allow_auto_topic_creation = true;
        let answer = client.call(version, &request);
        assert_eq!(answer.brokers.len(), 1, "Metadata {version}");
        let topic = &answer.topics[0];
        assert_eq!((topic.error_code, topic.partitions.len()), (0, 3), "Metadata {version}");
        assert_eq!(topic.topic_id.is_nil(), version < 10, "Metadata {version}: ids exist from version 10");
        let leaders: Vec<i32> = topic.partitions.iter().map(|partition| *partition.leader_id).collect();
        assert_eq!(leaders, vec![*answer.brokers[0].node_id; 3], "Metadata {version}");
    }
}

#[test]
fn every_offered_version_of_produce_and_fetch_carries_the_same_records() {
    let (_server, mut client) = start("produce-fetch-versions");
    let id = client.create_topic("versions", 1, &[]);
    let offered = client.api_versions();
    for version in offered[&0].0.max(3)..=offered[&0].1.min(13) {
        let batch = records::batch_of(1_000, &[format!("by version {version}")]);
        let mut request = produce_request(partition("versions", 0), -1, batch);
        if version >= 13 {
            request.topic_data[0].name = Default::default();
            request.topic_data[0].topic_id = id;
        }
        let answer = client.call(version, &request);
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, i64::from(version) - 3), "Produce {version}");
    }
    let written = client.read_records(partition("versions", 0));
    for version in offered[&1].0..=offered[&1].1.min(18) {
        let mut request = fetch_request(partition("versions", 0), 0, 1_000, 1);
        if version >= 13 {
            request.topics[0].topic = Default::default();
            request.topics[0].topic_id = id;
        }
        let answer = client.call(version, &request);
        let data = &answer.responses[0].partitions[0];
        assert_eq!((answer.error_code, data.error_code), (0, 0), "Fetch {version}");
        assert_eq!(data.high_watermark, written.len() as i64, "Fetch {version}");
        assert_eq!(records::decode(data.records.as_ref().expect("records")), written, "Fetch {version}");
    }
}

#[test]
fn every_offered_version_creates_and_deletes_topics() {
    let (_server, mut client) = start("create-delete-versions");
    let offered = client.api_versions();
    for version in offered[&19].0..=offered[&19].1 {
        let name = format!("created-by-{version}");
        let topic =
            CreatableTopic::default().with_name(topic_name(&name)).with_num_partitions(2).with_replication_factor(1);
        let answer =
            client.call(version, &CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000));
        let result = &answer.topics[0];
        assert_eq!(result.error_code, 0, "CreateTopics {version}");
        if version >= 5 {
            assert_eq!((result.num_partitions, result.replication_factor), (2, 1), "CreateTopics {version}");
            assert!(result.configs.is_some(), "the Java admin client takes no null here");
        }
        assert_eq!(result.topic_id == Uuid::nil(), version < 7, "CreateTopics {version}");
        assert_eq!(client.metadata(&[&name]).topics[0].partitions.len(), 2);
    }
    for version in offered[&20].0..=offered[&20].1 {
        let name = format!("to-delete-by-{version}");
        client.create_topic(&name, 1, &[]);
        let mut request = DeleteTopicsRequest::default().with_timeout_ms(10_000);
        if version >= 6 {
            request.topics = vec![DeleteTopicState::default().with_name(Some(topic_name(&name)))];
        } else {
            request.topic_names = vec![topic_name(&name)];
        }
        assert_eq!(client.call(version, &request).responses[0].error_code, 0, "DeleteTopics {version}");
        assert_eq!(client.metadata(&[&name]).topics[0].error_code, code::UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_eq!(offered[&21], (0, 2), "each version of DeleteRecords is called in `retention`");
}

#[test]
fn every_offered_version_of_the_small_apis_decodes_to_the_last_byte() {
    let (_server, mut client) = start("small-versions");
    let offered = client.api_versions();
    for version in offered[&22].0..=offered[&22].1.min(5) {
        let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
        let answer = client.call(version, &request);
        assert_eq!((answer.error_code, answer.producer_epoch), (0, 0), "InitProducerId {version}");
    }
    let Some(&(low, high)) = offered.get(&10) else { return };
    for version in low..=high {
        let group = StrBytes::from_static_str("a-group");
        let request = match version {
            4.. => FindCoordinatorRequest::default().with_coordinator_keys(vec![group]),
            _ => FindCoordinatorRequest::default().with_key(group),
        };
        // Whether a coordinator exists is for groups to say; here only the encoding counts.
        let answer = client.call(version, &request);
        assert_eq!(answer.coordinators.len(), usize::from(version >= 4), "FindCoordinator {version}");
    }
}

/// A request of exactly these bytes, with a null client id.
fn request_with_body(key: i16, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.put_i32(i32::try_from(10 + body.len()).expect("small"));
    frame.put_i16(key);
    frame.put_i16(version);
    frame.put_i32(correlation);
    frame.put_i16(-1);
    frame.extend_from_slice(body);
    frame
}
