//! Members go: because they say so, or because they have not been heard of. The next heartbeat of another one makes the new targets.

use super::Consumer;
use super::heartbeat::is_for_good;
use super::member::{AWAY_EPOCH, Holding};
use super::records::{ConsumerChange, GroupEpoch};
use super::topics::Subscriptions;
use crate::group::api::{ConsumerBeat, ConsumerBeaten, GroupFault};
use crate::group::coordinator::Turn;

impl Consumer {
    /// A member says that it leaves.
    pub(in crate::group) fn on_leave(
        &self,
        turn: &mut Turn<'_>,
        beat: &ConsumerBeat,
    ) -> Result<ConsumerBeaten, GroupFault> {
        if let Some(instance) = &beat.instance {
            match self.static_ids.get(instance) {
                None => return Err(GroupFault::UnknownMember),
                Some(id) if *id != beat.member => return Err(GroupFault::FencedInstance),
                Some(_) => {}
            }
        }
        let member = self.members.get(&beat.member).ok_or(GroupFault::UnknownMember)?;
        if is_for_good(beat.epoch) {
            self.let_go(turn, &[&beat.member]);
        } else {
            // It keeps what it owns, as long as its session lasts; what it was told to give up it has.
            let holding = Holding {
                epoch: AWAY_EPOCH,
                previous_epoch: member.holding.epoch,
                assigned: member.holding.assigned.clone(),
                ..Holding::default()
            };
            turn.change(ConsumerChange::Holding { id: beat.member.clone(), value: Some(holding) });
        }
        Ok(ConsumerBeaten { member: beat.member.clone(), epoch: beat.epoch, interval_ms: 0, assignment: None })
    }

    /// Takes members out; what they owned is free.
    pub(super) fn remove_members(&self, turn: &mut Turn<'_>, ids: &[&str]) {
        let mut subscriptions = Subscriptions::of(self);
        for id in ids {
            self.delete_member(turn, id);
            subscriptions = subscriptions.without(id);
        }
        self.drop_patterns(turn, &subscriptions);
        let topics_hash = subscriptions.hash(turn.topics);
        turn.change(ConsumerChange::Epoch(Some(GroupEpoch { epoch: self.epoch.epoch + 1, topics_hash })));
    }

    /// The records after which a member is no more.
    pub(super) fn delete_member(&self, turn: &mut Turn<'_>, id: &str) {
        turn.change(ConsumerChange::Holding { id: id.to_owned(), value: None });
        turn.change(ConsumerChange::Target { id: id.to_owned(), value: None });
        turn.change(ConsumerChange::Member { id: id.to_owned(), value: None });
    }

    /// Forgets regular expressions that nobody has any more.
    pub(super) fn drop_patterns(&self, turn: &mut Turn<'_>, subscriptions: &Subscriptions<'_>) {
        for pattern in self.patterns.keys().filter(|pattern| !subscriptions.has_pattern(pattern)) {
            turn.change(ConsumerChange::Pattern { pattern: pattern.clone(), value: None });
        }
    }

    /// The records after which the group is no more; the other way round than it was made.
    pub(in crate::group) fn deletion(&self) -> Vec<ConsumerChange> {
        let mut changes = Vec::new();
        for id in self.members.keys() {
            changes.push(ConsumerChange::Holding { id: id.clone(), value: None });
        }
        changes.extend(self.targets.keys().map(|id| ConsumerChange::Target { id: id.clone(), value: None }));
        changes.extend(self.members.keys().map(|id| ConsumerChange::Member { id: id.clone(), value: None }));
        let patterns = self.patterns.keys();
        changes.extend(patterns.map(|pattern| ConsumerChange::Pattern { pattern: pattern.clone(), value: None }));
        changes.extend([ConsumerChange::TargetEpoch(None), ConsumerChange::Epoch(None)]);
        changes
    }
}
