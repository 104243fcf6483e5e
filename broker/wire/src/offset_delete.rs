//! OffsetDelete: a group forgets how far it has come in some partitions (KIP-496).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { OffsetDeleteRequest<'a>, OffsetDelete, versions 0..=0 }
message! { OffsetDeleteResponse<'a>, OffsetDelete, versions 0..=0 }

structs! {
    /// Offsets to delete.
    pub struct OffsetDeleteRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// What to delete, by topic.
        pub topics: Vec<OffsetDeleteRequestTopic<'a>>,
    }

    /// What to delete of one topic.
    pub struct OffsetDeleteRequestTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// The partitions.
        pub partitions: Vec<OffsetDeleteRequestPartition>,
    }

    /// A partition whose offset goes.
    pub struct OffsetDeleteRequestPartition {
        /// Index of the partition.
        pub partition_index: i32,
    }

    /// What became of the offsets.
    pub struct OffsetDeleteResponse<'a> {
        /// What went wrong with all of it.
        pub error_code: ErrorCode,
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic.
        pub topics: Vec<OffsetDeleteResponseTopic<'a>>,
    }

    /// The results of one topic.
    pub struct OffsetDeleteResponseTopic<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Results by partition.
        pub partitions: Vec<OffsetDeleteResponsePartition>,
    }

    /// The result of one partition.
    pub struct OffsetDeleteResponsePartition {
        /// Index of the partition.
        pub partition_index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
    }
}
