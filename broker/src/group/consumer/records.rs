//! The records of groups of the consumer protocol, byte for byte as Kafka writes them.
//!
//! ```text
//! key    version i16: 3  | group string                        the group's epoch, and what its topics were like then
//!        version i16: 5  | group string | member string        what a member says about itself
//!        version i16: 6  | group string                        the epoch of the target
//!        version i16: 7  | group string | member string        what a member is to own
//!        version i16: 8  | group string | member string        what a member owns
//!        version i16: 16 | group string | pattern string       the topics that a regular expression stands for
//! value  version i16: 0  | fields, compact and with tags; none where the key is deleted
//! ```
//! Version 4 of a key, the topics one by one, was written before Kafka 4.1; groups that have it are looked at anew. The fields are
//! those of Kafka's `ConsumerGroup*Value.json`.

use std::collections::BTreeSet;

use bytes::Bytes;
use wire::{DecodeError, Reader, Writer};

use super::assignment::Assignment;
use super::member::{ClassicSide, Holding, Profile, Progress};
use crate::controller::TopicId;
use crate::group::api::Protocol;
use crate::group::records::RecordError;

const EPOCH_KEY_VERSION: i16 = 3;
const MEMBER_KEY_VERSION: i16 = 5;
const TARGET_EPOCH_KEY_VERSION: i16 = 6;
const TARGET_KEY_VERSION: i16 = 7;
const HOLDING_KEY_VERSION: i16 = 8;
const PATTERN_KEY_VERSION: i16 = 16;
const KEY_VERSIONS: [i16; 6] = [
    EPOCH_KEY_VERSION,
    MEMBER_KEY_VERSION,
    TARGET_EPOCH_KEY_VERSION,
    TARGET_KEY_VERSION,
    HOLDING_KEY_VERSION,
    PATTERN_KEY_VERSION,
];
const VALUE_VERSION: i16 = 0;
/// The tag of the hash over the group's topics (KIP-1101).
const HASH_TAG: u32 = 0;
/// The tag of what is known of a member of the classic protocol.
const CLASSIC_TAG: u32 = 0;

/// One change of a group of the consumer protocol. None where it is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerChange {
    Epoch(Option<GroupEpoch>),
    Member { id: String, value: Option<Box<Profile>> },
    TargetEpoch(Option<i32>),
    Target { id: String, value: Option<Assignment> },
    Holding { id: String, value: Option<Holding> },
    Pattern { pattern: String, value: Option<Resolved> },
}

/// How often the group has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupEpoch {
    pub epoch: i32,
    /// Says whether the topics that the group subscribes to are still as they were.
    pub topics_hash: i64,
}

/// The topics that a regular expression stood for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolved {
    pub topics: BTreeSet<String>,
    /// Rises with the metadata that it was resolved against.
    pub version: i64,
    /// When, in wall time.
    pub at_ms: i64,
}

impl Resolved {
    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        const TOPIC_BYTES: usize = 48;
        self.topics.iter().map(|topic| TOPIC_BYTES + topic.len()).sum()
    }
}

impl ConsumerChange {
    pub fn is_deletion(&self) -> bool {
        match self {
            Self::Epoch(value) => value.is_none(),
            Self::Member { value, .. } => value.is_none(),
            Self::TargetEpoch(value) => value.is_none(),
            Self::Target { value, .. } => value.is_none(),
            Self::Holding { value, .. } => value.is_none(),
            Self::Pattern { value, .. } => value.is_none(),
        }
    }

    /// The bytes of key and value.
    pub fn encode(&self, group: &str) -> (Vec<u8>, Option<Vec<u8>>) {
        let (version, name) = match self {
            Self::Epoch(_) => (EPOCH_KEY_VERSION, None),
            Self::Member { id, .. } => (MEMBER_KEY_VERSION, Some(id)),
            Self::TargetEpoch(_) => (TARGET_EPOCH_KEY_VERSION, None),
            Self::Target { id, .. } => (TARGET_KEY_VERSION, Some(id)),
            Self::Holding { id, .. } => (HOLDING_KEY_VERSION, Some(id)),
            Self::Pattern { pattern, .. } => (PATTERN_KEY_VERSION, Some(pattern)),
        };
        let mut key = Vec::new();
        let mut writer = Writer::new(&mut key);
        writer.i16(version);
        writer.string(group, false);
        if let Some(name) = name {
            writer.string(name, false);
        }
        (key, self.encode_value())
    }

