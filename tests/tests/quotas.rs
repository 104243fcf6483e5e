//! Quotas and limits on connections, as clients and administrators meet them.

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeClientQuotasRequest,
};
use kafka_protocol::protocol::StrBytes;
use serde_json::{Value, json};
use std::time::Duration;
use tests::calls::{PRODUCE_VERSION, partition, produce_request, topic_name};
use tests::clock::Stopwatch;
use tests::kafka::Client;
use tests::real_clients::{assert_success, python, run_with_input};
use tests::records;
use tests::server::{Options, Server, run_ringmain};

const MIB: f64 = 1_048_576.0;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const THROTTLING_QUOTA_EXCEEDED: i16 = 89;

fn quota(server: &Server, arguments: &[&str]) -> String {
    let bootstrap = server.bootstrap();
    let all = [&["quota"], arguments, &["--bootstrap", &bootstrap]].concat();
    let (status, text) = run_ringmain(&all);
    assert!(status.success(), "{text}");
    text
}

/// Bytes, seconds, and the longest throttling in milliseconds of a client that moves so many bytes.
fn run(server: &Server, client_id: &str, bytes: u32, consume: bool) -> (f64, f64, f64) {
    let order = json!({
        "bootstrap": server.bootstrap(), "client_id": client_id, "topic": "orders", "bytes": bytes, "consume": consume
    });
    let output = run_with_input(&mut python("quota.py"), order.to_string().as_bytes());
    assert_success("confluent-kafka", &output);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |field: &str| told[field].as_f64().expect("a number");
    (number("bytes"), number("seconds"), number("throttle_ms_max"))
}

#[test]
fn a_producer_and_a_consumer_get_the_bytes_of_their_quota_and_are_told_that_they_are_throttled() {
    let server = Server::start(Options::named("byte-rates"));
    Client::connect(server.address()).create_topic("orders", 1, &[]);
    quota(&server, &["set", "--client-id", "limited", "producer_byte_rate=1M", "consumer_byte_rate=2M"]);
    let (bytes, seconds, throttled_ms) = run(&server, "limited", 5 << 20, false);
    // A second's worth is free.
    let rate = (bytes - MIB) / seconds;
    println!("a producer with 1 MiB/s: {bytes} bytes in {seconds:.2} s, throttled for up to {throttled_ms} ms");
    assert!((0.6 * MIB..1.15 * MIB).contains(&rate), "{bytes} bytes in {seconds} s");
    assert!(throttled_ms > 0.0, "it was told");
    let (bytes, seconds, throttled_ms) = run(&server, "limited", 5 << 20, true);
    let rate = (bytes - 2.0 * MIB) / seconds;
    println!("a consumer with 2 MiB/s: {bytes} bytes in {seconds:.2} s, throttled for up to {throttled_ms} ms");
    assert!((0.4 * MIB..2.3 * MIB).contains(&rate), "{bytes} bytes in {seconds} s");
    assert!(throttled_ms > 0.0, "it was told");
    let (_, seconds, throttled_ms) = run(&server, "free", 5 << 20, false);
    assert!(seconds < 3.0 && throttled_ms == 0.0, "another client is not bound: {seconds} s, {throttled_ms} ms");
}

#[test]
fn the_answer_comes_at_once_and_then_the_socket_is_not_read_for_as_long_as_it_says() {
    let server = Server::start(Options::named("muted"));
    let mut client = Client::connect(server.address());
    client.create_topic("orders", 1, &[]);
    quota(&server, &["set", "--client-id", "", "producer_byte_rate=100000"]);
    let batch = records::batch_of(1_000, &["x".repeat(150_000)]);
    let request = produce_request(partition("orders", 0), -1, batch);
    let watch = Stopwatch::start();
    let answer = client.call(PRODUCE_VERSION, &request);
    assert!(watch.elapsed() < Duration::from_millis(400), "the answer does not wait: {:?}", watch.elapsed());
    // 150,000 bytes of which 100,000 were free.
    assert!((350..=600).contains(&answer.throttle_time_ms), "{} ms", answer.throttle_time_ms);
    assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    let next = client.call(2, &ApiVersionsRequest::default());
    let silent = Duration::from_millis(u64::from(answer.throttle_time_ms.unsigned_abs()) - 100);
    assert!(watch.elapsed() >= silent, "the next request waited only {:?}", watch.elapsed());
    assert_eq!(next.error_code, 0);
    quota(&server, &["delete", "--client-id", "", "producer_byte_rate"]);
    let answer = client.call(PRODUCE_VERSION, &request);
    assert_eq!(answer.throttle_time_ms, 0, "without a quota nobody is throttled");
}

