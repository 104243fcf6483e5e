//! DescribeGroups: state and members of groups of the classic protocol.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DescribeGroupsRequest<'a>, DescribeGroups, versions 0..=6 }
message! { DescribeGroupsResponse<'a>, DescribeGroups, versions 0..=6 }

/// In [`DescribedGroup::authorized_operations`]: nobody asked.
pub const AUTHORIZED_OPERATIONS_UNKNOWN: i32 = i32::MIN;

structs! {
    /// Which groups to describe.
    pub struct DescribeGroupsRequest<'a> {
        /// Names of the groups.
        pub groups: Vec<&'a str>,
        /// Whether to say what the client may do with each group.
        pub include_authorized_operations: bool [3..],
    }

    /// The groups.
    pub struct DescribeGroupsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// The groups, in the order of the request.
        pub groups: Vec<DescribedGroup<'a>>,
    }

    /// A group.
    pub struct DescribedGroup<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why (KIP-1043).
        pub error_message: Option<Cow<'a, str>> [6..],
        /// Name of the group.
        pub group_id: Cow<'a, str>,
        /// Its state, or empty.
        pub group_state: Cow<'a, str>,
        /// Kind of its protocols, or empty.
        pub protocol_type: Cow<'a, str>,
        /// The protocol that was chosen, or empty.
        pub protocol_data: Cow<'a, str>,
        /// Its members.
        pub members: Vec<DescribedGroupMember<'a>>,
        /// What the client may do with the group, as bits.
        pub authorized_operations: i32 [3..] = AUTHORIZED_OPERATIONS_UNKNOWN,
    }

    /// A member.
    pub struct DescribedGroupMember<'a> {
        /// Id of the member.
        pub member_id: Cow<'a, str>,
        /// Its permanent id, or null.
        pub group_instance_id: Option<Cow<'a, str>> [4..],
        /// The name the client gave itself.
        pub client_id: Cow<'a, str>,
        /// Where it joined from.
        pub client_host: Cow<'a, str>,
        /// What it said with the chosen protocol.
        pub member_metadata: &'a [u8],
        /// What it is assigned.
        pub member_assignment: &'a [u8],
    }
}
