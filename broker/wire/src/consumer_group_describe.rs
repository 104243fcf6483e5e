//! ConsumerGroupDescribe: state and members of groups of the consumer protocol (KIP-848).

use std::borrow::Cow;

use crate::describe_groups::AUTHORIZED_OPERATIONS_UNKNOWN;
use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { ConsumerGroupDescribeRequest<'a>, ConsumerGroupDescribe, versions 0..=1 }
message! { ConsumerGroupDescribeResponse<'a>, ConsumerGroupDescribe, versions 0..=1 }

structs! {
    /// Which groups to describe.
    pub struct ConsumerGroupDescribeRequest<'a> {
        /// Names of the groups.
        pub group_ids: Vec<&'a str>,
        /// Whether to say what the client may do with each group.
        pub include_authorized_operations: bool,
    }

    /// The groups.
    pub struct ConsumerGroupDescribeResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// The groups, in the order of the request.
        pub groups: Vec<DescribedGroup<'a>>,
    }

    /// A group.
    pub struct DescribedGroup<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// Name of the group.
        pub group_id: Cow<'a, str>,
        /// Its state, or empty.
        pub group_state: Cow<'a, str>,
        /// Rises with every change of members, subscriptions or topics.
        pub group_epoch: i32,
        /// The group's epoch that the target assignment was made for.
        pub assignment_epoch: i32,
        /// The assignor that was chosen.
        pub assignor_name: Cow<'a, str>,
        /// Its members.
        pub members: Vec<Member<'a>>,
        /// What the client may do with the group, as bits.
        pub authorized_operations: i32 = AUTHORIZED_OPERATIONS_UNKNOWN,
    }

    /// A member.
    pub struct Member<'a> {
        /// Id of the member.
        pub member_id: Cow<'a, str>,
        /// Its permanent id, or null.
        pub instance_id: Option<Cow<'a, str>>,
        /// The rack that it is in, or null.
        pub rack_id: Option<Cow<'a, str>>,
        /// Its epoch.
        pub member_epoch: i32,
        /// The name the client gave itself.
        pub client_id: Cow<'a, str>,
        /// Where it is.
        pub client_host: Cow<'a, str>,
        /// Names of the topics that it subscribes to.
        pub subscribed_topic_names: Vec<Cow<'a, str>>,
        /// A regular expression for further ones, or null.
        pub subscribed_topic_regex: Option<Cow<'a, str>>,
        /// What it owns.
        pub assignment: Assignment<'a>,
        /// What it is to own.
        pub target_assignment: Assignment<'a>,
        /// The protocol that it speaks: 0 classic, 1 consumer, -1 unknown (KIP-1099).
        pub member_type: i8 [1..] = -1,
    }

    /// Partitions of topics.
    pub struct Assignment<'a> {
        /// The partitions by topic.
        pub topic_partitions: Vec<TopicPartitions<'a>>,
    }

    /// Partitions of a topic.
    pub struct TopicPartitions<'a> {
        /// Id of the topic.
        pub topic_id: Uuid,
        /// Its name.
        pub topic_name: Cow<'a, str>,
        /// Indexes of the partitions.
        pub partitions: Vec<i32>,
    }
}
