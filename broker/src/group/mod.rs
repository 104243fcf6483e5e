//! Consumer groups and committed offsets: the coordinator of the groups of one partition of `__consumer_offsets`.
//!
//! ```text
//!   GroupRequest --handle--> records, answers             one shard: the owner of the group's partition
//!                              |  append to the partition
//!                              v
//!                            replay --> groups, offsets
//!                              '-- when durable --> answers to who waits
//! ```
//! Pure but [`run`]: an operation looks at the state and gives records and answers; [`Coordinator::replay`] alone changes what
//! lasts (offsets, the last complete generation of a classic group, all of a group of the consumer protocol), here and at the next start. What does not last (who waits, who has
//! joined so far, deadlines) operations change themselves. One operation, one file.
//!
//! Model: Kafka's group coordinator (KIP-62, KIP-345, KIP-394, KIP-496, KIP-559, KIP-814, KIP-848).

#![forbid(unsafe_code)]

pub mod api;
mod classic;
mod complaints;
pub mod config;
pub mod consumer;
mod coordinator;
mod delete;
mod describe;
mod expiry;
mod heartbeat;
mod join;
mod leave;
pub mod limits;
mod member;
pub mod offsets;
mod rebalance;
pub mod records;
pub mod run;
mod subscription;
mod sync;
#[cfg(test)]
mod tests;

pub use coordinator::{Coordinator, Outcome};

/// The topic that holds groups and offsets.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// The partition of the offsets topic that a group belongs to: Kafka's choice, by Java's `String.hashCode`, so that tools which look
/// a group up find it.
pub fn partition_of(group: &str, partitions: u32) -> u32 {
    let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    // The one number without a positive counterpart counts as 0, as in Kafka.
    hash.checked_abs().unwrap_or(0).unsigned_abs() % partitions
}

#[cfg(test)]
mod partition_tests {
    use super::partition_of;

    #[test]
    fn groups_go_to_the_partitions_where_kafka_puts_them() {
        // Values of `Math.abs("...".hashCode()) % 50`.
        assert_eq!(partition_of("", 50), 0);
        assert_eq!(partition_of("a", 50), 97 % 50);
        assert_eq!(partition_of("ab", 50), (97 * 31 + 98) % 50);
        // Java's documentation gives this one as the string whose hash is the smallest number.
        assert_eq!(partition_of("polygenelubricants", 50), 0);
        assert_eq!(partition_of("ä", 50), 228 % 50);
    }
}
