//! What the metadata log holds: one record per change, as JSON, so that a person can read the log with any Kafka tool.
//!
//! ```text
//! {"version":1,"record":{"Topic":{"name":"orders","id":"<32 hex digits>","partitions":3,"configs":{}}}}
//! ```
//!
//! A record that was written once stays readable for ever: a field may be added with a default, nothing is renamed, and
//! what cannot be expressed so gets the next version.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::topic_id::TopicId;
use crate::ids::NodeId;
use crate::quota::Entity;

/// The highest version this build reads. Each record is written in the lowest one that has it, so that an older build reads on as long
/// as nothing new was used.
const RECORD_VERSION: u32 = 4;

/// One change of the cluster's metadata. [`Image::replay`](super::image::Image::replay) gives it its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MetadataRecord {
    /// A topic exists from here on.
    Topic {
        name: String,
        #[serde(with = "hex_id")]
        id: TopicId,
        /// Number of partitions; their indexes run from 0.
        partitions: u32,
        /// The configs that were set, not the defaults.
        configs: BTreeMap<String, String>,
    },
    /// The topic with this id is gone, and its logs with it. The id is never used again.
    TopicDeleted {
        #[serde(with = "hex_id")]
        id: TopicId,
    },
    /// One config of a topic changed; without a value it is back at its default.
    TopicConfig {
        #[serde(with = "hex_id")]
        id: TopicId,
        key: String,
        value: Option<String>,
    },
    /// Every producer id below `next` may have been handed out.
    ProducerIds { next: i64 },
    /// A topic has so many partitions from here on, more than before. Since version 2.
    TopicPartitions {
        #[serde(with = "hex_id")]
        id: TopicId,
        partitions: u32,
    },
    /// One setting of a node, or of all nodes, changed; without a value it is back at what the node was started with. Since version 2.
    NodeConfig { node: Option<NodeId>, key: String, value: Option<String> },
    /// A quota changed, under Kafka's name for what it bounds; without a value there is none. The number is text, so that it stays as
    /// it was given. Since version 3.
    ClientQuota { entity: Entity, key: String, value: Option<String> },
    /// One setting of a group changed; without a value the group follows the node. Since version 4.
    GroupConfig { group: String, key: String, value: Option<String> },
}

/// Why a record of the metadata log cannot be used. It stops the start: guessing would lose topics.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a metadata record is not valid JSON of a known form: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("a metadata record has version {version}, this build reads up to {RECORD_VERSION}: start a newer ringmain")]
    FromTheFuture { version: u32 },
}

#[derive(Serialize)]
struct EnvelopeOut<'a> {
    version: u32,
    record: &'a MetadataRecord,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct EnvelopeIn {
    record: MetadataRecord,
}

impl MetadataRecord {
    /// The bytes of a record's value.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&EnvelopeOut { version: self.version(), record: self })
            .expect("a metadata record has only strings and numbers, which JSON can hold")
    }

    /// The lowest version that has this record.
    fn version(&self) -> u32 {
        match self {
            Self::Topic { .. } | Self::TopicDeleted { .. } | Self::TopicConfig { .. } | Self::ProducerIds { .. } => 1,
            Self::TopicPartitions { .. } | Self::NodeConfig { .. } => 2,
            Self::ClientQuota { .. } => 3,
            Self::GroupConfig { .. } => 4,
        }
    }

    /// Reads a record's value.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        // The version is read by itself first: a newer record may have a form that this build cannot parse.
        let Version { version } = serde_json::from_slice(value)?;
        if version > RECORD_VERSION {
            return Err(RecordError::FromTheFuture { version });
        }
        let envelope: EnvelopeIn = serde_json::from_slice(value)?;
        Ok(envelope.record)
    }
}

/// Topic ids as 32 hex digits: JSON numbers lose precision above 2^53 in most tools.
mod hex_id {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use super::TopicId;

    pub(super) fn serialize<S: Serializer>(id: &TopicId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{:032x}", id.0))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TopicId, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() != 32 {
            return Err(D::Error::custom("a topic id has 32 hex digits"));
        }
        u128::from_str_radix(&text, 16).map(TopicId).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::EntityKind;

