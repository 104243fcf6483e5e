//! A group of the consumer protocol (KIP-848): the broker assigns, and each member is brought to its share by heartbeats alone.
//!
//! ```text
//!   a member joins, leaves, fails,           the assignor gives each             members give up, and then get,
//!   or subscribes anew; topics change        member a target                     what they are to own
//!   ------------------------------> epoch -------------------------> target epoch ----------------------> member epochs
//! ```
//! - Empty: nobody is in it.
//! - Assigning: the group's epoch is ahead of the target's; the next heartbeat assigns.
//! - Reconciling: somebody is not at the target yet. Whoever is works on with what it owns.
//! - Stable: everybody is.
//!
//! All of this lasts: a heartbeat compares what is with what is to be, and what changes is a record. Deadlines do not last.
//!
//! Invariants: a partition has one owner, which owns it until it has said that it does not; `owners` holds what members own or are giving
//! up, `static_ids` each member with an instance once; `bytes` is the sum over members, targets and patterns.

mod assignment;
mod assignor;
mod beat;
mod classic_member;
mod client_protocol;
mod commit;
mod convert;
mod describe;
mod heartbeat;
mod leave;
mod member;
mod reconcile;
pub(in crate::group) mod records;
mod target;
mod time;
mod topics;

use std::collections::BTreeMap;

pub use assignment::Assignment;
pub use assignor::Assignor;
pub use member::{ClassicSide, Holding, Profile, Progress};

pub(super) use member::ConsumerMember;
use records::{ConsumerChange, GroupEpoch, Resolved};

use super::config::GroupConfig;
use crate::controller::TopicId;

/// A group.
#[derive(Debug, Default)]
pub(super) struct Consumer {
    pub(super) epoch: GroupEpoch,
    /// The group's epoch for which the targets were made.
    pub(super) target_epoch: i32,
    pub(super) members: BTreeMap<String, ConsumerMember>,
    /// What each member is to own. One that is not here is to own nothing.
    targets: BTreeMap<String, Assignment>,
    /// Member ids by instance id.
    pub(super) static_ids: BTreeMap<String, String>,
    /// The regular expressions of members, and what they stand for.
    patterns: BTreeMap<String, Resolved>,
    owners: BTreeMap<(TopicId, i32), String>,
    /// The version of the metadata, and the time, at which topics were looked at last.
    looked_version: Option<u64>,
    looked_ms: Option<u64>,
    /// No deadline of this group comes before this. Heartbeats move deadlines back without touching it, so that they cost nothing here.
    pub(super) wake_ms: Option<u64>,
    bytes: usize,
}

/// How far a group has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Empty,
    Assigning,
    Reconciling,
    Stable,
}

impl Phase {
    /// Kafka's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Assigning => "Assigning",
            Self::Reconciling => "Reconciling",
            Self::Stable => "Stable",
        }
    }
}

impl Consumer {
    pub(super) fn phase(&self) -> Phase {
        let is_behind = |member: &ConsumerMember| !member.holding.is_reconciled_to(self.target_epoch);
        match () {
            () if self.members.is_empty() => Phase::Empty,
            () if self.epoch.epoch > self.target_epoch => Phase::Assigning,
            () if self.members.values().any(is_behind) => Phase::Reconciling,
            () => Phase::Stable,
        }
    }

    /// About how much memory its members take.
    pub(super) fn bytes(&self) -> usize {
        const CONSUMER_BYTES: usize = 256;
        CONSUMER_BYTES + self.bytes
    }

    /// What a member is to own.
    pub(super) fn target_of(&self, id: &str) -> &Assignment {
        static NOTHING: Assignment = Assignment::nothing();
        self.targets.get(id).unwrap_or(&NOTHING)
    }

    /// Whether nobody but this member owns a partition.
    fn is_free_for(&self, id: &str, topic: TopicId, partition: i32) -> bool {
        self.owners.get(&(topic, partition)).is_none_or(|owner| owner == id)
    }

    /// The names of the topics that members subscribe to, some of them several times.
    pub(super) fn subscribed(&self) -> impl Iterator<Item = &str> {
        let named = self.members.values().flat_map(|member| &member.profile.topics);
        let matched = self.patterns.values().flat_map(|resolved| &resolved.topics);
        named.chain(matched).map(String::as_str)
    }

    /// Makes sure that the group is looked after at this time.
    fn wake_at(&mut self, at_ms: u64) {
        self.wake_ms = Some(self.wake_ms.map_or(at_ms, |wake_ms| wake_ms.min(at_ms)));
    }

