//! ListConfigResources: what has settings, by type (KIP-1142). Version 0 asks about subscriptions to clients' metrics only (KIP-714).

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { ListConfigResourcesRequest, ListConfigResources, versions 0..=1 }
message! { ListConfigResourcesResponse<'a>, ListConfigResources, versions 0..=1 }

/// As a resource type: a subscription to clients' metrics.
pub const RESOURCE_TYPE_CLIENT_METRICS: i8 = 16;
/// As a resource type: a broker's loggers.
pub const RESOURCE_TYPE_BROKER_LOGGER: i8 = 8;

structs! {
    /// What to list.
    pub struct ListConfigResourcesRequest {
        /// Types of resources; empty for all.
        pub resource_types: Vec<i8> [1..],
    }

    /// What there is.
    pub struct ListConfigResourcesResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// The resources.
        pub config_resources: Vec<ConfigResource<'a>>,
    }

    /// Something that has settings.
    pub struct ConfigResource<'a> {
        /// Its name.
        pub resource_name: Cow<'a, str>,
        /// Its type.
        pub resource_type: i8 [1..] = RESOURCE_TYPE_CLIENT_METRICS,
    }
}
