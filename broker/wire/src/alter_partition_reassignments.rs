//! AlterPartitionReassignments: moves partitions to other nodes, or calls a move off (KIP-455).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { AlterPartitionReassignmentsRequest<'a>, AlterPartitionReassignments, versions 0..=1 }
message! { AlterPartitionReassignmentsResponse<'a>, AlterPartitionReassignments, versions 0..=1 }

structs! {
    /// What to move.
    pub struct AlterPartitionReassignmentsRequest<'a> {
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32 = 60_000,
        /// Whether a partition may get another number of replicas.
        pub allow_replication_factor_change: bool [1..] = true,
        /// The topics.
        pub topics: Vec<ReassignableTopic<'a>>,
    }

    /// A topic to move.
    pub struct ReassignableTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// Its partitions.
        pub partitions: Vec<ReassignablePartition>,
    }

    /// A partition to move.
    pub struct ReassignablePartition {
        /// Index of the partition.
        pub partition_index: i32,
        /// Ids of the nodes that are to hold it; null calls a move off.
        pub replicas: Option<Vec<i32>>,
    }

    /// What came of the moves.
    pub struct AlterPartitionReassignmentsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// As asked for.
        pub allow_replication_factor_change: bool [1..] = true,
        /// What went wrong with all of them.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// Results by topic.
        pub responses: Vec<ReassignableTopicResponse<'a>>,
    }

    /// The results of one topic.
    pub struct ReassignableTopicResponse<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Results by partition.
        pub partitions: Vec<ReassignablePartitionResponse<'a>>,
    }

    /// The result of one partition.
    pub struct ReassignablePartitionResponse<'a> {
        /// Index of the partition.
        pub partition_index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
    }
}
