//! What the configuration of a node says about the store of one shard, and what tests make smaller.

#![forbid(unsafe_code)]

use crate::limits::{
    GROUP_BYTES, INDEX_CACHE_BYTES_MAX, PICTURES_AT_ONCE, PRODUCER_EXPIRY_MS, PRODUCERS_MAX, READ_AHEAD_BYTES_MAX,
    READ_MEMORY_BYTES_MAX, READ_MEMORY_SHARE, READ_PIECE_BYTES, REST_AFTER_MS, SEGMENT_PREALLOCATE_BYTES_MIN,
    SEGMENT_WRITE_BYTES_MIN, UNFLUSHED_BYTES_MAX,
};

/// Bounds that the node's configuration sets for a shard.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// For the tails.
    pub memory_bytes_max: usize,
    /// For pieces of segment files that consumers share, beside the tails: reading never takes from what is appended.
    pub read_memory_bytes_max: usize,
    /// See [`crate::limits::READ_PIECE_BYTES`].
    pub read_piece_bytes: u64,
    /// See [`crate::limits::READ_AHEAD_BYTES_MAX`].
    pub read_ahead_bytes_max: u64,
    pub checkpoint_after_bytes: u64,
    /// See [`crate::limits::GROUP_BYTES`].
    pub group_bytes: usize,
    /// See [`crate::limits::SEGMENT_WRITE_BYTES_MIN`].
    pub segment_write_bytes_min: u64,
    /// See [`crate::limits::PICTURES_AT_ONCE`].
    pub pictures_at_once: usize,
    /// See [`crate::limits::UNFLUSHED_BYTES_MAX`].
    pub unflushed_bytes_max: u64,
    /// See [`crate::limits::REST_AFTER_MS`].
    pub rest_after_ms: u64,
    /// Logs with smaller segments get no files ahead.
    pub next_file_bytes_min: u64,
    /// See [`crate::limits::INDEX_CACHE_BYTES_MAX`].
    pub index_cache_bytes_max: usize,
    /// See [`crate::limits::PRODUCERS_MAX`].
    pub producers_max: usize,
    /// See [`crate::limits::PRODUCER_EXPIRY_MS`].
    pub producer_expiry_ms: u64,
    /// What appends leave free in the file system.
    pub disk_reserve_bytes: u64,
    /// Shards that share the file system.
    pub disk_sharers: u64,
}

impl StoreLimits {
    /// The bounds that are not the configuration's own are as in [`crate::limits`]; tests make them smaller.
    pub fn new(memory_bytes_max: usize, checkpoint_after_bytes: u64) -> Self {
        let read_memory_bytes_max = (memory_bytes_max / READ_MEMORY_SHARE).min(READ_MEMORY_BYTES_MAX);
        Self {
            memory_bytes_max: memory_bytes_max - read_memory_bytes_max,
            read_memory_bytes_max,
            read_piece_bytes: READ_PIECE_BYTES,
            read_ahead_bytes_max: READ_AHEAD_BYTES_MAX,
            checkpoint_after_bytes,
            group_bytes: GROUP_BYTES,
            segment_write_bytes_min: SEGMENT_WRITE_BYTES_MIN as u64,
            pictures_at_once: PICTURES_AT_ONCE,
            unflushed_bytes_max: UNFLUSHED_BYTES_MAX,
            rest_after_ms: REST_AFTER_MS,
            next_file_bytes_min: SEGMENT_PREALLOCATE_BYTES_MIN,
            index_cache_bytes_max: INDEX_CACHE_BYTES_MAX,
            producers_max: PRODUCERS_MAX,
            producer_expiry_ms: PRODUCER_EXPIRY_MS,
            disk_reserve_bytes: 0,
            disk_sharers: 1,
        }
    }
}
