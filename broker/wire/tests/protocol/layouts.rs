//! Bytes written out by hand: frames, headers, gaps, and versions the other crate does not have.

use wire::api_versions::ApiVersionsResponse;
use wire::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use wire::metadata::{MetadataRequest, MetadataRequestTopic};
use wire::offset_commit::{OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::offset_fetch::{
    OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartitions, OffsetFetchResponseTopics,
};
use wire::produce::{PartitionProduceResponse, ProduceResponse, TopicProduceResponse};
use wire::{ApiKey, DecodeError, DecodeReason, ErrorCode, Gap, Reader, Records, RequestHeader, Uuid, Writer, frame};

#[test]
fn a_frame_counts_what_follows_its_length() {
    let mut out = b"before".to_vec();
    let start = frame::begin(&mut out);
    out.extend_from_slice(b"body");
    frame::finish(&mut out, start, 0);
    assert_eq!(out, b"before\0\0\0\x04body");

    let mut out = Vec::new();
    let start = frame::begin(&mut out);
    out.extend_from_slice(b"body");
    frame::finish(&mut out, start, 0x0102_0304);
    assert_eq!(out, b"\x01\x02\x03\x08body");
}

#[test]
fn an_unknown_version_leaves_enough_of_the_header_to_answer() {
    // ApiVersions 9 would have a header of version 2; its tagged fields are left unread.
    let bytes = b"\0\x12\0\x09\0\0\0\x05\0\x02me\0\x01";
    let mut reader = Reader::new(bytes);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!(header, RequestHeader { api_key: 18, api_version: 9, correlation_id: 5, client_id: Some("me") });
    assert_eq!(reader.remaining(), 2);

    let unknown_key = RequestHeader::decode(&mut Reader::new(b"\x7f\xff\0\0\0\0\0\x05\xff\xff")).unwrap();
    assert_eq!(unknown_key, RequestHeader { api_key: i16::MAX, api_version: 0, correlation_id: 5, client_id: None });
}

#[test]
fn the_answer_to_an_unknown_version_of_api_versions_has_the_body_of_version_0() {
    let mut out = Vec::new();
    wire::encode_response_header(ApiKey::ApiVersions, 9, 5, &mut out);
    ApiVersionsResponse::advertising_supported(ErrorCode::UNSUPPORTED_VERSION).encode(0, &mut out);
    let mut expected = b"\0\0\0\x05\0\x23".to_vec();
    expected.extend_from_slice(&(wire::SUPPORTED.len() as i32).to_be_bytes());
    expected.extend_from_slice(b"\0\0\0\0\0\x0d\0\x01\0\x04\0\x12");
    assert_eq!(out[..expected.len()], expected);
    assert_eq!(out.len(), 10 + 6 * wire::SUPPORTED.len());
}

#[test]
fn produce_responses_below_version_3_have_the_fields_of_their_time() {
    let partition = PartitionProduceResponse {
        index: 1,
        error_code: ErrorCode::UNSUPPORTED_VERSION,
        base_offset: -1,
        log_append_time_ms: 2,
        ..Default::default()
    };
    let topic = TopicProduceResponse { name: "t".into(), partition_responses: vec![partition], ..Default::default() };
    let response = ProduceResponse { responses: vec![topic], throttle_time_ms: 3, ..Default::default() };
    let version_0 = b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x01\0\x23\xff\xff\xff\xff\xff\xff\xff\xff";
    let throttle = b"\0\0\0\x03";
    let log_append_time = b"\0\0\0\0\0\0\0\x02";
    let expected =
        [version_0.to_vec(), [&version_0[..], throttle].concat(), [&version_0[..], log_append_time, throttle].concat()];
    for (version, expected) in expected.iter().enumerate() {
        let mut out = Vec::new();
        response.encode(version as i16, &mut out);
        assert_eq!(out, *expected, "version {version}");
    }
}

/// Records sent out of line make the same bytes on the wire as records in the response.
#[test]
fn gaps_stand_where_the_records_belong() {
    let payloads: [&[u8]; 3] = [&[1; 300], &[], &[2; 7]];
    let response = |records: &dyn Fn(usize) -> Records<'static>| {
        let partition = |index: usize| PartitionData {
            partition_index: index as i32,
            current_leader: wire::fetch::LeaderIdAndEpoch { leader_id: 1, leader_epoch: 2 },
            records: records(index),
            ..Default::default()
        };
        let topic = |partitions| FetchableTopicResponse { topic: "t".into(), topic_id: Uuid([9; 16]), partitions };
        FetchResponse {
            responses: vec![topic(vec![partition(0), partition(1)]), topic(vec![partition(2)])],
            ..Default::default()
        }
    };
    for version in 4..=13 {
        let mut expected = b"frame".to_vec();
        let in_line = response(&|index| Records::Bytes([&[1; 300][..], &[], &[2; 7]][index]));
        assert_eq!(in_line.encode(version, &mut expected), []);

        let mut out = b"frame".to_vec();
        let gaps = response(&|index| Records::OutOfLine([300, 0, 7][index])).encode(version, &mut out);
        assert_eq!(gaps.iter().map(|gap| gap.len).collect::<Vec<_>>(), [300, 0, 7], "version {version}");
        let mut sent = Vec::new();
        let mut from = 0;
        for (&Gap { at, .. }, payload) in gaps.iter().zip(payloads) {
            sent.extend_from_slice(&out[from..at]);
            sent.extend_from_slice(payload);
            from = at;
        }
        sent.extend_from_slice(&out[from..]);
        assert_eq!(sent, expected, "version {version}");
    }
}

