//! The records of `__consumer_offsets`, byte for byte as Kafka writes them, so that its tools read ours and we read its.
//!
//! ```text
//! key    version i16: 0, 1 | group string | topic string | partition i32        a committed offset
//!        version i16: 2    | group string                                       a group of the classic protocol
//! value  version i16 | fields of that version; none where the key is deleted
//! ```
//! The records of groups of the consumer protocol are in `consumer/records.rs`.
//! Strings have a length of 16 bits and bytes one of 32; version 4 of a value has compact ones and tagged fields. Versions 3 of
//! both values are written, as Kafka does, and version 1 of an offset where the client said how long to keep it. The fields are those
//! of Kafka's `OffsetCommitValue.json` and `GroupMetadataValue.json`.

use bytes::Bytes;
use wire::{DecodeError, Reader, Writer};

use super::consumer::records::ConsumerChange;
use super::offsets::Committed;

const OFFSET_KEY_VERSIONS: std::ops::RangeInclusive<i16> = 0..=1;
const GROUP_KEY_VERSION: i16 = 2;
const VALUE_VERSION_MAX: i16 = 4;
/// First version of a value with compact strings.
const FLEXIBLE_FROM: i16 = 4;
const VALUE_VERSION: i16 = 3;
/// The version of an offset's value that says when it expires.
const EXPIRING_VERSION: i16 = 1;
/// "None", for times.
const NO_TIME: i64 = -1;

/// One change of a partition of the offsets topic. [`Coordinator::replay`](super::Coordinator::replay) gives it its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRecord {
    /// How far a group has come in a partition; none where that is forgotten.
    Offset { group: String, topic: String, partition: i32, value: Option<Committed> },
    /// What a group of the classic protocol is; none where it is no more.
    Classic { group: String, value: Option<ClassicValue> },
    /// Something of a group of the consumer protocol.
    Consumer { group: String, change: ConsumerChange },
}

/// A generation of a group, and what its members are assigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicValue {
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    /// Since when the group has its state, if that is known.
    pub since_ms: Option<i64>,
    pub members: Vec<MemberValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberValue {
    pub id: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    /// The member's metadata of the chosen protocol.
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("a record without a key")]
    NoKey,
    #[error("its value has version {0}, this build reads up to {VALUE_VERSION_MAX}")]
    Version(i16),
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl GroupRecord {
    /// The bytes of key and value.
    pub fn encode(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut key = Vec::new();
        let mut writer = Writer::new(&mut key);
        match self {
            Self::Offset { group, topic, partition, value } => {
                writer.i16(*OFFSET_KEY_VERSIONS.end());
                writer.string(group, false);
                writer.string(topic, false);
                writer.i32(*partition);
                (key, value.as_ref().map(encode_offset))
            }
            Self::Classic { group, value } => {
                writer.i16(GROUP_KEY_VERSION);
                writer.string(group, false);
                (key, value.as_ref().map(encode_classic))
            }
            Self::Consumer { group, change } => change.encode(group),
        }
    }

    /// Reads a record. `Ok(None)` is one of a kind that this build does not know, which later builds may have written.
    pub fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Option<Self>, RecordError> {
        let mut reader = Reader::new(key.ok_or(RecordError::NoKey)?);
        match reader.i16()? {
            version if OFFSET_KEY_VERSIONS.contains(&version) => {
                let group = reader.string(false)?.to_owned();
                let topic = reader.string(false)?.to_owned();
                let partition = reader.i32()?;
                let value = value.map(decode_offset).transpose()?;
                Ok(Some(Self::Offset { group, topic, partition, value }))
            }
            GROUP_KEY_VERSION => {
                let group = reader.string(false)?.to_owned();
                let value = value.map(decode_classic).transpose()?;
                Ok(Some(Self::Classic { group, value }))
            }
            version => {
                let decoded = ConsumerChange::decode(version, &mut reader, value)?;
                Ok(decoded.map(|(group, change)| Self::Consumer { group, change }))
            }
        }
    }

    /// The group that it is about.
    pub fn group(&self) -> &str {
        match self {
            Self::Offset { group, .. } | Self::Classic { group, .. } | Self::Consumer { group, .. } => group,
        }
    }
}

