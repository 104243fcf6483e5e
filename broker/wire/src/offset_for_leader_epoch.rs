//! OffsetForLeaderEpoch: where the records of a leader's epoch end, by which a log is compared with another (KIP-101).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { OffsetForLeaderEpochRequest<'a>, OffsetForLeaderEpoch, versions 2..=4 }
message! { OffsetForLeaderEpochResponse<'a>, OffsetForLeaderEpoch, versions 2..=4 }

structs! {
    /// Epochs to look up.
    pub struct OffsetForLeaderEpochRequest<'a> {
        /// Id of a following node, -1 for a consumer, -2 from a client of version 2, which does not say.
        pub replica_id: i32 [3..] = -2,
        /// What to look up, by topic.
        pub topics: Vec<OffsetForLeaderTopic<'a>>,
    }

    /// What to look up in one topic.
    pub struct OffsetForLeaderTopic<'a> {
        /// Name of the topic.
        pub topic: &'a str,
        /// What to look up, by partition.
        pub partitions: Vec<OffsetForLeaderPartition>,
    }

    /// What to look up in one partition.
    pub struct OffsetForLeaderPartition {
        /// Index of the partition.
        pub partition: i32,
        /// The leader epoch the client knows, -1 if none; a fence (KIP-320).
        pub current_leader_epoch: i32 = -1,
        /// The epoch to look up.
        pub leader_epoch: i32,
    }

    /// Where the epochs end.
    pub struct OffsetForLeaderEpochResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic.
        pub topics: Vec<OffsetForLeaderTopicResult<'a>>,
    }

    /// Where the epochs of one topic end.
    pub struct OffsetForLeaderTopicResult<'a> {
        /// Name of the topic.
        pub topic: Cow<'a, str>,
        /// Results by partition.
        pub partitions: Vec<EpochEndOffset>,
    }

    /// Where the epoch of one partition ends.
    pub struct EpochEndOffset {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Index of the partition.
        pub partition: i32,
        /// The largest epoch that is not above the one asked for, -1 if there is none.
        pub leader_epoch: i32 = -1,
        /// Offset after its last record, -1 if there is none.
        pub end_offset: i64 = -1,
    }
}
