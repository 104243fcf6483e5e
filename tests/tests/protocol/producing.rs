//! What a produce request may bring, and what is refused.

use super::{code, start};
use bytes::{Bytes, BytesMut};
use kafka_protocol::records::Compression;
use tests::calls::{PRODUCE_VERSION, partition, produce_request};
use tests::kafka::Client;
use tests::records::{self, BATCH_CRC_POSITION, MAGIC_POSITION};
use tests::server::{Options, Server};

#[test]
fn a_batch_is_stored_as_it_was_sent_but_for_its_offset_and_epoch() {
    let (_server, mut client) = start("verbatim");
    client.create_topic("verbatim", 1, &[]);
    let mut next = 0;
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let records: Vec<_> = (0..20).map(|index| records::record(index, 5_000, vec![b'r'; 200])).collect();
        let sent = records::encode(&records, compression);
        assert_eq!(client.append(partition("verbatim", 0), sent.clone()), next, "{compression:?}");
        let stored = client.fetch(partition("verbatim", 0), next, 5_000, 1).records.expect("records");
        assert_eq!(stored.len(), sent.len(), "{compression:?}");
        assert_eq!(stored[..8], next.to_be_bytes(), "{compression:?}: the broker gives the offset");
        assert_eq!(stored[8..12], sent[8..12], "{compression:?}: the length");
        assert_eq!(stored[MAGIC_POSITION..], sent[MAGIC_POSITION..], "{compression:?}: all that the checksum covers");
        next += 20;
    }
}

#[test]
fn acks_0_gets_no_answer_and_stores_the_records() {
    let (_server, mut client) = start("acks-0");
    client.create_topic("silent", 1, &[]);
    for number in 0..10 {
        let request = produce_request(partition("silent", 0), 0, records::batch_of(0, &[format!("{number}")]));
        client.send(PRODUCE_VERSION, &request).expect("the broker listens");
    }
    // An answer to one of the ten would come first here and be noticed by its correlation id.
    let fetched = client.fetch(partition("silent", 0), 9, 10_000, 1);
    assert_eq!((fetched.error_code, fetched.high_watermark), (0, 10));
}

#[test]
fn an_unknown_kind_of_acks_is_refused() {
    let (_server, mut client) = start("acks-odd");
    client.create_topic("odd", 1, &[]);
    for acks in [2, -2, 100] {
        let answer = client.produce(partition("odd", 0), acks, records::batch_of(0, &["x"]));
        assert_eq!(answer.error_code, code::INVALID_REQUIRED_ACKS, "acks={acks}");
    }
    assert_eq!(client.end_offset(partition("odd", 0)), 0);
}

#[test]
fn a_batch_whose_checksum_is_wrong_is_refused_and_not_stored() {
    let (_server, mut client) = start("bad-crc");
    client.create_topic("crc", 1, &[]);
    let good = records::batch_of(0, &["good"]);
    for position in [BATCH_CRC_POSITION, good.len() - 1, 30, 45] {
        let answer = client.produce(partition("crc", 0), -1, with_byte_flipped(&good, position));
        assert_eq!(answer.error_code, code::CORRUPT_MESSAGE, "byte {position} flipped");
    }
    assert_eq!(client.append(partition("crc", 0), good), 0, "the connection and the partition go on");
}

#[test]
fn a_batch_whose_structure_is_wrong_is_refused_and_not_stored() {
    let (_server, mut client) = start("bad-structure");
    client.create_topic("structure", 1, &[]);
    let good = records::batch_of(0, &["one", "two"]);
    let cut_short = good.slice(..good.len() - 1);
    let header_only = good.slice(..30);
    let with_trailing = Bytes::from([&good[..], &[0; 7]].concat());
    let two_batches = Bytes::from([&good[..], &good[..]].concat());
    for (what, bytes) in [
        ("a batch cut short", cut_short),
        ("half a header", header_only),
        ("bytes behind the batch", with_trailing),
        ("two batches for one partition", two_batches),
        ("nothing", Bytes::new()),
    ] {
        let answer = client.produce(partition("structure", 0), -1, bytes);
        let refused = [code::CORRUPT_MESSAGE, code::INVALID_RECORD].contains(&answer.error_code);
        assert!(refused, "{what}: error {}", answer.error_code);
    }
    assert_eq!(client.end_offset(partition("structure", 0)), 0);
    assert_eq!(client.append(partition("structure", 0), good), 0, "the connection and the partition go on");
}

#[test]
fn the_message_formats_before_batches_are_refused_by_name() {
    let (_server, mut client) = start("old-formats");
    client.create_topic("formats", 1, &[]);
    for magic in [0, 1] {
        let answer = client.produce(partition("formats", 0), -1, records::old_message(magic, b"from before 2017"));
        let refused = [code::UNSUPPORTED_FOR_MESSAGE_FORMAT, code::INVALID_RECORD].contains(&answer.error_code);
        assert!(refused, "magic {magic}: error {}", answer.error_code);
    }
    assert_eq!(client.end_offset(partition("formats", 0)), 0);
}

