//! Bounds of groups and committed offsets. What a user may set has its default and its permitted range here.

use std::time::Duration;

/// That records of groups are refused is told this often for each partition of the offsets topic.
pub const REFUSAL_TOLD_EVERY: Duration = Duration::from_secs(60);

/// Kafka's default for `offsets.topic.num.partitions`.
pub const OFFSETS_PARTITIONS_DEFAULT: u32 = 50;
/// Kafka's default for `offsets.topic.segment.bytes`. Small, so that compaction keeps what a start has to read short.
pub const OFFSETS_SEGMENT_BYTES_DEFAULT: u32 = 100 * 1024 * 1024;
/// Kafka's default for `offsets.retention.minutes`: seven days.
pub const OFFSETS_RETENTION_MINUTES_DEFAULT: u32 = 7 * 24 * 60;
/// Kafka's default for `offsets.retention.check.interval.ms`.
pub const OFFSETS_RETENTION_CHECK_MS_DEFAULT: u64 = 600_000;
/// Kafka's default for `offset.metadata.max.bytes`.
pub const OFFSET_METADATA_BYTES_DEFAULT: u32 = 4_096;
/// A larger `offset.metadata.max.bytes` is refused: lengths of strings in the records are signed 16-bit numbers.
pub const OFFSET_METADATA_BYTES_CEILING: u32 = 32 * 1024 - 1;
/// Kafka's default for `group.initial.rebalance.delay.ms`.
pub const INITIAL_DELAY_MS_DEFAULT: u64 = 3_000;
/// Kafka's default for `group.min.session.timeout.ms`.
pub const SESSION_MS_MIN_DEFAULT: i32 = 6_000;
/// Kafka's default for `group.max.session.timeout.ms`.
pub const SESSION_MS_MAX_DEFAULT: i32 = 1_800_000;
/// Default for `group.max.size`. Kafka has none in effect; the members of a larger group would not fit into one record of the
/// offsets topic, and it would never become stable.
pub const GROUP_SIZE_MAX_DEFAULT: u32 = 10_000;

/// Kafka's default for `group.consumer.session.timeout.ms`.
pub const CONSUMER_SESSION_MS_DEFAULT: u32 = 45_000;
/// Kafka's defaults for `group.consumer.min.session.timeout.ms` and `group.consumer.max.session.timeout.ms`.
pub const CONSUMER_SESSION_MS_BOUNDS_DEFAULT: (u32, u32) = (45_000, 60_000);
/// Kafka's default for `group.consumer.heartbeat.interval.ms`.
pub const CONSUMER_INTERVAL_MS_DEFAULT: u32 = 5_000;
/// Kafka's defaults for `group.consumer.min.heartbeat.interval.ms` and `group.consumer.max.heartbeat.interval.ms`.
pub const CONSUMER_INTERVAL_MS_BOUNDS_DEFAULT: (u32, u32) = (5_000, 15_000);
/// Default for `group.consumer.max.size`. Kafka has none in effect; making the targets of a larger group would hold its shard up.
pub const CONSUMER_SIZE_MAX_DEFAULT: u32 = 10_000;

/// Memory that a compiled regular expression may take. Longer ones are refused: they are compiled on the shard.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// A group matches its regular expressions against all topics again after at least this time.
pub const PATTERN_REFRESH_MS_MIN: u64 = 1_000;
/// Members whose removal could not be stored are looked at again after this time.
pub const MEMBER_RETRY_MS: u64 = 1_000;
/// How long a new member may wait in its first JoinGroup; then its client is taken to be gone. Kafka's own number: such a
/// member cannot send heartbeats, and its connection tells nothing as long as it waits.
pub const NEW_MEMBER_MS_MAX: u64 = 5 * 60 * 1000;
/// A group none of whose members joins is looked at again after at least this time, whatever its members ask for.
pub const JOIN_RETRY_MS_MIN: u64 = 1_000;
/// Member ids of one group that were given out and not joined with yet (KIP-394); one more is refused.
pub const PENDING_MEMBERS_MAX: usize = 10_000;
/// Protocols that one member may name.
pub const PROTOCOLS_PER_MEMBER_MAX: usize = 64;
/// Bytes of metadata that one member may bring along, all its protocols together. It is kept as long as the member is there.
pub const MEMBER_METADATA_BYTES_MAX: usize = 1024 * 1024;
/// Groups whose deadlines are looked after in one go; the others follow after the shard's other work.
pub const GROUPS_PER_TURN_MAX: usize = 256;
/// Groups whose offsets are looked through for old ones in one go.
pub const EXPIRED_GROUPS_PER_TURN_MAX: usize = 256;
/// Requests that wait on one shard for a group, above all joins; one more is told to come back.
pub const WAITERS_MAX: usize = 16 * 1024;
/// Requests of one partition of the offsets topic that wait because the storage has no room; one more is told to come back.
pub const HELD_BACK_MAX: usize = 4 * 1024;
/// Bytes of records in one batch of the offsets topic, unless a single record has more.
pub const RECORDS_BATCH_BYTES_MAX: usize = 256 * 1024;
/// Bytes of a partition of the offsets topic that are read at a time when its groups are loaded.
pub const LOAD_READ_BYTES: usize = 1024 * 1024;
/// The part of a shard's memory that its groups and committed offsets may take. What is above it is refused; nothing is
/// set aside for it, because most nodes use little.
pub const GROUP_MEMORY_FRACTION: u64 = 8;

/// Most bytes of groups and offsets on a shard that has `memory_bytes` in all.
pub const fn group_bytes_max(memory_bytes: u64) -> u64 {
    memory_bytes / GROUP_MEMORY_FRACTION
}

// A shard's waiting requests all come over the mesh in the worst case, and leave most of its calls to others.
const _: () = assert!(WAITERS_MAX * 2 <= crate::limits::MESH_CALLS_OPEN_MAX);
const _: () = assert!(SESSION_MS_MIN_DEFAULT < SESSION_MS_MAX_DEFAULT);
const _: () = assert!(OFFSET_METADATA_BYTES_DEFAULT <= OFFSET_METADATA_BYTES_CEILING);
const _: () = assert!(OFFSETS_PARTITIONS_DEFAULT <= crate::limits::PARTITIONS_PER_TOPIC_MAX);
