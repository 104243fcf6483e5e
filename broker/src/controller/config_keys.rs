//! The table of topic configs: Kafka's keys with Kafka's types, ranges and defaults, and the one key of our own.
//!
//! All of them are accepted, checked, stored and shown. Those with [`ConfigKey::acts`] change what the broker does today;
//! the others wait for the feature that reads them (replication).

/// What a value has to look like. Ranges include both ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueKind {
    Boolean,
    /// 32-bit signed.
    Int {
        min: i32,
        max: i32,
    },
    /// 64-bit signed.
    Long {
        min: i64,
    },
    Double {
        min: f64,
        max: f64,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, separated by commas.
    Words(&'static [&'static str]),
    /// `*`, or pairs of partition and broker, `0:1,1:1`.
    ThrottledReplicas,
}

impl ValueKind {
    /// Whether a value is a list, to which words can be added and from which they can be taken.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Words(_) | Self::ThrottledReplicas)
    }
}

/// A topic config.
#[derive(Debug, Clone, Copy)]
pub struct ConfigKey {
    pub name: &'static str,
    pub kind: ValueKind,
    /// The value where neither the topic nor the broker says otherwise.
    pub default: &'static str,
    /// Whether the broker does something with it today.
    pub acts: bool,
    pub documentation: &'static str,
}

/// How batches are compressed.
pub const COMPRESSION_TYPE: &str = "compression.type";
/// The value of [`COMPRESSION_TYPE`] with which batches stay as they were sent.
pub const PRODUCER: &str = "producer";
/// The value of [`COMPRESSION_TYPE`] with which they are stored plain.
pub const UNCOMPRESSED: &str = "uncompressed";
/// Level of gzip, where the broker compresses.
pub const GZIP_LEVEL: &str = "compression.gzip.level";
/// Level of zstd, where the broker compresses.
pub const ZSTD_LEVEL: &str = "compression.zstd.level";
/// Whose clock stamps records.
pub const TIMESTAMP_TYPE: &str = "message.timestamp.type";
/// The value of [`TIMESTAMP_TYPE`] with which it is the broker's.
pub const LOG_APPEND_TIME: &str = "LogAppendTime";
/// How far a timestamp may lie before the broker's clock, in milliseconds.
pub const TIMESTAMP_BEFORE_MS_MAX: &str = "message.timestamp.before.max.ms";
/// How far a timestamp may lie after the broker's clock, in milliseconds.
pub const TIMESTAMP_AFTER_MS_MAX: &str = "message.timestamp.after.max.ms";
/// Replicas in sync without which acks=all is refused.
pub const INSYNC_REPLICAS_MIN: &str = "min.insync.replicas";
/// What happens to old records: words separated by commas.
pub const CLEANUP_POLICY: &str = "cleanup.policy";
/// The word of [`CLEANUP_POLICY`] that keeps the last record of each key.
pub const COMPACT: &str = "compact";
/// Share of uncompacted bytes at which a log is compacted.
pub const DIRTY_RATIO_MIN: &str = "min.cleanable.dirty.ratio";
/// How long tombstones stay, in milliseconds.
pub const DELETE_RETENTION_MS: &str = "delete.retention.ms";
/// Age from which on records are compacted, in milliseconds.
pub const COMPACTION_LAG_MS_MIN: &str = "min.compaction.lag.ms";
/// Age at which records are compacted at the latest, in milliseconds.
pub const COMPACTION_LAG_MS_MAX: &str = "max.compaction.lag.ms";
/// Answers of a topic wait for stable storage, or do not.
pub const DURABILITY: &str = "ringmain.durability";
/// Largest batch a topic takes, in bytes.
pub const MAX_MESSAGE_BYTES: &str = "max.message.bytes";
/// Whether old segments go to tiered storage.
pub const REMOTE_STORAGE: &str = "remote.storage.enable";
/// Size at which a segment is full, in bytes.
pub const SEGMENT_BYTES: &str = "segment.bytes";

