//! Joining a group.

use super::api::{GroupAnswer, GroupFault, Join, Waiter};
use super::classic::{Classic, State};
use super::coordinator::{Coordinator, Membership, Turn};
use super::limits::{MEMBER_METADATA_BYTES_MAX, NEW_MEMBER_MS_MAX, PENDING_MEMBERS_MAX, PROTOCOLS_PER_MEMBER_MAX};
use super::member::Member;

impl Coordinator {
    pub(super) fn join(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: Join) {
        let session_ms = turn.config.session_ms_min..=turn.config.session_ms_max;
        if !session_ms.contains(&join.session_timeout_ms) {
            return turn.refuse(waiter, GroupFault::InvalidSessionTimeout);
        }
        let metadata_bytes: usize = join.protocols.iter().map(|known| known.name.len() + known.metadata.len()).sum();
        if join.protocols.len() > PROTOCOLS_PER_MEMBER_MAX || metadata_bytes > MEMBER_METADATA_BYTES_MAX {
            return turn.refuse(waiter, GroupFault::TooLarge);
        }
        let is_new = join.identity.member.is_empty();
        if !is_new && !self.groups.contains_key(turn.group) {
            return turn.refuse(waiter, GroupFault::UnknownMember);
        }
        if is_new && !turn.has_room {
            return turn.refuse(waiter, GroupFault::Full);
        }
        self.with_group(turn.group, |group| {
            if let Membership::Consumer(consumer) = &group.membership
                && consumer.members.is_empty()
            {
                // Nobody is in it, so it becomes what the next one speaks. The records only say so.
                turn.outcome.records.extend(group.membership.deletion(turn.group));
                group.membership = Membership::default();
            }
            match &mut group.membership {
                Membership::Classic(classic) => classic.on_join(turn, waiter, join),
                Membership::Consumer(consumer) => {
                    let joined = consumer.on_classic_join(turn, &join);
                    if let Ok(joined) = &joined {
                        consumer.on_classic_joined(turn, &joined.member);
                    }
                    turn.answer(waiter, joined.map(|joined| GroupAnswer::Joined(Box::new(joined))));
                }
            }
        });
    }
}

impl Classic {
    /// A member wants to be in the group. It is answered when the group is complete, unless that is so already.
    fn on_join(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: Join) {
        let id = &join.identity.member;
        if !self.has_place_for(turn.config.size_max as usize, id) {
            // Whoever rejoins last makes way when the limit has come down.
            self.remove(turn, id);
            turn.refuse(waiter, GroupFault::MaxSizeReached);
            return self.complete_if_all_have_joined(turn);
        }
        if !self.supports(&join.protocol_type, &join.protocols) {
            return turn.refuse(waiter, GroupFault::InconsistentProtocol);
        }
        if id.is_empty() { self.join_unknown(turn, waiter, join) } else { self.join_known(turn, waiter, join) }
    }

    /// While a group is made anew those count who have joined: only they will be in it.
    fn has_place_for(&self, size_max: usize, id: &str) -> bool {
        let member = self.members.get(id);
        match self.state {
            State::Empty => true,
            State::PreparingRebalance => {
                member.is_some_and(|member| member.joining.is_some()) || self.joining_count < size_max
            }
            State::CompletingRebalance | State::Stable => member.is_some() || self.members.len() < size_max,
        }
    }

    fn join_unknown(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: Join) {
        let stem = join.identity.instance.as_ref().unwrap_or(&join.client_id);
        let id = format!("{stem}-{}", join.fresh);
        let replaced = join.identity.instance.as_ref().and_then(|instance| self.static_ids.get(instance).cloned());
        if let Some(replaced) = replaced {
            return self.replace_static(turn, waiter, &join, &replaced, &id);
        }
        if join.identity.instance.is_some() || !join.knows_member_id_required {
            return self.add_and_rebalance(turn, waiter, &join, &id);
        }
        if self.pending.len() >= PENDING_MEMBERS_MAX {
            return turn.refuse(waiter, GroupFault::MaxSizeReached);
        }
        // A client that gives up and tries again would leave a member behind each time (KIP-394).
        let ends_ms = turn.now.mono_ms + u64::try_from(join.session_timeout_ms).unwrap_or(0);
        self.pending.insert(id.clone(), ends_ms);
        self.wake_at(ends_ms);
        turn.refuse(waiter, GroupFault::MemberIdRequired(id));
    }

