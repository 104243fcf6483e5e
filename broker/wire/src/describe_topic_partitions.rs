//! DescribeTopicPartitions: topics page by page (KIP-966).

use std::borrow::Cow;

use crate::field::{Field, Version};
use crate::metadata::AUTHORIZED_OPERATIONS_UNKNOWN;
use crate::schema::{message, structs};
use crate::{DecodeError, ErrorCode, Reader, Uuid, Writer};

message! { DescribeTopicPartitionsRequest<'a>, DescribeTopicPartitions, versions 0..=0 }
message! { DescribeTopicPartitionsResponse<'a>, DescribeTopicPartitions, versions 0..=0 }

structs! {
    /// What to describe.
    pub struct DescribeTopicPartitionsRequest<'a> {
        /// The topics; none for all.
        pub topics: Vec<TopicRequest<'a>>,
        /// Most partitions in one answer.
        pub response_partition_limit: i32 = 2000,
        /// Where to go on, or null for the beginning.
        pub cursor: Option<Cursor<'a>>,
    }

    /// A topic to describe.
    pub struct TopicRequest<'a> {
        /// Name of the topic.
        pub name: &'a str,
    }

    /// The first partition of a page.
    pub struct Cursor<'a> {
        /// Name of the topic.
        pub topic_name: Cow<'a, str>,
        /// Index of the partition.
        pub partition_index: i32,
    }

    /// A page of topics.
    pub struct DescribeTopicPartitionsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// The topics, by name.
        pub topics: Vec<DescribeTopicPartitionsResponseTopic<'a>>,
        /// Where the next page begins, or null after the last one.
        pub next_cursor: Option<Cursor<'a>>,
    }

    /// A topic.
    pub struct DescribeTopicPartitionsResponseTopic<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Name of the topic.
        pub name: Option<Cow<'a, str>> = Some(Cow::Borrowed("")),
        /// Id of the topic.
        pub topic_id: Uuid,
        /// Whether the broker keeps its own records in it.
        pub is_internal: bool,
        /// The partitions of this page.
        pub partitions: Vec<DescribeTopicPartitionsResponsePartition>,
        /// Bits of the operations the client may use on the topic.
        pub topic_authorized_operations: i32 = AUTHORIZED_OPERATIONS_UNKNOWN,
    }

    /// A partition.
    pub struct DescribeTopicPartitionsResponsePartition {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Index of the partition.
        pub partition_index: i32,
        /// Id of the node that leads it.
        pub leader_id: i32,
        /// The leader's epoch.
        pub leader_epoch: i32 = -1,
        /// Ids of the nodes that hold it.
        pub replica_nodes: Vec<i32>,
        /// Ids of those that are in sync.
        pub isr_nodes: Vec<i32>,
        /// Ids of those that may lead although they are not in sync. Java's admin client fails on null.
        pub eligible_leader_replicas: Option<Vec<i32>>,
        /// Ids of those that were the last of them. Java's admin client fails on null.
        pub last_known_elr: Option<Vec<i32>>,
        /// Ids of those that are not alive.
        pub offline_replicas: Vec<i32>,
    }
}

/// A struct that may be null has a byte before it: -1 for null.
impl<'a> Field<'a> for Option<Cursor<'a>> {
    fn bytes_min(_version: Version) -> usize {
        1
    }

    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        if reader.i8()? < 0 { Ok(None) } else { Cursor::read(reader, version).map(Some) }
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        match self {
            None => writer.i8(-1),
            Some(cursor) => {
                writer.i8(1);
                cursor.write(writer, version);
            }
        }
    }
}
