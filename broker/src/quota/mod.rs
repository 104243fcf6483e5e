//! Quotas: how much clients may use, and for how long one that has used too much is made to wait. Kafka's words and rules (KIP-13, KIP-124,
//! KIP-219, KIP-546, KIP-612).
//!
//! ```text
//!   AlterClientQuotas --controller/alter_quotas--> records --replay--> Quotas, in every shard's image
//!   a request's client --Quotas::bounds--> the bounds that hold for it, and with whom it shares them
//!   bytes, time --Allowance::take--> how long the client is to wait
//! ```
//! Pure but [`run`].

mod allowance;
pub mod entity;
mod filter;
pub mod limits;
pub mod run;
mod table;

pub use allowance::Allowance;
pub use entity::{Entity, EntityKind, QuotaKey};
pub use filter::{Filter, Match};
pub use table::{Bound, Bounds, Quotas, Shared};
