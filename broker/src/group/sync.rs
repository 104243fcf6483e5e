//! Handing out the assignment of a generation.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::api::{GroupAnswer, GroupFault, GroupReply, Sync, Synced, Waiter};
use super::classic::{Classic, State};
use super::coordinator::{Coordinator, Membership, Turn};

impl Coordinator {
    pub(super) fn sync(&mut self, turn: &mut Turn<'_>, waiter: Waiter, sync: Sync) {
        if !self.groups.contains_key(turn.group) {
            return turn.refuse(waiter, GroupFault::UnknownMember);
        }
        self.with_group(turn.group, |group| match &mut group.membership {
            Membership::Classic(classic) => classic.on_sync(turn, waiter, sync),
            Membership::Consumer(consumer) => {
                let synced = consumer.on_classic_sync(turn, &sync);
                turn.answer(waiter, synced.map(GroupAnswer::Synced));
            }
        });
    }
}

impl Classic {
    /// A member asks for its assignment. It waits for the leader to hand it in, and that for it to be stored.
    fn on_sync(&mut self, turn: &mut Turn<'_>, waiter: Waiter, sync: Sync) {
        if let Err(fault) = self.judge_sync(&sync) {
            return turn.refuse(waiter, fault);
        }
        let id = &sync.identity.member;
        match self.state {
            State::Empty => turn.refuse(waiter, GroupFault::UnknownMember),
            State::PreparingRebalance => turn.refuse(waiter, GroupFault::RebalanceInProgress),
            State::CompletingRebalance => {
                let mut earlier = None;
                self.change(id, |member| {
                    earlier = member.syncing.replace(waiter);
                    member.owes_sync = false;
                });
                if let Some(earlier) = earlier {
                    turn.refuse(earlier, GroupFault::RebalanceInProgress);
                }
                if self.is_leader(id) {
                    self.assign(turn, sync.assignments);
                }
            }
            State::Stable => {
                let assignment = self.members[id].assignment.clone();
                self.change(id, |member| member.owes_sync = false);
                turn.answer(waiter, self.synced(assignment));
            }
        }
    }

    fn judge_sync(&self, sync: &Sync) -> Result<(), GroupFault> {
        self.validate(&sync.identity)?;
        if sync.generation != self.generation {
            return Err(GroupFault::IllegalGeneration);
        }
        let differs =
            |said: &Option<String>, known: &Option<String>| said.is_some() && known.is_some() && said != known;
        if differs(&sync.protocol_type, &self.protocol_type) || differs(&sync.protocol, &self.protocol) {
            return Err(GroupFault::InconsistentProtocol);
        }
        Ok(())
    }

    /// The leader has assigned. Replaying the record makes the group stable; those who wait learn it when it is stored.
    fn assign(&mut self, turn: &mut Turn<'_>, assignments: Vec<(String, Bytes)>) {
        let assignments: BTreeMap<String, Bytes> = assignments.into_iter().collect();
        // Whoever is not named gets nothing, which is also an assignment.
        let assigned = |id: &str| assignments.get(id).cloned().unwrap_or_default();
        turn.outcome.records.push(self.to_record(turn, |id, _| assigned(id)));
        let waiting = self.members.iter().filter(|(_, member)| member.syncing.is_some());
        let waiting: Vec<String> = waiting.map(|(id, _)| id.clone()).collect();
        for id in &waiting {
            let mut waiter = None;
            self.change(id, |member| waiter = member.syncing.take());
            turn.answer(waiter.expect("it waits"), self.synced(assigned(id)));
            self.renew_session(id, turn.now);
        }
    }

    fn synced(&self, assignment: Bytes) -> GroupReply {
        let (protocol_type, protocol) = (self.protocol_type.clone(), self.protocol.clone());
        Ok(GroupAnswer::Synced(Synced { protocol_type, protocol, assignment }))
    }
}
