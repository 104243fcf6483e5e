//! AlterConfigs: all settings of topics and nodes at once. What is not named goes back to its default.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { AlterConfigsRequest<'a>, AlterConfigs, versions 0..=2 }
message! { AlterConfigsResponse<'a>, AlterConfigs, versions 0..=2 }

structs! {
    /// What to set.
    pub struct AlterConfigsRequest<'a> {
        /// The topics and nodes.
        pub resources: Vec<AlterConfigsResource<'a>>,
        /// Whether only to check, and change nothing.
        pub validate_only: bool,
    }

    /// A topic or node whose settings are given.
    pub struct AlterConfigsResource<'a> {
        /// One of the constants of [`describe_configs`](crate::describe_configs).
        pub resource_type: i8,
        /// Name of the topic, or id of the node.
        pub resource_name: &'a str,
        /// All its settings.
        pub configs: Vec<AlterableConfig<'a>>,
    }

    /// A setting.
    pub struct AlterableConfig<'a> {
        /// Name of the setting.
        pub name: &'a str,
        /// Its value.
        pub value: Option<&'a str>,
    }

    /// What became of the settings.
    pub struct AlterConfigsResponse<'a> {
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
