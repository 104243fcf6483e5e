//! ApiVersions: the first request of a connection, by which a client learns what the broker speaks.
//!
//! To a version it does not know a broker answers with the body of version 0 and `UNSUPPORTED_VERSION` (KIP-511).

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, SUPPORTED};

message! { ApiVersionsRequest<'a>, ApiVersions, versions 0..=4 }
message! { ApiVersionsResponse<'a>, ApiVersions, versions 0..=4 }

/// The levels of the feature `group.version`.
const GROUP_VERSIONS: (i16, i16) = (1, 1);

impl ApiVersionsResponse<'_> {
    /// The answer that advertises [`SUPPORTED`].
    pub fn advertising_supported(error_code: ErrorCode) -> Self {
        let api_keys = SUPPORTED
            .iter()
            .map(|range| ApiVersion { api_key: range.key.as_i16(), min_version: range.min, max_version: range.max })
            .collect();
        // Tools ask by this name whether there are groups of the consumer protocol (KIP-848). They cannot be switched off.
        let name = Cow::Borrowed("group.version");
        let (min_version, max_version) = GROUP_VERSIONS;
        let supported = SupportedFeatureKey { name: name.clone(), min_version, max_version };
        let finalized = FinalizedFeatureKey { name, max_version_level: max_version, min_version_level: max_version };
        Self {
            error_code,
            api_keys,
            supported_features: vec![supported],
            finalized_features_epoch: 0,
            finalized_features: vec![finalized],
            ..Self::default()
        }
    }
}

structs! {
    /// Who asks.
    pub struct ApiVersionsRequest<'a> {
        /// Name of the client software.
        pub client_software_name: &'a str [3..],
        /// Version of the client software.
        pub client_software_version: &'a str [3..],
    }

    /// What the broker speaks.
    pub struct ApiVersionsResponse<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// The messages the broker speaks.
        pub api_keys: Vec<ApiVersion>,
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32 [1..],
        /// Features the broker could switch on (KIP-584).
        pub supported_features: Vec<SupportedFeatureKey<'a>> [3.., tag 0],
        /// Epoch of the features below, -1 if unknown.
        pub finalized_features_epoch: i64 [3.., tag 1] = -1,
        /// Features that are on in the cluster.
        pub finalized_features: Vec<FinalizedFeatureKey<'a>> [3.., tag 2],
        /// Always false: there is no ZooKeeper to migrate from.
        pub zk_migration_ready: bool [3.., tag 3],
    }

    /// A message and its versions.
    pub struct ApiVersion {
        /// Number of the message.
        pub api_key: i16,
        /// Lowest version.
        pub min_version: i16,
        /// Highest version.
        pub max_version: i16,
    }

    /// A feature and its possible levels.
    pub struct SupportedFeatureKey<'a> {
        /// Name of the feature.
        pub name: Cow<'a, str>,
        /// Lowest level.
        pub min_version: i16,
        /// Highest level.
        pub max_version: i16,
    }

    /// A feature and the levels that are on.
    pub struct FinalizedFeatureKey<'a> {
        /// Name of the feature.
        pub name: Cow<'a, str>,
        /// Highest level.
        pub max_version_level: i16,
        /// Lowest level.
        pub min_version_level: i16,
    }
}
