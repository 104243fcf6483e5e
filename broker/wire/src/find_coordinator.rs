//! FindCoordinator: which node coordinates a group or a transaction. Up to version 3 it asks about one key, from version
//! 4 about several.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { FindCoordinatorRequest<'a>, FindCoordinator, versions 0..=6 }
message! { FindCoordinatorResponse<'a>, FindCoordinator, versions 0..=6 }

/// As a key type: the key is a consumer group.
pub const KEY_TYPE_GROUP: i8 = 0;
/// As a key type: the key is a transactional id.
pub const KEY_TYPE_TRANSACTION: i8 = 1;

structs! {
    /// Whose coordinator to find.
    pub struct FindCoordinatorRequest<'a> {
        /// The key, up to version 3.
        pub key: &'a str [..=3],
        /// What the keys are: one of the constants of this module.
        pub key_type: i8 [1..] = KEY_TYPE_GROUP,
        /// The keys, from version 4.
        pub coordinator_keys: Vec<&'a str> [4..],
    }

    /// The coordinators found.
    pub struct FindCoordinatorResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// What went wrong, up to version 3.
        pub error_code: ErrorCode [..=3],
        /// Why, up to version 3.
        pub error_message: Option<Cow<'a, str>> [1..=3],
        /// Id of the node, up to version 3.
        pub node_id: i32 [..=3],
        /// Host name or address of the node, up to version 3.
        pub host: Cow<'a, str> [..=3],
        /// Port of the node, up to version 3.
        pub port: i32 [..=3],
        /// Results by key, from version 4.
        pub coordinators: Vec<Coordinator<'a>> [4..],
    }

    /// The coordinator of one key.
    pub struct Coordinator<'a> {
        /// The key.
        pub key: Cow<'a, str>,
        /// Id of the node.
        pub node_id: i32,
        /// Host name or address of the node.
        pub host: Cow<'a, str>,
        /// Port of the node.
        pub port: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
    }
}
