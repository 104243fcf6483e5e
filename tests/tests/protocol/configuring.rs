//! Configs that are changed while the broker runs: they are checked, they act at once on every shard, and they survive a crash.

use super::{code, start};
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{AlterConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, TimestampType};
use tests::calls::partition;
use tests::clock::{Stopwatch, wall_ms};
use tests::configs::{APPEND, DELETE, NODE, SET, SUBTRACT, TOPIC, alteration};
use tests::kafka::Client;
use tests::records;
use tests::server::Server;

/// Kafka's numbers for where a value comes from.
const OF_THE_TOPIC: i8 = 1;
const OF_THE_NODE: i8 = 2;
const OF_ALL_NODES: i8 = 3;
const DEFAULT: i8 = 5;

fn value(client: &mut Client, topic: &str, name: &str) -> (String, i8) {
    let mut configs = client.describe_configs(TOPIC, topic);
    let config = configs.remove(name).unwrap_or_else(|| panic!("{name} is not described"));
    (config.value.expect("a value").to_string(), config.config_source)
}

fn topic_of_two_shards(name: &str) -> (Server, Client) {
    let (server, mut client) = start(name);
    // More partitions than shards, so that each shard has some.
    client.create_topic("t", 8, &[]);
    (server, client)
}

#[test]
fn a_changed_config_acts_on_every_shard_and_survives_a_crash() {
    let (mut server, mut client) = topic_of_two_shards("changed-config");
    let large = records::batch_of(wall_ms(), &[vec![b'x'; 5_000]]);
    for index in 0..8 {
        assert_eq!(client.produce(partition("t", index), -1, large.clone()).error_code, 0);
    }
    client.set_topic_config("t", "max.message.bytes", "1000");
    let is_refused_everywhere = |client: &mut Client| {
        (0..8)
            .all(|index| client.produce(partition("t", index), -1, large.clone()).error_code == code::MESSAGE_TOO_LARGE)
    };
    assert!(is_refused_everywhere(&mut client), "by the connection that changed it");
    for _ in 0..8 {
        assert!(is_refused_everywhere(&mut Client::connect(server.address())), "by connections of any shard");
    }
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    assert_eq!(value(&mut client, "t", "max.message.bytes"), ("1000".into(), OF_THE_TOPIC));
    assert!(is_refused_everywhere(&mut client), "after kill -9");
    client.alter_configs(TOPIC, "t", &[(DELETE, "max.message.bytes", None)]);
    assert_eq!(value(&mut client, "t", "max.message.bytes"), ("1048588".into(), DEFAULT));
    assert!(!is_refused_everywhere(&mut client), "back at the default");
}

#[test]
fn what_cannot_be_is_refused_with_a_sentence_and_changes_nothing() {
    let (_server, mut client) = topic_of_two_shards("refused-configs");
    for (name, bad, word) in [
        ("retention.ms", "week", "LONG"),
        ("segment.bytes", "1", "1048576"),
        ("cleanup.policy", "shred", "compact, delete"),
        ("compression.type", "brotli", "snappy"),
        ("message.timestamp.type", "Now", "LogAppendTime"),
        ("min.insync.replicas", "0", "at least 1"),
        ("no.such.config", "1", "Unknown topic config name: no.such.config"),
        ("remote.storage.enable", "true", "Tiered storage"),
    ] {
        let good_and_bad = [(SET, "segment.ms", Some("7000")), (SET, name, Some(bad))];
        let (code, text) = client.alter_configs(TOPIC, "t", &good_and_bad);
        assert_eq!(code, code::INVALID_CONFIG, "{name}={bad}: {text}");
        assert!(text.contains(word), "{name}={bad}: {text}");
        let (code, text) = client.try_create_topic("bad", 1, &[(name, bad)]).expect_err("it was created");
        assert_eq!(code, code::INVALID_CONFIG, "{name}={bad}: {text}");
        assert!(text.contains(word), "{name}={bad}: {text}");
    }
    assert_eq!(value(&mut client, "t", "segment.ms"), ("604800000".into(), DEFAULT));
    let unknown = client.alter_configs(TOPIC, "nowhere", &[(SET, "segment.ms", Some("7000"))]);
    assert_eq!(unknown, (code::UNKNOWN_TOPIC_OR_PARTITION, "The topic 'nowhere' does not exist.".into()));
    assert_eq!(client.alter_configs(TOPIC, "t", &[(SET, "segment.ms", None)]).0, code::INVALID_REQUEST);
    assert_eq!(client.alter_configs(9, "t", &[]), (code::INVALID_REQUEST, "Unknown resource type 9".into()));
}

