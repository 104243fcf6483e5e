//! Ringmain's broker: Kafka's protocol on the outside, one shard per core on the inside.
//!
//! [`embedded::start`] is the front door; the `ringmain` binary uses it as well. `ARCHITECTURE.md` tells how requests flow.

pub mod admin;
pub mod clock;
pub mod config;
pub mod controller;
pub mod embedded;
pub mod group;
pub mod handlers;
pub mod ids;
pub mod limits;
pub mod mesh;
pub mod metrics;
pub mod net;
pub mod offline;
pub mod partition;
pub mod quota;
pub mod shard;
