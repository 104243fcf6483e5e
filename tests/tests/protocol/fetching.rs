//! What a fetch gives, how long it waits, and when it stops waiting.

use super::{code, start};
use tests::calls::{FETCH_BY_NAME_VERSION, fetch_request, partition};
use tests::clock::Stopwatch;
use tests::kafka::Client;
use tests::records;

#[test]
fn a_fetch_in_the_middle_of_a_batch_gives_the_whole_batch() {
    let (_server, mut client) = start("middle");
    client.create_topic("middle", 1, &[]);
    for batch in 0..5 {
        let values: Vec<String> = (0..10).map(|value| format!("{batch}-{value}")).collect();
        client.append(partition("middle", 0), records::batch_of(0, &values));
    }
    for offset in 0..50 {
        let fetched = client.fetch(partition("middle", 0), offset, 1_000, 1).records.expect("records");
        let read = records::decode(&fetched);
        assert_eq!(read[0].offset, offset / 10 * 10, "from offset {offset}");
        assert_eq!(read.last().map(|record| record.offset), Some(49), "from offset {offset}");
    }
}

#[test]
fn a_fetch_at_the_end_waits_its_time_and_comes_back_empty() {
    let (_server, mut client) = start("waits");
    client.create_topic("empty", 1, &[]);
    for wait_ms in [0, 50, 400] {
        let watch = Stopwatch::start();
        let fetched = client.fetch(partition("empty", 0), 0, wait_ms, 1);
        let waited_ms = watch.elapsed_ms();
        assert_eq!((fetched.error_code, fetched.high_watermark), (0, 0));
        assert!(fetched.records.unwrap_or_default().is_empty());
        assert!(waited_ms + 2 >= wait_ms.unsigned_abs().into(), "came back after {waited_ms} of {wait_ms} ms");
        assert!(waited_ms < u64::from(wait_ms.unsigned_abs()) + 2_000, "came back after {waited_ms} of {wait_ms} ms");
    }
}

#[test]
fn a_waiting_fetch_is_woken_by_a_produce_on_another_connection() {
    let (server, mut reader) = start("woken");
    reader.create_topic("woken", 8, &[]);
    let mut writer = Client::connect(server.address());
    for round in 0..50_i64 {
        let at = partition("woken", i32::try_from(round % 8).expect("small"));
        let offset = round / 8;
        let request = fetch_request(at, offset, 25_000, 1);
        let pending = reader.send(FETCH_BY_NAME_VERSION, &request).expect("the broker listens");
        let watch = Stopwatch::start();
        assert_eq!(writer.append(at, records::batch_of(0, &["wake"])), offset);
        let answer = reader.receive(&pending).expect("an answer");
        let data = &answer.responses[0].partitions[0];
        assert_eq!(records::decode(data.records.as_ref().expect("records")).len(), 1, "round {round}");
        assert!(watch.elapsed_ms() < 10_000, "woken only after {} ms", watch.elapsed_ms());
    }
}

#[test]
fn a_fetch_waits_until_min_bytes_are_there() {
    let (server, mut reader) = start("min-bytes");
    reader.create_topic("bytes", 1, &[]);
    let mut writer = Client::connect(server.address());
    let batch = records::batch_of(0, &[vec![b'x'; 1_000]]);
    let min_bytes = i32::try_from(batch.len() * 3).expect("small");
    let request = fetch_request(partition("bytes", 0), 0, 25_000, min_bytes);
    let pending = reader.send(FETCH_BY_NAME_VERSION, &request).expect("the broker listens");
    for _ in 0..3 {
        writer.append(partition("bytes", 0), batch.clone());
    }
    let answer = reader.receive(&pending).expect("an answer");
    let data = &answer.responses[0].partitions[0];
    assert_eq!(records::decode(data.records.as_ref().expect("records")).len(), 3, "not before all three were there");

    let watch = Stopwatch::start();
    let fetched = reader.fetch(partition("bytes", 0), 0, 300, min_bytes + 1);
    assert_eq!(records::decode(&fetched.records.expect("records")).len(), 3, "what is there, when the time is over");
    assert!(watch.elapsed_ms() + 2 >= 300, "too few bytes are worth the wait");
}

#[test]
fn a_fetch_over_partitions_of_several_shards_is_woken_by_any_of_them() {
    let (server, mut reader) = start("several-shards");
    reader.create_topic("spread", 16, &[]);
    let mut writer = Client::connect(server.address());
    for target in 0..16 {
        let mut request = fetch_request(partition("spread", 0), 0, 25_000, 1);
        for index in 1..16 {
            let more = fetch_request(partition("spread", index), i64::from(index < target), 0, 0);
            request.topics[0].partitions.push(more.topics[0].partitions[0].clone());
        }
        request.topics[0].partitions[0].fetch_offset = i64::from(target > 0);
        let pending = reader.send(FETCH_BY_NAME_VERSION, &request).expect("the broker listens");
        writer.append(partition("spread", target), records::batch_of(0, &["wake"]));
        let answer = reader.receive(&pending).expect("an answer");
        let with_records: Vec<i32> = answer.responses[0]
            .partitions
            .iter()
            .filter(|data| data.records.as_ref().is_some_and(|records| !records.is_empty()))
            .map(|data| data.partition_index)
            .collect();
        assert_eq!(with_records, vec![target]);
    }
}

