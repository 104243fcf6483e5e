//! Showing that a member is there.

use super::api::{GroupAnswer, GroupFault, Heartbeat, Now, Waiter};
use super::classic::{Classic, State};
use super::coordinator::{Coordinator, Membership, Turn};

impl Coordinator {
    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_>, waiter: Waiter, heartbeat: &Heartbeat) {
        let beat = match self.groups.get_mut(turn.group).map(|group| &mut group.membership) {
            None => Err(GroupFault::UnknownMember),
            Some(Membership::Classic(classic)) => classic.on_heartbeat(turn.now, heartbeat),
            Some(Membership::Consumer(consumer)) => consumer.on_classic_heartbeat(turn, heartbeat),
        };
        turn.answer(waiter, beat.map(|()| GroupAnswer::Beat));
    }
}

impl Classic {
    fn on_heartbeat(&mut self, now: Now, heartbeat: &Heartbeat) -> Result<(), GroupFault> {
        self.validate(&heartbeat.identity)?;
        if heartbeat.generation != self.generation {
            return Err(GroupFault::IllegalGeneration);
        }
        self.renew_session(&heartbeat.identity.member, now);
        match self.state {
            State::Empty => Err(GroupFault::UnknownMember),
            State::PreparingRebalance => Err(GroupFault::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }
}