    fn encode_value(&self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.i16(VALUE_VERSION);
        match self {
            Self::Epoch(value) => write_epoch(&mut writer, value.as_ref()?),
            Self::Member { value, .. } => write_profile(&mut writer, value.as_ref()?),
            Self::TargetEpoch(value) => write_target_epoch(&mut writer, (*value)?),
            Self::Target { value, .. } => write_target(&mut writer, value.as_ref()?),
            Self::Holding { value, .. } => write_holding(&mut writer, value.as_ref()?),
            Self::Pattern { value, .. } => write_resolved(&mut writer, value.as_ref()?),
        }
        Some(out)
    }

    /// Reads a record whose key has this version. None for a kind that is not known.
    pub fn decode(
        version: i16,
        key: &mut Reader<'_>,
        value: Option<&[u8]>,
    ) -> Result<Option<(String, Self)>, RecordError> {
        if !KEY_VERSIONS.contains(&version) {
            return Ok(None);
        }
        let group = key.string(false)?.to_owned();
        let mut value = value.map(Reader::new);
        if let Some(value) = &mut value {
            let version = value.i16()?;
            if version != VALUE_VERSION {
                return Err(RecordError::Version(version));
            }
        }
        let value = value.as_mut();
        let change = match version {
            EPOCH_KEY_VERSION => Self::Epoch(value.map(read_epoch).transpose()?),
            TARGET_EPOCH_KEY_VERSION => Self::TargetEpoch(ended(value, Reader::i32)?),
            _ => {
                let id = key.string(false)?.to_owned();
                match version {
                    MEMBER_KEY_VERSION => {
                        Self::Member { id, value: value.map(read_profile).transpose()?.map(Box::new) }
                    }
                    TARGET_KEY_VERSION => Self::Target { id, value: ended(value, read_assignment)? },
                    HOLDING_KEY_VERSION => Self::Holding { id, value: ended(value, read_holding)? },
                    _ => Self::Pattern { pattern: id, value: ended(value, read_resolved)? },
                }
            }
        };
        Ok(Some((group, change)))
    }
}

/// Reads a struct that has no tagged field which is known.
fn ended<'a, T>(
    reader: Option<&mut Reader<'a>>,
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    let Some(reader) = reader else { return Ok(None) };
    let value = read(reader)?;
    reader.skip_tagged_fields()?;
    Ok(Some(value))
}

fn write_epoch(out: &mut Writer<'_>, value: &GroupEpoch) {
    out.i32(value.epoch);
    match value.topics_hash {
        0 => out.uvarint(0),
        hash => {
            out.uvarint(1);
            out.tagged_field(HASH_TAG, |out| out.i64(hash));
        }
    }
}

fn read_epoch(reader: &mut Reader<'_>) -> Result<GroupEpoch, DecodeError> {
    let mut value = GroupEpoch { epoch: reader.i32()?, topics_hash: 0 };
    reader.tagged_fields(|tag, reader| {
        if tag == HASH_TAG {
            value.topics_hash = reader.i64()?;
        }
        Ok(tag == HASH_TAG)
    })?;
    Ok(value)
}

fn write_target_epoch(out: &mut Writer<'_>, epoch: i32) {
    out.i32(epoch);
    out.uvarint(0);
}

fn write_target(out: &mut Writer<'_>, value: &Assignment) {
    write_assignment(out, value);
    out.uvarint(0);
}

fn write_profile(out: &mut Writer<'_>, value: &Profile) {
    out.nullable_string(value.instance.as_deref(), true);
    out.nullable_string(value.rack.as_deref(), true);
    out.string(&value.client_id, true);
    out.string(&value.client_host, true);
    write_names(out, &value.topics);
    out.nullable_string(value.pattern.as_deref(), true);
    out.i32(value.rebalance_timeout_ms);
    out.nullable_string(value.assignor.as_deref(), true);
    match &value.classic {
        None => out.uvarint(0),
        Some(classic) => {
            out.uvarint(1);
            out.tagged_field(CLASSIC_TAG, |out| write_classic(out, classic));
        }
    }
}