#[test]
fn a_batch_above_the_topics_limit_is_refused() {
    let (_server, mut client) = start("too-large");
    client.create_topic("limited", 1, &[("max.message.bytes", "10000")]);
    let answer = client.produce(partition("limited", 0), -1, records::batch_of(0, &[vec![b'x'; 20_000]]));
    assert_eq!(answer.error_code, code::MESSAGE_TOO_LARGE);
    assert_eq!(client.append(partition("limited", 0), records::batch_of(0, &[vec![b'x'; 9_000]])), 0);
}

#[test]
fn unknown_topics_and_partitions_are_named_so() {
    let (_server, mut client) = start("unknown-topic");
    client.create_topic("known", 2, &[]);
    let batch = records::batch_of(0, &["x"]);
    for (topic, index) in [("unknown", 0), ("known", 2), ("known", -1), ("known", i32::MAX)] {
        let answer = client.produce(partition(topic, index), -1, batch.clone());
        assert_eq!(answer.error_code, code::UNKNOWN_TOPIC_OR_PARTITION, "{topic} {index}");
    }
}

#[test]
fn one_request_may_write_to_many_partitions_and_each_answers_for_itself() {
    let (_server, mut client) = start("many-partitions");
    client.create_topic("many", 16, &[]);
    let good = records::batch_of(0, &["good"]);
    let mut request = produce_request(partition("many", 0), -1, good.clone());
    for index in 1..16 {
        let records = if index == 7 { with_byte_flipped(&good, BATCH_CRC_POSITION) } else { good.clone() };
        let more = produce_request(partition("many", index), -1, records);
        let data = more.topic_data[0].partition_data[0].clone();
        request.topic_data[0].partition_data.push(data);
    }
    let answer = client.call(PRODUCE_VERSION, &request);
    let answers = &answer.responses[0].partition_responses;
    assert_eq!(answers.len(), 16);
    for answer in answers {
        let expected = if answer.index == 7 { code::CORRUPT_MESSAGE } else { 0 };
        assert_eq!(answer.error_code, expected, "partition {}", answer.index);
    }
    let stored: i64 = (0..16).map(|index| client.end_offset(partition("many", index))).sum();
    assert_eq!(stored, 15);
}

#[test]
fn producer_ids_never_repeat_over_connections_stops_and_crashes() {
    let mut server = Server::start(Options::named("producer-ids"));
    let mut given = std::collections::BTreeSet::new();
    for round in 0..5 {
        for _ in 0..4 {
            let mut client = Client::connect(server.address());
            for _ in 0..50 {
                let (id, epoch) = client.producer_id();
                assert!(id >= 0 && epoch == 0, "id {id} epoch {epoch}");
                assert!(given.insert(id), "producer id {id} was given twice, the second time in round {round}");
            }
        }
        if round % 2 == 0 {
            server.kill_9()
        } else {
            server.terminate()
        }
        server.restart();
    }
}

fn with_byte_flipped(batch: &Bytes, position: usize) -> Bytes {
    let mut changed = BytesMut::from(&batch[..]);
    changed[position] ^= 0x40;
    changed.freeze()
}

/// Compaction keeps the last record of each key: what has no key can neither be kept nor replaced. Such records were taken,
/// and would have stood in the way of compaction for ever.
#[test]
fn a_compacted_topic_names_the_records_without_a_key_and_takes_none_of_the_batch() {
    let (_server, mut client) = start("compacted-keys");
    client.create_topic("compacted", 1, &[("cleanup.policy", "compact,delete")]);
    client.create_topic("plain", 1, &[]);
    for compression in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
    {
        let mut mixed: Vec<_> = (0..5).map(|index| records::record(index, 0, "value")).collect();
        for keyed in [0, 2, 3] {
            mixed[keyed].key = Some(Bytes::from_static(b"key"));
        }
        let sent = records::encode(&mixed, compression);
        let refused = client.produce(partition("compacted", 0), -1, sent.clone());
        assert_eq!(refused.error_code, code::INVALID_RECORD, "{compression:?}");
        let named: Vec<i32> = refused.record_errors.iter().map(|error| error.batch_index).collect();
        assert_eq!(named, [1, 4], "{compression:?}");
        assert!(refused.error_message.is_some() && refused.record_errors[0].batch_index_error_message.is_some());
        assert_eq!(client.produce(partition("plain", 0), -1, sent).error_code, 0, "{compression:?}");
    }
    assert_eq!(client.end_offset(partition("compacted", 0)), 0);
    let mut keyed = records::record(0, 0, "value");
    keyed.key = Some(Bytes::new());
    let with_empty_key = records::encode(&[keyed], Compression::Zstd);
    assert_eq!(client.append(partition("compacted", 0), with_empty_key), 0, "an empty key is a key");
}
