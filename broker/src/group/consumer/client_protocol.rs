//! What clients of the classic protocol tell each other about subscriptions and assignments: read and written where such members are in a
//! group for which the broker assigns.
//!
//! ```text
//! subscription   version i16 | topics array of string | user data bytes
//!                | owned array of (topic string, partitions array of i32)     from version 1
//!                | generation i32                                             from version 2
//!                | rack string                                                from version 3
//! assignment     version i16 | array of (topic string, partitions array of i32) | user data bytes
//! ```
//! Kafka's `ConsumerProtocolSubscription.json` and `ConsumerProtocolAssignment.json`; later versions only add.

use std::collections::BTreeSet;

use bytes::Bytes;
use wire::{DecodeError, Reader, Writer};

use super::Assignment;
use crate::controller::image::Image;

/// The least a topic's partitions take: the length of a name, and a count.
const TOPIC_BYTES_MIN: usize = 6;

/// What a member says to the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) version: i16,
    pub(super) topics: BTreeSet<String>,
    pub(super) owned: Vec<(String, Vec<i32>)>,
    pub(super) rack: Option<String>,
}

impl Subscription {
    pub(super) fn read(metadata: &[u8]) -> Result<Self, DecodeError> {
        /// The length of an empty string.
        const NAME_BYTES_MIN: usize = 2;
        let mut reader = Reader::new(metadata);
        let version = reader.i16()?;
        let count = reader.array_count(false, NAME_BYTES_MIN)?.unwrap_or(0);
        let topics = (0..count).map(|_| Ok(reader.string(false)?.to_owned())).collect::<Result<_, DecodeError>>()?;
        reader.nullable_bytes(false)?;
        let owned = if version >= 1 { read_partitions(&mut reader)? } else { Vec::new() };
        if version >= 2 {
            reader.i32()?;
        }
        let rack = if version >= 3 { reader.nullable_string(false)?.map(str::to_owned) } else { None };
        Ok(Self { version, topics, owned, rack })
    }
}

/// What a member was assigned by its leader. Topics that are gone are left out.
pub(super) fn read_assignment(bytes: &[u8], topics: &Image) -> Result<Assignment, DecodeError> {
    if bytes.is_empty() {
        return Ok(Assignment::nothing());
    }
    let mut reader = Reader::new(bytes);
    reader.i16()?;
    Ok(identified(&read_partitions(&mut reader)?, topics))
}

/// The assignment as a member reads it.
pub(super) fn write_assignment(version: i16, assignment: &Assignment, topics: &Image) -> Bytes {
    let named = assignment.topics().filter_map(|(id, partitions)| Some((&topics.topic_by_id(id)?.name, partitions)));
    let named: Vec<_> = named.collect();
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.i16(version);
    writer.length(Some(named.len()), false);
    for (name, partitions) in named {
        writer.string(name, false);
        writer.length(Some(partitions.len()), false);
        partitions.iter().for_each(|&partition| writer.i32(partition));
    }
    writer.nullable_bytes(None, false);
    out.into()
}

/// Partitions by the ids of their topics. What does not exist is left out.
pub(super) fn identified(named: &[(String, Vec<i32>)], topics: &Image) -> Assignment {
    let known = named.iter().filter_map(|(name, partitions)| Some((topics.topic(name)?, partitions)));
    let all = known.flat_map(|(topic, partitions)| partitions.iter().map(move |&partition| (topic, partition)));
    all.filter(|(topic, partition)| topic.partition(*partition).is_some())
        .map(|(topic, partition)| (topic.id, partition))
        .collect()
}

fn read_partitions(reader: &mut Reader<'_>) -> Result<Vec<(String, Vec<i32>)>, DecodeError> {
    let count = reader.array_count(false, TOPIC_BYTES_MIN)?.unwrap_or(0);
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let name = reader.string(false)?.to_owned();
        let partitions = reader.array_count(false, size_of::<i32>())?.unwrap_or(0);
        topics.push((name, (0..partitions).map(|_| reader.i32()).collect::<Result<_, _>>()?));
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_a_subscription_is_read() {
        let topics = [0, 0, 0, 1, 0, 1, b't'];
        let owned = [0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5];
        let parts: [&[u8]; 5] = [&topics, &[0xff; 4], &owned, &[0, 0, 0, 9], &[0, 1, b'r']];
        let expected = |version| Subscription {
            version,
            topics: BTreeSet::from(["t".to_owned()]),
            owned: if version >= 1 { vec![("t".into(), vec![4, 5])] } else { Vec::new() },
            rack: (version >= 3).then(|| "r".to_owned()),
        };
        for version in 0u8..=3 {
            let bytes = [&[0, version][..], &parts[..2 + usize::from(version)].concat()].concat();
            assert_eq!(Subscription::read(&bytes), Ok(expected(i16::from(version))), "version {version}");
            for end in 0..bytes.len() {
                assert!(Subscription::read(&bytes[..end]).is_err(), "version {version} cut at {end}");
            }
        }
    }
}
