//! SyncGroup: the leader of a group hands in what everybody is assigned; each member waits for its own part.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { SyncGroupRequest<'a>, SyncGroup, versions 0..=5 }
message! { SyncGroupResponse<'a>, SyncGroup, versions 0..=5 }

structs! {
    /// Which member of which group asks for its assignment.
    pub struct SyncGroupRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Generation that the member joined.
        pub generation_id: i32,
        /// Id the coordinator gave the member.
        pub member_id: &'a str,
        /// The member's own permanent id, or null (KIP-345).
        pub group_instance_id: Option<&'a str> [3..],
        /// Kind of the protocols, as the member believes (KIP-559).
        pub protocol_type: Option<&'a str> [5..],
        /// The chosen protocol, as the member believes.
        pub protocol_name: Option<&'a str> [5..],
        /// From the leader, what each member is assigned; empty from the others.
        pub assignments: Vec<SyncGroupRequestAssignment<'a>>,
    }

    /// What one member is assigned.
    pub struct SyncGroupRequestAssignment<'a> {
        /// Id of the member.
        pub member_id: &'a str,
        /// Its assignment; opaque to the broker.
        pub assignment: &'a [u8],
    }

    /// What the member is assigned.
    pub struct SyncGroupResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Kind of the protocols.
        pub protocol_type: Option<Cow<'a, str>> [5..],
        /// The chosen protocol.
        pub protocol_name: Option<Cow<'a, str>> [5..],
        /// The assignment; opaque to the broker.
        pub assignment: &'a [u8],
    }
}
