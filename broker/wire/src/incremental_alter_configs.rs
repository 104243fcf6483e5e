//! IncrementalAlterConfigs: single settings of topics and nodes (KIP-339).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { IncrementalAlterConfigsRequest<'a>, IncrementalAlterConfigs, versions 0..=1 }
message! { IncrementalAlterConfigsResponse<'a>, IncrementalAlterConfigs, versions 0..=1 }

/// As an operation: the setting gets the value.
pub const OPERATION_SET: i8 = 0;
/// As an operation: the setting goes back to its default.
pub const OPERATION_DELETE: i8 = 1;
/// As an operation: the words are added to the setting's list.
pub const OPERATION_APPEND: i8 = 2;
/// As an operation: the words are taken from the setting's list.
pub const OPERATION_SUBTRACT: i8 = 3;

structs! {
    /// What to change.
    pub struct IncrementalAlterConfigsRequest<'a> {
        /// The topics and nodes.
        pub resources: Vec<AlterConfigsResource<'a>>,
        /// Whether only to check, and change nothing.
        pub validate_only: bool,
    }

    /// A topic or node to change.
    pub struct AlterConfigsResource<'a> {
        /// One of the constants of [`describe_configs`](crate::describe_configs).
        pub resource_type: i8,
        /// Name of the topic, or id of the node.
        pub resource_name: &'a str,
        /// The changes.
        pub configs: Vec<AlterableConfig<'a>>,
    }

    /// The change of one setting.
    pub struct AlterableConfig<'a> {
        /// Name of the setting.
        pub name: &'a str,
        /// One of the constants of this module.
        pub config_operation: i8,
        /// The value, or words separated by commas.
        pub value: Option<&'a str>,
    }

    /// What became of the changes.
    pub struct IncrementalAlterConfigsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic or node.
        pub responses: Vec<AlterConfigsResourceResponse<'a>>,
    }

    /// The result of one topic or node.
    pub struct AlterConfigsResourceResponse<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// As asked for.
        pub resource_type: i8,
        /// As asked for.
        pub resource_name: Cow<'a, str>,
    }
}
