//! DescribeAcls: rules of who may do what.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { DescribeAclsRequest<'a>, DescribeAcls, versions 1..=3 }
message! { DescribeAclsResponse<'a>, DescribeAcls, versions 1..=3 }

/// As a pattern type: the resource with exactly this name.
pub const PATTERN_LITERAL: i8 = 3;

structs! {
    /// The rules to describe.
    pub struct DescribeAclsRequest<'a> {
        /// Kafka's number of the kind of resource.
        pub resource_type_filter: i8,
        /// Name of the resource, or null for any.
        pub resource_name_filter: Option<&'a str>,
        /// How names are compared.
        pub pattern_type_filter: i8 = PATTERN_LITERAL,
        /// The principal, or null for any.
        pub principal_filter: Option<&'a str>,
        /// The host, or null for any.
        pub host_filter: Option<&'a str>,
        /// Kafka's number of the operation.
        pub operation: i8,
        /// Kafka's number for what the rule does.
        pub permission_type: i8,
    }

    /// The rules.
    pub struct DescribeAclsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// Rules by resource.
        pub resources: Vec<DescribeAclsResource<'a>>,
    }

    /// The rules of one resource.
    pub struct DescribeAclsResource<'a> {
        /// Kafka's number of the kind of resource.
        pub resource_type: i8,
        /// Name of the resource.
        pub resource_name: Cow<'a, str>,
        /// How names are compared.
        pub pattern_type: i8 = PATTERN_LITERAL,
        /// The rules.
        pub acls: Vec<AclDescription<'a>>,
    }

    /// A rule.
    pub struct AclDescription<'a> {
        /// Who it is for.
        pub principal: Cow<'a, str>,
        /// From where.
        pub host: Cow<'a, str>,
        /// Kafka's number of the operation.
        pub operation: i8,
        /// Kafka's number for what the rule does.
        pub permission_type: i8,
    }
}
