//! ListOffsets: the ends of the log, and the record that a timestamp means.

use super::{code, start};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};
use kafka_protocol::records::{Compression, Record};
use tests::calls::{partition, topic_name};
use tests::records;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

#[test]
fn earliest_and_latest_are_the_ends_of_the_log_in_every_offered_version() {
    let (_server, mut client) = start("ends");
    client.create_topic("ends", 1, &[]);
    client.append(partition("ends", 0), records::batch_of(0, &["a", "b", "c"]));
    let offered = client.api_versions();
    for version in offered[&2].0..=offered[&2].1.min(10) {
        for (timestamp, since, offset) in
            [(EARLIEST, 1, 0), (LATEST, 1, 3), (EARLIEST_LOCAL, 8, 0), (LATEST_TIERED, 9, -1)]
        {
            let expected = if version >= since { (0, offset) } else { (code::UNSUPPORTED_VERSION, -1) };
            let data = ListOffsetsPartition::default()
                .with_partition_index(0)
                .with_current_leader_epoch(-1)
                .with_timestamp(timestamp);
            let topic = ListOffsetsTopic::default().with_name(topic_name("ends")).with_partitions(vec![data]);
            let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
            let answer = client.call(version, &request);
            let answer = &answer.topics[0].partitions[0];
            assert_eq!((answer.error_code, answer.offset), expected, "version {version}, {timestamp}");
        }
    }
}

#[test]
fn a_timestamp_means_the_first_record_not_older_in_every_codec() {
    let (mut server, mut client) = start("timestamps");
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        client.create_topic(&format!("time-{codec:?}"), 1, &[]);
        for batch in 0..10 {
            // Ten batches of ten records, 10 ms apart, from 100,000 ms on.
            let records: Vec<Record> =
                (0..10).map(|index| records::record(index, 100_000 + (batch * 10 + index as i64) * 10, "t")).collect();
            client.append(partition(&format!("time-{codec:?}"), 0), records::encode(&records, codec));
        }
    }
    for pass in ["at once", "after a restart"] {
        for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let name = format!("time-{codec:?}");
            for (timestamp, offset, found_ms) in [
                (0, 0, 100_000),
                (100_000, 0, 100_000),
                (100_001, 1, 100_010),
                (100_550, 55, 100_550),
                (100_555, 56, 100_560),
                (100_990, 99, 100_990),
                (100_991, -1, -1),
            ] {
                let answer = client.list_offset(partition(&name, 0), timestamp);
                assert_eq!(
                    (answer.error_code, answer.offset, answer.timestamp),
                    (0, offset, found_ms),
                    "{name} {pass}: timestamp {timestamp}"
                );
            }
        }
        if pass == "at once" {
            server.terminate();
            server.restart();
            client = tests::kafka::Client::connect(server.address());
        }
    }
}

#[test]
fn the_record_of_the_greatest_timestamp_is_found_wherever_it_lies() {
    let (_server, mut client) = start("max-timestamp");
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let name = format!("max-{codec:?}");
        client.create_topic(&name, 1, &[]);
        let empty = client.list_offset(partition(&name, 0), MAX_TIMESTAMP);
        assert_eq!((empty.error_code, empty.offset), (0, -1), "{name}: nothing is there yet");
        for batch in [[10, 20, 30], [50, 900, 60], [70, 80, 90]] {
            let records: Vec<Record> =
                batch.iter().enumerate().map(|(index, timestamp)| records::record(index, *timestamp, "m")).collect();
            client.append(partition(&name, 0), records::encode(&records, codec));
        }
        let answer = client.list_offset(partition(&name, 0), MAX_TIMESTAMP);
        assert_eq!((answer.error_code, answer.offset, answer.timestamp), (0, 4, 900), "{name}");
    }
}

#[test]
fn an_unknown_partition_is_named_so() {
    let (_server, mut client) = start("offsets-unknown");
    client.create_topic("known", 1, &[]);
    for (topic, index) in [("unknown", 0), ("known", 1), ("known", -1)] {
        let answer = client.list_offset(partition(topic, index), LATEST);
        assert_eq!(answer.error_code, code::UNKNOWN_TOPIC_OR_PARTITION, "{topic} {index}");
    }
}
