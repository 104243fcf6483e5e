//! DeleteRecords: lets partitions start further on (KIP-107).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DeleteRecordsRequest<'a>, DeleteRecords, versions 0..=2 }
message! { DeleteRecordsResponse<'a>, DeleteRecords, versions 0..=2 }

/// As an offset: up to the high watermark.
pub const TO_HIGH_WATERMARK: i64 = -1;

structs! {
    /// Records to delete.
    pub struct DeleteRecordsRequest<'a> {
        /// What to delete, by topic.
        pub topics: Vec<DeleteRecordsTopic<'a>>,
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32,
    }

    /// What to delete in one topic.
    pub struct DeleteRecordsTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// What to delete, by partition.
        pub partitions: Vec<DeleteRecordsPartition>,
    }

    /// What to delete in one partition.
    pub struct DeleteRecordsPartition {
        /// Index of the partition.
        pub partition_index: i32,
        /// Records before this offset go; or the constant of this module.
        pub offset: i64,
    }

    /// What became of the records.
    pub struct DeleteRecordsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic.
        pub topics: Vec<DeleteRecordsTopicResult<'a>>,
    }

    /// The results of one topic.
    pub struct DeleteRecordsTopicResult<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Results by partition.
        pub partitions: Vec<DeleteRecordsPartitionResult>,
    }

    /// The result of one partition.
    pub struct DeleteRecordsPartitionResult {
        /// Index of the partition.
        pub partition_index: i32,
        /// The first offset that is left; -1 when something went wrong.
        pub low_watermark: i64,
        /// What went wrong.
        pub error_code: ErrorCode,
    }
}
