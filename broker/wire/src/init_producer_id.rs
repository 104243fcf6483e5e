//! InitProducerId: gives a producer the id by which its batches are deduplicated.

use crate::ErrorCode;
use crate::schema::{message, structs};

message! { InitProducerIdRequest<'a>, InitProducerId, versions 0..=5 }
message! { InitProducerIdResponse, InitProducerId, versions 0..=5 }

structs! {
    /// Who needs an id.
    pub struct InitProducerIdRequest<'a> {
        /// Null if the producer is idempotent and not transactional.
        pub transactional_id: Option<&'a str>,
        /// How long a transaction may stay idle, in milliseconds.
        pub transaction_timeout_ms: i32,
        /// The id the producer has, -1 if none (KIP-360).
        pub producer_id: i64 [3..] = -1,
        /// The epoch the producer has, -1 if none.
        pub producer_epoch: i16 [3..] = -1,
    }

    /// The id.
    pub struct InitProducerIdResponse {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// The id, -1 if there is none.
        pub producer_id: i64 = -1,
        /// The epoch that belongs to it.
        pub producer_epoch: i16,
    }
}
