//! Every bound of the engine, with its name, its unit and its reason.

/// The unit of direct I/O: every write to the journal and to a segment starts and ends on this boundary.
pub const BLOCK_BYTES: usize = 4096;

/// Size of one journal file. A write group never spans two files, so this bounds the largest group.
pub const JOURNAL_FILE_BYTES: u64 = 32 << 20;

/// What a shard's journal may hold unless the configuration says otherwise.
pub const JOURNAL_BYTES_DEFAULT: u64 = 512 << 20;

/// The smallest journal that still lets one file fill while another is prepared and two wait for a checkpoint.
pub const JOURNAL_BYTES_MIN: u64 = 4 * JOURNAL_FILE_BYTES;

/// The largest record batch a log takes. It must fit into one write group beside the group's own header.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

/// A write group is closed when it has this many bytes: past about 1 MiB the device gains little and the tail latency grows.
pub const GROUP_BYTES: usize = 1 << 20;

/// Write groups that may be under way to the device at once.
pub const GROUPS_IN_FLIGHT_MAX: usize = 2;

/// Closed groups that may wait for the device; beyond it appends are refused as busy.
pub const GROUPS_WAITING_MAX: usize = 32;

/// Beside another group in flight a group starts only when it has grown to this size: else it waits and collects more.
pub const GROUP_OVERLAP_BYTES_MIN: usize = 128 << 10;

/// A relaxed record is journalled at the latest after this time. (The promise to the user is 50 ms.)
pub const RELAXED_JOURNAL_DELAY_MS: u64 = 20;

/// A tail chunk starts small, so that an idle partition is cheap, and grows with the partition's traffic ...
pub const CHUNK_BYTES_MIN: usize = 4 << 10;
pub const CHUNK_BYTES_MAX: usize = 1 << 20;
/// ... as long as the chunks that all logs of the shard append to take at most this part of its memory: they cannot be evicted.
pub const OPEN_CHUNKS_SHARE: usize = 2;

/// Memory that is needed no more goes back to the system in pieces of at most so much, or one chunk: a shard that gave back 128 MiB in
/// one go, as it does when retention has taken segments, did nothing else for 8 to 14 ms.
pub const LEAVING_BYTES_AT_ONCE: usize = 2 << 20;

/// A log that nobody has appended to for so long, or twice that at most, gives up all memory but its last block.
pub const REST_AFTER_MS: u64 = 5_000;

/// A log's whole blocks go to its segment file once it has gathered this many bytes.
pub const SEGMENT_WRITE_BYTES_MIN: usize = 256 << 10;

/// One direct write to a segment carries at most this many bytes.
pub const SEGMENT_WRITE_BYTES_MAX: usize = 1 << 20;

/// Segment writes of a shard that may be under way at once. Journal writes, for which clients wait, queue behind them in the
/// device: with 4 durable produce was 5 % slower than with 1 or 2.
pub const SEGMENT_WRITES_IN_FLIGHT_MAX: usize = 2;

/// A checkpoint that waits for at least so many logs has little of each: their writes are small ...
pub const SMALL_WRITES_LOGS_MIN: usize = 64;
/// ... and so many of them may be under way at once. Each grows a file, and most of its time is waiting: with 10,000 partitions and 4
/// at once producers waited for the checkpoints (`bench/README.md`).
pub const SMALL_WRITES_IN_FLIGHT_MAX: usize = 12;

/// Pictures of logs that a checkpoint takes in one go. Each takes about 8 us, and whoever appends waits for them.
pub const PICTURES_AT_ONCE: usize = 32;

/// Bytes that wait for their segment file; beyond it appends are refused as busy.
pub const UNFLUSHED_BYTES_MAX: u64 = 256 << 20;

/// The index has one entry for about so many bytes of an active segment ...
pub const INDEX_INTERVAL_BYTES: u64 = 32 << 10;
/// ... and for so many of a sealed one.
pub const SEALED_INDEX_INTERVAL_BYTES: u64 = 256 << 10;

/// No index file is larger: a segment of 2 GiB has about 8,000 entries of 24 bytes.
pub const INDEX_FILE_BYTES_MAX: usize = 1 << 20;

/// Indexes of sealed segments that a shard keeps after somebody has read them: those of about 150 GiB.
pub const INDEX_CACHE_BYTES_MAX: usize = 16 << 20;

/// Damaged segments that a shard remembers to have told of, so that each is told once.
pub const DAMAGED_SEGMENTS_MAX: usize = 10_000;

/// Damaged segment files that a node keeps when nobody needs them any more; further ones go as if they were sound.
pub const QUARANTINED_FILES_MAX: usize = 64;

pub const SEGMENT_BYTES_DEFAULT: u64 = 1 << 30;
/// Positions inside a segment must stay below 2 GiB, as in Kafka.
pub const SEGMENT_BYTES_MAX: u64 = i32::MAX as u64;

