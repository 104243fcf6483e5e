//! OffsetCommit and OffsetFetch 10, in which topics are told by their ids. The codec of the other tests does not know them, so the bytes are written here.

use super::code;
use super::groups::start_groups;
use bytes::{Buf, BufMut, Bytes};
use tests::kafka::Client;
use uuid::Uuid;

const OFFSET_COMMIT: i16 = 8;
const OFFSET_FETCH: i16 = 9;
const VERSION: i16 = 10;
const GROUP: &str = "by-id";

/// A compact string.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u8(u8::try_from(text.len() + 1).expect("a short text"));
    out.put_slice(text.as_bytes());
}

/// Sends a request with a header of version 2 and gives the body of its answer, behind correlation id and tags.
fn call(client: &mut Client, key: i16, body: &[u8]) -> Bytes {
    let mut frame = Vec::new();
    frame.put_i32(i32::try_from(11 + body.len()).expect("small"));
    frame.put_i16(key);
    frame.put_i16(VERSION);
    frame.put_i32(41);
    frame.put_i16(-1);
    frame.put_u8(0);
    frame.put_slice(body);
    client.send_bytes(&frame).expect("the broker listens");
    let mut answer = client.receive_frame().expect("an answer");
    assert_eq!((answer.get_i32(), answer.get_u8()), (41, 0), "the correlation id, and no tags");
    answer
}

/// Commits an offset of partition 0 of each topic; gives the ids and codes that were answered.
fn commit(client: &mut Client, topics: &[(Uuid, i64)]) -> Vec<(Uuid, i16)> {
    let mut body = Vec::new();
    put_text(&mut body, GROUP);
    body.put_i32(-1);
    put_text(&mut body, "");
    body.put_u8(0);
    body.put_u8(u8::try_from(topics.len() + 1).expect("a few"));
    for (id, offset) in topics {
        body.put_slice(id.as_bytes());
        body.put_u8(2);
        body.put_i32(0);
        body.put_i64(*offset);
        body.put_i32(-1);
        put_text(&mut body, "note");
        body.put_slice(&[0, 0]);
    }
    body.put_u8(0);
    let mut answer = call(client, OFFSET_COMMIT, &body);
    assert_eq!(answer.get_i32(), 0, "not throttled");
    let results = (1..answer.get_u8()).map(|_| {
        let id = Uuid::from_u128(answer.get_u128());
        assert_eq!((answer.get_u8(), answer.get_i32()), (2, 0), "one partition");
        let code = answer.get_i16();
        assert_eq!(answer.get_u16(), 0, "no tags");
        (id, code)
    });
    let results = results.collect();
    assert_eq!(answer.chunk(), [0], "nothing but the last tags is left");
    results
}

/// Asks for partition 0 of these topics, or for all there is; gives ids, offsets and codes.
fn fetch(client: &mut Client, topics: Option<&[Uuid]>) -> Vec<(Uuid, i64, i16)> {
    let mut body = vec![2];
    put_text(&mut body, GROUP);
    body.put_u8(0);
    body.put_i32(-1);
    body.put_u8(topics.map_or(0, |topics| u8::try_from(topics.len() + 1).expect("a few")));
    for id in topics.unwrap_or_default() {
        body.put_slice(id.as_bytes());
        body.put_u8(2);
        body.put_i32(0);
        body.put_u8(0);
    }
    // The group's tags, nothing has to be stable, the request's tags.
    body.put_slice(&[0, 0, 0]);
    let mut answer = call(client, OFFSET_FETCH, &body);
    assert_eq!((answer.get_i32(), answer.get_u8()), (0, 2), "not throttled, one group");
    let name_bytes = usize::from(answer.get_u8()) - 1;
    assert_eq!(answer.copy_to_bytes(name_bytes), GROUP);
    let mut found = Vec::new();
    for _ in 1..answer.get_u8() {
        let id = Uuid::from_u128(answer.get_u128());
        assert_eq!((answer.get_u8(), answer.get_i32()), (2, 0), "one partition");
        let offset = answer.get_i64();
        assert_eq!(answer.get_i32(), -1, "no leader epoch was committed");
        let note_bytes = usize::from(answer.get_u8()) - 1;
        answer.advance(note_bytes);
        found.push((id, offset, answer.get_i16()));
        assert_eq!(answer.get_u16(), 0, "no tags");
    }
    assert_eq!((answer.get_i16(), answer.chunk()), (0, &[0, 0][..]), "no error of the group, and tags");
    found
}

#[test]
fn offsets_are_committed_and_fetched_by_topic_id_and_an_id_never_means_another_topic() {
    let (_server, mut client) = start_groups("topic-ids");
    let (first, second) = (client.create_topic("first", 1, &[]), client.create_topic("second", 1, &[]));
    let unknown = Uuid::from_u128(7);
    let answered = commit(&mut client, &[(first, 41), (unknown, 42), (second, 43)]);
    assert_eq!(answered, [(first, 0), (unknown, code::UNKNOWN_TOPIC_ID), (second, 0)]);
    let found = fetch(&mut client, Some(&[second, unknown, first]));
    assert_eq!(found, [(second, 43, 0), (first, 41, 0), (unknown, -1, code::UNKNOWN_TOPIC_ID)]);
    let mut all = fetch(&mut client, None);
    all.sort_by_key(|&(_, offset, _)| offset);
    assert_eq!(all, [(first, 41, 0), (second, 43, 0)]);

    assert_eq!(client.delete_topic("first"), 0);
    let again = client.create_topic("first", 1, &[]);
    assert_eq!(commit(&mut client, &[(first, 44)]), [(first, code::UNKNOWN_TOPIC_ID)]);
    assert_eq!(fetch(&mut client, Some(&[first, again])), [(again, -1, 0), (first, -1, code::UNKNOWN_TOPIC_ID)]);
    assert_eq!(fetch(&mut client, None), [(second, 43, 0)], "what the deleted topic had went with it");
}
