//! DescribeConfigs: the settings of topics and nodes.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DescribeConfigsRequest<'a>, DescribeConfigs, versions 1..=4 }
message! { DescribeConfigsResponse<'a>, DescribeConfigs, versions 1..=4 }

/// As a resource type: a topic, by name.
pub const RESOURCE_TYPE_TOPIC: i8 = 2;
/// As a resource type: a node, by its id in decimal.
pub const RESOURCE_TYPE_BROKER: i8 = 4;
/// As a resource type: a consumer group (KIP-848).
pub const RESOURCE_TYPE_GROUP: i8 = 32;

/// As a source: set for this topic.
pub const SOURCE_TOPIC: i8 = 1;
/// As a source: changed for this node while it ran.
pub const SOURCE_DYNAMIC_BROKER: i8 = 2;
/// As a source: changed for all nodes while they ran.
pub const SOURCE_DYNAMIC_DEFAULT_BROKER: i8 = 3;
/// As a source: set in the node's configuration file.
pub const SOURCE_STATIC_BROKER: i8 = 4;
/// As a source: not set anywhere.
pub const SOURCE_DEFAULT: i8 = 5;
/// A value that was set for a group (KIP-848).
pub const SOURCE_GROUP: i8 = 8;

structs! {
    /// What to describe.
    pub struct DescribeConfigsRequest<'a> {
        /// The topics and nodes.
        pub resources: Vec<DescribeConfigsResource<'a>>,
        /// Whether to say what a setting falls back to.
        pub include_synonyms: bool,
        /// Whether to say what a setting is for.
        pub include_documentation: bool [3..],
    }

    /// A topic or node to describe.
    pub struct DescribeConfigsResource<'a> {
        /// One of the constants of this module.
        pub resource_type: i8,
        /// Name of the topic, or id of the node.
        pub resource_name: &'a str,
        /// Names of the settings; null for all.
        pub configuration_keys: Option<Vec<&'a str>> = Some(Vec::new()),
    }

    /// The settings.
    pub struct DescribeConfigsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic or node.
        pub results: Vec<DescribeConfigsResult<'a>>,
    }

    /// The settings of one topic or node.
    pub struct DescribeConfigsResult<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// As asked for.
        pub resource_type: i8,
        /// As asked for.
        pub resource_name: Cow<'a, str>,
        /// The settings.
        pub configs: Vec<DescribeConfigsResourceResult<'a>>,
    }

    /// A setting.
    pub struct DescribeConfigsResourceResult<'a> {
        /// Name of the setting.
        pub name: Cow<'a, str>,
        /// Its value; null if it is a secret.
        pub value: Option<Cow<'a, str>>,
        /// Whether it cannot be changed.
        pub read_only: bool,
        /// Where it comes from: one of the constants of this module, -1 if unknown.
        pub config_source: i8 = -1,
        /// Whether it is a secret.
        pub is_sensitive: bool,
        /// What it falls back to, nearest first.
        pub synonyms: Vec<DescribeConfigsSynonym<'a>>,
        /// The type of its value: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9 password.
        pub config_type: i8 [3..],
        /// What it is for.
        pub documentation: Option<Cow<'a, str>> [3..],
    }

    /// What a setting falls back to.
    pub struct DescribeConfigsSynonym<'a> {
        /// Name of the setting.
        pub name: Cow<'a, str>,
        /// Its value.
        pub value: Option<Cow<'a, str>>,
        /// Where it comes from: one of the constants of this module.
        pub source: i8,
    }
}