#[test]
fn an_offset_outside_the_log_is_out_of_range_at_once() {
    let (_server, mut client) = start("out-of-range");
    client.create_topic("range", 1, &[]);
    client.append(partition("range", 0), records::batch_of(0, &["only"]));
    for offset in [2, 1_000, i64::MAX, -1, -5] {
        let watch = Stopwatch::start();
        let fetched = client.fetch(partition("range", 0), offset, 20_000, 1);
        assert_eq!(fetched.error_code, code::OFFSET_OUT_OF_RANGE, "offset {offset}");
        assert!(watch.elapsed_ms() < 10_000, "an error is not worth a wait");
    }
    assert_eq!(client.fetch(partition("range", 0), 1, 0, 1).error_code, 0, "the end itself is no error");
}

#[test]
fn an_unknown_topic_id_is_named_so() {
    let (_server, mut client) = start("unknown-id");
    let mut request = fetch_request(partition("unused", 0), 0, 0, 1);
    request.topics[0].topic = Default::default();
    request.topics[0].topic_id = uuid::Uuid::from_u128(42);
    let answer = client.call(13, &request);
    let code = match answer.error_code {
        0 => answer.responses[0].partitions[0].error_code,
        code => code,
    };
    assert_eq!(code, code::UNKNOWN_TOPIC_ID);
}

#[test]
fn max_bytes_bounds_the_answer_but_the_first_batch_comes_whole() {
    let (_server, mut client) = start("max-bytes");
    client.create_topic("bounded", 1, &[]);
    let batch = records::batch_of(0, &[vec![b'x'; 100_000]]);
    for _ in 0..10 {
        client.append(partition("bounded", 0), batch.clone());
    }
    for (max_bytes, whole) in [(1, 1), (50_000, 1), (250_000, 2), (10_000_000, 10)] {
        for by_partition in [true, false] {
            let mut request = fetch_request(partition("bounded", 0), 0, 0, 1);
            if by_partition {
                request.topics[0].partitions[0].partition_max_bytes = max_bytes;
            } else {
                request.max_bytes = max_bytes;
            }
            let answer = client.call(FETCH_BY_NAME_VERSION, &request);
            let fetched = answer.responses[0].partitions[0].records.clone().unwrap_or_default();
            let read = records::decode(&fetched).len();
            assert!(read >= 1 && read <= whole, "{read} batches for {max_bytes} bytes, by partition: {by_partition}");
        }
    }
}

#[test]
fn a_fetch_that_asks_for_a_session_is_answered_in_full() {
    let (_server, mut client) = start("session");
    client.create_topic("session", 2, &[]);
    client.append(partition("session", 0), records::batch_of(0, &["first"]));
    let mut request = fetch_request(partition("session", 0), 0, 0, 1);
    request.session_id = 0;
    request.session_epoch = 0;
    let answer = client.call(FETCH_BY_NAME_VERSION, &request);
    assert_eq!((answer.error_code, answer.responses.len()), (0, 1));
    if answer.session_id == 0 {
        return;
    }
    // A session was made, so a request without partitions means those of before.
    client.append(partition("session", 0), records::batch_of(0, &["second"]));
    request.session_id = answer.session_id;
    request.session_epoch = 1;
    request.topics[0].partitions[0].fetch_offset = 1;
    let answer = client.call(FETCH_BY_NAME_VERSION, &request);
    let data = &answer.responses[0].partitions[0];
    assert_eq!(records::decode(data.records.as_ref().expect("records"))[0].offset, 1);
}

#[test]
fn old_data_is_read_from_the_disk_after_a_restart_as_it_was() {
    let (mut server, mut client) = start("from-disk");
    client.create_topic("disk", 2, &[("segment.bytes", "1048576")]);
    let mut random = tests::random::Random::from_seed(7);
    let mut written = Vec::new();
    for number in 0..400 {
        let value = random.bytes(10_000 + number);
        client.append(partition("disk", 0), records::batch_of(number as i64, &[&value]));
        written.push(value);
    }
    for stop in [tests::server::Server::terminate, tests::server::Server::kill_9] {
        stop(&mut server);
        server.restart();
        let read = Client::connect(server.address()).read_records(partition("disk", 0));
        assert_eq!(read.len(), written.len());
        for (record, value) in read.iter().zip(&written) {
            assert_eq!(record.value.as_deref(), Some(value.as_slice()), "offset {}", record.offset);
        }
    }
}
