//! Bounds of what clients ask of partitions.

/// Most bytes of one fetch answer, whatever the client asks for; Kafka's default for `fetch.max.bytes`.
pub const FETCH_BYTES_MAX: usize = 55 * 1024 * 1024;
/// Longest wait of one produce request. Clients ask for 30 s; a longer time only keeps a dead disk's requests in memory.
pub const PRODUCE_WAIT_MS_MAX: i32 = 300_000;
/// Longest wait of one fetch, whatever the client asks for. A client that gets nothing asks again.
pub const FETCH_WAIT_MS_MAX: i32 = 300_000;

/// Most bytes that a compressed batch may grow to while its records are looked at, unless the topic takes larger batches than that; a
/// shard looks at one batch at a time.
pub const RECORDS_PLAIN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bad records that one answer names; the batch is refused as a whole anyway.
pub const RECORD_ERRORS_MAX: usize = 1_000;

/// Partitions that one answer of DescribeTopicPartitions describes; Kafka's default for `max.request.partition.size.limit`.
pub const PARTITIONS_PER_PAGE_MAX: u32 = 2_000;

/// The part of a shard's memory for what fetches have read and connections have not sent yet.
pub const FETCH_MEMORY_FRACTION: u64 = 8;

/// Budget for fetches of a shard that has `memory_bytes` in all.
pub const fn fetch_budget_bytes(memory_bytes: u64) -> u64 {
    memory_bytes / FETCH_MEMORY_FRACTION
}

/// Fetches of full size that fit into the budget side by side.
pub const FETCHES_IN_BUDGET: usize = 4;

/// Most bytes of one fetch on a shard with this budget.
pub fn fetch_bytes_max(budget_bytes: usize) -> usize {
    FETCH_BYTES_MAX.min(budget_bytes / FETCHES_IN_BUDGET)
}

const _: () = assert!(FETCH_BYTES_MAX < i32::MAX as usize);
