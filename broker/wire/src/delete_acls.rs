//! DeleteAcls: takes rules of who may do what away.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::describe_acls::PATTERN_LITERAL;
use crate::schema::{message, structs};

message! { DeleteAclsRequest<'a>, DeleteAcls, versions 1..=3 }
message! { DeleteAclsResponse<'a>, DeleteAcls, versions 1..=3 }

structs! {
    /// The rules to delete.
    pub struct DeleteAclsRequest<'a> {
        /// What they match.
        pub filters: Vec<DeleteAclsFilter<'a>>,
    }

    /// A description of rules.
    pub struct DeleteAclsFilter<'a> {
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

    /// What was deleted.
    pub struct DeleteAclsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// A result for each description, in order.
        pub filter_results: Vec<DeleteAclsFilterResult<'a>>,
    }

    /// The rules that one description matched.
    pub struct DeleteAclsFilterResult<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// The rules.
        pub matching_acls: Vec<DeleteAclsMatchingAcl<'a>>,
    }

    /// A rule that was matched.
    pub struct DeleteAclsMatchingAcl<'a> {
        /// Why it was not deleted.
        pub error_code: ErrorCode,
        /// More about it.
        pub error_message: Option<Cow<'a, str>>,
        /// Kafka's number of the kind of resource.
        pub resource_type: i8,
        /// Name of the resource.
        pub resource_name: Cow<'a, str>,
        /// How names are compared.
        pub pattern_type: i8 = PATTERN_LITERAL,
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
