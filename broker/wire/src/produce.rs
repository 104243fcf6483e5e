//! Produce: appends record batches. Requests are decoded from version 3; see [`SUPPORTED`](crate::SUPPORTED).

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { ProduceRequest<'a>, Produce, versions 3..=13 }
message! { ProduceResponse<'a>, Produce, versions 0..=13 }

structs! {
    /// Record batches for any number of partitions.
    pub struct ProduceRequest<'a> {
        /// Null if the producer is not transactional.
        pub transactional_id: Option<&'a str>,
        /// 0: no answer is expected; 1: the leader has the records; -1: all in-sync replicas have them.
        pub acks: i16,
        /// How long the broker may wait for `acks`, in milliseconds.
        pub timeout_ms: i32,
        /// What to append, by topic.
        pub topic_data: Vec<TopicProduceData<'a>>,
    }

    /// The part of one topic.
    pub struct TopicProduceData<'a> {
        /// Name of the topic, up to version 12.
        pub name: &'a str [..=12],
        /// Id of the topic, from version 13.
        pub topic_id: Uuid [13..],
        /// What to append, by partition.
        pub partition_data: Vec<PartitionProduceData<'a>>,
    }

    /// The part of one partition.
    pub struct PartitionProduceData<'a> {
        /// Index of the partition.
        pub index: i32,
        /// Record batches, as they go to the log.
        pub records: Option<&'a [u8]>,
    }

    /// Where the records went, or why they did not.
    pub struct ProduceResponse<'a> {
        /// Results by topic.
        pub responses: Vec<TopicProduceResponse<'a>>,
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// Addresses of the leaders named in `current_leader`.
        pub node_endpoints: Vec<NodeEndpoint<'a>> [10.., tag 0],
    }

    /// The results of one topic.
    pub struct TopicProduceResponse<'a> {
        /// Name of the topic, up to version 12.
        pub name: Cow<'a, str> [..=12],
        /// Id of the topic, from version 13.
        pub topic_id: Uuid [13..],
        /// Results by partition.
        pub partition_responses: Vec<PartitionProduceResponse<'a>>,
    }

    /// The result of one partition.
    pub struct PartitionProduceResponse<'a> {
        /// Index of the partition.
        pub index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Offset of the first record.
        pub base_offset: i64,
        /// The broker's time in milliseconds if the topic uses it, otherwise -1.
        pub log_append_time_ms: i64 [2..] = -1,
        /// First offset the partition still has.
        pub log_start_offset: i64 [5..] = -1,
        /// The records for which the batch was refused.
        pub record_errors: Vec<BatchIndexAndErrorMessage<'a>> [8..],
        /// Why the batch was refused.
        pub error_message: Option<Cow<'a, str>> [8..],
        /// Who leads instead, with `NOT_LEADER_OR_FOLLOWER` (KIP-951).
        pub current_leader: LeaderIdAndEpoch [10.., tag 0],
    }

    /// A record for which its batch was refused.
    pub struct BatchIndexAndErrorMessage<'a> {
        /// Index of the record in its batch.
        pub batch_index: i32,
        /// What is wrong with it.
        pub batch_index_error_message: Option<Cow<'a, str>>,
    }

    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// Id of the node, -1 if unknown.
        pub leader_id: i32 = -1,
        /// Epoch of the leader, -1 if unknown.
        pub leader_epoch: i32 = -1,
    }

    /// The address of a node.
    pub struct NodeEndpoint<'a> {
        /// Id of the node.
        pub node_id: i32,
        /// Host name or address.
        pub host: Cow<'a, str>,
        /// Port.
        pub port: i32,
        /// Rack, or null.
        pub rack: Option<Cow<'a, str>>,
    }
}
