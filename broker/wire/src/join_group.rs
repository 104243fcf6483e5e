//! JoinGroup: a member asks to belong to a group of the classic protocol, and waits until the group is complete.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { JoinGroupRequest<'a>, JoinGroup, versions 0..=9 }
message! { JoinGroupResponse<'a>, JoinGroup, versions 0..=9 }

structs! {
    /// Who wants to join which group.
    pub struct JoinGroupRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Time without a heartbeat after which the member counts as gone, in milliseconds.
        pub session_timeout_ms: i32,
        /// Time that members get to rejoin when the group is made anew, in milliseconds; -1 in version 0.
        pub rebalance_timeout_ms: i32 [1..] = -1,
        /// Id the coordinator gave the member, or empty.
        pub member_id: &'a str,
        /// The member's own permanent id, or null (KIP-345).
        pub group_instance_id: Option<&'a str> [5..],
        /// Kind of the protocols, for example `consumer`.
        pub protocol_type: &'a str,
        /// Protocols that the member can do, the best first.
        pub protocols: Vec<JoinGroupRequestProtocol<'a>>,
        /// Why the member joins (KIP-800).
        pub reason: Option<&'a str> [8..],
    }

    /// A protocol that the member can do.
    pub struct JoinGroupRequestProtocol<'a> {
        /// Name of the protocol; for consumers, the assignor.
        pub name: &'a str,
        /// What the leader of the group should know; opaque to the broker.
        pub metadata: &'a [u8],
    }

    /// The group as it is now complete.
    pub struct JoinGroupResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [2..],
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Which making of the group this is.
        pub generation_id: i32 = -1,
        /// Kind of the protocols.
        pub protocol_type: Option<Cow<'a, str>> [7..],
        /// The protocol that was chosen.
        pub protocol_name: Option<Cow<'a, str>> [0.., null 7..] = Some(Cow::Borrowed("")),
        /// Id of the member that assigns.
        pub leader: Cow<'a, str>,
        /// Whether the leader is not to assign anew (KIP-814).
        pub skip_assignment: bool [9..],
        /// Id of the member that asked.
        pub member_id: Cow<'a, str>,
        /// All members, for the leader; empty for the others.
        pub members: Vec<JoinGroupResponseMember<'a>>,
    }

    /// A member, as its leader sees it.
    pub struct JoinGroupResponseMember<'a> {
        /// Id of the member.
        pub member_id: Cow<'a, str>,
        /// Its permanent id, or null.
        pub group_instance_id: Option<Cow<'a, str>> [5..],
        /// What it said with the chosen protocol.
        pub metadata: &'a [u8],
    }
}