#[test]
fn null_is_refused_where_the_version_has_none_and_sent_as_empty() {
    let all_topics = MetadataRequest { topics: None, ..Default::default() };
    let mut out = Vec::new();
    all_topics.encode(0, &mut out);
    assert_eq!(out, [0; 4]);
    let mut out = Vec::new();
    all_topics.encode(1, &mut out);
    assert_eq!(out, [0xff; 4]);
    assert_eq!(MetadataRequest::decode(1, &mut Reader::new(&out)).unwrap().topics, None);
    let error = DecodeError { field: "MetadataRequest.topics", at: 0, reason: DecodeReason::UnexpectedNull };
    assert_eq!(MetadataRequest::decode(0, &mut Reader::new(&out)), Err(error));

    let by_id = MetadataRequestTopic { topic_id: Uuid([1; 16]), name: None };
    let request = MetadataRequest { topics: Some(vec![by_id]), ..Default::default() };
    let mut out = Vec::new();
    request.encode(9, &mut out);
    assert_eq!(MetadataRequest::decode(9, &mut Reader::new(&out)).unwrap().topics.unwrap()[0].name, Some(""));
    // In version 9 the name stands after the count; a compact null there.
    out[1] = 0;
    let error = DecodeError { field: "MetadataRequestTopic.name", at: 1, reason: DecodeReason::UnexpectedNull };
    assert_eq!(MetadataRequest::decode(9, &mut Reader::new(&out)), Err(error));
}

#[test]
fn errors_say_what_and_where() {
    let message =
        |version, bytes: &[u8]| MetadataRequest::decode(version, &mut Reader::new(bytes)).unwrap_err().to_string();
    assert_eq!(
        message(4, b"\x7f\xff\xff\xff\0\0"),
        "an array of 2147483647 elements cannot fit into the 2 bytes left, at byte 0, in MetadataRequest.topics"
    );
    assert_eq!(
        message(4, b"\0\0\0\x01\0\x05t"),
        "truncated: 5 more bytes declared, 1 left, at byte 6, in MetadataRequestTopic.name"
    );
    assert_eq!(message(4, b"\xff\xff\xff\xfe"), "negative length -2, at byte 0, in MetadataRequest.topics");
    assert_eq!(
        message(4, b"\0\0\0\x01\0\x01\xff\0"),
        "a string that is not UTF-8, at byte 4, in MetadataRequestTopic.name"
    );
    assert_eq!(message(14, b""), "version 14 is not known, at byte 0, in MetadataRequest");
}

