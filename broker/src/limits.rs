//! Every bound of the broker, by name. Const asserts tie the numbers that depend on each other together.
//!
//! What a user may set (message size, connections, memory) has its default and its permitted range here; `config`
//! checks against them. When a limit is reached the broker stops reading a socket or answers with the protocol's
//! error; it never grows without bound.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Cores, and so shards, one node may have. A shard id is a `u16`, and each ordered pair of shards has a queue.
pub const SHARDS_MAX: usize = 256;

// Frames and connections.

/// Kafka's default for `socket.request.max.bytes`.
pub const REQUEST_BYTES_MAX_DEFAULT: u32 = 100 * MIB as u32;
/// A larger `socket.request.max.bytes` is refused: lengths inside a request are signed 32-bit numbers.
pub const REQUEST_BYTES_MAX_CEILING: u32 = 1024 * MIB as u32;
/// A smaller `socket.request.max.bytes` is refused: metadata requests of ordinary clients must fit.
pub const REQUEST_BYTES_MAX_FLOOR: u32 = 16 * KIB as u32;
/// Kafka's default for `message.max.bytes`: 1 MiB and the 12 bytes that lead a batch.
pub const MESSAGE_BYTES_MAX_DEFAULT: u32 = MIB as u32 + 12;
/// The least a request carries besides the largest batch: its header, topic names and array lengths.
pub const REQUEST_OVERHEAD_BYTES: u32 = 8 * KIB as u32;
/// Memory set aside for a frame ahead of the bytes that arrived, so that a declared length costs nothing until it is sent.
pub const FRAME_AHEAD_BYTES: usize = MIB;
/// Bytes of a frame that does not come whole are received and accounted for in steps of at least this, if as many are left.
pub const FRAME_STEP_BYTES_MIN: usize = 128 * KIB;
/// Time the peer may take to send the bytes of one step.
pub const FRAME_STEP_MS_MAX: u64 = 30_000;
/// Kafka's default for `log.retention.hours`, in the unit of `log.retention.ms`.
pub const RETENTION_MS_DEFAULT: i64 = 7 * 24 * 60 * 60 * 1000;

/// Compaction that is slower than this would not get to its end.
pub const COMPACTION_BYTES_PER_S_FLOOR: u64 = 1 << 20;

/// Faster than any device that a node would have: the scrub then goes as fast as it can.
pub const SCRUB_MIB_PER_S_CEILING: u32 = 1 << 16;

/// Retention and compaction look at least once a day.
pub const RETENTION_CHECK_MS_CEILING: u64 = 24 * 60 * 60 * 1000;

/// Producers are forgotten after a year at the latest.
pub const PRODUCER_EXPIRY_MS_CEILING: u64 = 366 * 24 * 60 * 60 * 1000;

/// Kafka's default for `connections.max.idle.ms`.
pub const CONNECTION_IDLE_MS_DEFAULT: u64 = 600_000;
/// Time the peer may take to accept an answer while other connections wait for the memory it holds.
pub const SEND_CONTENDED: Duration = Duration::from_secs(10);
/// How often a shard looks for connections that passed a deadline: such a deadline is met this much late at most.
pub const CONNECTION_SWEEP: Duration = Duration::from_secs(5);
/// Default of the connections of one shard; one more is closed when it is accepted.
pub const CONNECTIONS_MAX_DEFAULT: u32 = 10_000;
pub const CONNECTIONS_MAX_CEILING: u32 = 100_000;
/// Requests of one connection that wait for their answers; with more, its socket is not read.
pub const REQUESTS_UNANSWERED_MAX: usize = 128;
/// Bytes of one connection's unanswered requests and unsent answers; with more, its socket is not read.
pub const CONNECTION_BYTES_IN_FLIGHT_MAX: usize = 64 * MIB;
/// Answers, counted from the head of a connection's queue, that are polled whenever the connection wakes.
pub const ANSWERS_POLLED_MAX: usize = 16;
/// Bytes of ready answers that one send gathers before it goes out.
pub const SEND_COALESCE_BYTES: usize = MIB;
/// Parts of ready answers that one send gathers; the kernel takes 1024 (`IOV_MAX`).
pub const SEND_PARTS_MAX: usize = 256;
/// The part of the files a process may have open that is for segment files ...
pub const OPEN_SEGMENTS_SHARE: u64 = 2;
/// ... and how many of them each shard keeps open, at least and at most: a write to one that is not open costs two calls more.
pub const OPEN_SEGMENTS_MIN: usize = 64;
pub const OPEN_SEGMENTS_MAX: usize = 8192;

/// Connections waiting to be accepted, per listening socket.
pub const ACCEPT_BACKLOG: i32 = 1024;
/// Pause after `accept` failed for want of descriptors or memory, so that the shard does not spin on the error.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(50);

// Shares of a shard's memory budget.

