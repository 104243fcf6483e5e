//! ListOffsets: finds offsets by timestamp.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { ListOffsetsRequest<'a>, ListOffsets, versions 1..=10 }
message! { ListOffsetsResponse<'a>, ListOffsets, versions 1..=10 }

/// As a timestamp: the offset after the last record.
pub const LATEST_TIMESTAMP: i64 = -1;
/// As a timestamp: the first offset.
pub const EARLIEST_TIMESTAMP: i64 = -2;
/// As a timestamp: the offset of the record with the largest timestamp (version 7, KIP-734).
pub const MAX_TIMESTAMP: i64 = -3;
/// As a timestamp: the first offset on the broker's own disk (version 8, KIP-405).
pub const EARLIEST_LOCAL_TIMESTAMP: i64 = -4;
/// As a timestamp: the last offset in tiered storage (version 9, KIP-1005).
pub const LATEST_TIERED_TIMESTAMP: i64 = -5;

structs! {
    /// Timestamps to look up.
    pub struct ListOffsetsRequest<'a> {
        /// Id of a following node, or -1 for a consumer.
        pub replica_id: i32,
        /// 0: every record up to the high watermark; 1: committed transactions only.
        pub isolation_level: i8 [2..],
        /// What to look up, by topic.
        pub topics: Vec<ListOffsetsTopic<'a>>,
        /// How long to wait for tiered storage, in milliseconds.
        pub timeout_ms: i32 [10..],
    }

    /// What to look up in one topic.
    pub struct ListOffsetsTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// What to look up, by partition.
        pub partitions: Vec<ListOffsetsPartition>,
    }

    /// What to look up in one partition.
    pub struct ListOffsetsPartition {
        /// Index of the partition.
        pub partition_index: i32,
        /// The leader epoch the client knows, -1 if none; a fence (KIP-320).
        pub current_leader_epoch: i32 [4..] = -1,
        /// In milliseconds, or one of the constants of this module.
        pub timestamp: i64,
    }

    /// The offsets found.
    pub struct ListOffsetsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [2..],
        /// Results by topic.
        pub topics: Vec<ListOffsetsTopicResponse<'a>>,
    }

    /// The offsets found in one topic.
    pub struct ListOffsetsTopicResponse<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Results by partition.
        pub partitions: Vec<ListOffsetsPartitionResponse>,
    }

    /// The offset found in one partition.
    pub struct ListOffsetsPartitionResponse {
        /// Index of the partition.
        pub partition_index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Timestamp of the record found in milliseconds, -1 if there is none.
        pub timestamp: i64 = -1,
        /// The offset found, -1 if there is none.
        pub offset: i64 = -1,
        /// Leader epoch of the record found, -1 if unknown.
        pub leader_epoch: i32 [4..] = -1,
    }
}