/// Extents are reserved ahead of a growing segment in steps that double up to this size.
pub const SEGMENT_PREALLOCATE_BYTES_MAX: u64 = 64 << 20;

/// Extents are reserved ahead in steps of at most this part of what the file system has free, so that what is reserved for one
/// log and not used does not fill it.
pub const SEGMENT_PREALLOCATE_SHARE: u64 = 64;
/// Smaller steps than this are not worth a call: a segment that is still smaller grows as it is written.
pub const SEGMENT_PREALLOCATE_BYTES_MIN: u64 = 256 << 10;

/// A log has files for segments to come while it has begun one within this time: at a lower pace a file that is made when the
/// segment begins costs nothing, and space that waits for it does.
pub const SEGMENT_AHEAD_WITHIN_MS: u64 = 60_000;
/// One is made when this part of the segment before it is written, ...
pub const SEGMENT_AHEAD_SHARE: u64 = 2;
/// ... unless some of segments that went were kept: so many of a log at most.
pub const NEXT_FILES_MAX: usize = 4;

/// How often the free space of the file system is looked at.
pub const FREE_SPACE_LOOK_MS: u64 = 250;

/// Appends leave this part of the file system free, unless the configuration says otherwise ...
pub const DISK_RESERVE_SHARE: u64 = 20;
/// ... and no more than this: room for checkpoints and for what others write beside us.
pub const DISK_RESERVE_BYTES_MAX: u64 = 1 << 30;

/// The ballasts of all shards together are this part of the reserve.
pub const BALLAST_SHARE: u64 = 4;

/// One cold read asks the device for at most so much.
pub const COLD_READ_BYTES_MAX: usize = 4 << 20;

/// What consumers read one after the other is read from the segment files in pieces of this size, which all of them share.
pub const READ_PIECE_BYTES: u64 = 512 << 10;

/// This part of the engine's memory is for pieces: what is being read, what is read ahead, and what was read lately ...
pub const READ_MEMORY_SHARE: usize = 8;
/// ... and no more than this.
pub const READ_MEMORY_BYTES_MAX: usize = 128 << 20;

/// A consumer that reads on and on finds so much read ahead of it at most. It begins with a piece and doubles.
pub const READ_AHEAD_BYTES_MAX: u64 = 4 << 20;

/// Pieces that a shard reads at once: with 8 a consumer read 1.1 times as fast as with 4 or 2, and 1.25 times as fast as with 1.
pub const PIECES_IN_FLIGHT_MAX: usize = 8;
/// Appends wait for the device behind them: while there are write groups, and a moment longer, fewer are under way, ...
pub const PIECES_BESIDE_GROUPS_MAX: usize = 1;
pub const READS_YIELD_MS: u64 = 20;
/// ... and after each the reading rests so many times as long as it took. What this costs and gives is in `bench/README.md`.
pub const PIECE_REST_BESIDE_GROUPS: u64 = 8;

/// Places in logs where a consumer is expected to read on; the oldest is forgotten first.
pub const READERS_MAX: usize = 4096;

/// A piece that nobody has asked for within this time goes.
pub const PIECE_IDLE_MS: u64 = 2_000;

/// An answer that would keep more than so many times its own bytes in memory is copied.
pub const READ_HELD_MAX: usize = 4;

/// What a shard's scrub reads of its sealed segments, unless the configuration says otherwise: a tenth of a terabyte in four hours.
pub const SCRUB_BYTES_PER_S_DEFAULT: u64 = 8 << 20;
/// The scrub reads at most so much at once, unless a batch is larger.
pub const SCRUB_READ_BYTES: u64 = 1 << 20;
/// The scrub begins so long after the start, ...
pub const SCRUB_FIRST_MS: u64 = 1_000;
/// ... gives way when the shard has had something else to do within this time, ...
pub const SCRUB_BUSY_MS: u64 = 1_000;
/// ... and rests so long between two passes.
pub const SCRUB_REST_MS: u64 = 24 * 60 * 60 * 1_000;

/// A file that goes is cut down by so much at a time: larger pieces keep the device for longer, smaller ones keep it more often.
pub const REMOVAL_STEP_BYTES: u64 = 4 << 20;

/// How often a shard looks for segments that are past retention, as in Kafka.
pub const RETENTION_CHECK_MS_DEFAULT: u64 = 5 * 60 * 1000;

/// Retention looks for the first time this long after the start, as in Kafka, or earlier if it looks more often.
pub const RETENTION_FIRST_CHECK_MS: u64 = 30 * 1000;

/// The offset map of a compaction takes at most this, and only while it is under way: room for two million keys. A log with more dirty
/// keys is cleaned up to there, and from there in the next round, as in Kafka.
pub const COMPACTION_MAP_BYTES_MAX: usize = 64 << 20;

