//! DeleteGroups: groups without members go, and their offsets with them.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DeleteGroupsRequest<'a>, DeleteGroups, versions 0..=2 }
message! { DeleteGroupsResponse<'a>, DeleteGroups, versions 0..=2 }

structs! {
    /// Which groups to delete.
    pub struct DeleteGroupsRequest<'a> {
        /// Names of the groups.
        pub groups_names: Vec<&'a str>,
    }

    /// What became of the groups.
    pub struct DeleteGroupsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by group.
        pub results: Vec<DeletableGroupResult<'a>>,
    }

    /// The result of one group.
    pub struct DeletableGroupResult<'a> {
        /// Name of the group.
        pub group_id: Cow<'a, str>,
        /// What went wrong.
        pub error_code: ErrorCode,
    }
}
