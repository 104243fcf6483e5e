//! OffsetFetch: how far consumer groups have come. Up to version 7 it asks about one group, from version 8 about several.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { OffsetFetchRequest<'a>, OffsetFetch, versions 1..=10 }
message! { OffsetFetchResponse<'a>, OffsetFetch, versions 1..=10 }

structs! {
    /// Groups and partitions to look up.
    pub struct OffsetFetchRequest<'a> {
        /// Name of the group, up to version 7.
        pub group_id: &'a str [..=7],
        /// What to look up in that group; null for all it has.
        pub topics: Option<Vec<OffsetFetchRequestTopic<'a>>> [..=7, null 2..] = Some(Vec::new()),
        /// The groups, from version 8.
        pub groups: Vec<OffsetFetchRequestGroup<'a>> [8..],
        /// Whether to refuse offsets that an open transaction may still change (KIP-447).
        pub require_stable: bool [7..],
    }

    /// What to look up in one topic, up to version 7.
    pub struct OffsetFetchRequestTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// Indexes of the partitions.
        pub partition_indexes: Vec<i32>,
    }

    /// What to look up in one group.
    pub struct OffsetFetchRequestGroup<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Id of the member that asks, or null (KIP-848).
        pub member_id: Option<&'a str> [9..],
        /// Epoch of that member, or -1.
        pub member_epoch: i32 [9..] = -1,
        /// What to look up; null for all it has.
        pub topics: Option<Vec<OffsetFetchRequestTopics<'a>>> = Some(Vec::new()),
    }

    /// What to look up in one topic, from version 8.
    pub struct OffsetFetchRequestTopics<'a> {
        /// Name of the topic, up to version 9.
        pub name: &'a str [..=9],
        /// Id of the topic, from version 10.
        pub topic_id: Uuid [10..],
        /// Indexes of the partitions.
        pub partition_indexes: Vec<i32>,
    }

    /// The offsets found.
    pub struct OffsetFetchResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [3..],
        /// Results by topic, up to version 7.
        pub topics: Vec<OffsetFetchResponseTopic<'a>> [..=7],
        /// What went wrong with the group, up to version 7.
        pub error_code: ErrorCode [2..=7],
        /// Results by group, from version 8.
        pub groups: Vec<OffsetFetchResponseGroup<'a>> [8..],
    }

    /// The results of one topic, up to version 7.
    pub struct OffsetFetchResponseTopic<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Results by partition.
        pub partitions: Vec<OffsetFetchResponsePartition<'a>>,
    }

    /// The result of one partition, up to version 7.
    pub struct OffsetFetchResponsePartition<'a> {
        /// Index of the partition.
        pub partition_index: i32,
        /// Offset of the next record to consume, -1 if none is stored.
        pub committed_offset: i64,
        /// Leader epoch of the last record consumed, -1 if unknown.
        pub committed_leader_epoch: i32 [5..] = -1,
        /// What the client stored with it.
        pub metadata: Option<Cow<'a, str>>,
        /// What went wrong.
        pub error_code: ErrorCode,
    }

    /// The results of one group.
    pub struct OffsetFetchResponseGroup<'a> {
        /// Name of the group.
        pub group_id: Cow<'a, str>,
        /// Results by topic.
        pub topics: Vec<OffsetFetchResponseTopics<'a>>,
        /// What went wrong with the group.
        pub error_code: ErrorCode,
    }

    /// The results of one topic, from version 8.
    pub struct OffsetFetchResponseTopics<'a> {
        /// Name of the topic, up to version 9.
        pub name: Cow<'a, str> [..=9],
        /// Id of the topic, from version 10.
        pub topic_id: Uuid [10..],
        /// Results by partition.
        pub partitions: Vec<OffsetFetchResponsePartitions<'a>>,
    }

    /// The result of one partition, from version 8.
    pub struct OffsetFetchResponsePartitions<'a> {
        /// Index of the partition.
        pub partition_index: i32,
        /// Offset of the next record to consume, -1 if none is stored.
        pub committed_offset: i64,
        /// Leader epoch of the last record consumed, -1 if unknown.
        pub committed_leader_epoch: i32 = -1,
        /// What the client stored with it.
        pub metadata: Option<Cow<'a, str>>,
        /// What went wrong.
        pub error_code: ErrorCode,
    }
}
