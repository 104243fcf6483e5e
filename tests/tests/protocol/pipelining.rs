//! Many requests on one connection before the first answer: answers come in order, and none waits for a slower one's disk.

use super::start;
use bytes::Bytes;
use kafka_protocol::messages::{ApiVersionsRequest, MetadataRequest};
use tests::calls::{FETCH_BY_NAME_VERSION, PRODUCE_VERSION, fetch_request, partition, produce_request};
use tests::kafka::{Client, encode_request};
use tests::records;

#[test]
fn pipelined_produces_to_one_partition_get_offsets_in_the_order_of_sending() {
    let (_server, mut client) = start("pipelined");
    client.create_topic("pipelined", 4, &[]);
    let mut pending = Vec::new();
    for number in 0..400 {
        let at = partition("pipelined", number % 4);
        let request = produce_request(at, -1, records::batch_of(0, &[format!("{number}")]));
        pending.push(client.send(PRODUCE_VERSION, &request).expect("the broker listens"));
    }
    for (number, pending) in pending.iter().enumerate() {
        let answer = client.receive(pending).expect("an answer");
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, (number / 4) as i64), "request {number}");
    }
    for index in 0..4 {
        for record in client.read_records(partition("pipelined", index)) {
            let expected = format!("{}", record.offset * 4 + i64::from(index));
            assert_eq!(record.value.as_deref(), Some(expected.as_bytes()));
        }
    }
}

#[test]
fn answers_of_different_apis_come_in_the_order_of_the_requests() {
    let (_server, mut client) = start("mixed");
    client.create_topic("mixed", 4, &[]);
    let mut rounds = Vec::new();
    for number in 0..50 {
        let at = partition("mixed", number % 4);
        let produce = produce_request(at, -1, records::batch_of(0, &["x"]));
        let produce = client.send(PRODUCE_VERSION, &produce).expect("the broker listens");
        let fetch = client.send(FETCH_BY_NAME_VERSION, &fetch_request(at, 0, 20, 1)).expect("the broker listens");
        let metadata = client.send(12, &MetadataRequest::default().with_topics(None)).expect("the broker listens");
        let versions = client.send(0, &ApiVersionsRequest::default()).expect("the broker listens");
        rounds.push((produce, fetch, metadata, versions));
    }
    // `receive` checks each answer's correlation id and decodes it to the last byte.
    for (produce, fetch, metadata, versions) in &rounds {
        assert_eq!(client.receive(produce).expect("an answer").responses[0].partition_responses[0].error_code, 0);
        assert_eq!(client.receive(fetch).expect("an answer").responses[0].partitions[0].error_code, 0);
        assert_eq!(client.receive(metadata).expect("an answer").topics.len(), 1);
        assert_eq!(client.receive(versions).expect("an answer").error_code, 0);
    }
}

#[test]
fn a_frame_sent_byte_by_byte_is_one_request() {
    let (_server, mut client) = start("byte-by-byte");
    client.create_topic("slow", 1, &[]);
    let request = produce_request(partition("slow", 0), -1, records::batch_of(0, &["slow but whole"]));
    for byte in encode_request(PRODUCE_VERSION, 1, &request).expect("a request").iter() {
        client.send_bytes(&[*byte]).expect("the broker listens");
    }
    let mut frame = client.receive_frame().expect("an answer");
    assert_eq!(bytes::Buf::get_i32(&mut frame), 1, "the correlation id");
    assert_eq!(client.read_records(partition("slow", 0)).len(), 1);
}

#[test]
fn many_frames_in_one_write_are_many_requests() {
    let (server, mut client) = start("one-write");
    client.create_topic("burst", 1, &[]);
    let mut burst = Vec::new();
    for number in 0..100 {
        let request = produce_request(partition("burst", 0), 1, records::batch_of(0, &[format!("{number}")]));
        burst.extend_from_slice(&encode_request(PRODUCE_VERSION, number, &request).expect("a request"));
    }
    client.send_bytes(&burst).expect("the broker listens");
    for number in 0..100 {
        let mut frame: Bytes = client.receive_frame().expect("an answer");
        assert_eq!(bytes::Buf::get_i32(&mut frame), number);
    }
    assert_eq!(Client::connect(server.address()).end_offset(partition("burst", 0)), 100);
}

#[test]
fn connections_of_all_shards_see_one_broker() {
    let (server, mut control) = start("one-broker");
    control.create_topic("shared", 8, &[]);
    let mut clients: Vec<Client> = (0..16).map(|_| Client::connect(server.address())).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let at = partition("shared", i32::try_from(number % 8).expect("small"));
        assert_eq!(client.append(at, records::batch_of(0, &[format!("{number}")])), (number / 8) as i64);
    }
    for client in &mut clients {
        for index in 0..8 {
            assert_eq!(client.end_offset(partition("shared", index)), 2);
            assert_eq!(client.read_records(partition("shared", index)).len(), 2);
        }
    }
}
