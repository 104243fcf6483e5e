//! CreateTopics.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { CreateTopicsRequest<'a>, CreateTopics, versions 2..=7 }
message! { CreateTopicsResponse<'a>, CreateTopics, versions 2..=7 }

structs! {
    /// Topics to create.
    pub struct CreateTopicsRequest<'a> {
        /// The topics.
        pub topics: Vec<CreatableTopic<'a>>,
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32 = 60_000,
        /// Whether only to check, and create nothing.
        pub validate_only: bool,
    }

    /// A topic to create.
    pub struct CreatableTopic<'a> {
        /// Name of the topic.
        pub name: &'a str,
        /// How many partitions; -1 for the broker's setting or if assignments are given.
        pub num_partitions: i32,
        /// How many replicas of each; -1 for the broker's setting or if assignments are given.
        pub replication_factor: i16,
        /// Which nodes hold which partition, or empty.
        pub assignments: Vec<CreatableReplicaAssignment>,
        /// Settings of the topic that differ from the broker's.
        pub configs: Vec<CreatableTopicConfig<'a>>,
    }

    /// Which nodes hold one partition.
    pub struct CreatableReplicaAssignment {
        /// Index of the partition.
        pub partition_index: i32,
        /// Ids of the nodes.
        pub broker_ids: Vec<i32>,
    }

    /// A setting.
    pub struct CreatableTopicConfig<'a> {
        /// Name of the setting.
        pub name: &'a str,
        /// Its value.
        pub value: Option<&'a str>,
    }

    /// What became of the topics.
    pub struct CreateTopicsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic.
        pub topics: Vec<CreatableTopicResult<'a>>,
    }

    /// The result of one topic.
    pub struct CreatableTopicResult<'a> {
        /// Name of the topic.
        pub name: Cow<'a, str>,
        /// Id of the topic.
        pub topic_id: Uuid [7..],
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// Why there are no `configs`.
        pub topic_config_error_code: ErrorCode [5.., tag 0],
        /// How many partitions the topic has, -1 if it was not created.
        pub num_partitions: i32 [5..] = -1,
        /// How many replicas each has, -1 if it was not created.
        pub replication_factor: i16 [5..] = -1,
        /// The topic's settings. Null only with `topic_config_error_code`: the Java admin client reads them otherwise.
        pub configs: Option<Vec<CreatableTopicConfigs<'a>>> [5..] = Some(Vec::new()),
    }

    /// A setting of a topic that was created.
    pub struct CreatableTopicConfigs<'a> {
        /// Name of the setting.
        pub name: Cow<'a, str>,
        /// Its value.
        pub value: Option<Cow<'a, str>>,
        /// Whether it cannot be changed.
        pub read_only: bool,
        /// Where it comes from, -1 if unknown; as in DescribeConfigs.
        pub config_source: i8 = -1,
        /// Whether it is a secret.
        pub is_sensitive: bool,
    }
}
