//! Identities the whole broker uses, as types of their own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One core and all it owns. Shards of a node are numbered from 0 without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl ShardId {
    /// The shard that keeps the metadata log and runs the controller.
    pub const CONTROLLER: ShardId = ShardId(0);

    /// Position in arrays that have one element per shard.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The shards of a node of `shard_count` shards, in order.
    pub fn all(shard_count: u16) -> impl Iterator<Item = ShardId> {
        (0..shard_count).map(ShardId)
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A CPU, by the number the kernel gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoreId(pub usize);

/// A process of the cluster: Kafka's `broker.id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub i32);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
