//! What the end-to-end tests share: a `ringmain` process to talk to, a raw Kafka client with a codec that is not ours,
//! real clients installed in pinned versions, and records whose content follows from a seed.
//!
//! Nothing here links the broker: the tests see only the binary, its port and its data directory.

pub mod administrator;
pub mod binary;
pub mod calls;
pub mod clock;
pub mod configs;
pub mod cutting_proxy;
pub mod directory;
pub mod group_member;
pub mod java_client;
pub mod jobs;
pub mod kafka;
pub mod librdkafka;
pub mod loop_disk;
pub mod mounts;
pub mod power_disk;
pub mod process;
pub mod random;
pub mod real_clients;
pub mod records;
pub mod server;
pub mod workload;
