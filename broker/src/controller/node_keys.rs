//! The settings of nodes that can be changed while they run: each is what topics follow that do not set the config it stands for
//! (KIP-226). Kafka's names on both sides.

use super::config_keys::{self, ConfigKey};

/// A setting of a node, and the topic config it is the default of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeKey {
    pub name: &'static str,
    pub topic_key: &'static str,
}

/// Every setting of a node that can be changed while it runs, sorted by name.
pub const NODE_KEYS: &[NodeKey] = &[
    key("compression.gzip.level", config_keys::GZIP_LEVEL),
    key("compression.lz4.level", "compression.lz4.level"),
    key("compression.type", config_keys::COMPRESSION_TYPE),
    key("compression.zstd.level", config_keys::ZSTD_LEVEL),
    key("log.cleaner.delete.retention.ms", config_keys::DELETE_RETENTION_MS),
    key("log.cleaner.max.compaction.lag.ms", config_keys::COMPACTION_LAG_MS_MAX),
    key("log.cleaner.min.cleanable.ratio", config_keys::DIRTY_RATIO_MIN),
    key("log.cleaner.min.compaction.lag.ms", config_keys::COMPACTION_LAG_MS_MIN),
    key("log.cleanup.policy", config_keys::CLEANUP_POLICY),
    key("log.flush.interval.messages", "flush.messages"),
    key("log.flush.interval.ms", "flush.ms"),
    key("log.index.interval.bytes", "index.interval.bytes"),
    key("log.index.size.max.bytes", "segment.index.bytes"),
    key("log.message.timestamp.after.max.ms", config_keys::TIMESTAMP_AFTER_MS_MAX),
    key("log.message.timestamp.before.max.ms", config_keys::TIMESTAMP_BEFORE_MS_MAX),
    key("log.message.timestamp.type", config_keys::TIMESTAMP_TYPE),
    key("log.preallocate", "preallocate"),
    key("log.retention.bytes", config_keys::RETENTION_BYTES),
    key("log.retention.ms", config_keys::RETENTION_MS),
    key("log.roll.jitter.ms", "segment.jitter.ms"),
    key("log.roll.ms", config_keys::SEGMENT_MS),
    key("log.segment.bytes", config_keys::SEGMENT_BYTES),
    key("log.segment.delete.delay.ms", "file.delete.delay.ms"),
    key("message.max.bytes", config_keys::MAX_MESSAGE_BYTES),
    key("min.insync.replicas", config_keys::INSYNC_REPLICAS_MIN),
    key("ringmain.durability", config_keys::DURABILITY),
    key("unclean.leader.election.enable", "unclean.leader.election.enable"),
];

/// Settings of a node that are read once, at its start; sorted.
pub const STATIC_NODE_KEYS: &[&str] = &[
    "advertised.listeners",
    "auto.create.topics.enable",
    "broker.id",
    "connections.max.idle.ms",
    "default.replication.factor",
    "fetch.max.bytes",
    "group.consumer.assignors",
    "group.consumer.heartbeat.interval.ms",
    "group.consumer.max.heartbeat.interval.ms",
    "group.consumer.max.session.timeout.ms",
    "group.consumer.max.size",
    "group.consumer.migration.policy",
    "group.consumer.min.heartbeat.interval.ms",
    "group.consumer.min.session.timeout.ms",
    "group.consumer.session.timeout.ms",
    "group.coordinator.rebalance.protocols",
    "group.initial.rebalance.delay.ms",
    "group.max.session.timeout.ms",
    "group.max.size",
    "group.min.session.timeout.ms",
    "listeners",
    "log.cleaner.backoff.ms",
    "log.cleaner.io.max.bytes.per.second",
    "log.dirs",
    "log.retention.check.interval.ms",
    "node.id",
    "num.partitions",
    "offset.metadata.max.bytes",
    "offsets.retention.check.interval.ms",
    "offsets.retention.minutes",
    "offsets.topic.num.partitions",
    "offsets.topic.replication.factor",
    "offsets.topic.segment.bytes",
    "producer.id.expiration.ms",
    "ringmain.shards",
    "socket.request.max.bytes",
];

const fn key(name: &'static str, topic_key: &'static str) -> NodeKey {
    NodeKey { name, topic_key }
}

impl NodeKey {
    /// The topic config that has the same type, range and meaning.
    pub fn topic_config(&self) -> &'static ConfigKey {
        config_keys::find(self.topic_key).expect("the table names topic configs that exist")
    }
}

/// Looks a setting up by its name.
pub fn find(name: &str) -> Option<&'static NodeKey> {
    NODE_KEYS.binary_search_by(|key| key.name.cmp(name)).ok().map(|index| &NODE_KEYS[index])
}

/// The setting that topics follow which do not set `topic_key`.
pub fn of_topic_key(topic_key: &str) -> Option<&'static NodeKey> {
    NODE_KEYS.iter().find(|key| key.topic_key == topic_key)
}

/// Whether a node has a setting of this name that cannot be changed while it runs.
pub fn is_static(name: &str) -> bool {
    STATIC_NODE_KEYS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_so_that_they_can_be_searched() {
        assert!(NODE_KEYS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(STATIC_NODE_KEYS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn every_setting_stands_for_a_topic_config_of_its_own() {
        for key in NODE_KEYS {
            assert_eq!(of_topic_key(key.topic_config().name), Some(key), "{}", key.name);
            assert!(!is_static(key.name), "{}", key.name);
        }
    }
}
