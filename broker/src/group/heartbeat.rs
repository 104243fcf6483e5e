//! Showing that a member is there.

use super::api::{GroupAnswer, GroupFault, Heartbeat, Now, Waiter};
use super::classic::{Classic, State};
use super::coordinator::{Coordinator, Turn};

impl Coordinator {
    pub(super) fn heartbeat(&mut self, turn: &mut Turn<'_>, waiter: Waiter, heartbeat: &Heartbeat) {
        let group = self.groups.get_mut(turn.group);
        let beat =
            group.map_or(Err(GroupFault::UnknownMember), |group| group.classic.on_heartbeat(turn.now, heartbeat));
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
