//! CreateAcls: new rules of who may do what.

use std::borrow::Cow;

use crate::ErrorCode;
use crate::describe_acls::PATTERN_LITERAL;
use crate::schema::{message, structs};

message! { CreateAclsRequest<'a>, CreateAcls, versions 1..=3 }
message! { CreateAclsResponse<'a>, CreateAcls, versions 1..=3 }

structs! {
    /// Rules to create.
    pub struct CreateAclsRequest<'a> {
        /// The rules.
        pub creations: Vec<AclCreation<'a>>,
    }

    /// A rule to create.
    pub struct AclCreation<'a> {
        /// Kafka's number of the kind of resource.
        pub resource_type: i8,
        /// Name of the resource.
        pub resource_name: &'a str,
        /// How names are compared.
        pub resource_pattern_type: i8 = PATTERN_LITERAL,
        /// Who it is for.
        pub principal: &'a str,
        /// From where.
        pub host: &'a str,
        /// Kafka's number of the operation.
        pub operation: i8,
        /// Kafka's number for what the rule does.
        pub permission_type: i8,
    }

    /// What became of the rules.
    pub struct CreateAclsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// A result for each rule, in order.
        pub results: Vec<AclCreationResult<'a>>,
    }

    /// The result of one rule.
    pub struct AclCreationResult<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
    }
}