/// The word of [`CLEANUP_POLICY`] with which old segments go.
pub const DELETE: &str = "delete";
/// Age above which old segments go, in milliseconds.
pub const RETENTION_MS: &str = "retention.ms";
/// Size above which old segments go, in bytes.
pub const RETENTION_BYTES: &str = "retention.bytes";
/// Time after which a segment is full, in milliseconds.
pub const SEGMENT_MS: &str = "segment.ms";
/// The default of [`RETENTION_MS`] and [`SEGMENT_MS`]: seven days.
pub const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// The value of [`DURABILITY`] with which answers wait.
pub const DURABLE: &str = "durable";
/// The value of [`DURABILITY`] with which they do not.
pub const RELAXED: &str = "relaxed";

/// A segment is never smaller than this: Kafka 4 has the same floor (KIP-1030), and a file of its own for less is waste.
pub const SEGMENT_BYTES_MIN: i32 = 1024 * 1024;

const ANY_INT: i32 = i32::MAX;

/// Every topic config, sorted by name.
pub const TOPIC_KEYS: &[ConfigKey] = &[
    acting(CLEANUP_POLICY, ValueKind::Words(&[COMPACT, DELETE]), DELETE, "What happens to old records."),
    acting(GZIP_LEVEL, ValueKind::Int { min: -1, max: 9 }, "-1", "Level of gzip where the broker compresses."),
    key(
        "compression.lz4.level",
        ValueKind::Int { min: 1, max: 17 },
        "9",
        "Kept for the record: lz4 has one level here.",
    ),
    acting(
        COMPRESSION_TYPE,
        ValueKind::Word(&[UNCOMPRESSED, "zstd", "lz4", "snappy", "gzip", PRODUCER]),
        PRODUCER,
        "How batches are stored; `producer` keeps them as they were sent.",
    ),
    acting(ZSTD_LEVEL, ValueKind::Int { min: -131_072, max: 22 }, "3", "Level of zstd where the broker compresses."),
    acting(
        DELETE_RETENTION_MS,
        ValueKind::Long { min: 0 },
        "86400000",
        "How long a compacted topic keeps tombstones, in milliseconds.",
    ),
    key("file.delete.delay.ms", ValueKind::Long { min: 0 }, "60000", "How long a deleted segment stays on disk."),
    key(
        "flush.messages",
        ValueKind::Long { min: 1 },
        "9223372036854775807",
        "Not needed here: every acknowledgement is already on stable storage.",
    ),
    key(
        "flush.ms",
        ValueKind::Long { min: 0 },
        "9223372036854775807",
        "Not needed here: every acknowledgement is already on stable storage.",
    ),
    key(
        "follower.replication.throttled.replicas",
        ValueKind::ThrottledReplicas,
        "",
        "Replicas whose incoming replication is throttled.",
    ),
    key("index.interval.bytes", ValueKind::Int { min: 0, max: ANY_INT }, "4096", "Distance of index entries."),
    key(
        "leader.replication.throttled.replicas",
        ValueKind::ThrottledReplicas,
        "",
        "Replicas whose outgoing replication is throttled.",
    ),
    key("local.retention.bytes", ValueKind::Long { min: -2 }, "-2", "Bytes kept locally under tiered storage."),
    key("local.retention.ms", ValueKind::Long { min: -2 }, "-2", "Time records stay local under tiered storage."),
    acting(
        COMPACTION_LAG_MS_MAX,
        ValueKind::Long { min: 1 },
        "9223372036854775807",
        "Latest time of compaction, in milliseconds after a record was written.",
    ),
    acting(
        MAX_MESSAGE_BYTES,
        ValueKind::Int { min: 0, max: ANY_INT },
        "1048588",
        "Largest record batch that is accepted, as sent, in bytes.",
    ),
    acting(
        TIMESTAMP_AFTER_MS_MAX,
        ValueKind::Long { min: 0 },
        "3600000",
        "How far a timestamp may lie after the broker's clock.",
    ),
    acting(
        TIMESTAMP_BEFORE_MS_MAX,
        ValueKind::Long { min: 0 },
        "9223372036854775807",
        "How far a timestamp may lie before the broker's clock.",
    ),
    acting(
        TIMESTAMP_TYPE,
        ValueKind::Word(&["CreateTime", LOG_APPEND_TIME]),
        "CreateTime",
        "Whose clock stamps records.",
    ),
    acting(
        DIRTY_RATIO_MIN,
        ValueKind::Double { min: 0.0, max: 1.0 },
        "0.5",
        "Share of uncompacted bytes at which compaction starts.",
    ),
    acting(
        COMPACTION_LAG_MS_MIN,
        ValueKind::Long { min: 0 },
        "0",
        "Earliest time of compaction, in milliseconds after a record was written.",
    ),
    acting(
        INSYNC_REPLICAS_MIN,
        ValueKind::Int { min: 1, max: ANY_INT },
        "1",
        "Replicas in sync without which acks=all is refused.",
    ),
    key("preallocate", ValueKind::Boolean, "false", "Whether segment files are preallocated."),
    key("remote.log.copy.disable", ValueKind::Boolean, "false", "Whether tiered storage is read only."),
    key("remote.log.delete.on.disable", ValueKind::Boolean, "false", "Whether tiered data goes when tiering ends."),
    key(REMOTE_STORAGE, ValueKind::Boolean, "false", "Whether tiered storage is used."),
    acting(
        RETENTION_BYTES,
        ValueKind::Long { min: i64::MIN },
        "-1",
        "Size of a partition above which old segments go, in bytes; -1 for no bound.",
    ),
    acting(
        RETENTION_MS,
        ValueKind::Long { min: -1 },
        "604800000",
        "Age of its newest record above which a segment goes, in milliseconds; -1 for no bound.",
    ),
    acting(
        DURABILITY,
        ValueKind::Word(&[DURABLE, RELAXED]),
        "durable",
        "`durable` answers once records are on stable storage; `relaxed` answers from memory and stores within 50 ms.",
    ),
    acting(
        SEGMENT_BYTES,
        ValueKind::Int { min: SEGMENT_BYTES_MIN, max: ANY_INT },
        "1073741824",
        "Size at which a segment file is full, in bytes.",
    ),
    key("segment.index.bytes", ValueKind::Int { min: 4, max: ANY_INT }, "10485760", "Size of a segment's index."),
    key("segment.jitter.ms", ValueKind::Long { min: 0 }, "0", "Random part of the time after which a segment is full."),
    acting(SEGMENT_MS, ValueKind::Long { min: 1 }, "604800000", "Time that a segment may span, in milliseconds."),
    key(
        "unclean.leader.election.enable",
        ValueKind::Boolean,
        "false",
        "Whether a replica that is not in sync may become leader.",
    ),
];

const fn key(name: &'static str, kind: ValueKind, default: &'static str, documentation: &'static str) -> ConfigKey {
    ConfigKey { name, kind, default, acts: false, documentation }
}

const fn acting(name: &'static str, kind: ValueKind, default: &'static str, documentation: &'static str) -> ConfigKey {
    ConfigKey { name, kind, default, acts: true, documentation }
}

/// Looks a topic config up.
pub fn find(name: &str) -> Option<&'static ConfigKey> {
    TOPIC_KEYS.binary_search_by(|key| key.name.cmp(name)).ok().map(|index| &TOPIC_KEYS[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(TOPIC_KEYS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn every_default_is_a_valid_value_of_its_key() {
        for key in TOPIC_KEYS {
            super::super::configs::check_value(key, key.default).unwrap_or_else(|fault| panic!("{fault}"));
        }
    }
}