#[test]
fn the_time_that_requests_take_is_bounded_as_well_and_every_answer_says_so() {
    let server = Server::start(Options::named("request-share"));
    let mut client = Client::connect(server.address());
    quota(&server, &["set", "--user", "", "request_percentage=0.01"]);
    let mut throttled_ms = 0;
    for _ in 0..200 {
        throttled_ms = client.call(2, &ApiVersionsRequest::default()).throttle_time_ms;
        if throttled_ms > 0 {
            break;
        }
    }
    assert!(throttled_ms > 0, "a hundredth of a percent is soon used up");
    let metadata = client.metadata(&[]);
    assert!(metadata.throttle_time_ms > 0, "whatever is asked");
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn alter(client: &mut Client, version: i16, parts: &[(&str, Option<&str>)], key: &str, value: Option<f64>) -> i16 {
    let entity = parts
        .iter()
        .map(|(kind, name)| EntityData::default().with_entity_type(text(kind)).with_entity_name(name.map(text)));
    let op = OpData::default().with_key(text(key)).with_value(value.unwrap_or(0.0)).with_remove(value.is_none());
    let entry = EntryData::default().with_entity(entity.collect()).with_ops(vec![op]);
    client.call(version, &AlterClientQuotasRequest::default().with_entries(vec![entry])).entries[0].error_code
}

/// For each entity its parts, and its quotas.
type Described = Vec<(Vec<(String, Option<String>)>, Vec<(String, f64)>)>;

fn describe(client: &mut Client, version: i16, parts: &[(&str, i8, Option<&str>)], strict: bool) -> Described {
    let component = |(kind, match_type, name): &(&str, i8, Option<&str>)| {
        let component = ComponentData::default().with_entity_type(text(kind)).with_match_type(*match_type);
        component.with_match(name.map(text))
    };
    let components = parts.iter().map(component).collect();
    let request = DescribeClientQuotasRequest::default().with_components(components).with_strict(strict);
    let answer = client.call(version, &request);
    assert_eq!(answer.error_code, 0, "{:?}", answer.error_message);
    let entries = answer.entries.expect("entries");
    let named = |entry: &kafka_protocol::messages::describe_client_quotas_response::EntryData| {
        let parts = entry
            .entity
            .iter()
            .map(|part| (part.entity_type.to_string(), part.entity_name.as_ref().map(ToString::to_string)));
        let quotas = entry.values.iter().map(|quota| (quota.key.to_string(), quota.value));
        (parts.collect(), quotas.collect())
    };
    entries.iter().map(named).collect()
}

#[test]
fn quotas_are_described_as_they_were_set_by_any_filter_and_outlive_the_node() {
    let mut server = Server::start(Options::named("describe-quotas"));
    let mut client = Client::connect(server.address());
    for version in 0..=1 {
        let both = [("user", Some("u")), ("client-id", Some("c"))];
        assert_eq!(alter(&mut client, version, &both, "producer_byte_rate", Some(1024.0)), 0);
        assert_eq!(alter(&mut client, version, &[("user", None)], "request_percentage", Some(12.5)), 0);
        assert_eq!(alter(&mut client, version, &[("ip", Some("127.0.0.9"))], "connection_creation_rate", Some(3.0)), 0);
        const INVALID_REQUEST: i16 = 42;
        assert_eq!(alter(&mut client, version, &[("user", None)], "speed", Some(1.0)), INVALID_REQUEST);
        assert_eq!(alter(&mut client, version, &[], "request_percentage", Some(1.0)), INVALID_REQUEST);
        assert_eq!(alter(&mut client, version, &[("user", None)], "request_percentage", Some(-1.0)), INVALID_REQUEST);
        assert_eq!(describe(&mut client, version, &[], false).len(), 3);
        let of_u = describe(&mut client, version, &[("user", 0, Some("u"))], false);
        let parts = vec![("user".to_owned(), Some("u".to_owned())), ("client-id".to_owned(), Some("c".to_owned()))];
        assert_eq!(of_u, [(parts, vec![("producer_byte_rate".to_owned(), 1024.0)])]);
        assert_eq!(describe(&mut client, version, &[("user", 0, Some("u"))], true), []);
        let default = describe(&mut client, version, &[("user", 1, None)], true);
        assert_eq!(default, [(vec![("user".to_owned(), None)], vec![("request_percentage".to_owned(), 12.5)])]);
        assert_eq!(describe(&mut client, version, &[("user", 2, None)], false).len(), 2);
    }
    assert_eq!(alter(&mut client, 1, &[("user", None)], "request_percentage", None), 0);
    server.kill_9();
    server.restart();
    let left = describe(&mut Client::connect(server.address()), 1, &[], false);
    assert_eq!(left.len(), 2, "{left:?}");

    let listed: Value = serde_json::from_str(&quota(&server, &["list", "--json"])).expect("JSON");
    assert_eq!(listed[0]["quotas"], json!({"producer_byte_rate": 1024.0}), "{listed}");
    assert!(quota(&server, &["list"]).contains("connection_creation_rate"));
    let bootstrap = server.bootstrap();
    let (status, said) = run_ringmain(&["quota", "set", "--user", "a", "speed=1", "--bootstrap", &bootstrap]);
    assert!(!status.success() && said.contains("Invalid configuration key speed"), "{said}");
}

#[test]
fn an_address_opens_as_many_connections_as_it_may_and_as_often() {
    let config = tests::binary::target_dir().join(format!("connections-{}.toml", std::process::id()));
    std::fs::write(&config, "\"max.connections.per.ip\" = 0\n\"max.connections.per.ip.overrides\" = \"127.0.0.1:5\"\n")
        .expect("a file");
    let path = config.to_str().expect("a plain path");
    let server = Server::start(Options::named("connection-limits").with_arguments(&["--config", path]));
    let open = || {
        let mut client = Client::try_connect(server.address()).expect("the kernel accepts");
        client.try_call(2, &ApiVersionsRequest::default()).ok().map(|_| client)
    };
    let mut clients: Vec<Client> = (0..5).map(|_| open().expect("five may come")).collect();
    assert!(open().is_none(), "the sixth is closed");
    clients.pop();
    let watch = Stopwatch::start();
    let again = std::iter::from_fn(|| (watch.elapsed() < Duration::from_secs(10)).then(&open)).flatten().next();
    assert!(again.is_some(), "who leaves makes room");
    assert_eq!(alter(&mut clients[0], 1, &[("ip", None)], "connection_creation_rate", Some(1.0)), 0);
    drop(again);
    let opened: Vec<bool> = (0..4).map(|_| open().is_some()).collect();
    assert!(opened.iter().filter(|opened| **opened).count() <= 2, "one a second may come: {opened:?}");
    std::fs::remove_file(&config).expect("the file is there");
}

#[test]
fn topics_come_and_go_at_the_rate_of_their_client_and_only_newer_clients_are_sent_away() {
    let server = Server::start(Options::named("mutation-rate"));
    let mut client = Client::connect(server.address());
    quota(&server, &["set", "--client-id", "", "controller_mutation_rate=2"]);
    let create = |client: &mut Client, version: i16, name: &str, partitions: i32| {
        let topic = CreatableTopic::default().with_name(topic_name(name)).with_num_partitions(partitions);
        let request = CreateTopicsRequest::default().with_topics(vec![topic.with_replication_factor(1)]);
        let answer = client.call(version, &request.with_timeout_ms(10_000));
        (answer.topics[0].error_code, answer.throttle_time_ms)
    };
    assert_eq!(create(&mut client, 7, "a", 20), (0, 0), "ten seconds' worth may come at once");
    let (code, throttled_ms) = create(&mut client, 7, "b", 60);
    // What the answers have taken a moment for comes back meanwhile; the tests below have what is left of half a minute.
    assert!(code == 0 && (1..=30_000).contains(&throttled_ms), "the last one may owe: {code}, {throttled_ms} ms");
    let mut other = Client::connect(server.address());
    let (code, throttled_ms) = create(&mut other, 7, "c", 1);
    assert!(code == THROTTLING_QUOTA_EXCEEDED && throttled_ms > 0, "{code}, {throttled_ms} ms");
    let mut other = Client::connect(server.address());
    let grow = CreatePartitionsTopic::default().with_name(topic_name("a")).with_count(21).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![grow]).with_timeout_ms(10_000);
    assert_eq!(other.call(3, &request).results[0].error_code, THROTTLING_QUOTA_EXCEEDED);
    let mut other = Client::connect(server.address());
    let state = DeleteTopicState::default().with_name(Some(topic_name("a")));
    let request = DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(10_000);
    assert_eq!(other.call(6, &request).responses[0].error_code, THROTTLING_QUOTA_EXCEEDED);
    let mut older = Client::connect(server.address());
    let (code, throttled_ms) = create(&mut older, 5, "d", 1);
    assert!(code == 0 && throttled_ms > 0, "an older one gets it and waits: {code}, {throttled_ms} ms");
    let mut other = Client::connect(server.address());
    let (code, throttled_ms) = create(&mut other, 7, "d", 1);
    assert!(code == TOPIC_ALREADY_EXISTS && throttled_ms > 0, "what is refused anyway costs nothing: {code}");
}