    fn join_known(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: Join) {
        let id = join.identity.member.clone();
        if self.pending.contains_key(&id) && join.identity.instance.is_none() {
            return self.add_and_rebalance(turn, waiter, &join, &id);
        }
        if let Err(fault) = self.validate(&join.identity) {
            return turn.refuse(waiter, fault);
        }
        let has_changed = self.members[&id].protocols != join.protocols;
        match self.state {
            State::PreparingRebalance => self.update_and_rebalance(turn, waiter, &join, &id),
            // Its answer may have been lost; the generation is still the same.
            State::CompletingRebalance if !has_changed => turn.joined(waiter, self.joined(&id)),
            // What a leader joins for is a new assignment: topics may have changed that no member names.
            State::Stable if !has_changed && !self.is_leader(&id) => turn.joined(waiter, self.joined(&id)),
            State::CompletingRebalance | State::Stable => self.update_and_rebalance(turn, waiter, &join, &id),
            State::Empty => unreachable!("an empty group has no members"),
        }
    }

    fn add_and_rebalance(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: &Join, id: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        if let Some(extendable) = self.join_deadline.as_mut().and_then(|deadline| deadline.extendable.as_mut()) {
            extendable.has_grown = true;
        }
        let member = Member { joining: Some(waiter), ..Member::new(join) };
        self.add(id, member);
        self.end_session_at(id, turn.now.mono_ms + NEW_MEMBER_MS_MAX);
        self.begin_rebalance(turn);
        self.complete_if_all_have_joined(turn);
    }

    fn update_and_rebalance(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: &Join, id: &str) {
        self.update(turn, waiter, join, id);
        self.begin_rebalance(turn);
        self.complete_if_all_have_joined(turn);
    }

    /// A member joins again, perhaps with other protocols and times.
    pub(super) fn update(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: &Join, id: &str) {
        let mut earlier = None;
        self.change(id, |member| {
            member.protocols = join.protocols.clone();
            member.rebalance_timeout_ms = join.rebalance_timeout_ms;
            member.session_timeout_ms = join.session_timeout_ms;
            earlier = member.joining.replace(waiter);
        });
        if let Some(earlier) = earlier {
            // The client has asked again, so it does not read this; but whoever waits gets an answer.
            turn.refuse(earlier, GroupFault::RebalanceInProgress);
        }
    }
}

/// Static members (KIP-345).
impl Classic {
    /// A static member has come back without its id: it takes the place of the one it was. Where nothing depends on that, the others
    /// do not notice.
    fn replace_static(&mut self, turn: &mut Turn<'_>, waiter: Waiter, join: &Join, old_id: &str, new_id: &str) {
        let leader_before = self.leader.clone().unwrap_or_default();
        let was_leader = self.is_leader(old_id);
        let mut member = self.take_out(old_id).expect("a static id is that of a member");
        for fenced in [member.joining.take(), member.syncing.take()].into_iter().flatten() {
            turn.refuse(fenced, GroupFault::FencedInstance);
        }
        // It was taken out while it waited, so it is not counted among those who do.
        self.add(new_id, member);
        if was_leader {
            self.leader = Some(new_id.to_owned());
        }
        self.renew_session(new_id, turn.now);
        match self.state {
            State::Stable => {
                self.update(turn, waiter, join, new_id);
                if self.protocol.as_deref() == Some(&self.elect_protocol()) {
                    self.take_place(turn, join, new_id, leader_before);
                } else {
                    self.begin_rebalance(turn);
                    self.complete_if_all_have_joined(turn);
                }
            }
            // The leader assigns to the id that was, so the new one would get nothing.
            State::CompletingRebalance | State::PreparingRebalance => {
                self.update_and_rebalance(turn, waiter, join, new_id)
            }
            State::Empty => unreachable!("an empty group has no members"),
        }
    }

    /// The group goes on with the new id for the old one.
    fn take_place(&mut self, turn: &mut Turn<'_>, join: &Join, id: &str, leader_before: String) {
        turn.outcome.records.push(self.to_record(turn, |_, member| member.assignment.clone()));
        let mut waiting = None;
        self.change(id, |member| waiting = member.joining.take());
        let mut joined = self.joined(id);
        if join.knows_skip_assignment {
            joined.skip_assignment = self.is_leader(id);
        } else {
            // An older client that is told it leads would assign anew, which nobody else would learn.
            joined.leader = leader_before;
            joined.members.clear();
        }
        turn.joined(waiting.expect("it has just joined"), joined);
    }
}