/// Compaction reads and writes in pieces of about this size ...
pub const COMPACTION_READ_BYTES: u64 = 256 << 10;
pub const COMPACTION_WRITE_BYTES: usize = 256 << 10;
/// ... and so many bytes of both in a second, unless the configuration says otherwise.
pub const COMPACTION_BYTES_PER_S_DEFAULT: u64 = 32 << 20;

/// Compaction unpacks one batch at a time, to at most so many bytes. Produce to a compacted topic takes no larger one.
pub const COMPACTION_PLAIN_BYTES_MAX: usize = 128 << 20;

/// Compaction gives way to other tasks of the core when it has worked for so long.
pub const COMPACTION_TURN_US: u64 = 200;

/// How often a shard looks for logs to compact, as Kafka's `log.cleaner.backoff.ms`.
pub const COMPACTION_CHECK_MS_DEFAULT: u64 = 15 * 1000;

/// Files that compaction has replaced stay until a checkpoint does not name them. One is asked for when they have so many bytes, and at
/// the end of each pass over the logs.
pub const COMPACTION_REPLACED_BYTES_MAX: u64 = 256 << 20;

/// Batches of an idempotent producer that a log remembers, as in Kafka: clients have as many requests in flight.
pub const PRODUCER_BATCHES_MAX: usize = 5;

/// Idempotent producers that the logs of a shard remember, each counted in every log it appends to: about 20 MB. Beyond it those that
/// have been silent for longest are forgotten ...
pub const PRODUCERS_MAX: usize = 100_000;
/// ... and at once so large a part of all, since finding them means looking at all.
pub const PRODUCERS_EVICTED_SHARE: usize = 16;

/// How often a shard looks for producers that have been silent for too long, as in Kafka.
pub const PRODUCER_EXPIRY_CHECK_MS: u64 = 10 * 60 * 1000;

/// Idempotent producers that a round of compaction tells apart.
pub const COMPACTION_PRODUCERS_MAX: usize = 100_000;

/// A producer that has been silent for longer is forgotten, and its last batch not kept for its sequence's sake, as Kafka's
/// `producer.id.expiration.ms`.
pub const PRODUCER_EXPIRY_MS: u64 = 24 * 60 * 60 * 1000;

/// Segment files a shard keeps open, unless the configuration says otherwise.
pub const OPEN_SEGMENTS_DEFAULT: usize = 1024;

/// A segment file that was not used for so long, or twice that at most, is closed.
pub const OPEN_SEGMENT_IDLE_MS: u64 = 5_000;

/// Segment files and directories of a shard that are synced at the same time. Each takes a thread of the kernel while it waits, and
/// those that wait together share one commit of the file system. That with many the syncs of the journal, which clients
/// wait for, stand in a long queue is a guess: 8 and 32 have not been measured side by side.
pub const SYNCS_IN_FLIGHT_MAX: usize = 8;

const _: () = assert!(GROUP_BYTES.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(
    (BATCH_BYTES_MAX as u64) * 2 <= JOURNAL_FILE_BYTES,
    "the largest batch fits into a journal file with room for its headers"
);
const _: () = assert!(CHUNK_BYTES_MIN.is_multiple_of(BLOCK_BYTES) && CHUNK_BYTES_MAX.is_multiple_of(BLOCK_BYTES));
const _: () = assert!(SEGMENT_WRITE_BYTES_MIN <= SEGMENT_WRITE_BYTES_MAX && SEGMENT_WRITE_BYTES_MAX <= CHUNK_BYTES_MAX);
const _: () = assert!(
    SEGMENT_WRITE_BYTES_MAX / BLOCK_BYTES <= crate::ring::limits::WRITE_SPANS_MAX,
    "a write of the smallest pieces is still one operation"
);
const _: () =
    assert!(UNFLUSHED_BYTES_MAX * 2 <= JOURNAL_BYTES_DEFAULT, "checkpointing keeps ahead of the journal's bound");
const _: () = assert!(SEGMENT_BYTES_DEFAULT <= SEGMENT_BYTES_MAX);
const _: () = assert!(READ_PIECE_BYTES.is_multiple_of(BLOCK_BYTES as u64) && READ_AHEAD_BYTES_MAX >= READ_PIECE_BYTES);
const _: () = assert!(
    COLD_READ_BYTES_MAX as u64 + READ_AHEAD_BYTES_MAX < READ_MEMORY_BYTES_MAX as u64,
    "one consumer alone never uses up the memory for pieces"
);
const _: () = assert!(0 < PIECES_BESIDE_GROUPS_MAX && PIECES_BESIDE_GROUPS_MAX <= PIECES_IN_FLIGHT_MAX);
const _: () = assert!(SEGMENT_BYTES_MAX / SEALED_INDEX_INTERVAL_BYTES * 32 < INDEX_FILE_BYTES_MAX as u64);
