//! The logs of a node dealt out to another number of shards, as decisions. Where they lie does not change: segment files are
//! common to all shards, so what is dealt out is what the checkpoints say.
//!
//! ```text
//!   each old shard: recovery, checkpoint, journal empty     run/settle.rs
//!   Settled, Settled, ... --deal--> one checkpoint a new shard
//!   a new generation of directories, synced                 disk/generations.rs
//!   the node's file names that generation: the switch       the owner of the node's directory
//!   the old generation goes                                 disk/generations.rs
//! ```
//! Up to the switch the old generation is whole, and nothing of the new one counts.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, LogCheckpoint};
use crate::ids::{GroupSeq, JournalFileId, LogId};

/// A shard at rest: its checkpoint says all there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    pub checkpoint: Checkpoint,
    /// The newest journal file identity that it has given.
    pub last_file: JournalFileId,
    /// The newest group that it has written.
    pub last_group: GroupSeq,
}

/// Why logs cannot be dealt out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DealError {
    #[error("log {log} is on shard {first} and on shard {second}: nobody can tell which of them counts")]
    Twice { log: LogId, first: u32, second: u32 },
    #[error("log {log} would go to shard {owner}, and there are {shard_count}")]
    NoSuchShard { log: LogId, owner: u16, shard_count: u16 },
}

/// Deals the logs of `old` out to `shard_count` shards. The checkpoints come in the order of the new shards.
///
/// A new shard's journal is empty and goes on behind all old ones, in its groups' numbers and its files' identities: nothing that
/// was ever written can pass for a part of it.
///
/// # Errors
/// See [`DealError`].
pub fn deal(old: Vec<Settled>, shard_count: u16, owner: impl Fn(LogId) -> u16) -> Result<Vec<Checkpoint>, DealError> {
    let newest = |number: &dyn Fn(&Settled) -> u64| old.iter().map(number).max().unwrap_or_default();
    let seq = newest(&|shard| shard.checkpoint.seq) + 1;
    let durable_seq = GroupSeq(newest(&|shard| {
        let saved = &shard.checkpoint;
        saved.replay_from.0.saturating_sub(1).max(saved.durable_seq.0).max(shard.last_group.0)
    }));
    let last_file = JournalFileId(newest(&|shard| shard.checkpoint.last_file.max(shard.last_file).0));
    let mut hands: Vec<Vec<Arc<LogCheckpoint>>> = (0..shard_count).map(|_| Vec::new()).collect();
    for (log, picture) in all_logs(old)? {
        let owner = owner(log);
        let hand = hands.get_mut(usize::from(owner));
        hand.ok_or(DealError::NoSuchShard { log, owner, shard_count })?.push(picture);
    }
    let replay_from = durable_seq.next();
    let checkpoints = (0..).zip(hands).map(|(shard, logs)| Checkpoint {
        shard,
        seq,
        replay_from,
        last_group: durable_seq,
        last_group_checksum: 0,
        durable_seq,
        last_file,
        logs,
    });
    Ok(checkpoints.collect())
}

fn all_logs(old: Vec<Settled>) -> Result<BTreeMap<LogId, Arc<LogCheckpoint>>, DealError> {
    let mut logs: BTreeMap<LogId, (u32, Arc<LogCheckpoint>)> = BTreeMap::new();
    for Settled { checkpoint: Checkpoint { shard, logs: pictures, .. }, .. } in old {
        for picture in pictures {
            let log = picture.log;
            if let Some((first, _)) = logs.insert(log, (shard, picture)) {
                return Err(DealError::Twice { log, first, second: shard });
            }
        }
    }
    Ok(logs.into_iter().map(|(log, (_, picture))| (log, picture)).collect())
}

#[cfg(test)]
mod tests {
    use batch::Offset;

    use super::*;
    use crate::checkpoint::{ProducerCheckpoint, SegmentCheckpoint};
    use crate::journal::{self, End};
    use crate::store::recovery::replay_from;

