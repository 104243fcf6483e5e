//! Where a heartbeat of the consumer protocol finds its group: one that is, one that is made, or one that changes its protocol.

use super::Consumer;
use crate::group::api::{ConsumerBeat, ConsumerBeaten, GroupAnswer, GroupFault, Waiter};
use crate::group::classic::{Classic, State};
use crate::group::coordinator::{Coordinator, Membership, Turn};
use crate::group::records::GroupRecord;

impl Coordinator {
    pub(in crate::group) fn consumer_beat(&mut self, turn: &mut Turn<'_>, waiter: Waiter, beat: &ConsumerBeat) {
        let beaten = beat.validate(turn.config.assignors).and_then(|()| self.beat(turn, beat));
        turn.answer(waiter, beaten.map(|beaten| GroupAnswer::ConsumerBeaten(Box::new(beaten))));
    }

    fn beat(&mut self, turn: &mut Turn<'_>, beat: &ConsumerBeat) -> Result<ConsumerBeaten, GroupFault> {
        if !self.groups.contains_key(turn.group) {
            return match beat.epoch {
                0 => Consumer::default().on_beat(turn, beat),
                // It has been gone for so long that its group went too: it is to join again. Kafka ends it with GROUP_ID_NOT_FOUND.
                1.. => Err(GroupFault::UnknownMember),
                _ => Err(GroupFault::NotFound),
            };
        }
        self.with_group(turn.group, |group| match &mut group.membership {
            Membership::Consumer(consumer) if beat.is_leaving() => consumer.on_leave(turn, beat),
            Membership::Consumer(consumer) => {
                let beaten = consumer.on_beat(turn, beat)?;
                consumer.on_advanced(turn, &beaten.member);
                Ok(beaten)
            }
            Membership::Classic(classic) if beat.is_joining() => classic.on_consumer_joining(turn, beat),
            Membership::Classic(_) => Err(GroupFault::OtherProtocol),
        })
    }
}

impl Classic {
    /// A member of the consumer protocol wants to join: the group becomes one of that protocol, if it may, with the members that it has.
    fn on_consumer_joining(&mut self, turn: &mut Turn<'_>, beat: &ConsumerBeat) -> Result<ConsumerBeaten, GroupFault> {
        let first_record = turn.outcome.records.len();
        if !self.is_blank() {
            turn.outcome.records.push(GroupRecord::Classic { group: turn.group.to_owned(), value: None });
        }
        let consumer = if self.state == State::Empty {
            Consumer::default()
        } else {
            let is_meant = turn.config.migration.allows_upgrade() && self.is_of_consumers();
            let fits = self.members.len() <= turn.config.consumer_size_max as usize;
            let changes =
                Some(()).filter(|()| is_meant && fits).and_then(|()| Consumer::changes_from(self, turn.topics));
            let Some(changes) = changes else {
                turn.outcome.records.truncate(first_record);
                return Err(GroupFault::OtherProtocol);
            };
            let consumer = Consumer::made_of(&changes);
            changes.into_iter().for_each(|change| turn.change(change));
            consumer
        };
        let beaten = consumer.on_beat(turn, beat);
        if beaten.is_err() {
            turn.outcome.records.truncate(first_record);
        } else if !self.members.is_empty() {
            tracing::info!(
                group = turn.group,
                members = self.members.len(),
                "a group becomes one of the consumer protocol"
            );
            self.dismiss(turn);
        }
        beaten
    }
}
