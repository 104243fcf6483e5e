//! The partitions of one shard: what is appended to them, what is read from them, who waits for either.
//!
//! Pure but [`run`]: [`append`] and [`fetch`] decide, [`purgatory`] keeps those who wait, `run` calls the engine.

pub mod append;
pub mod fetch;
pub mod fetch_sessions;
pub mod join;
pub mod limits;
pub mod purgatory;
pub mod run;

use batch::LeaderEpoch;
use engine::{LogConfig, LogId};

use crate::controller::configs::TopicSettings;
use crate::controller::{Topic, TopicId};
use crate::mesh::message::ReadFault;

pub use run::Partitions;

/// A partition as its owner knows it. Its records are in the engine, under the same [`LogId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition {
    pub leader_epoch: LeaderEpoch,
    /// Appends are committed without waiting for stable storage.
    pub is_relaxed: bool,
    /// Records get the broker's time (KIP-32).
    pub stamps_append_time: bool,
}

impl Partition {
    /// A partition of a topic, led by this node since the topic exists.
    pub fn new(settings: &TopicSettings) -> Self {
        Self {
            leader_epoch: LeaderEpoch(0),
            is_relaxed: settings.is_relaxed(),
            stamps_append_time: settings.intake.stamps_append_time,
        }
    }

    /// Checks the epoch a client says it knows (KIP-320).
    pub fn fence(&self, known: Option<LeaderEpoch>) -> Result<(), ReadFault> {
        match known {
            Some(epoch) if epoch < self.leader_epoch => Err(ReadFault::FencedEpoch),
            Some(epoch) if epoch > self.leader_epoch => Err(ReadFault::UnknownEpoch),
            _ => Ok(()),
        }
    }
}

/// The logs of a topic, on whatever shard.
pub fn logs_of(topic: &Topic) -> impl Iterator<Item = LogId> + use<> {
    let id = topic.id;
    (0..topic.partitions).map(move |partition| log_id(id, partition))
}

/// The log of a partition.
pub fn log_id(topic: TopicId, partition: u32) -> LogId {
    LogId { topic: topic.0, partition }
}

/// What the engine has to know of a topic's settings.
pub fn log_config(settings: &TopicSettings) -> LogConfig {
    let retained = |limit: Option<u64>| limit.filter(|_| settings.deletes);
    // What is to be compacted in time must not stay in the active segment, as in Kafka (KIP-354).
    let lag_ms_max = settings.compaction.and_then(|compaction| compaction.lag_ms_max);
    LogConfig {
        segment_bytes: settings.segment_bytes,
        relaxed: settings.is_relaxed(),
        segment_ms: Some(lag_ms_max.map_or(settings.segment_ms, |lag_ms| lag_ms.min(settings.segment_ms))),
        retention_ms: retained(settings.retention_ms),
        retention_bytes: retained(settings.retention_bytes),
        compaction: settings.compaction,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_with_another_epoch_is_fenced_and_one_without_is_not() {
        let partition = Partition { leader_epoch: LeaderEpoch(3), is_relaxed: false, stamps_append_time: false };
        assert_eq!(partition.fence(None), Ok(()));
        assert_eq!(partition.fence(Some(LeaderEpoch(3))), Ok(()));
        assert_eq!(partition.fence(Some(LeaderEpoch(2))), Err(ReadFault::FencedEpoch));
        assert_eq!(partition.fence(Some(LeaderEpoch(4))), Err(ReadFault::UnknownEpoch));
    }
}