fn read_profile(reader: &mut Reader<'_>) -> Result<Profile, DecodeError> {
    let mut value = Profile {
        instance: reader.nullable_string(true)?.map(str::to_owned),
        rack: reader.nullable_string(true)?.map(str::to_owned),
        client_id: reader.string(true)?.to_owned(),
        client_host: reader.string(true)?.to_owned(),
        topics: read_names(reader)?,
        pattern: reader.nullable_string(true)?.filter(|pattern| !pattern.is_empty()).map(str::to_owned),
        rebalance_timeout_ms: reader.i32()?,
        assignor: reader.nullable_string(true)?.map(str::to_owned),
        classic: None,
    };
    reader.tagged_fields(|tag, reader| {
        if tag == CLASSIC_TAG {
            value.classic = read_classic(reader)?;
        }
        Ok(tag == CLASSIC_TAG)
    })?;
    Ok(value)
}

/// A struct that may be null has a byte before it.
fn write_classic(out: &mut Writer<'_>, value: &ClassicSide) {
    out.i8(1);
    out.i32(value.session_timeout_ms);
    out.length(Some(value.protocols.len()), true);
    for protocol in &value.protocols {
        out.string(&protocol.name, true);
        out.nullable_bytes(Some(&protocol.metadata), true);
        out.uvarint(0);
    }
    out.uvarint(0);
}

fn read_classic(reader: &mut Reader<'_>) -> Result<Option<ClassicSide>, DecodeError> {
    /// Two lengths and the end of a struct.
    const PROTOCOL_BYTES_MIN: usize = 3;
    if reader.i8()? < 0 {
        return Ok(None);
    }
    let session_timeout_ms = reader.i32()?;
    let count = reader.array_count(true, PROTOCOL_BYTES_MIN)?.unwrap_or(0);
    let mut protocols = Vec::with_capacity(count);
    for _ in 0..count {
        let name = reader.string(true)?.to_owned();
        let metadata = Bytes::copy_from_slice(reader.nullable_bytes(true)?.unwrap_or_default());
        reader.skip_tagged_fields()?;
        protocols.push(Protocol { name, metadata });
    }
    reader.skip_tagged_fields()?;
    Ok(Some(ClassicSide { session_timeout_ms, protocols }))
}

fn write_assignment(out: &mut Writer<'_>, value: &Assignment) {
    out.length(Some(value.topics().count()), true);
    for (topic, partitions) in value.topics() {
        out.uuid(topic.to_wire());
        out.length(Some(partitions.len()), true);
        partitions.iter().for_each(|&partition| out.i32(partition));
        out.uvarint(0);
    }
}

fn read_assignment(reader: &mut Reader<'_>) -> Result<Assignment, DecodeError> {
    /// An id, a length and the end of a struct.
    const TOPIC_BYTES_MIN: usize = 18;
    let mut assignment = Assignment::default();
    for _ in 0..reader.array_count(true, TOPIC_BYTES_MIN)?.unwrap_or(0) {
        let topic = TopicId::from_wire(reader.uuid()?);
        for _ in 0..reader.array_count(true, size_of::<i32>())?.unwrap_or(0) {
            assignment.insert(topic, reader.i32()?);
        }
        reader.skip_tagged_fields()?;
    }
    Ok(assignment)
}

fn write_holding(out: &mut Writer<'_>, value: &Holding) {
    out.i32(value.epoch);
    out.i32(value.previous_epoch);
    out.i8(value.progress.number());
    write_assignment(out, &value.assigned);
    write_assignment(out, &value.revoking);
    out.uvarint(0);
}

fn read_holding(reader: &mut Reader<'_>) -> Result<Holding, DecodeError> {
    Ok(Holding {
        epoch: reader.i32()?,
        previous_epoch: reader.i32()?,
        // Whoever is in a state of a later Kafka is brought to its target like one that waits for partitions.
        progress: Progress::from_number(reader.i8()?).unwrap_or(Progress::Unreleased),
        assigned: read_assignment(reader)?,
        revoking: read_assignment(reader)?,
    })
}

fn write_resolved(out: &mut Writer<'_>, value: &Resolved) {
    write_names(out, &value.topics);
    out.i64(value.version);
    out.i64(value.at_ms);
    out.uvarint(0);
}

fn read_resolved(reader: &mut Reader<'_>) -> Result<Resolved, DecodeError> {
    Ok(Resolved { topics: read_names(reader)?, version: reader.i64()?, at_ms: reader.i64()? })
}

fn write_names(out: &mut Writer<'_>, names: &BTreeSet<String>) {
    out.length(Some(names.len()), true);
    names.iter().for_each(|name| out.string(name, true));
}

