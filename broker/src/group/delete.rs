//! Deleting a group.

use super::api::{GroupAnswer, GroupFault, Waiter};
use super::coordinator::{Coordinator, Group, Membership, Turn};
use super::offsets::tombstone;
use super::records::GroupRecord;

impl Coordinator {
    /// Deletes a group that has no members, with all that it knows.
    pub(super) fn delete(&mut self, turn: &mut Turn<'_>, waiter: Waiter) {
        match self.groups.get(turn.group) {
            None => turn.refuse(waiter, GroupFault::NotFound),
            Some(group) if !group.is_empty() => turn.refuse(waiter, GroupFault::NonEmpty),
            Some(group) => {
                turn.outcome.records.extend(group.deletion(turn.group));
                turn.answer(waiter, Ok(GroupAnswer::Deleted));
            }
        }
    }
}

impl Group {
    /// The records after which the group is no more. The offsets go first: a group with offsets is one.
    pub(super) fn deletion(&self, id: &str) -> Vec<GroupRecord> {
        let offsets = self.offsets.iter().map(|(topic, partition, _)| tombstone(id, topic, partition));
        offsets.chain(self.membership.deletion(id)).collect()
    }
}

impl Membership {
    /// The records after which nobody is in the group.
    pub(super) fn deletion(&self, id: &str) -> Vec<GroupRecord> {
        match self {
            Self::Classic(_) => vec![GroupRecord::Classic { group: id.to_owned(), value: None }],
            Self::Consumer(consumer) => {
                let changes = consumer.deletion().into_iter();
                changes.map(|change| GroupRecord::Consumer { group: id.to_owned(), change }).collect()
            }
        }
    }
}
