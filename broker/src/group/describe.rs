//! Telling about groups.

use bytes::Bytes;

use super::api::{DescribedGroup, DescribedMember, GroupAnswer, GroupFault, GroupFilter, GroupReply, ListedGroup};
use super::classic::{Classic, DEAD, State};
use super::coordinator::Coordinator;

/// Kafka's name for groups of the classic protocol, and for those that only store offsets.
const CLASSIC_KIND: &str = "classic";

impl Coordinator {
    /// State and members of a group.
    pub(super) fn describe(&self, id: &str) -> GroupReply {
        let group = self.groups.get(id).ok_or(GroupFault::NotFound)?;
        Ok(GroupAnswer::Described(group.classic.describe()))
    }

    /// The groups that a filter lets through.
    pub fn list(&self, filter: &GroupFilter) -> Vec<ListedGroup> {
        let is_wanted = |wanted: &[String], name: &str| {
            wanted.is_empty() || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
        };
        if !is_wanted(&filter.types, CLASSIC_KIND) {
            return Vec::new();
        }
        let groups = self.groups.iter().filter(|(_, group)| is_wanted(&filter.states, group.classic.state.name()));
        groups
            .map(|(id, group)| ListedGroup {
                group: id.to_string(),
                protocol_type: group.classic.protocol_type.clone().unwrap_or_default(),
                state: group.classic.state.name(),
                kind: CLASSIC_KIND,
            })
            .collect()
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
