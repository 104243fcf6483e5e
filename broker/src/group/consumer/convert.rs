//! From a group of the classic protocol to one of the consumer protocol and back, with the members that it has
//! (`group.consumer.migration.policy`). An empty group becomes whatever the next member speaks, whatever the policy.

use super::client_protocol::{Subscription, identified, read_assignment, write_assignment};
use super::member::{ClassicSide, Holding, Profile};
use super::records::{ConsumerChange, GroupEpoch};
use super::topics::Subscriptions;
use super::{Assignment, Consumer};
use crate::controller::image::Image;
use crate::group::classic::{CONSUMER_PROTOCOL, Classic};
use crate::group::coordinator::Turn;
use crate::group::member::Member;
use crate::group::records::{ClassicValue, GroupRecord, MemberValue};

impl Consumer {
    /// The group that a classic one becomes, as changes; none if its members cannot be understood.
    pub(in crate::group) fn changes_from(classic: &Classic, topics: &Image) -> Option<Vec<ConsumerChange>> {
        let mut changes = Vec::new();
        let mut taken = Assignment::nothing();
        let mut subscribed = Self::default();
        for (id, member) in &classic.members {
            let (profile, claimed) = understand(classic, member, topics)?;
            // Between two generations two members may claim the same; whoever is first has it.
            let assigned = claimed.filtered(|topic, partition| taken.insert(topic, partition));
            let (id, epoch) = (id.clone(), classic.generation);
            let holding = Holding { epoch, previous_epoch: epoch, assigned: assigned.clone(), ..Holding::default() };
            changes.push(ConsumerChange::Member { id: id.clone(), value: Some(Box::new(profile)) });
            changes.push(ConsumerChange::Target { id: id.clone(), value: Some(assigned) });
            changes.push(ConsumerChange::Holding { id, value: Some(holding) });
        }
        changes.iter().for_each(|change| subscribed.replay(change.clone(), None, &Default::default()));
        let topics_hash = Subscriptions::of(&subscribed).hash(topics);
        let epoch = GroupEpoch { epoch: classic.generation, topics_hash };
        changes.push(ConsumerChange::Epoch(Some(epoch)));
        changes.push(ConsumerChange::TargetEpoch(Some(epoch.epoch)));
        Some(changes)
    }

    /// The group that these changes make.
    pub(in crate::group) fn made_of(changes: &[ConsumerChange]) -> Self {
        let mut consumer = Self::default();
        changes.iter().for_each(|change| consumer.replay(change.clone(), None, &Default::default()));
        consumer
    }

    /// Lets members go. If all that are left speak the classic protocol, the group becomes one of theirs.
    pub(in crate::group) fn let_go(&self, turn: &mut Turn<'_>, ids: &[&str]) {
        let left = self.members.keys().filter(|id| !ids.contains(&id.as_str()));
        let left: Vec<&String> = left.collect();
        let is_classic = !left.is_empty() && left.iter().all(|id| self.members[*id].profile.is_classic());
        let may = turn.config.migration.allows_downgrade() && left.len() <= turn.config.size_max as usize;
        match self.common_protocol(&left).filter(|_| is_classic && may) {
            None => self.remove_members(turn, ids),
            Some(protocol) => {
                self.deletion().into_iter().for_each(|change| turn.change(change));
                let value = Some(self.to_classic(turn, &left, protocol));
                turn.outcome.records.push(GroupRecord::Classic { group: turn.group.to_owned(), value });
                tracing::info!(group = turn.group, "a group becomes one of the classic protocol");
            }
        }
    }

    fn common_protocol(&self, ids: &[&String]) -> Option<String> {
        let mut sides = ids.iter().filter_map(|id| self.members[*id].profile.classic.as_ref());
        let first = sides.next()?;
        let is_common = |name: &str| sides.clone().all(|side| side.metadata(name).is_some());
        first.protocols.iter().find(|known| is_common(&known.name)).map(|known| known.name.clone())
    }

    /// The group as the classic one that it becomes. Its members are told to join by that group itself.
    fn to_classic(&self, turn: &Turn<'_>, ids: &[&String], protocol: String) -> ClassicValue {
        let members = ids.iter().filter_map(|id| {
            let member = &self.members[*id];
            let side = member.profile.classic.as_ref()?;
            let subscription = side.metadata(&protocol)?.clone();
            let version = Subscription::read(&subscription).map_or(0, |subscription| subscription.version);
            Some(MemberValue {
                id: (*id).clone(),
                instance: member.profile.instance.clone(),
                client_id: member.profile.client_id.clone(),
                client_host: member.profile.client_host.clone(),
                rebalance_timeout_ms: member.profile.rebalance_timeout_ms,
                session_timeout_ms: side.session_timeout_ms,
                subscription,
                assignment: write_assignment(version, &member.holding.assigned, turn.topics),
            })
        });
        ClassicValue {
            protocol_type: CONSUMER_PROTOCOL.to_owned(),
            generation: self.epoch.epoch,
            leader: ids.first().map(|id| (*id).clone()),
            since_ms: Some(turn.now.wall_ms),
            members: members.collect(),
            protocol: Some(protocol),
        }
    }
}

/// Who a classic member is, and what it owns.
fn understand(classic: &Classic, member: &Member, topics: &Image) -> Option<(Profile, Assignment)> {
    let chosen = classic.protocol.as_deref().and_then(|protocol| member.metadata(protocol));
    let metadata = chosen.or_else(|| member.protocols.first().map(|known| &known.metadata))?;
    let said = Subscription::read(metadata).ok()?;
    let assigned = read_assignment(&member.assignment, topics).ok()?;
    // While a generation is being made nothing is assigned, but members of the cooperative kind work on.
    let owned = if assigned.is_empty() { identified(&said.owned, topics) } else { assigned };
    let profile = Profile {
        instance: member.instance.clone(),
        rack: said.rack,
        client_id: member.client_id.clone(),
        client_host: member.client_host.clone(),
        topics: said.topics,
        pattern: None,
        rebalance_timeout_ms: member.rebalance_timeout_ms,
        assignor: None,
        classic: Some(ClassicSide {
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols.clone(),
        }),
    };
    Some((profile, owned))
}
