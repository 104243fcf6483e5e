//! Telling about groups.

use bytes::Bytes;

use super::api::{DescribedGroup, DescribedMember, GroupAnswer, GroupFault, GroupFilter, GroupReply, ListedGroup};
use super::classic::{CONSUMER_PROTOCOL, Classic, DEAD, State};
use super::coordinator::{Coordinator, Membership};
use crate::controller::image::Image;

/// Kafka's name for groups of the classic protocol, and for those that only store offsets.
const CLASSIC_KIND: &str = "classic";
/// Kafka's name for groups of the consumer protocol.
const CONSUMER_KIND: &str = "consumer";

impl Coordinator {
    /// State and members of a group.
    pub(super) fn describe(&self, id: &str) -> GroupReply {
        match self.groups.get(id).map(|group| &group.membership) {
            None => Err(GroupFault::NotFound),
            Some(Membership::Consumer(_)) => Err(GroupFault::OtherProtocol),
            Some(Membership::Classic(classic)) => Ok(GroupAnswer::Described(classic.describe())),
        }
    }

    /// State and members of a group of the consumer protocol.
    pub(super) fn describe_consumer(&self, id: &str, topics: &Image) -> GroupReply {
        match self.groups.get(id).map(|group| &group.membership) {
            None => Err(GroupFault::NotFound),
            Some(Membership::Classic(_)) => Err(GroupFault::OtherProtocol),
            Some(Membership::Consumer(consumer)) => {
                Ok(GroupAnswer::DescribedConsumer(Box::new(consumer.describe(&self.config, topics))))
            }
        }
    }

    /// The groups that a filter lets through.
    pub fn list(&self, filter: &GroupFilter) -> Vec<ListedGroup> {
        let is_wanted = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        let listed = self.groups.iter().map(|(id, group)| group.membership.list(id));
        listed.filter(|one| is_wanted(&filter.types, one.kind) && is_wanted(&filter.states, one.state)).collect()
    }
}

impl Membership {
    fn list(&self, id: &str) -> ListedGroup {
        match self {
            Self::Classic(classic) => ListedGroup {
                group: id.to_owned(),
                protocol_type: classic.protocol_type.clone().unwrap_or_default(),
                state: classic.state.name(),
                kind: CLASSIC_KIND,
            },
            Self::Consumer(consumer) => ListedGroup {
                group: id.to_owned(),
                protocol_type: CONSUMER_PROTOCOL.to_owned(),
                state: consumer.phase().name(),
                kind: CONSUMER_KIND,
            },
        }
    }
}

impl DescribedGroup {
    /// What is said of a group that does not exist.
    pub fn dead() -> Self {
        Self { state: DEAD, protocol_type: String::new(), protocol: String::new(), members: Vec::new() }
    }
}

impl Classic {
    fn describe(&self) -> DescribedGroup {
        // Before the group is stable nothing is agreed that would hold.
        let protocol = self.protocol.as_deref().filter(|_| self.state == State::Stable);
        let members = self.members.iter().map(|(id, member)| DescribedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol.and_then(|protocol| member.metadata(protocol)).cloned().unwrap_or_default(),
            assignment: if protocol.is_some() { member.assignment.clone() } else { Bytes::new() },
        });
        DescribedGroup {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: protocol.unwrap_or_default().to_owned(),
            members: members.collect(),
        }
    }
}
