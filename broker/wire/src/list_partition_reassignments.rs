//! ListPartitionReassignments: the partitions that are on the move (KIP-455).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { ListPartitionReassignmentsRequest<'a>, ListPartitionReassignments, versions 0..=0 }
message! { ListPartitionReassignmentsResponse<'a>, ListPartitionReassignments, versions 0..=0 }

structs! {
    /// What to list.
    pub struct ListPartitionReassignmentsRequest<'a> {
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32 = 60_000,
        /// The topics; null for all.
        pub topics: Option<Vec<ListPartitionReassignmentsTopics<'a>>>,
    }

    /// A topic to list.
    pub struct ListPartitionReassignmentsTopics<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// Indexes of its partitions.
        pub partition_indexes: Vec<i32>,
    }

    /// The partitions on the move.
    pub struct ListPartitionReassignmentsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// The topics.
        pub topics: Vec<OngoingTopicReassignment<'a>>,
    }

    /// A topic with partitions on the move.
    pub struct OngoingTopicReassignment<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Its partitions on the move.
        pub partitions: Vec<OngoingPartitionReassignment>,
    }

    /// A partition on the move.
    pub struct OngoingPartitionReassignment {
        /// Index of the partition.
        pub partition_index: i32,
        /// Ids of the nodes that hold it now.
        pub replicas: Vec<i32>,
        /// Ids of the nodes that it goes to.
        pub adding_replicas: Vec<i32>,
        /// Ids of the nodes that it leaves.
        pub removing_replicas: Vec<i32>,
    }
}
