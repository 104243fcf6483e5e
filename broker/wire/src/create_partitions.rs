//! CreatePartitions: more partitions for topics that exist (KIP-195).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { CreatePartitionsRequest<'a>, CreatePartitions, versions 0..=3 }
message! { CreatePartitionsResponse<'a>, CreatePartitions, versions 0..=3 }

structs! {
    /// Topics that are to get more partitions.
    pub struct CreatePartitionsRequest<'a> {
        /// The topics.
        pub topics: Vec<CreatePartitionsTopic<'a>>,
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32,
        /// Whether only to check, and create nothing.
        pub validate_only: bool,
    }

    /// A topic that is to get more partitions.
    pub struct CreatePartitionsTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// How many partitions it is to have in all.
        pub count: i32,
        /// Which nodes hold each new partition, in their order; null leaves it to the broker.
        pub assignments: Option<Vec<CreatePartitionsAssignment>> = Some(Vec::new()),
    }

    /// Which nodes hold one new partition.
    pub struct CreatePartitionsAssignment {
        /// Ids of the nodes.
        pub broker_ids: Vec<i32>,
    }

    /// What became of the topics.
    pub struct CreatePartitionsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic.
        pub results: Vec<CreatePartitionsTopicResult<'a>>,
    }

    /// The result of one topic.
    pub struct CreatePartitionsTopicResult<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
    }
}