/// Kafka 4.1's OffsetCommitRequest.json and OffsetFetchRequest.json: 16 bytes of id stand where the name stood.
#[test]
fn offsets_of_version_10_name_topics_by_id() {
    let id = *b"sixteen bytes id";
    let committed = OffsetCommitRequestPartition { partition_index: 2, committed_offset: 3, ..Default::default() };
    let topic = OffsetCommitRequestTopic {
        name: "unsent",
        topic_id: Uuid(id),
        partitions: vec![OffsetCommitRequestPartition { committed_metadata: Some("m"), ..committed }],
    };
    let request = OffsetCommitRequest {
        group_id: "g",
        generation_id_or_member_epoch: 7,
        member_id: "i",
        topics: vec![topic],
        ..Default::default()
    };
    let mut out = Vec::new();
    request.encode(10, &mut out);
    let before = b"\x02g\0\0\0\x07\x02i\0\x02".as_slice();
    let after = b"\x02\0\0\0\x02\0\0\0\0\0\0\0\x03\xff\xff\xff\xff\x02m\0\0\0";
    assert_eq!(out, [before, &id, after].concat());
    let decoded = OffsetCommitRequest::decode(10, &mut Reader::new(&out)).unwrap();
    assert_eq!((decoded.topics[0].topic_id, decoded.topics[0].name), (Uuid(id), ""));

    let topic = OffsetFetchResponseTopics {
        topic_id: Uuid(id),
        partitions: vec![OffsetFetchResponsePartitions {
            partition_index: 2,
            committed_offset: 3,
            metadata: Some("m".into()),
            error_code: ErrorCode::UNKNOWN_TOPIC_ID,
            ..Default::default()
        }],
        ..Default::default()
    };
    let group = OffsetFetchResponseGroup { group_id: "g".into(), topics: vec![topic], ..Default::default() };
    let response = OffsetFetchResponse { groups: vec![group], ..Default::default() };
    let mut out = Vec::new();
    response.encode(10, &mut out);
    let before = b"\0\0\0\0\x02\x02g\x02".as_slice();
    let after = b"\x02\0\0\0\x02\0\0\0\0\0\0\0\x03\xff\xff\xff\xff\x02m\0\x64\0\0\0\0\0\0";
    assert_eq!(out, [before, &id, after].concat());
    assert_eq!(OffsetFetchResponse::decode(10, &mut Reader::new(&out)).unwrap().groups[0].topics[0].topic_id, Uuid(id));
}

#[test]
fn varints_of_up_to_32_bits_are_read() {
    for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0x1f_ffff, 0x20_0000, 0xfff_ffff, 0x1000_0000, u32::MAX] {
        let mut out = Vec::new();
        Writer::new(&mut out).uvarint(value);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.uvarint(), Ok(value));
        assert!(reader.is_empty());
    }
    for bytes in [&b"\xff\xff\xff\xff\x10"[..], b"\x80\x80\x80\x80\x80\x00"] {
        assert_eq!(Reader::new(bytes).uvarint().unwrap_err().reason, DecodeReason::VarintTooLong);
    }
}

#[test]
fn a_string_that_no_version_can_carry_is_refused_and_cut() {
    let long = "é".repeat(20_000);
    for flexible in [false, true] {
        let mut out = Vec::new();
        Writer::new(&mut out).string(&long, flexible);
        // 32 767 bytes would end inside a character.
        assert_eq!(Reader::new(&out).string(flexible).unwrap().len(), 32_766);
    }
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.length(Some(long.len()), true);
    writer.raw(long.as_bytes());
    let reason = Reader::new(&out).string(true).unwrap_err().reason;
    assert_eq!(reason, DecodeReason::StringTooLong { length: 40_000 });
}

#[test]
fn a_known_tagged_field_must_take_all_its_bytes() {
    let mut out = Vec::new();
    let partition = PartitionData {
        current_leader: wire::fetch::LeaderIdAndEpoch { leader_id: 1, leader_epoch: 2 },
        ..Default::default()
    };
    let topic = FetchableTopicResponse { partitions: vec![partition], ..Default::default() };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    assert_eq!(response.encode(13, &mut out), []);
    // The end: tag 1, size 9, leader and epoch and their own tags; then the tags of the topic and of the response.
    let size_at = out.len() - 12;
    assert_eq!(out[size_at - 1..=size_at], [1, 9]);
    out[size_at] = 10;
    let error = FetchResponse::decode(13, &mut Reader::new(&out)).unwrap_err();
    assert_eq!(error.field, "PartitionData.tagged_fields");
    assert_eq!(error.reason, DecodeReason::TaggedFieldTooLong { excess: 1 });
}
