//! Bounds of the metadata: what the controller lets clients create.

pub use crate::limits::PARTITIONS_PER_TOPIC_MAX;

/// Partitions of the whole node. Each costs memory whether it is used or not.
pub const PARTITIONS_MAX: u64 = 100_000;
/// Topics of the whole node.
pub const TOPICS_MAX: usize = 50_000;
/// Bytes of all configs of one topic, names and values: each shard keeps them.
pub const TOPIC_CONFIG_BYTES_MAX: usize = 64 * 1024;
/// Longest topic name, in bytes; Kafka's own limit, because a name was a directory name there.
pub const TOPIC_NAME_BYTES_MAX: usize = 249;
/// Topics, partitions or brokers that one request may be about, where the answer says something of each: nobody has more of them.
pub const ITEMS_PER_REQUEST_MAX: usize = PARTITIONS_MAX as usize;
/// Groups with settings of their own.
pub const GROUPS_CONFIGURED_MAX: usize = 10_000;
/// Producer ids that one record of the metadata log reserves. A restart skips what is left of a block.
pub const PRODUCER_ID_BLOCK: i64 = 1_000;
/// Metadata changes that wait for the controller; one more is refused and its client told to try again.
pub const CHANGES_WAITING_MAX: usize = 4_096;
/// Changes that go to the metadata log as one batch.
pub const CHANGES_PER_BATCH_MAX: usize = 256;
/// Bytes of record values in one batch of the metadata log, unless a single change has more.
pub const METADATA_BATCH_BYTES_MAX: usize = 256 * 1024;
/// Bytes of the metadata log that a starting controller reads at a time.
pub const METADATA_READ_BYTES: usize = 1024 * 1024;

const _: () = assert!(PARTITIONS_PER_TOPIC_MAX as u64 <= PARTITIONS_MAX);
const _: () = assert!(CHANGES_PER_BATCH_MAX <= CHANGES_WAITING_MAX);
// A change of configs alone fits into a batch together with others.
const _: () = assert!(TOPIC_CONFIG_BYTES_MAX < METADATA_BATCH_BYTES_MAX);
