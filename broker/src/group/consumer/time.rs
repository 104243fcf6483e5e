//! What time does to a group: members that have not been heard of, or have not done what they were told to, are taken out.

use super::Consumer;
use super::member::ConsumerMember;
use crate::group::coordinator::Turn;
use crate::group::limits::MEMBER_RETRY_MS;

impl Consumer {
    /// Does what is due, and finds out when something is due next. Members go in one change, however many: their records are stored at once.
    pub(in crate::group) fn on_time(&mut self, turn: &mut Turn<'_>) {
        let now_ms = turn.now.mono_ms;
        let due: Vec<&str> = self
            .members
            .iter()
            .filter(|(_, member)| member.deadlines().any(|at_ms| at_ms <= now_ms))
            .map(|(id, member)| {
                tracing::info!(
                    group = turn.group,
                    member = id,
                    why = member.is_late_with(now_ms),
                    "a member is taken out"
                );
                id.as_str()
            })
            .collect();
        if !due.is_empty() {
            self.let_go(turn, &due);
        }
        // Should the records not be stored, the members are late still: they are looked at again, after a pause.
        let next = |at_ms: u64| if at_ms <= now_ms { now_ms + MEMBER_RETRY_MS } else { at_ms };
        self.wake_ms = self.members.values().flat_map(ConsumerMember::deadlines).map(next).min();
    }
}

impl ConsumerMember {
    fn is_late_with(&self, now_ms: u64) -> &'static str {
        let is_over = |at_ms: Option<u64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        match () {
            () if is_over(self.session_ends_ms) => "its session is over",
            () if is_over(self.rebalance_ends_ms) => "it has not given partitions up in time",
            () if is_over(self.join_ends_ms) => "it has not joined again in time",
            () => "it has not asked for its assignment in time",
        }
    }
}
