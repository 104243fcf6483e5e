//! Sequences of idempotent producers: what is sent again lies where it was, what is missing is noticed.

use super::{code, start};
use bytes::Bytes;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::{DescribeProducersRequest, InitProducerIdRequest};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::Compression;
use tests::calls::{PRODUCE_VERSION, Partition, delete_records_request, produce_request, topic_name};
use tests::kafka::Client;
use tests::records;

const LOG: Partition<'_> = Partition { topic: "sequences", index: 0 };

#[derive(Clone, Copy)]
struct Producer {
    id: i64,
    epoch: i16,
}

impl Producer {
    fn new(client: &mut Client) -> Producer {
        let (id, epoch) = client.producer_id();
        Producer { id, epoch }
    }

    fn batch(self, sequence: i32, count: usize) -> Bytes {
        let records = (0..count).map(|index| {
            let mut record = records::record(index, 5_000, vec![b'r'; 20]);
            (record.producer_id, record.producer_epoch) = (self.id, self.epoch);
            record.sequence = sequence + i32::try_from(index).expect("small");
            record
        });
        records::encode(&records.collect::<Vec<_>>(), Compression::None)
    }

    /// The error code and the base offset.
    fn send(self, client: &mut Client, sequence: i32, count: usize) -> (i16, i64) {
        let answer = client.produce(LOG, -1, self.batch(sequence, count));
        (answer.error_code, answer.base_offset)
    }
}

#[test]
fn what_is_sent_again_is_acknowledged_where_it_lies_and_a_gap_is_refused() {
    let (mut server, mut client) = start("sequences");
    client.create_topic(LOG.topic, 1, &[("segment.bytes", "1048576")]);
    let producer = Producer::new(&mut client);
    for sequence in 0..6 {
        assert_eq!(producer.send(&mut client, sequence * 3, 3), (0, i64::from(sequence) * 3));
    }
    let check = |client: &mut Client, end: i64| {
        assert_eq!(producer.send(client, 15, 3), (0, 15), "the last one again");
        assert_eq!(producer.send(client, 3, 3), (0, 3), "the fifth last one again");
        for (sequence, count) in [(0, 3), (15, 2), (19, 1)] {
            assert_eq!(producer.send(client, sequence, count), (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
        }
        assert_eq!(client.end_offset(LOG), end, "nothing was appended");
    };
    check(&mut client, 18);
    // From the journal, then from a checkpoint, then with nothing of it left in the log.
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    check(&mut client, 18);
    server.terminate();
    server.restart();
    let mut client = Client::connect(server.address());
    check(&mut client, 18);
    assert_eq!(client.call(2, &delete_records_request(LOG, 18)).topics[0].partitions[0].error_code, 0);
    server.kill_9();
    server.restart();
    let mut client = Client::connect(server.address());
    check(&mut client, 18);
    // With another number of cores, which moves logs between shards.
    server.terminate();
    server.use_cores("0");
    server.restart();
    let mut client = Client::connect(server.address());
    check(&mut client, 18);
    assert_eq!(producer.send(&mut client, 18, 1), (0, 18));
}

#[test]
fn a_new_epoch_fences_the_old_one_and_begins_at_0() {
    let (_server, mut client) = start("epochs");
    client.create_topic(LOG.topic, 1, &[]);
    let producer = Producer::new(&mut client);
    let bumped = Producer { epoch: producer.epoch + 1, ..producer };
    assert_eq!(producer.send(&mut client, 0, 2), (0, 0));
    assert_eq!(bumped.send(&mut client, 2, 1), (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1));
    assert_eq!(bumped.send(&mut client, 0, 1), (0, 2));
    assert_eq!(producer.send(&mut client, 2, 1), (code::INVALID_PRODUCER_EPOCH, -1));
    let unknown = Producer { id: producer.id + 1_000_000, epoch: 5 };
    assert_eq!(unknown.send(&mut client, 77, 1), (0, 3), "what is not known may have been forgotten");
}

#[test]
fn batches_in_flight_are_answered_in_order_also_when_the_same_come_again_behind_them() {
    let (_server, mut client) = start("in-flight");
    client.create_topic(LOG.topic, 1, &[]);
    let producer = Producer::new(&mut client);
    let sequences = [0, 1, 2, 3, 4, 1, 2, 3, 4, 5, 0, 5];
    let pending: Vec<_> = sequences
        .map(|sequence| {
            let request = produce_request(LOG, -1, producer.batch(sequence, 1));
            client.send(PRODUCE_VERSION, &request).expect("the broker listens")
        })
        .into();
    let answers = pending.iter().map(|pending| {
        let answer = client.receive(pending).expect("an answer");
        let answer = &answer.responses[0].partition_responses[0];
        (answer.error_code, answer.base_offset)
    });
    let too_old = (code::OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    let expected = sequences.map(|sequence| if sequence == 0 { too_old } else { (0, i64::from(sequence)) });
    let answers: Vec<_> = answers.collect();
    assert_eq!(answers[0], (0, 0));
    assert_eq!(answers[1..], expected[1..]);
    assert_eq!(client.end_offset(LOG), 6);
}

#[test]
fn a_transactional_producer_is_told_at_once_that_there_are_no_transactions() {
    let (_server, mut client) = start("transactional");
    let transactional_id = Some(StrBytes::from_static_str("mover").into());
    let request = InitProducerIdRequest::default().with_transactional_id(transactional_id);
    for version in 0..=5 {
        let answer = client.call(version, &request.clone().with_transaction_timeout_ms(60_000));
        assert_eq!(answer.error_code, code::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    assert_eq!(client.api_versions()[&22], (0, 5));
}

#[test]
fn a_partition_tells_which_producers_it_knows() {
    let (_server, mut client) = start("producers-told");
    client.create_topic(LOG.topic, 2, &[]);
    let producers = [Producer::new(&mut client), Producer::new(&mut client)];
    assert_eq!(producers[1].send(&mut client, 0, 3), (0, 0));
    assert_eq!(producers[0].send(&mut client, 40, 2), (0, 3));
    let asked = TopicRequest::default().with_name(topic_name(LOG.topic)).with_partition_indexes(vec![0, 1, 2]);
    let answer = client.call(0, &DescribeProducersRequest::default().with_topics(vec![asked]));
    let told = &answer.topics[0].partitions;
    let of = |index: usize| {
        let known = told[index].active_producers.iter().map(|known| {
            assert_eq!((known.coordinator_epoch, known.current_txn_start_offset), (-1, -1));
            (*known.producer_id, known.producer_epoch, known.last_sequence, known.last_timestamp)
        });
        (told[index].error_code, known.collect::<Vec<_>>())
    };
    assert_eq!(of(0), (0, vec![(producers[0].id, 0, 41, 5_000), (producers[1].id, 0, 2, 5_000)]));
    assert_eq!(of(1), (0, Vec::new()));
    assert_eq!(of(2), (code::UNKNOWN_TOPIC_OR_PARTITION, Vec::new()));
}