fn read_names(reader: &mut Reader<'_>) -> Result<BTreeSet<String>, DecodeError> {
    let count = reader.array_count(true, 1)?.unwrap_or(0);
    (0..count).map(|_| Ok(reader.string(true)?.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::records::GroupRecord;

    fn read(change: &ConsumerChange) -> ConsumerChange {
        let (key, value) = change.encode("g");
        match GroupRecord::decode(Some(&key), value.as_deref()) {
            Ok(Some(GroupRecord::Consumer { group, change })) if group == "g" => change,
            other => panic!("{change:?} reads back as {other:?}"),
        }
    }

    fn owned() -> Assignment {
        [(TopicId(258), 7), (TopicId(258), 1), (TopicId(3), 0)].into_iter().collect()
    }

    fn profile() -> Profile {
        Profile {
            instance: Some("i".into()),
            rack: Some("r".into()),
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            topics: BTreeSet::from(["t".into(), "u".into()]),
            pattern: Some("v.*".into()),
            rebalance_timeout_ms: 300_000,
            assignor: Some("range".into()),
            classic: None,
        }
    }

    fn every_kind() -> Vec<ConsumerChange> {
        let protocols = vec![Protocol { name: "range".into(), metadata: Bytes::from_static(b"sub") }];
        let classic = Profile { classic: Some(ClassicSide { session_timeout_ms: 45_000, protocols }), ..profile() };
        let holding = Holding {
            epoch: 5,
            previous_epoch: 4,
            progress: Progress::Unrevoked,
            assigned: owned(),
            revoking: owned(),
        };
        let id = String::from("m");
        let resolved = Resolved { topics: profile().topics, version: 9, at_ms: 10 };
        vec![
            ConsumerChange::Epoch(Some(GroupEpoch { epoch: 3, topics_hash: 0 })),
            ConsumerChange::Epoch(Some(GroupEpoch { epoch: 3, topics_hash: -5 })),
            ConsumerChange::TargetEpoch(Some(2)),
            ConsumerChange::Member { id: id.clone(), value: Some(Box::new(profile())) },
            ConsumerChange::Member { id: id.clone(), value: Some(Box::new(classic)) },
            ConsumerChange::Member { id: id.clone(), value: Some(Box::default()) },
            ConsumerChange::Target { id: id.clone(), value: Some(owned()) },
            ConsumerChange::Holding { id: id.clone(), value: Some(holding) },
            ConsumerChange::Pattern { pattern: "v.*".into(), value: Some(resolved) },
            ConsumerChange::Epoch(None),
            ConsumerChange::TargetEpoch(None),
            ConsumerChange::Member { id: id.clone(), value: None },
            ConsumerChange::Target { id: id.clone(), value: None },
            ConsumerChange::Holding { id, value: None },
            ConsumerChange::Pattern { pattern: "v.*".into(), value: None },
        ]
    }

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        for change in every_kind() {
            assert_eq!(read(&change), change);
        }
    }

    #[test]
    fn a_record_that_is_cut_off_is_refused() {
        for change in every_kind() {
            let (key, Some(value)) = change.encode("g") else { continue };
            for end in 0..value.len() {
                assert!(GroupRecord::decode(Some(&key), Some(&value[..end])).is_err(), "{change:?} cut at {end}");
            }
        }
    }

    #[test]
    fn the_bytes_are_kafka_s() {
        let (key, value) = ConsumerChange::Epoch(Some(GroupEpoch { epoch: 3, topics_hash: 258 })).encode("g");
        assert_eq!(key, [0, 3, 0, 1, b'g']);
        assert_eq!(value, Some(vec![0, 0, 0, 0, 0, 3, 1, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2]));
        let (key, value) = ConsumerChange::Target { id: "m".into(), value: Some(owned()) }.encode("g");
        assert_eq!(key, [0, 7, 0, 1, b'g', 0, 1, b'm']);
        let id = |last: [u8; 2]| [&[0; 14][..], &last].concat();
        let first = [id([0, 3]), vec![2, 0, 0, 0, 0, 0]].concat();
        let second = [id([1, 2]), vec![3, 0, 0, 0, 1, 0, 0, 0, 7, 0]].concat();
        assert_eq!(value, Some([vec![0, 0, 3], first, second, vec![0]].concat()));
        let (key, value) =
            ConsumerChange::Pattern { pattern: "p".into(), value: Some(Resolved::default()) }.encode("g");
        assert_eq!(key, [0, 16, 0, 1, b'g', 0, 1, b'p']);
        assert_eq!(value, Some([&[0, 0, 1][..], &[0; 16], &[0]].concat()));
    }
}
