//! Byte equality with the `kafka-protocol` crate, whose code is generated from Kafka's schemas: for every message and
//! version, what we encode they decode and encode to the same bytes, what they encode we decode and encode to the same
//! bytes, and both decode the same content into fields of the same names, fields that the version lacks included.
//!
//! The crate has no Produce below version 3, of which only the response exists here, and no OffsetCommit and OffsetFetch 10;
//! `layouts` has those bytes by hand.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, Message, StrBytes};
use wire::{ApiKey, Reader, RequestHeader};

use crate::debug_tree::Tree;
use crate::messages::for_each_message;
use crate::sample::{Sample, Source};

/// Seeds for every message and version; 0 and 1 are the empty and the full value.
const SEEDS: u64 = 60;

macro_rules! compare {
    ($($test:ident: $module:ident::$name:ident, $key:ident, $versions:expr;)*) => {$(
        #[test]
        fn $test() {
            for version in $versions {
                if version < theirs::$name::VERSIONS.min {
                    assert_eq!(ApiKey::$key, ApiKey::Produce, "only Produce is encoded below Kafka 4's versions");
                    continue;
                }
                if version > theirs::$name::VERSIONS.max {
                    let is_newer = matches!(ApiKey::$key, ApiKey::OffsetCommit | ApiKey::OffsetFetch) && version == 10;
                    assert!(is_newer, "{} {version} can be compared with nothing", stringify!($name));
                    continue;
                }
                for seed in 0..SEEDS {
                    let case = format!("{} version {version}, seed {seed}", stringify!($name));
                    let mut sent = Vec::new();
                    let _gaps = wire::$module::$name::sample(&mut Source::new(seed)).encode(version, &mut sent);

                    let mut unread = Bytes::copy_from_slice(&sent);
                    let received = theirs::$name::decode(&mut unread, version).unwrap_or_else(|e| panic!("{case}: {e}"));
                    assert!(unread.is_empty(), "{case}: they leave {} bytes", unread.len());
                    let mut returned = BytesMut::new();
                    received.encode(&mut returned, version).unwrap_or_else(|e| panic!("{case}: {e}"));
                    assert_eq!(sent, returned, "{case}");

                    let mut reader = Reader::new(&returned);
                    let decoded =
                        wire::$module::$name::decode(version, &mut reader).unwrap_or_else(|e| panic!("{case}: {e}"));
                    assert!(reader.is_empty(), "{case}: we leave {} bytes", reader.remaining());
                    let mut again = Vec::new();
                    let _gaps = decoded.encode(version, &mut again);
                    assert_eq!(again, returned, "{case}");

                    let (here, there) = (format!("{decoded:?}"), format!("{received:?}"));
                    Tree::parse(&here).is_within(&Tree::parse(&there)).unwrap_or_else(|e| panic!("{case}: {e}"));
                }
            }
        }
    )*};
}

for_each_message! { compare }

/// A tagged field that no version has yet, in a message and in its header, changes nothing for us.
#[test]
fn unknown_tagged_fields_are_skipped() {
    let unknown = || Bytes::from_static(&[7; 200]);
    let name = StrBytes::from_static_str("t");
    let topic = theirs::metadata_request::MetadataRequestTopic::default()
        .with_name(Some(name.clone().into()))
        .with_unknown_tagged_field(3, unknown());
    let request = theirs::MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_unknown_tagged_field(0, unknown())
        .with_unknown_tagged_field(1000, Bytes::new());
    let header = theirs::RequestHeader::default()
        .with_request_api_key(3)
        .with_request_api_version(12)
        .with_client_id(Some(StrBytes::from_static_str("me")))
        .with_unknown_tagged_field(9, unknown());
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, 2).unwrap();
    request.encode(&mut bytes, 12).unwrap();

    let mut reader = Reader::new(&bytes);
    let header = RequestHeader::decode(&mut reader).unwrap();
    assert_eq!(header, RequestHeader { api_key: 3, api_version: 12, correlation_id: 0, client_id: Some("me") });
    let decoded = wire::metadata::MetadataRequest::decode(12, &mut reader).unwrap();
    assert!(reader.is_empty());
    let topics = decoded.topics.unwrap();
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].name, Some("t"));
}

