//! DescribeProducers: the producers that a partition knows (KIP-664).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DescribeProducersRequest<'a>, DescribeProducers, versions 0..=0 }
message! { DescribeProducersResponse<'a>, DescribeProducers, versions 0..=0 }

structs! {
    /// Whose producers are asked for.
    pub struct DescribeProducersRequest<'a> {
        /// Partitions by topic.
        pub topics: Vec<TopicRequest<'a>>,
    }

    /// Partitions of one topic.
    pub struct TopicRequest<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// Indexes of the partitions.
        pub partition_indexes: Vec<i32>,
    }

    /// The producers.
    pub struct DescribeProducersResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Producers by topic.
        pub topics: Vec<TopicResponse<'a>>,
    }

    /// The producers of one topic.
    pub struct TopicResponse<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Producers by partition.
        pub partitions: Vec<PartitionResponse<'a>>,
    }

    /// The producers of one partition.
    pub struct PartitionResponse<'a> {
        /// Index of the partition.
        pub partition_index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// The same as a sentence.
        pub error_message: Option<Cow<'a, str>>,
        /// All that the partition knows.
        pub active_producers: Vec<ProducerState>,
    }

    /// What a partition knows of a producer.
    pub struct ProducerState {
        /// Its id.
        pub producer_id: i64,
        /// Its newest epoch.
        pub producer_epoch: i32,
        /// Sequence of its last record, -1 for none.
        pub last_sequence: i32 = -1,
        /// The largest timestamp of its last batch, in milliseconds, -1 for none.
        pub last_timestamp: i64 = -1,
        /// Epoch of the coordinator that last ended a transaction of it.
        pub coordinator_epoch: i32,
        /// Where its open transaction begins, -1 for none.
        pub current_txn_start_offset: i64 = -1,
    }
}
