//! Making a group anew: waiting for its members, the next generation, and what time does to it.

use bytes::Bytes;

use super::api::GroupFault;
use super::classic::{Classic, Extendable, JoinDeadline, State};
use super::coordinator::Turn;
use super::limits::JOIN_RETRY_MS_MIN;
use super::member::Member;

impl Classic {
    /// From here on members have to join. Nothing changes if that is so already.
    pub(super) fn begin_rebalance(&mut self, turn: &mut Turn<'_>) {
        if self.state == State::PreparingRebalance {
            return;
        }
        let timeout_ms = self.rebalance_timeout_ms();
        let (wait_ms, extendable) = match self.state {
            State::Empty => {
                let delay_ms = turn.config.initial_delay_ms;
                let left_ms = timeout_ms.saturating_sub(delay_ms);
                (delay_ms, Some(Extendable { delay_ms, left_ms, has_grown: false }))
            }
            _ => (timeout_ms, None),
        };
        if self.state == State::CompletingRebalance {
            self.give_up_assigning(turn);
        }
        self.sync_deadline_ms = None;
        self.enter(turn, State::PreparingRebalance);
        self.wait_for_joins(turn, wait_ms, extendable);
    }

    pub(super) fn complete_if_all_have_joined(&mut self, turn: &mut Turn<'_>) {
        // A group that begins waits its time: more members are likely to come.
        if self.state == State::PreparingRebalance && !self.is_beginning() && self.have_all_joined() {
            self.complete_join(turn);
        }
    }

    /// Members have gone.
    pub(super) fn rebalance_without_them(&mut self, turn: &mut Turn<'_>) {
        if self.state != State::Empty {
            self.begin_rebalance(turn);
            self.complete_if_all_have_joined(turn);
        }
    }

    /// Takes a member out, whether it has joined or only been given an id, and tells whoever waits for it.
    pub(super) fn remove(&mut self, turn: &mut Turn<'_>, id: &str) {
        self.pending.remove(id);
        let Some(member) = self.take_out(id) else { return };
        for waiter in [member.joining, member.syncing].into_iter().flatten() {
            turn.refuse(waiter, GroupFault::UnknownMember);
        }
    }

    /// Members that were loaded get their time to show that they are still there.
    pub(super) fn on_loaded(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in &ids {
            self.renew_session(id, turn.now);
        }
        if self.members.len() > turn.config.size_max as usize {
            self.begin_rebalance(turn);
        }
    }

