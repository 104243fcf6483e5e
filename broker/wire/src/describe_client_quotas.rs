//! DescribeClientQuotas (KIP-546): which clients may use how much.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Float64};

message! { DescribeClientQuotasRequest<'a>, DescribeClientQuotas, versions 0..=1 }
message! { DescribeClientQuotasResponse<'a>, DescribeClientQuotas, versions 0..=1 }

/// The entity has exactly this name.
pub const MATCH_EXACT: i8 = 0;
/// The entity is the default of its type.
pub const MATCH_DEFAULT: i8 = 1;
/// The entity has a part of this type, whatever its name.
pub const MATCH_SPECIFIED: i8 = 2;

structs! {
    /// Which entities to describe.
    pub struct DescribeClientQuotasRequest<'a> {
        /// All of these have to match.
        pub components: Vec<ComponentData<'a>>,
        /// Whether entities with further parts are left out.
        pub strict: bool,
    }

    /// What one part of an entity has to be.
    pub struct ComponentData<'a> {
        /// `user`, `client-id` or `ip`.
        pub entity_type: &'a str,
        /// One of the constants of this module.
        pub match_type: i8,
        /// The name, where it is to be exact.
        pub _match: Option<&'a str>,
    }

    /// The quotas of the entities that match.
    pub struct DescribeClientQuotasResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// One for each entity; null where something went wrong.
        pub entries: Option<Vec<EntryData<'a>>>,
    }

    /// An entity and its quotas.
    pub struct EntryData<'a> {
        /// Its parts.
        pub entity: Vec<EntityData<'a>>,
        /// Its quotas.
        pub values: Vec<ValueData<'a>>,
    }

    /// A part of an entity.
    pub struct EntityData<'a> {
        /// `user`, `client-id` or `ip`.
        pub entity_type: Cow<'a, str>,
        /// Null for the default.
        pub entity_name: Option<Cow<'a, str>>,
    }

    /// A quota.
    pub struct ValueData<'a> {
        /// What it bounds.
        pub key: Cow<'a, str>,
        /// The bound.
        pub value: Float64,
    }
}
