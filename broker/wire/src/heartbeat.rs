//! Heartbeat: a member of a classic group is alive, and learns whether the group is being made anew.

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { HeartbeatRequest<'a>, Heartbeat, versions 0..=4 }
message! { HeartbeatResponse, Heartbeat, versions 0..=4 }

structs! {
    /// Who is alive.
    pub struct HeartbeatRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Generation that the member belongs to.
        pub generation_id: i32,
        /// Id the coordinator gave the member.
        pub member_id: &'a str,
        /// The member's own permanent id, or null (KIP-345).
        pub group_instance_id: Option<&'a str> [3..],
    }

    /// How the group is.
    pub struct HeartbeatResponse {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// What went wrong, or that the member has to join again.
        pub error_code: ErrorCode,
    }
}