fn encode_offset(committed: &Committed) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    let version = if committed.expires_ms.is_some() { EXPIRING_VERSION } else { VALUE_VERSION };
    writer.i16(version);
    writer.i64(committed.offset);
    if version == VALUE_VERSION {
        writer.i32(committed.leader_epoch);
    }
    writer.string(&committed.metadata, false);
    writer.i64(committed.committed_ms);
    if let Some(expires_ms) = committed.expires_ms {
        writer.i64(expires_ms);
    }
    out
}

fn decode_offset(bytes: &[u8]) -> Result<Committed, RecordError> {
    let mut reader = Reader::new(bytes);
    let (version, flexible) = value_version(&mut reader)?;
    let offset = reader.i64()?;
    let leader_epoch = if version >= 3 { reader.i32()? } else { -1 };
    let metadata = reader.string(flexible)?.to_owned();
    let committed_ms = reader.i64()?;
    let expires_ms = if version == EXPIRING_VERSION { time(reader.i64()?) } else { None };
    if flexible {
        reader.skip_tagged_fields()?;
    }
    Ok(Committed { offset, leader_epoch, metadata, committed_ms, expires_ms })
}

fn encode_classic(value: &ClassicValue) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.i16(VALUE_VERSION);
    writer.string(&value.protocol_type, false);
    writer.i32(value.generation);
    writer.nullable_string(value.protocol.as_deref(), false);
    writer.nullable_string(value.leader.as_deref(), false);
    writer.i64(value.since_ms.unwrap_or(NO_TIME));
    writer.length(Some(value.members.len()), false);
    for member in &value.members {
        writer.string(&member.id, false);
        writer.nullable_string(member.instance.as_deref(), false);
        writer.string(&member.client_id, false);
        writer.string(&member.client_host, false);
        writer.i32(member.rebalance_timeout_ms);
        writer.i32(member.session_timeout_ms);
        writer.nullable_bytes(Some(&member.subscription), false);
        writer.nullable_bytes(Some(&member.assignment), false);
    }
    out
}

fn decode_classic(bytes: &[u8]) -> Result<ClassicValue, RecordError> {
    /// Four strings and byte arrays, compact and empty, and the session timeout.
    const MEMBER_BYTES_MIN: usize = 8;
    let mut reader = Reader::new(bytes);
    let (version, flexible) = value_version(&mut reader)?;
    let protocol_type = reader.string(flexible)?.to_owned();
    let generation = reader.i32()?;
    let protocol = reader.nullable_string(flexible)?.map(str::to_owned);
    let leader = reader.nullable_string(flexible)?.map(str::to_owned);
    let since_ms = if version >= 2 { time(reader.i64()?) } else { None };
    let count = reader.array_count(flexible, MEMBER_BYTES_MIN)?.unwrap_or(0);
    let mut members = Vec::with_capacity(count);
    for _ in 0..count {
        members.push(decode_member(&mut reader, version, flexible)?);
    }
    if flexible {
        reader.skip_tagged_fields()?;
    }
    Ok(ClassicValue { protocol_type, generation, protocol, leader, since_ms, members })
}

fn decode_member(reader: &mut Reader<'_>, version: i16, flexible: bool) -> Result<MemberValue, DecodeError> {
    let id = reader.string(flexible)?.to_owned();
    let instance = if version >= 3 { reader.nullable_string(flexible)?.map(str::to_owned) } else { None };
    let client_id = reader.string(flexible)?.to_owned();
    let client_host = reader.string(flexible)?.to_owned();
    let rebalance_timeout_ms = if version >= 1 { Some(reader.i32()?) } else { None };
    let session_timeout_ms = reader.i32()?;
    let subscription = Bytes::copy_from_slice(reader.nullable_bytes(flexible)?.unwrap_or_default());
    let assignment = Bytes::copy_from_slice(reader.nullable_bytes(flexible)?.unwrap_or_default());
    if flexible {
        reader.skip_tagged_fields()?;
    }
    Ok(MemberValue {
        id,
        instance,
        client_id,
        client_host,
        rebalance_timeout_ms: rebalance_timeout_ms.filter(|&ms| ms >= 0).unwrap_or(session_timeout_ms),
        session_timeout_ms,
        subscription,
        assignment,
    })
}