    #[test]
    fn every_record_reads_back_as_it_was_written() {
        let records = [
            MetadataRecord::Topic {
                name: "orders".into(),
                id: TopicId(u128::MAX - 7),
                partitions: 12,
                configs: BTreeMap::from([("retention.ms".into(), "-1".into())]),
            },
            MetadataRecord::TopicDeleted { id: TopicId(1) },
            MetadataRecord::TopicConfig { id: TopicId(2), key: "segment.bytes".into(), value: None },
            MetadataRecord::ProducerIds { next: 5_000 },
            MetadataRecord::TopicPartitions { id: TopicId(2), partitions: 7 },
            MetadataRecord::NodeConfig { node: Some(NodeId(3)), key: "log.roll.ms".into(), value: Some("5".into()) },
            MetadataRecord::NodeConfig { node: None, key: "log.roll.ms".into(), value: None },
            MetadataRecord::ClientQuota { entity: Entity::default(), key: "producer_byte_rate".into(), value: None },
            MetadataRecord::GroupConfig { group: "billing".into(), key: "k".into(), value: Some("5".into()) },
        ];
        for record in records {
            assert_eq!(MetadataRecord::decode(&record.encode()).unwrap(), record);
        }
    }

    #[test]
    fn the_first_version_stays_readable() {
        let written = br#"{"version":1,"record":{"Topic":{"name":"a","id":"000000000000000000000000000000ff","partitions":3,"configs":{"k":"v"}}}}"#;
        let expected = MetadataRecord::Topic {
            name: "a".into(),
            id: TopicId(255),
            partitions: 3,
            configs: BTreeMap::from([("k".into(), "v".into())]),
        };
        assert_eq!(MetadataRecord::decode(written).unwrap(), expected);
        assert_eq!(expected.encode(), written);
    }

    #[test]
    fn the_second_version_stays_readable() {
        let id = TopicId(255);
        let fixtures = [
            (
                MetadataRecord::TopicPartitions { id, partitions: 7 },
                r#"{"version":2,"record":{"TopicPartitions":{"id":"000000000000000000000000000000ff","partitions":7}}}"#,
            ),
            (
                MetadataRecord::NodeConfig { node: Some(NodeId(1)), key: "k".into(), value: Some("v".into()) },
                r#"{"version":2,"record":{"NodeConfig":{"node":1,"key":"k","value":"v"}}}"#,
            ),
        ];
        for (expected, written) in fixtures {
            assert_eq!(MetadataRecord::decode(written.as_bytes()).unwrap(), expected);
            assert_eq!(String::from_utf8(expected.encode()).unwrap(), written);
        }
    }

    #[test]
    fn the_third_version_stays_readable() {
        let entity = Entity::new([(EntityKind::User, None), (EntityKind::ClientId, Some("a".into()))]);
        let expected = MetadataRecord::ClientQuota { entity, key: "k".into(), value: Some("0.5".into()) };
        let written = r#"{"version":3,"record":{"ClientQuota":{"entity":{"user":null,"client-id":"a"},"key":"k","value":"0.5"}}}"#;
        assert_eq!(MetadataRecord::decode(written.as_bytes()).unwrap(), expected);
        assert_eq!(String::from_utf8(expected.encode()).unwrap(), written);
    }

    #[test]
    fn the_fourth_version_stays_readable() {
        let expected = MetadataRecord::GroupConfig { group: "g".into(), key: "k".into(), value: Some("5".into()) };
        let written = r#"{"version":4,"record":{"GroupConfig":{"group":"g","key":"k","value":"5"}}}"#;
        assert_eq!(MetadataRecord::decode(written.as_bytes()).unwrap(), expected);
        assert_eq!(String::from_utf8(expected.encode()).unwrap(), written);
    }

    #[test]
    fn a_record_of_a_later_version_is_refused_by_name_not_misread() {
        let written = br#"{"version":5,"record":{"Unheard":{}}}"#;
        assert!(matches!(MetadataRecord::decode(written), Err(RecordError::FromTheFuture { version: 5 })));
        assert!(matches!(MetadataRecord::decode(b"nonsense"), Err(RecordError::Malformed(_))));
    }
}