/// Least memory a node may be given for one shard.
pub const MEMORY_BYTES_PER_SHARD_FLOOR: u64 = 32 * MIB as u64;
/// The part of the machine's memory a node takes when nothing is configured.
pub const MEMORY_FRACTION_DEFAULT: u64 = 8;
/// The part of a shard's memory for requests that are being read or answered; the rest is the engine's.
pub const REQUEST_MEMORY_FRACTION: u64 = 4;

// The journal of a shard.

pub const JOURNAL_MIB_DEFAULT: u32 = 512;
pub const JOURNAL_MIB_FLOOR: u32 = 128;
pub const JOURNAL_MIB_CEILING: u32 = 64 * 1024;
/// A smaller `journal.group.kib` is refused: each small group pays for a sync of its own.
pub const JOURNAL_GROUP_KIB_FLOOR: u32 = 16;
/// A larger `journal.group.kib` is refused: a quarter of a journal file would be one group.
pub const JOURNAL_GROUP_KIB_CEILING: u32 = 4 * 1024;

// The disk.

/// Most of a file system that may be kept free, in MiB.
pub const DISK_RESERVE_MIB_CEILING: u32 = 1024 * 1024;

// Topics.

pub const PARTITIONS_DEFAULT: u32 = 1;
/// Partitions of one topic that `num.partitions` may ask for.
pub const PARTITIONS_PER_TOPIC_MAX: u32 = 10_000;

// The mesh.

/// Messages the queue of one ordered pair of shards holds. A power of two.
pub const MESH_QUEUE_MESSAGES: usize = 1024;
/// Calls one shard may have open at other shards. Beyond the queue they wait in order on the calling shard.
///
/// A call belongs to an admitted request or to the controller, so this is reached only by a defect or by requests
/// that name many partitions each; such a call is refused and its request answered with a retriable error.
pub const MESH_CALLS_OPEN_MAX: usize = 1 << 16;
/// Messages taken from one inbound queue in one turn, so that no peer starves the sockets of a shard.
pub const MESH_DRAIN_MESSAGES: usize = 256;

// Start and stop.

/// The kernel takes the rings of a process that has ended apart a little after it, and their listeners with them; so a restart
/// may find the address taken by nobody. Another node keeps it for longer than this.
pub const ADDRESS_MS_MAX: u64 = 1_000;
pub const ADDRESS_RETRY_MS: u64 = 2;

/// Time a starting shard may take: recovery reads at most the journal.
pub const START_MS_MAX: u64 = 120_000;
/// Time that answers in flight get once a stop was asked for; then their connections are dropped.
pub const DRAIN_MS_MAX: u64 = 3_000;
/// Time the engines get to bring what is in memory to disk at a stop.
pub const SHUTDOWN_MS_MAX: u64 = 60_000;
/// Time `Running::metrics` waits for every shard's figures.
pub const REPORT_MS_MAX: u64 = 2_000;

// A queue index is masked, and one drain never asks for more than a queue can hold.
const _: () = assert!(MESH_QUEUE_MESSAGES.is_power_of_two() && MESH_DRAIN_MESSAGES <= MESH_QUEUE_MESSAGES);
// A connection with as many open requests as allowed must be able to ask another shard for each of them.
const _: () = assert!(REQUESTS_UNANSWERED_MAX < MESH_CALLS_OPEN_MAX);
// The default limits let a batch of the default size through.
const _: () = assert!(MESSAGE_BYTES_MAX_DEFAULT + REQUEST_OVERHEAD_BYTES <= REQUEST_BYTES_MAX_DEFAULT);
const _: () =
    assert!(REQUEST_BYTES_MAX_FLOOR < REQUEST_BYTES_MAX_CEILING && REQUEST_BYTES_MAX_CEILING <= i32::MAX as u32);
// Even on the smallest node the largest request is not below what an ordinary client needs.
const _: () = assert!(request_bytes_ceiling(MEMORY_BYTES_PER_SHARD_FLOOR) >= REQUEST_BYTES_MAX_FLOOR as u64);
// A step is within the memory that was set aside for it.
const _: () = assert!(FRAME_STEP_BYTES_MIN <= FRAME_AHEAD_BYTES);
// One send stays within the kernel's IOV_MAX even when its last answer brings many parts of its own.
const _: () = assert!(SEND_PARTS_MAX <= 512);
// A stop waits for answers for less time than a client waits for its request (30 s by default).
const _: () = assert!(DRAIN_MS_MAX < 30_000);
// Shards that read `MESH_DRAIN_MESSAGES` from every peer stay below one turn of a few milliseconds.
const _: () = assert!(SHARDS_MAX <= u16::MAX as usize);

/// Budget for requests of a shard that has `memory_bytes` in all.
pub const fn request_budget_bytes(memory_bytes: u64) -> u64 {
    memory_bytes / REQUEST_MEMORY_FRACTION
}

/// Largest request such a shard can promise to take: half of the budget, so that others go on beside it.
pub const fn request_bytes_ceiling(memory_bytes: u64) -> u64 {
    request_budget_bytes(memory_bytes) / 2
}
