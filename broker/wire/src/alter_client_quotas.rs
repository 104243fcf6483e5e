//! AlterClientQuotas (KIP-546): bounds what clients may use.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Float64};

message! { AlterClientQuotasRequest<'a>, AlterClientQuotas, versions 0..=1 }
message! { AlterClientQuotasResponse<'a>, AlterClientQuotas, versions 0..=1 }

structs! {
    /// The changes.
    pub struct AlterClientQuotasRequest<'a> {
        /// One for each entity.
        pub entries: Vec<AlterEntryData<'a>>,
        /// Whether only to check, and change nothing.
        pub validate_only: bool,
    }

    /// An entity and what is to change of its quotas.
    pub struct AlterEntryData<'a> {
        /// Its parts.
        pub entity: Vec<AlterEntityData<'a>>,
        /// The changes.
        pub ops: Vec<OpData<'a>>,
    }

    /// A part of an entity.
    pub struct AlterEntityData<'a> {
        /// `user`, `client-id` or `ip`.
        pub entity_type: &'a str,
        /// Null for the default.
        pub entity_name: Option<&'a str>,
    }

    /// A change of one quota.
    pub struct OpData<'a> {
        /// What it bounds.
        pub key: &'a str,
        /// The bound.
        pub value: Float64,
        /// Whether there is to be none instead.
        pub remove: bool,
    }

    /// What became of the changes.
    pub struct AlterClientQuotasResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// One for each entity.
        pub entries: Vec<AlterEntryResponse<'a>>,
    }

    /// What became of one entity's changes.
    pub struct AlterEntryResponse<'a> {
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>>,
        /// Its parts.
        pub entity: Vec<AlteredEntityData<'a>>,
    }

    /// A part of an entity, as asked for.
    pub struct AlteredEntityData<'a> {
        /// `user`, `client-id` or `ip`.
        pub entity_type: Cow<'a, str>,
        /// Null for the default.
        pub entity_name: Option<Cow<'a, str>>,
    }
}
