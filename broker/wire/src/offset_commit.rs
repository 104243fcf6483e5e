//! OffsetCommit: stores how far a consumer group has come.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { OffsetCommitRequest<'a>, OffsetCommit, versions 2..=10 }
message! { OffsetCommitResponse<'a>, OffsetCommit, versions 2..=10 }

structs! {
    /// Offsets to store.
    pub struct OffsetCommitRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Generation of the group, or -1 from a consumer outside group management.
        pub generation_id_or_member_epoch: i32 = -1,
        /// Id the coordinator gave the member.
        pub member_id: &'a str,
        /// The member's own permanent id, or null (KIP-345).
        pub group_instance_id: Option<&'a str> [7..],
        /// How long to keep the offsets in milliseconds, -1 for the broker's setting.
        pub retention_time_ms: i64 [2..=4] = -1,
        /// What to store, by topic.
        pub topics: Vec<OffsetCommitRequestTopic<'a>>,
    }

    /// What to store for one topic.
    pub struct OffsetCommitRequestTopic<'a> {
        /// Name of the topic, up to version 9.
        pub name: &'a str [..=9],
        /// Id of the topic, from version 10.
        pub topic_id: Uuid [10..],
        /// What to store, by partition.
        pub partitions: Vec<OffsetCommitRequestPartition<'a>>,
    }

    /// What to store for one partition.
    pub struct OffsetCommitRequestPartition<'a> {
        /// Index of the partition.
        pub partition_index: i32,
        /// Offset of the next record to consume.
        pub committed_offset: i64,
        /// Leader epoch of the last record consumed, -1 if unknown.
        pub committed_leader_epoch: i32 [6..] = -1,
        /// Whatever the client wants to keep with it.
        pub committed_metadata: Option<&'a str>,
    }

    /// What became of the offsets.
    pub struct OffsetCommitResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [3..],
        /// Results by topic.
        pub topics: Vec<OffsetCommitResponseTopic<'a>>,
    }

    /// The results of one topic.
    pub struct OffsetCommitResponseTopic<'a> {
        /// Name of the topic, up to version 9.
        pub name: Cow<'a, str> [..=9],
        /// Id of the topic, from version 10.
        pub topic_id: Uuid [10..],
        /// Results by partition.
        pub partitions: Vec<OffsetCommitResponsePartition>,
    }

    /// The result of one partition.
    pub struct OffsetCommitResponsePartition {
        /// Index of the partition.
        pub partition_index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
    }
}
