//! Leaving a group.

use super::api::{GroupAnswer, GroupFault, Identity, Leave, Waiter};
use super::classic::Classic;
use super::coordinator::{Coordinator, Membership, Turn};

impl Coordinator {
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, waiter: Waiter, leave: &Leave) {
        let results = if self.groups.contains_key(turn.group) {
            self.with_group(turn.group, |group| match &mut group.membership {
                Membership::Classic(classic) => classic.on_leave(turn, &leave.members),
                Membership::Consumer(consumer) => consumer.on_classic_leave(turn, leave),
            })
        } else {
            leave.members.iter().map(|_| Err(GroupFault::UnknownMember)).collect()
        };
        turn.answer(waiter, Ok(GroupAnswer::Left(results)));
    }
}

impl Classic {
    fn on_leave(&mut self, turn: &mut Turn<'_>, members: &[Identity]) -> Vec<Result<(), GroupFault>> {
        let results: Vec<_> = members.iter().map(|identity| self.let_go(turn, identity)).collect();
        if results.iter().any(Result::is_ok) {
            self.rebalance_without_them(turn);
        }
        results
    }

    fn let_go(&mut self, turn: &mut Turn<'_>, identity: &Identity) -> Result<(), GroupFault> {
        let id = if identity.member.is_empty() {
            // An administrator removes a static member by the id that it chose.
            let instance = identity.instance.as_ref().ok_or(GroupFault::UnknownMember)?;
            self.static_ids.get(instance).cloned().ok_or(GroupFault::UnknownMember)?
        } else {
            if !self.pending.contains_key(&identity.member) {
                self.validate(identity)?;
            }
            identity.member.clone()
        };
        self.remove(turn, &id);
        Ok(())
    }
}
