//! LeaveGroup: members go. Up to version 2 one member for itself, from version 3 several (KIP-345).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { LeaveGroupRequest<'a>, LeaveGroup, versions 0..=5 }
message! { LeaveGroupResponse<'a>, LeaveGroup, versions 0..=5 }

structs! {
    /// Who leaves which group.
    pub struct LeaveGroupRequest<'a> {
        /// Name of the group.
        pub group_id: &'a str,
        /// Id of the member, up to version 2.
        pub member_id: &'a str [..=2],
        /// The members, from version 3.
        pub members: Vec<MemberIdentity<'a>> [3..],
    }

    /// A member that leaves.
    pub struct MemberIdentity<'a> {
        /// Id of the member, or empty where its permanent id says who it is.
        pub member_id: &'a str,
        /// Its permanent id, or null.
        pub group_instance_id: Option<&'a str>,
        /// Why it leaves (KIP-800).
        pub reason: Option<&'a str> [5..],
    }

    /// What became of it.
    pub struct LeaveGroupResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// What went wrong with all of it.
        pub error_code: ErrorCode,
        /// Results by member, from version 3.
        pub members: Vec<MemberResponse<'a>> [3..],
    }

    /// The result of one member.
    pub struct MemberResponse<'a> {
        /// Id of the member, as it was sent.
        pub member_id: Cow<'a, str>,
        /// Its permanent id, as it was sent.
        pub group_instance_id: Option<Cow<'a, str>>,
        /// What went wrong.
        pub error_code: ErrorCode,
    }
}
