//! ConsumerGroupHeartbeat: everything that a member of a group of the consumer protocol says, joining and leaving among it (KIP-848).
//!
//! From version 1 on the client makes its member id itself (KIP-1082), and may subscribe to a regular expression.

use std::borrow::Cow;

use crate::field::{Field, Version};
use crate::schema::{message, structs};
use crate::{DecodeError, ErrorCode, Reader, Uuid, Writer};

message! { ConsumerGroupHeartbeatRequest<'a>, ConsumerGroupHeartbeat, versions 0..=1 }
message! { ConsumerGroupHeartbeatResponse<'a>, ConsumerGroupHeartbeat, versions 0..=1 }

structs! {
    /// What a member says. Null is "as I said before".
    pub struct ConsumerGroupHeartbeatRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Id of the member.
        pub member_id: &'a str,
        /// Its epoch; 0 to join, -1 to leave, -2 from a static member that will come back.
        pub member_epoch: i32,
        /// The member's own permanent id, or null (KIP-345).
        pub instance_id: Option<&'a str>,
        /// The rack that the member is in, or null.
        pub rack_id: Option<&'a str>,
        /// Time that the member may take to give partitions up, in milliseconds; -1 for as before.
        pub rebalance_timeout_ms: i32 = -1,
        /// Names of the topics that it subscribes to.
        pub subscribed_topic_names: Option<Vec<&'a str>>,
        /// A regular expression for further ones.
        pub subscribed_topic_regex: Option<&'a str> [1..],
        /// The assignor that it wants, or null for whichever.
        pub server_assignor: Option<&'a str>,
        /// The partitions that it owns.
        pub topic_partitions: Option<Vec<TopicPartitions>>,
    }

    /// Partitions of a topic.
    pub struct TopicPartitions {
        /// Id of the topic.
        pub topic_id: Uuid,
        /// Indexes of the partitions.
        pub partitions: Vec<i32>,
    }

    /// What the coordinator says.
    pub struct ConsumerGroupHeartbeatResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// Id of the member.
        pub member_id: Option<Cow<'a, str>>,
        /// Its epoch from here on.
        pub member_epoch: i32,
        /// When the next heartbeat is expected, in milliseconds.
        pub heartbeat_interval_ms: i32,
        /// What the member is to own from here on, or null for as before.
        pub assignment: Option<Assignment>,
    }

    /// What a member is to own.
    pub struct Assignment {
        /// The partitions that it can use at once.
        pub topic_partitions: Vec<TopicPartitions>,
    }
}

/// A struct that may be null has a byte before it: -1 for null.
impl<'a> Field<'a> for Option<Assignment> {
    fn bytes_min(_version: Version) -> usize {
        1
    }

    fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        if reader.i8()? < 0 { Ok(None) } else { Assignment::read(reader, version).map(Some) }
    }

    fn write(&self, writer: &mut Writer<'_>, version: Version) {
        match self {
            None => writer.i8(-1),
            Some(assignment) => {
                writer.i8(1);
                assignment.write(writer, version);
            }
        }
    }
}
