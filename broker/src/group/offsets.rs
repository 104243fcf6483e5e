//! Committed offsets: committing, looking up, forgetting.
//!
//! Invariant: no topic without a partition is kept; `bytes` is what [`weight`] says of everything kept.

use std::collections::BTreeMap;

use super::api::{Commit, DeleteOffsets, FetchOffsets, FetchedOffsets, GroupAnswer, GroupFault, GroupReply, Waiter};
use super::classic::{Classic, State};
use super::coordinator::{Coordinator, Group, Membership, Turn};
use super::records::GroupRecord;
use super::subscription::Subscription;

/// How far a group has come in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    /// -1 where it is not known.
    pub leader_epoch: i32,
    pub metadata: String,
    pub committed_ms: i64,
    /// When it is forgotten, if the client chose that itself.
    pub expires_ms: Option<i64>,
}

/// The offsets of one group.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    by_topic: BTreeMap<String, BTreeMap<i32, Committed>>,
    bytes: usize,
}

impl Offsets {
    pub(super) fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// About how much memory this takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.by_topic.get(topic)?.get(&partition)
    }

    /// By topic and partition.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, i32, &Committed)> {
        self.by_topic.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(|(&partition, committed)| (topic.as_str(), partition, committed))
        })
    }

    /// The partitions of a topic that have an offset.
    pub(super) fn of_topic(&self, topic: &str) -> impl Iterator<Item = i32> {
        self.by_topic.get(topic).into_iter().flat_map(|partitions| partitions.keys().copied())
    }

    /// Replays one record.
    pub(super) fn replay(&mut self, topic: &str, partition: i32, value: Option<Committed>) {
        let replaced = match value {
            Some(committed) => {
                self.bytes += weight(topic, &committed);
                match self.by_topic.get_mut(topic) {
                    Some(partitions) => partitions.insert(partition, committed),
                    None => {
                        self.by_topic.insert(topic.to_owned(), BTreeMap::from([(partition, committed)]));
                        None
                    }
                }
            }
            None => self.forget(topic, partition),
        };
        self.bytes -= replaced.map_or(0, |replaced| weight(topic, &replaced));
    }

    fn forget(&mut self, topic: &str, partition: i32) -> Option<Committed> {
        let partitions = self.by_topic.get_mut(topic)?;
        let forgotten = partitions.remove(&partition);
        if partitions.is_empty() {
            self.by_topic.remove(topic);
        }
        forgotten
    }

    fn fetch(&self, wanted: Option<Vec<(String, Vec<i32>)>>) -> FetchedOffsets {
        let Some(wanted) = wanted else {
            let all = |partitions: &BTreeMap<i32, Committed>| {
                partitions.iter().map(|(&partition, committed)| (partition, Some(committed.clone()))).collect()
            };
            return self.by_topic.iter().map(|(topic, partitions)| (topic.clone(), all(partitions))).collect();
        };
        wanted
            .into_iter()
            .map(|(topic, partitions)| {
                let found = partitions.into_iter().map(|partition| (partition, self.get(&topic, partition).cloned()));
                let found = found.collect();
                (topic, found)
            })
            .collect()
    }
}

/// About how much memory an offset takes, with its share of the maps.
fn weight(topic: &str, committed: &Committed) -> usize {
    const ENTRY_BYTES: usize = 128;
    ENTRY_BYTES + topic.len() + committed.metadata.len()
}

/// The record that forgets an offset.
pub(super) fn tombstone(group: &str, topic: &str, partition: i32) -> GroupRecord {
    GroupRecord::Offset { group: group.to_owned(), topic: topic.to_owned(), partition, value: None }
}