/// Tagged fields we know, beside ones we do not, in the struct furthest in.
#[test]
fn unknown_tagged_fields_do_not_hide_known_ones() {
    let leader = theirs::fetch_response::LeaderIdAndEpoch::default()
        .with_leader_id(4.into())
        .with_leader_epoch(9)
        .with_unknown_tagged_field(5, Bytes::from_static(b"x"));
    let partition = theirs::fetch_response::PartitionData::default()
        .with_partition_index(2)
        .with_current_leader(leader)
        .with_unknown_tagged_field(77, Bytes::from_static(b"later"));
    let topic = theirs::fetch_response::FetchableTopicResponse::default().with_partitions(vec![partition]);
    let response = theirs::FetchResponse::default().with_responses(vec![topic]);
    let mut bytes = BytesMut::new();
    response.encode(&mut bytes, 13).unwrap();

    let mut reader = Reader::new(&bytes);
    let decoded = wire::fetch::FetchResponse::decode(13, &mut reader).unwrap();
    assert!(reader.is_empty());
    let partition = &decoded.responses[0].partitions[0];
    assert_eq!(partition.partition_index, 2);
    assert_eq!(partition.current_leader, wire::fetch::LeaderIdAndEpoch { leader_id: 4, leader_epoch: 9 });
}

#[test]
fn headers_have_the_same_bytes() {
    for range in wire::SUPPORTED {
        for version in range.min..=range.max {
            let case = format!("{} version {version}", range.key.name());
            let number = range.key.as_i16();
            let their_key = theirs::ApiKey::try_from(number).unwrap();
            assert_eq!(range.key.request_header_version(version), their_key.request_header_version(version), "{case}");
            assert_eq!(
                range.key.response_header_version(version),
                their_key.response_header_version(version),
                "{case}"
            );
            for client_id in [None, Some(""), Some("kcat")] {
                let ours = RequestHeader { api_key: number, api_version: version, correlation_id: -7, client_id };
                let mut bytes = Vec::new();
                ours.encode(&mut bytes);
                let mut unread = Bytes::copy_from_slice(&bytes);
                let header_version = their_key.request_header_version(version);
                let received = theirs::RequestHeader::decode(&mut unread, header_version).unwrap();
                assert!(unread.is_empty(), "{case}");
                let mut returned = BytesMut::new();
                received.encode(&mut returned, header_version).unwrap();
                assert_eq!(bytes, returned, "{case}");
                assert_eq!(RequestHeader::decode(&mut Reader::new(&returned)), Ok(ours), "{case}");
            }
            let mut bytes = Vec::new();
            wire::encode_response_header(range.key, version, 17, &mut bytes);
            let header_version = their_key.response_header_version(version);
            let mut returned = BytesMut::new();
            theirs::ResponseHeader::default().with_correlation_id(17).encode(&mut returned, header_version).unwrap();
            assert_eq!(bytes, returned, "{case}");
            assert_eq!(wire::decode_response_header(range.key, version, &mut Reader::new(&bytes)), Ok(17), "{case}");
        }
    }
}

#[test]
fn error_codes_have_the_same_numbers_and_names() {
    let squeeze = |name: &str| name.replace('_', "").to_lowercase();
    for code in wire::ErrorCode::ALL {
        let Some(their_code) = kafka_protocol::ResponseError::try_from_code(code.as_i16()) else {
            assert!(code.is_none(), "{code} is not known there");
            continue;
        };
        // Where the two spell a code differently, ours is the name in Kafka's documentation.
        assert_eq!(squeeze(code.name()), squeeze(&format!("{their_code:?}")));
    }
    assert_eq!(wire::ErrorCode::ALL.len(), 135);
}