fn value_version(reader: &mut Reader<'_>) -> Result<(i16, bool), RecordError> {
    match reader.i16()? {
        version if (0..=VALUE_VERSION_MAX).contains(&version) => Ok((version, version >= FLEXIBLE_FROM)),
        version => Err(RecordError::Version(version)),
    }
}

fn time(ms: i64) -> Option<i64> {
    (ms != NO_TIME).then_some(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(expires_ms: Option<i64>, leader_epoch: i32) -> GroupRecord {
        let value = Committed { offset: 258, leader_epoch, metadata: "m".into(), committed_ms: 3, expires_ms };
        GroupRecord::Offset { group: "g".into(), topic: "t".into(), partition: 7, value: Some(value) }
    }

    fn classic() -> GroupRecord {
        let member = MemberValue {
            id: "a-1".into(),
            instance: Some("a".into()),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            rebalance_timeout_ms: 300_000,
            session_timeout_ms: 45_000,
            subscription: Bytes::from_static(b"sub"),
            assignment: Bytes::from_static(b"assigned"),
        };
        let value = ClassicValue {
            protocol_type: "consumer".into(),
            generation: 4,
            protocol: Some("range".into()),
            leader: Some("a-1".into()),
            since_ms: Some(99),
            members: vec![member.clone(), MemberValue { id: "b".into(), instance: None, ..member }],
        };
        GroupRecord::Classic { group: "g".into(), value: Some(value) }
    }

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        let deleted = [
            GroupRecord::Offset { group: "g".into(), topic: "t".into(), partition: 7, value: None },
            GroupRecord::Classic { group: "g".into(), value: None },
        ];
        for record in [offset(None, 5), offset(Some(17), -1), classic()].into_iter().chain(deleted) {
            let (key, value) = record.encode();
            assert_eq!(GroupRecord::decode(Some(&key), value.as_deref()), Ok(Some(record)));
        }
    }

    #[test]
    fn the_bytes_are_kafka_s() {
        let (key, value) = offset(None, 5).encode();
        assert_eq!(key, [0, 1, 0, 1, b'g', 0, 1, b't', 0, 0, 0, 7]);
        let expected =
            [&[0, 3][..], &[0, 0, 0, 0, 0, 0, 1, 2], &[0, 0, 0, 5], &[0, 1, b'm'], &[0, 0, 0, 0, 0, 0, 0, 3]];
        assert_eq!(value, Some(expected.concat()));
        let (key, _) = classic().encode();
        assert_eq!(key, [0, 2, 0, 1, b'g']);
    }

    #[test]
    fn older_and_newer_versions_of_an_offset_are_read() {
        let key = offset(None, -1).encode().0;
        let number = |value: i64| value.to_be_bytes();
        let read = |value: &[u8]| match GroupRecord::decode(Some(&key), Some(value)).expect("it reads") {
            Some(GroupRecord::Offset { value: Some(value), .. }) => value,
            other => panic!("{other:?}"),
        };
        let metadata = [0, 1, b'm'];
        let old = [&[0, 0][..], &number(9), &metadata, &number(8)].concat();
        let expected =
            Committed { offset: 9, leader_epoch: -1, metadata: "m".into(), committed_ms: 8, expires_ms: None };
        assert_eq!(read(&old), expected);
        let flexible = [&[0, 4][..], &number(9), &[0, 0, 0, 1], &[2, b'm'], &number(8), &[0]].concat();
        assert_eq!(read(&flexible), Committed { leader_epoch: 1, ..expected });
        assert_eq!(GroupRecord::decode(Some(&key), Some(&[0, 9])), Err(RecordError::Version(9)));
    }

    #[test]
    fn records_of_another_kind_are_skipped_and_damaged_ones_are_not() {
        assert_eq!(GroupRecord::decode(Some(&[0, 4, 0, 1, b'g']), Some(b"?")), Ok(None));
        assert_eq!(GroupRecord::decode(None, Some(b"?")), Err(RecordError::NoKey));
        let (key, value) = classic().encode();
        let value = value.expect("a value");
        for end in 0..value.len() {
            assert!(GroupRecord::decode(Some(&key), Some(&value[..end])).is_err(), "cut at {end}");
        }
    }
}
