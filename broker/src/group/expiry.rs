//! Forgetting offsets that nobody needs any more (KIP-211), and groups of which nothing is left.

use std::ops::Bound;
use std::rc::Rc;

use super::api::Now;
use super::classic::{Classic, State};
use super::coordinator::{Coordinator, Group, Membership, Outcome};
use super::limits::EXPIRED_GROUPS_PER_TURN_MAX;
use super::offsets::{Committed, tombstone};
use super::subscription::Subscription;

/// From when on an offset's age counts.
enum AgeSince {
    /// It does not age: a member may need it.
    Never,
    Commit,
    /// The group has been empty since then.
    Empty(i64),
}

impl Coordinator {
    /// Looks through some groups, and through the others the next time, which comes at once.
    pub(super) fn expire(&mut self, now: Now, outcome: &mut Outcome) {
        let from = self.expiry_from.take().map_or(Bound::Unbounded, Bound::Included);
        let mut groups = self.groups.range::<str, _>((as_str(&from), Bound::Unbounded));
        for (id, group) in groups.by_ref().take(EXPIRED_GROUPS_PER_TURN_MAX) {
            group.expire(id, now, self.config.offsets_retention_ms, outcome);
        }
        self.expiry_from = groups.next().map(|(id, _)| Rc::clone(id));
        self.expiry_ms = match self.expiry_from {
            Some(_) => now.mono_ms,
            None => now.mono_ms + self.config.retention_check_ms,
        };
    }
}

fn as_str(bound: &Bound<Rc<str>>) -> Bound<&str> {
    match bound {
        Bound::Included(id) => Bound::Included(id),
        Bound::Excluded(id) => Bound::Excluded(id),
        Bound::Unbounded => Bound::Unbounded,
    }
}

impl Group {
    fn expire(&self, id: &str, now: Now, retention_ms: i64, outcome: &mut Outcome) {
        let since = AgeSince::of(&self.membership);
        let subscription = Subscription::of(&self.membership);
        let mut keeps_any = false;
        for (topic, partition, committed) in self.offsets.iter() {
            if !subscription.covers(topic) && since.is_over(committed, now.wall_ms, retention_ms) {
                outcome.records.push(tombstone(id, topic, partition));
            } else {
                keeps_any = true;
            }
        }
        // Somebody who was given an id is about to join.
        let is_awaited = matches!(&self.membership, Membership::Classic(classic) if !classic.pending.is_empty());
        if !keeps_any && self.is_empty() && !is_awaited {
            outcome.records.extend(self.membership.deletion(id));
        }
    }
}

impl AgeSince {
    fn of(membership: &Membership) -> Self {
        match membership {
            Membership::Classic(classic) => Self::of_classic(classic),
            Membership::Consumer(_) => Self::Commit,
        }
    }

    fn of_classic(classic: &Classic) -> Self {
        match classic.state {
            _ if classic.protocol_type.is_none() => Self::Commit,
            State::Empty => classic.since_ms.map_or(Self::Commit, Self::Empty),
            State::Stable if classic.is_of_consumers() => Self::Commit,
            _ => Self::Never,
        }
    }

    fn is_over(&self, committed: &Committed, now_ms: i64, retention_ms: i64) -> bool {
        let since_ms = match self {
            Self::Never => return false,
            Self::Commit => committed.committed_ms,
            Self::Empty(since_ms) => *since_ms,
        };
        match committed.expires_ms {
            // An older client has chosen the time itself.
            Some(expires_ms) => now_ms >= expires_ms,
            None => now_ms.saturating_sub(since_ms) >= retention_ms,
        }
    }
}
