//! ElectLeaders: makes the preferred replica of partitions their leader (KIP-183, KIP-460).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { ElectLeadersRequest<'a>, ElectLeaders, versions 0..=2 }
message! { ElectLeadersResponse<'a>, ElectLeaders, versions 0..=2 }

/// As an election type: the first of the replicas is to lead.
pub const ELECTION_PREFERRED: i8 = 0;
/// As an election type: any replica may lead if none that is in sync is alive.
pub const ELECTION_UNCLEAN: i8 = 1;

structs! {
    /// What to elect.
    pub struct ElectLeadersRequest<'a> {
        /// One of the constants of this module.
        pub election_type: i8 [1..],
        /// The partitions; null for all.
        pub topic_partitions: Option<Vec<TopicPartitions<'a>>> = Some(Vec::new()),
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32 = 60_000,
    }

    /// Partitions of one topic.
    pub struct TopicPartitions<'a> {
        /// Name of the topic.
        pub topic: &'a str,
        /// Indexes of the partitions.
        pub partitions: Vec<i32>,
    }

    /// What came of the elections.
    pub struct ElectLeadersResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode [1..],
        /// Results by topic.
        pub replica_election_results: Vec<ReplicaElectionResult<'a>>,
    }

    /// The results of one topic.
    pub struct ReplicaElectionResult<'a> {
        /// Name of the topic.
        pub topic: Cow<'a, str>,
        /// Results by partition.
        pub partition_result: Vec<PartitionResult<'a>>,
    }

    /// The result of one partition.
    pub struct PartitionResult<'a> {
        /// Index of the partition.
        pub partition_id: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
    }
}