    /// Does what is due, and finds out when something is due next.
    pub(super) fn on_time(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.now.mono_ms;
        self.wake_ms = None;
        self.pending.retain(|_, ends_ms| *ends_ms > now_ms);
        self.complete_if_all_have_joined(turn);
        self.end_sessions(turn);
        if self.sync_deadline_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.on_sync_deadline(turn);
        }
        if let Some(deadline) = self.join_deadline.filter(|deadline| deadline.at_ms <= now_ms) {
            self.on_join_deadline(turn, deadline);
        }
        let sessions = self.members.values().filter_map(|member| member.session_ends_ms);
        let deadlines = sessions.chain(self.pending.values().copied()).chain(self.sync_deadline_ms);
        self.wake_ms = deadlines.chain(self.join_deadline.map(|deadline| deadline.at_ms)).min();
    }

    fn end_sessions(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.now.mono_ms;
        let has_ended = |member: &Member| member.session_ends_ms.is_some_and(|ends_ms| ends_ms <= now_ms);
        let silent = self.members.iter().filter(|(_, member)| has_ended(member));
        let silent: Vec<String> = silent.map(|(id, _)| id.clone()).collect();
        for id in silent {
            // What happened to those before it may have taken this one along, or answered it.
            let Some(member) = self.members.get(&id).filter(|member| has_ended(member)) else { continue };
            if member.is_excused() {
                // Its answer starts the session anew.
                self.change(&id, |member| member.session_ends_ms = None);
            } else {
                tracing::info!(group = turn.group, member = id, "a member has not been heard of and is taken out");
                self.remove(turn, &id);
                self.rebalance_without_them(turn);
            }
        }
    }

    fn on_join_deadline(&mut self, turn: &mut Turn<'_>, deadline: JoinDeadline) {
        match deadline.extendable {
            Some(Extendable { delay_ms, left_ms, has_grown: true }) if left_ms > 0 => {
                let wait_ms = turn.config.initial_delay_ms.min(left_ms);
                let left_ms = left_ms.saturating_sub(delay_ms);
                let extendable = Extendable { delay_ms: wait_ms, left_ms, has_grown: false };
                self.wait_for_joins(turn, wait_ms, Some(extendable));
            }
            _ => self.complete_join(turn),
        }
    }

    /// Members that know of the generation and have not asked for their assignment are in the way of the others.
    fn on_sync_deadline(&mut self, turn: &mut Turn<'_>) {
        self.sync_deadline_ms = None;
        let owing = self.members.iter().filter(|(_, member)| member.owes_sync);
        let owing: Vec<String> = owing.map(|(id, _)| id.clone()).collect();
        for id in &owing {
            self.remove(turn, id);
        }
        if !owing.is_empty() {
            self.rebalance_without_them(turn);
        }
    }

    /// Joining is over: those who have joined are the next generation.
    fn complete_join(&mut self, turn: &mut Turn<'_>) {
        self.join_deadline = None;
        let missing = self.members.iter().filter(|(_, member)| member.joining.is_none() && !member.is_static());
        let missing: Vec<String> = missing.map(|(id, _)| id.clone()).collect();
        for id in &missing {
            self.remove(turn, id);
        }
        if self.members.is_empty() {
            return self.become_empty(turn);
        }
        if !self.elect_leader() {
            // Static members are waited for until their sessions end.
            let wait_ms = self.rebalance_timeout_ms().max(JOIN_RETRY_MS_MIN);
            return self.wait_for_joins(turn, wait_ms, None);
        }
        self.next_generation();
        self.protocol = Some(self.elect_protocol());
        self.enter(turn, State::CompletingRebalance);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in &ids {
            let mut waiting = None;
            self.change(id, |member| {
                waiting = member.joining.take();
                member.assignment = Bytes::new();
                member.is_new = false;
                member.owes_sync = true;
            });
            if let Some(waiter) = waiting {
                turn.joined(waiter, self.joined(id));
            }
            self.renew_session(id, turn.now);
        }
        let at_ms = turn.now.mono_ms + self.rebalance_timeout_ms();
        self.sync_deadline_ms = Some(at_ms);
        self.wake_at(at_ms);
    }

    fn become_empty(&mut self, turn: &mut Turn<'_>) {
        self.next_generation();
        self.protocol = None;
        self.enter(turn, State::Empty);
        turn.outcome.records.push(self.to_record(turn, |_, _| Bytes::new()));
    }

    /// The leader has to be there. False if nobody is.
    fn elect_leader(&mut self) -> bool {
        let is_there = |id: &&String| self.members[*id].joining.is_some();
        let elected = self.leader.iter().chain(self.members.keys()).find(is_there).cloned();
        if elected.is_some() {
            self.leader = elected.clone();
        }
        elected.is_some()
    }

    fn next_generation(&mut self) {
        self.generation = self.generation.checked_add(1).unwrap_or(1);
    }

    fn enter(&mut self, turn: &Turn<'_>, state: State) {
        self.state = state;
        self.since_ms = Some(turn.now.wall_ms);
    }

    fn wait_for_joins(&mut self, turn: &Turn<'_>, wait_ms: u64, extendable: Option<Extendable>) {
        let at_ms = turn.now.mono_ms + wait_ms;
        self.join_deadline = Some(JoinDeadline { at_ms, extendable });
        self.wake_at(at_ms);
    }

    /// The generation ends before its assignment is known.
    fn give_up_assigning(&mut self, turn: &mut Turn<'_>) {
        let syncing = self.members.iter().filter(|(_, member)| member.syncing.is_some());
        let syncing: Vec<String> = syncing.map(|(id, _)| id.clone()).collect();
        for id in &syncing {
            let mut waiting = None;
            self.change(id, |member| waiting = member.syncing.take());
            turn.refuse(waiting.expect("it waits"), GroupFault::RebalanceInProgress);
            self.renew_session(id, turn.now);
        }
    }
}