    fn picture(topic: u128, partition: u32) -> LogCheckpoint {
        let end = Offset(i64::from(partition));
        LogCheckpoint {
            log: LogId { topic, partition },
            log_start_offset: Offset(0),
            segments: vec![SegmentCheckpoint {
                base_offset: Offset(0),
                next_offset: end,
                bytes: 0,
                max_timestamp: -1,
                max_timestamp_offset: Offset(0),
                sealed: false,
                revision: 0,
                first_timestamp: -1,
            }],
            next_offset: end,
            flushed_position: 0,
            tail_block: Vec::new(),
            active_index: Vec::new(),
            leader_epochs: Vec::new(),
            cleaned_until: Offset(0),
            producers: vec![ProducerCheckpoint {
                producer_id: i64::from(partition),
                epoch: 0,
                transaction_start: None,
                last_used_ms: 7,
                batches: Vec::new(),
            }],
        }
    }

    fn settled(shard: u32, partitions: std::ops::Range<u32>) -> Settled {
        let number = u64::from(shard);
        Settled {
            checkpoint: Checkpoint {
                shard,
                seq: 10 * (number + 1),
                replay_from: GroupSeq(100 * (number + 1)),
                last_group: GroupSeq::NONE,
                last_group_checksum: 0,
                durable_seq: GroupSeq(100 * (number + 1) - 1),
                last_file: JournalFileId((9 - number) << 32),
                logs: partitions.map(|partition| Arc::new(picture(5, partition))).collect(),
            },
            last_file: JournalFileId((10 - number) << 32),
            last_group: GroupSeq(100 * (number + 1) + 1),
        }
    }

    #[test]
    fn every_log_goes_to_its_owner_once_and_unchanged() {
        for shard_count in [1_u16, 2, 3, 7, 64] {
            let old = vec![settled(0, 0..20), settled(1, 20..50), settled(2, 50..50)];
            let dealt = deal(old, shard_count, |log| (log.partition % u32::from(shard_count)) as u16).expect("dealt");
            assert_eq!(dealt.len(), usize::from(shard_count));
            let mut found = Vec::new();
            for (shard, checkpoint) in (0..).zip(&dealt) {
                assert_eq!(checkpoint.shard, shard);
                assert!(checkpoint.logs.iter().all(|log| log.log.partition % u32::from(shard_count) == shard));
                found.extend(checkpoint.logs.clone());
            }
            found.sort_by_key(|log| log.log);
            assert_eq!(found, (0..50).map(|partition| Arc::new(picture(5, partition))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_new_journals_go_on_behind_all_old_ones_and_are_sound_while_they_are_empty() {
        let dealt = deal(vec![settled(0, 0..2), settled(1, 2..4)], 3, |_| 2).expect("dealt");
        for checkpoint in &dealt {
            assert_eq!(checkpoint.seq, 21);
            assert_eq!((checkpoint.durable_seq, checkpoint.replay_from), (GroupSeq(201), GroupSeq(202)));
            assert_eq!(checkpoint.last_file, JournalFileId(10 << 32));
            let recovered = journal::recover(&[], replay_from(checkpoint.shard, Some(checkpoint)));
            assert_eq!(recovered.end, End::Clean);
            assert!(recovered.chain.next_seq > GroupSeq(201));
        }
    }

    #[test]
    fn a_log_on_two_shards_and_an_owner_that_does_not_exist_are_refused() {
        let log = LogId { topic: 5, partition: 3 };
        let twice = deal(vec![settled(0, 0..4), settled(1, 3..5)], 2, |_| 0);
        assert_eq!(twice, Err(DealError::Twice { log, first: 0, second: 1 }));
        let nowhere = deal(vec![settled(0, 3..4)], 2, |_| 2);
        assert_eq!(nowhere, Err(DealError::NoSuchShard { log, owner: 2, shard_count: 2 }));
    }
}
