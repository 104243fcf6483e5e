//! DescribeCluster: the nodes, without the topics.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DescribeClusterRequest, DescribeCluster, versions 0..=2 }
message! { DescribeClusterResponse<'a>, DescribeCluster, versions 0..=2 }

pub use crate::metadata::AUTHORIZED_OPERATIONS_UNKNOWN;

/// As an endpoint type: brokers.
pub const ENDPOINT_TYPE_BROKERS: i8 = 1;
/// As an endpoint type: controllers.
pub const ENDPOINT_TYPE_CONTROLLERS: i8 = 2;

structs! {
    /// What to describe.
    pub struct DescribeClusterRequest {
        /// Whether to say what the client may do with the cluster.
        pub include_cluster_authorized_operations: bool,
        /// One of the constants of this module.
        pub endpoint_type: i8 [1..] = ENDPOINT_TYPE_BROKERS,
        /// Whether to list nodes that are fenced off.
        pub include_fenced_brokers: bool [2..],
    }

    /// The nodes.
    pub struct DescribeClusterResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// As asked for.
        pub endpoint_type: i8 [1..] = ENDPOINT_TYPE_BROKERS,
        /// Id of the cluster.
        pub cluster_id: Cow<'a, str>,
        /// Id of the node that takes requests for the controller, -1 if unknown.
        pub controller_id: i32 = -1,
        /// The nodes.
        pub brokers: Vec<DescribeClusterBroker<'a>>,
        /// Bits of the operations the client may use on the cluster.
        pub cluster_authorized_operations: i32 = AUTHORIZED_OPERATIONS_UNKNOWN,
    }

    /// A node.
    pub struct DescribeClusterBroker<'a> {
        /// Id of the node.
        pub broker_id: i32,
        /// Host name or address for clients.
        pub host: Cow<'a, str>,
        /// Port for clients.
        pub port: i32,
        /// Rack, or null.
        pub rack: Option<Cow<'a, str>>,
        /// Whether it is fenced off.
        pub is_fenced: bool [2..],
    }
}