impl Coordinator {
    /// Stores offsets. A group that does not exist is made by whoever has no generation: such a client only wants its offsets kept.
    pub(super) fn commit(&mut self, turn: &mut Turn<'_>, waiter: Waiter, commit: Commit) {
        let judged = match self.groups.get_mut(commit.group.as_str()) {
            Some(Group { membership: Membership::Classic(classic), .. }) => classic.judge_commit(turn, &commit),
            Some(Group { membership: Membership::Consumer(consumer), .. }) => consumer.judge_commit(&commit),
            None if commit.generation < 0 => Ok(()),
            None if commit.knows_not_found => Err(GroupFault::NotFound),
            None => Err(GroupFault::IllegalGeneration),
        };
        if let Err(fault) = judged {
            return turn.answer(waiter, Err(fault));
        }
        let offsets = self.groups.get(commit.group.as_str()).map(|group| &group.offsets);
        let expires_ms = commit.retention_ms.map(|ms| turn.now.wall_ms.saturating_add(ms));
        let mut results = Vec::with_capacity(commit.offsets.len());
        for new in commit.offsets {
            let is_known = offsets.is_some_and(|offsets| offsets.get(&new.topic, new.partition).is_some());
            results.push(if new.metadata.len() > turn.config.offset_metadata_bytes_max as usize {
                Err(GroupFault::MetadataTooLarge)
            } else if !turn.has_room && !is_known {
                Err(GroupFault::Full)
            } else {
                let value = Committed {
                    offset: new.offset,
                    // The record that says when an offset expires has no place for the epoch.
                    leader_epoch: if expires_ms.is_some() { -1 } else { new.leader_epoch },
                    metadata: new.metadata,
                    committed_ms: turn.now.wall_ms,
                    expires_ms,
                };
                turn.outcome.records.push(GroupRecord::Offset {
                    group: commit.group.clone(),
                    topic: new.topic,
                    partition: new.partition,
                    value: Some(value),
                });
                Ok(())
            });
        }
        turn.answer(waiter, Ok(GroupAnswer::Committed(results)));
    }

    /// Looks offsets up. A group that does not exist has none.
    pub(super) fn fetch(&self, fetch: FetchOffsets) -> GroupReply {
        let nothing = Offsets::default();
        let group = self.groups.get(fetch.group.as_str());
        if let Some(Group { membership: Membership::Consumer(consumer), .. }) = group {
            consumer.judge_fetch(&fetch)?;
        }
        let offsets = group.map_or(&nothing, |group| &group.offsets);
        Ok(GroupAnswer::Fetched(offsets.fetch(fetch.wanted)))
    }

    /// Forgets offsets of topics that no member subscribes to (KIP-496).
    pub(super) fn delete_offsets(&mut self, turn: &mut Turn<'_>, waiter: Waiter, delete: DeleteOffsets) {
        let Some(group) = self.groups.get(delete.group.as_str()) else {
            return turn.answer(waiter, Err(GroupFault::NotFound));
        };
        let is_opaque = matches!(&group.membership, Membership::Classic(classic) if !classic.is_of_consumers());
        if !group.is_empty() && is_opaque {
            return turn.answer(waiter, Err(GroupFault::NonEmpty));
        }
        let subscription = Subscription::of(&group.membership);
        let results = delete.partitions.iter().map(|(topic, partition)| {
            if subscription.covers(topic) {
                return Err(GroupFault::Subscribed);
            }
            if group.offsets.get(topic, *partition).is_some() {
                turn.outcome.records.push(tombstone(&delete.group, topic, *partition));
            }
            Ok(())
        });
        let results = results.collect();
        turn.answer(waiter, Ok(GroupAnswer::OffsetsDeleted(results)));
    }

    /// Topics are gone, and with them what groups know of them.
    pub fn on_topics_deleted(&self, topics: &[String]) -> Vec<GroupRecord> {
        let mut records = Vec::new();
        for (group, state) in &self.groups {
            for topic in topics {
                records.extend(state.offsets.of_topic(topic).map(|partition| tombstone(group, topic, partition)));
            }
        }
        records
    }
}

impl Classic {
    /// Whether somebody may commit. A member's commit shows that it is alive.
    fn judge_commit(&mut self, turn: &Turn<'_>, commit: &Commit) -> Result<(), GroupFault> {
        if commit.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        let identity = &commit.identity;
        if commit.generation < 0 && identity.member.is_empty() && identity.instance.is_none() {
            // Whoever is no member would be in the way of those who are.
            return Err(GroupFault::UnknownMember);
        }
        self.validate(identity)?;
        if commit.generation != self.generation {
            return Err(GroupFault::IllegalGeneration);
        }
        match self.state {
            // Nobody can know the assignment of this generation yet, so what is committed was read before it.
            State::CompletingRebalance => Err(GroupFault::RebalanceInProgress),
            State::Empty | State::PreparingRebalance | State::Stable => {
                self.renew_session(&identity.member, turn.now);
                Ok(())
            }
        }
    }
}