#[test]
fn lists_grow_and_shrink_and_validate_only_changes_nothing() {
    let (_server, mut client) = topic_of_two_shards("list-configs");
    let policy = |client: &mut Client| value(client, "t", "cleanup.policy").0;
    assert_eq!(client.alter_configs(TOPIC, "t", &[(APPEND, "cleanup.policy", Some("compact"))]).0, 0);
    assert_eq!(policy(&mut client), "delete,compact");
    assert_eq!(client.alter_configs(TOPIC, "t", &[(SUBTRACT, "cleanup.policy", Some("delete"))]).0, 0);
    assert_eq!(policy(&mut client), "compact");
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![alteration(
        TOPIC,
        "t",
        &[(SET, "cleanup.policy", Some("delete"))],
    )]);
    for version in [0, 1] {
        let answer = client.call(version, &request.clone().with_validate_only(true));
        assert_eq!(answer.responses[0].error_code, 0, "version {version}");
        assert_eq!(policy(&mut client), "compact", "version {version}");
    }
    assert_eq!(
        client.produce(partition("t", 0), -1, records::batch_of(wall_ms(), &["no key"])).error_code,
        code::INVALID_RECORD
    );
}

#[test]
fn the_older_way_to_alter_forgets_what_it_does_not_name() {
    let (_server, mut client) = topic_of_two_shards("replaced-configs");
    client.set_topic_config("t", "segment.ms", "7000");
    for version in 0..=2 {
        let text = |text: &str| StrBytes::from_string(text.to_owned());
        let retention_ms = format!("{version}000");
        let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text(&retention_ms)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        let answer = client.call(version, &AlterConfigsRequest::default().with_resources(vec![resource]));
        assert_eq!(answer.responses[0].error_code, 0, "version {version}");
        assert_eq!(value(&mut client, "t", "retention.ms"), (retention_ms, OF_THE_TOPIC));
        assert_eq!(value(&mut client, "t", "segment.ms").1, DEFAULT);
    }
}

#[test]
fn topics_follow_what_is_changed_for_the_nodes_and_descriptions_say_where_values_come_from() {
    let (mut server, mut client) = topic_of_two_shards("node-configs");
    assert_eq!(client.alter_configs(NODE, "", &[(SET, "message.max.bytes", Some("3000"))]).0, 0);
    assert_eq!(value(&mut client, "t", "max.message.bytes"), ("3000".into(), OF_ALL_NODES));
    assert_eq!(client.alter_configs(NODE, "1", &[(SET, "message.max.bytes", Some("2000"))]).0, 0);
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    let config = client.describe_configs(TOPIC, "t").remove("max.message.bytes").expect("it is described");
    let synonyms: Vec<_> = config.synonyms.iter().map(|one| (one.name.as_str(), one.source)).collect();
    let name = "message.max.bytes";
    assert_eq!(synonyms, [(name, OF_THE_NODE), (name, OF_ALL_NODES), (name, DEFAULT)]);
    assert!(!config.read_only && config.documentation.is_some_and(|text| !text.is_empty()));
    let large = records::batch_of(wall_ms(), &[vec![b'x'; 2_500]]);
    let produced = client.produce(partition("t", 3), -1, large.clone());
    assert_eq!(produced.error_code, code::MESSAGE_TOO_LARGE, "this node's value counts before that of all");
    assert_eq!(client.alter_configs(NODE, "1", &[(DELETE, name, None)]).0, 0);
    assert_eq!(client.produce(partition("t", 3), -1, large).error_code, 0);

    let node = client.describe_configs(NODE, "1");
    assert_eq!((node[name].config_source, node[name].read_only), (OF_ALL_NODES, false));
    assert!(node["num.partitions"].read_only);
    assert!(node.values().all(|config| config.documentation.as_ref().is_some_and(|text| !text.is_empty())));
    let (code, text) = client.alter_configs(NODE, "1", &[(SET, "num.partitions", Some("3"))]);
    assert_eq!(code, code::INVALID_REQUEST, "{text}");
    assert_eq!(text, "Cannot update these configs dynamically: num.partitions");
    assert_eq!(client.alter_configs(NODE, "1", &[(SET, "nonsense", Some("3"))]).0, code::INVALID_CONFIG);
    assert_eq!(client.alter_configs(NODE, "7", &[(SET, name, Some("3000"))]).0, code::INVALID_REQUEST);
    let all = client.describe_configs(NODE, "");
    assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), [name]);
}

