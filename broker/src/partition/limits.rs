//! Bounds of what clients ask of partitions.

/// Most bytes of one fetch answer, whatever the client asks for; Kafka's default for `fetch.max.bytes`.
pub const FETCH_BYTES_MAX: usize = 55 * 1024 * 1024;
/// Longest wait of one produce request. Clients ask for 30 s; a longer time only keeps a dead disk's requests in memory.
pub const PRODUCE_WAIT_MS_MAX: i32 = 300_000;
/// Longest wait of one fetch, whatever the client asks for. A client that gets nothing asks again.
pub const FETCH_WAIT_MS_MAX: i32 = 300_000;

const _: () = assert!(FETCH_BYTES_MAX < i32::MAX as usize);