    /// Applies one record. Deadlines begin at `now_ms`, if the group is served already.
    pub(super) fn replay(&mut self, change: ConsumerChange, now_ms: Option<u64>, config: &GroupConfig) {
        match change {
            ConsumerChange::Epoch(value) => self.epoch = value.unwrap_or_default(),
            ConsumerChange::TargetEpoch(value) => self.target_epoch = value.unwrap_or_default(),
            ConsumerChange::Member { id, value } => self.replay_member(id, value, now_ms, config),
            ConsumerChange::Holding { id, value } => self.replay_holding(&id, value, now_ms),
            ConsumerChange::Target { id, value } => {
                self.bytes += value.as_ref().map_or(0, Assignment::bytes);
                let before = match value {
                    Some(target) => self.targets.insert(id, target),
                    None => self.targets.remove(&id),
                };
                self.bytes -= before.map_or(0, |before| before.bytes());
            }
            ConsumerChange::Pattern { pattern, value } => {
                self.bytes += value.as_ref().map_or(0, Resolved::bytes);
                let before = match value {
                    Some(resolved) => self.patterns.insert(pattern, resolved),
                    None => self.patterns.remove(&pattern),
                };
                self.bytes -= before.map_or(0, |before| before.bytes());
            }
        }
    }

    fn replay_member(&mut self, id: String, value: Option<Box<Profile>>, now_ms: Option<u64>, config: &GroupConfig) {
        let before = self.members.remove(&id);
        if let Some(before) = &before {
            self.bytes -= before.bytes();
            if let Some(instance) = &before.profile.instance
                && self.static_ids.get(instance) == Some(&id)
            {
                self.static_ids.remove(instance);
            }
        }
        let Some(profile) = value else {
            self.release(&id, &before.unwrap_or_default().holding);
            return;
        };
        let mut member = before.unwrap_or_default();
        member.profile = *profile;
        if let Some(instance) = &member.profile.instance {
            self.static_ids.insert(instance.clone(), id.clone());
        }
        if let Some(now_ms) = now_ms
            && member.session_ends_ms.is_none()
        {
            let ends_ms = now_ms + member.profile.session_ms(config);
            member.session_ends_ms = Some(ends_ms);
            self.wake_at(ends_ms);
        }
        self.bytes += member.bytes();
        self.members.insert(id, member);
    }

    fn replay_holding(&mut self, id: &str, value: Option<Holding>, now_ms: Option<u64>) {
        let before = self.members.remove(id);
        if before.is_none() && value.is_none() {
            return;
        }
        self.bytes -= before.as_ref().map_or(0, ConsumerMember::bytes);
        // Compaction may have taken the record of its profile that came before, and left the one that comes.
        let mut member = before.unwrap_or_default();
        self.release(id, &member.holding);
        member.holding = value.unwrap_or_default();
        for (topic, partition) in member.holding.assigned.iter().chain(member.holding.revoking.iter()) {
            self.owners.insert((topic, partition), id.to_owned());
        }
        member.rebalance_ends_ms = None;
        if let Some(now_ms) = now_ms {
            self.begin_to_wait(&mut member, now_ms);
        }
        self.bytes += member.bytes();
        self.members.insert(id.to_owned(), member);
    }

    /// A member that was told to give partitions up has its time for that. Those of the classic protocol have others.
    fn begin_to_wait(&mut self, member: &mut ConsumerMember, now_ms: u64) {
        if member.holding.progress == Progress::Unrevoked && !member.profile.is_classic() {
            let ends_ms = now_ms + u64::try_from(member.profile.rebalance_timeout_ms).unwrap_or(0);
            member.rebalance_ends_ms = Some(ends_ms);
            self.wake_at(ends_ms);
        }
    }

    fn release(&mut self, id: &str, holding: &Holding) {
        for key in holding.assigned.iter().chain(holding.revoking.iter()) {
            if self.owners.get(&key).is_some_and(|owner| owner == id) {
                self.owners.remove(&key);
            }
        }
    }

    /// All records are replayed: members have their time from here on.
    pub(super) fn on_loaded(&mut self, now_ms: u64, config: &GroupConfig) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let mut member = self.members.remove(&id).expect("it was just there");
            let ends_ms = now_ms + member.profile.session_ms(config);
            member.session_ends_ms = Some(ends_ms);
            self.wake_at(ends_ms);
            self.begin_to_wait(&mut member, now_ms);
            self.members.insert(id, member);
        }
    }

    /// Panics where the invariants do not hold.
    pub(super) fn check(&self) {
        let mut owners = BTreeMap::new();
        for (id, member) in &self.members {
            let Holding { progress, assigned, revoking, .. } = &member.holding;
            assert!(
                revoking.is_empty() || *progress == Progress::Unrevoked,
                "{id} gives partitions up in {progress:?}"
            );
            for key in assigned.iter().chain(revoking.iter()) {
                assert_eq!(owners.insert(key, id.clone()), None, "a second owner of {key:?}");
            }
        }
        assert_eq!(owners, self.owners, "owners");
        let statics =
            self.members.iter().filter_map(|(id, member)| Some((member.profile.instance.clone()?, id.clone())));
        assert_eq!(statics.collect::<BTreeMap<_, _>>(), self.static_ids, "static members");
        let members: usize = self.members.values().map(ConsumerMember::bytes).sum();
        let targets: usize = self.targets.values().map(Assignment::bytes).sum();
        let patterns: usize = self.patterns.values().map(Resolved::bytes).sum();
        assert_eq!(members + targets + patterns, self.bytes, "bytes");
        assert!(self.target_epoch <= self.epoch.epoch, "a target is of an epoch that was");
    }
}