#[test]
fn with_log_append_time_every_record_has_the_broker_s_time() {
    let (_server, mut client) = topic_of_two_shards("append-time");
    client.set_topic_config("t", "message.timestamp.type", "LogAppendTime");
    for compression in [Compression::None, Compression::Zstd] {
        let before_ms = wall_ms();
        let sent: Vec<_> = (0..5).map(|index| records::record(index, 77, vec![b'v'; 300])).collect();
        let produced = client.produce(partition("t", 1), -1, records::encode(&sent, compression));
        let after_ms = wall_ms();
        assert_eq!(produced.error_code, 0);
        let time_ms = produced.log_append_time_ms;
        assert!((before_ms..=after_ms).contains(&time_ms), "{before_ms} <= {time_ms} <= {after_ms}");
        let stored = client.read_batches(partition("t", 1), produced.base_offset);
        // The header's largest timestamp is that of every record then; the codec of these tests does not know that.
        let largest_ms = i64::from_be_bytes(stored[35..43].try_into().expect("8 bytes"));
        assert_eq!((largest_ms, records::headers(&stored)[0].timestamp_type), (time_ms, TimestampType::LogAppend));
        assert_eq!(records::decode(&stored).len(), 5, "the checksum is right");
        assert_eq!(client.list_offset(partition("t", 1), time_ms).offset, produced.base_offset, "found by that time");
    }
    client.set_topic_config("t", "message.timestamp.type", "CreateTime");
    let produced = client.produce(partition("t", 1), -1, records::batch_of(77, &["x"]));
    assert_eq!(produced.log_append_time_ms, -1);
}

#[test]
fn timestamps_too_far_from_the_broker_s_clock_are_refused_record_by_record() {
    let (_server, mut client) = topic_of_two_shards("timestamps");
    let now_ms = wall_ms();
    let batch = |times: &[i64]| {
        let records: Vec<_> = (0..).zip(times).map(|(index, &ms)| records::record(index, ms, "v")).collect();
        records::encode(&records, Compression::Gzip)
    };
    let refused = client.produce(partition("t", 0), -1, batch(&[now_ms, now_ms + 3 * 3_600_000]));
    assert_eq!(refused.error_code, code::INVALID_TIMESTAMP);
    assert_eq!(refused.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
    assert_eq!(client.produce(partition("t", 0), -1, batch(&[5])).error_code, 0, "long ago is fine by default");
    client.set_topic_config("t", "message.timestamp.before.max.ms", "60000");
    let refused = client.produce(partition("t", 0), -1, batch(&[now_ms, 5, now_ms]));
    assert_eq!(refused.error_code, code::INVALID_TIMESTAMP);
    assert_eq!(refused.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [1]);
    assert_eq!(client.produce(partition("t", 0), -1, batch(&[now_ms])).error_code, 0);
}

#[test]
fn batches_are_stored_in_the_codec_of_the_topic() {
    let (_server, mut client) = topic_of_two_shards("recompression");
    let sent: Vec<_> = (0..20).map(|index| records::record(index, wall_ms(), vec![b'r'; 500])).collect();
    let values =
        |batches: &bytes::Bytes| records::decode(batches).into_iter().map(|record| record.value).collect::<Vec<_>>();
    for (word, stored) in [
        ("gzip", Compression::Gzip),
        ("snappy", Compression::Snappy),
        ("lz4", Compression::Lz4),
        ("zstd", Compression::Zstd),
        ("uncompressed", Compression::None),
    ] {
        client.set_topic_config("t", "compression.type", word);
        for from in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let sent_batch = records::encode(&sent, from);
            let base = client.append(partition("t", 2), sent_batch.clone());
            let batches = client.read_batches(partition("t", 2), base);
            assert_eq!(records::headers(&batches)[0].compression, stored, "{from:?} in a topic of {word}");
            assert_eq!(values(&batches), values(&sent_batch), "{from:?} in a topic of {word}");
        }
    }
    client.set_topic_config("t", "compression.type", "producer");
    let base = client.append(partition("t", 2), records::encode(&sent, Compression::Lz4));
    let batches = client.read_batches(partition("t", 2), base);
    assert_eq!(records::headers(&batches)[0].compression, Compression::Lz4);
}

#[test]
fn a_topic_that_wants_two_replicas_takes_no_acks_all_from_one_node() {
    let (_server, mut client) = topic_of_two_shards("min-insync");
    client.set_topic_config("t", "min.insync.replicas", "2");
    let batch = || records::batch_of(wall_ms(), &["x"]);
    assert_eq!(client.produce(partition("t", 0), -1, batch()).error_code, code::NOT_ENOUGH_REPLICAS);
    assert_eq!(client.produce(partition("t", 0), 1, batch()).error_code, 0);
    client.set_topic_config("t", "min.insync.replicas", "1");
    assert_eq!(client.produce(partition("t", 0), -1, batch()).error_code, 0);
}

#[test]
fn retention_that_is_set_later_removes_what_is_there() {
    let (_server, mut client) =
        super::start_with_config("late-retention", "\"log.retention.check.interval.ms\" = 100\n");
    client.create_topic("t", 8, &[]);
    for index in 0..8 {
        client.append(partition("t", index), records::batch_of(wall_ms() - 60_000, &["old"]));
    }
    client.set_topic_config("t", "retention.ms", "1000");
    let watch = Stopwatch::start();
    for index in 0..8 {
        while client.list_offset(partition("t", index), -2).offset == 0 {
            assert!(watch.elapsed_ms() < 60_000, "partition {index} keeps what is too old");
            // A long poll is the pause between two looks.
            client.fetch(partition("t", index), 1, 50, 1);
        }
    }
}
