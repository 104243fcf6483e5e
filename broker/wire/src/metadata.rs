//! Metadata: which nodes there are and what they lead.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { MetadataRequest<'a>, Metadata, versions 0..=13 }
message! { MetadataResponse<'a>, Metadata, versions 0..=13 }

/// "Not asked for" in the fields of authorized operations.
pub const AUTHORIZED_OPERATIONS_UNKNOWN: i32 = i32::MIN;

structs! {
    /// The topics to describe.
    pub struct MetadataRequest<'a> {
        /// Null asks for every topic, and so does an empty list in version 0.
        pub topics: Option<Vec<MetadataRequestTopic<'a>>> [0.., null 1..] = Some(Vec::new()),
        /// Whether the broker may create topics that it does not have.
        pub allow_auto_topic_creation: bool [4..] = true,
        /// Whether to say what the client may do with the cluster.
        pub include_cluster_authorized_operations: bool [8..=10],
        /// Whether to say what the client may do with each topic.
        pub include_topic_authorized_operations: bool [8..],
    }

    /// A topic to describe, by name or by id.
    pub struct MetadataRequestTopic<'a> {
        /// Id of the topic, or zero.
        pub topic_id: Uuid [10..],
        /// Name of the topic; null from version 10 if it is asked for by id.
        pub name: Option<&'a str> [0.., null 10..],
    }

    /// Nodes and topics.
    pub struct MetadataResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [3..],
        /// The nodes of the cluster.
        pub brokers: Vec<MetadataResponseBroker<'a>>,
        /// Id of the cluster.
        pub cluster_id: Option<Cow<'a, str>> [2..],
        /// Id of the node that takes requests for the controller, -1 if unknown.
        pub controller_id: i32 [1..] = -1,
        /// The topics.
        pub topics: Vec<MetadataResponseTopic<'a>>,
        /// Bits of the operations the client may use on the cluster.
        pub cluster_authorized_operations: i32 [8..=10] = AUTHORIZED_OPERATIONS_UNKNOWN,
        /// What went wrong with the request as a whole; `REBOOTSTRAP_REQUIRED` in practice (KIP-1102).
        pub error_code: ErrorCode [13..],
    }

    /// A node.
    pub struct MetadataResponseBroker<'a> {
        /// Id of the node.
        pub node_id: i32,
        /// Host name or address for clients.
        pub host: Cow<'a, str>,
        /// Port for clients.
        pub port: i32,
        /// Rack, or null.
        pub rack: Option<Cow<'a, str>> [1..],
    }

    /// A topic.
    pub struct MetadataResponseTopic<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Name of the topic; null from version 12 if an id is not known.
        pub name: Option<Cow<'a, str>> [0.., null 12..] = Some(Cow::Borrowed("")),
        /// Id of the topic, zero if a name is not known.
        pub topic_id: Uuid [10..],
        /// Whether the topic is one of the broker's own.
        pub is_internal: bool [1..],
        /// The partitions.
        pub partitions: Vec<MetadataResponsePartition>,
        /// Bits of the operations the client may use on the topic.
        pub topic_authorized_operations: i32 [8..] = AUTHORIZED_OPERATIONS_UNKNOWN,
    }

    /// A partition.
    pub struct MetadataResponsePartition {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Index of the partition.
        pub partition_index: i32,
        /// Id of the leading node, -1 if there is none.
        pub leader_id: i32,
        /// Epoch of the leader, -1 if unknown.
        pub leader_epoch: i32 [7..] = -1,
        /// Ids of the nodes that hold the partition.
        pub replica_nodes: Vec<i32>,
        /// Ids of the nodes that are in sync with the leader.
        pub isr_nodes: Vec<i32>,
        /// Ids of the nodes that hold the partition and are not reachable.
        pub offline_replicas: Vec<i32> [5..],
    }
}
