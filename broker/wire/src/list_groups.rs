//! ListGroups: the groups that this node coordinates.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { ListGroupsRequest<'a>, ListGroups, versions 0..=5 }
message! { ListGroupsResponse<'a>, ListGroups, versions 0..=5 }

structs! {
    /// Which groups to list.
    pub struct ListGroupsRequest<'a> {
        /// States of interest; empty for all (KIP-518).
        pub states_filter: Vec<&'a str> [4..],
        /// Types of interest; empty for all (KIP-848).
        pub types_filter: Vec<&'a str> [5..],
    }

    /// The groups.
    pub struct ListGroupsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// What went wrong.
        pub error_code: ErrorCode,
        /// The groups.
        pub groups: Vec<ListedGroup<'a>>,
    }

    /// A group.
    pub struct ListedGroup<'a> {
        /// Name of the group.
        pub group_id: Cow<'a, str>,
        /// Kind of its protocols; empty for one that only stores offsets.
        pub protocol_type: Cow<'a, str>,
        /// Its state.
        pub group_state: Cow<'a, str> [4..],
        /// Its type: `classic` or `consumer`.
        pub group_type: Cow<'a, str> [5..],
    }
}
