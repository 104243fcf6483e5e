//! `ringmain group`: what the sub-commands ask the cluster, and those that list and delete.

use std::collections::BTreeMap;

use wire::delete_groups::{DeleteGroupsRequest, DeleteGroupsResponse};
use wire::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::list_groups::{ListGroupsRequest, ListGroupsResponse};
use wire::metadata::MetadataResponse;
use wire::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse};
use wire::{ApiKey, ErrorCode};

use super::client::{AdminError, Body, Client, Cluster};
use super::partition_offsets::Offsets;
use super::report::Report;
use super::report_group::{GroupChanged, GroupLine};

/// A cluster, asked about groups.
pub(super) struct Groups {
    pub(super) cluster: Cluster,
    /// Where the nodes are.
    nodes: Body,
}

/// Lists the groups of all nodes.
pub(super) fn list(bootstrap: &str) -> Result<Report, AdminError> {
    let mut groups = Groups::connect(bootstrap)?;
    let ids: Vec<i32> = groups.nodes.read(MetadataResponse::decode)?.brokers.iter().map(|node| node.node_id).collect();
    // A group that moves to another node while they are asked would be there twice.
    let mut found = BTreeMap::new();
    for id in ids {
        found.extend(groups.listed_by(id)?.into_iter().map(|line| (line.group.clone(), line)));
    }
    Ok(Report::Groups(found.into_values().collect()))
}

/// Deletes groups with all that they committed.
pub(super) fn delete(bootstrap: &str, names: &[String]) -> Result<Report, AdminError> {
    let mut groups = Groups::connect(bootstrap)?;
    let mut changes = Vec::new();
    for group in names {
        let request = DeleteGroupsRequest { groups_names: vec![group] };
        let (_, node) = groups.coordinator(group)?;
        let body = node.call(ApiKey::DeleteGroups, |version, out| request.encode(version, out))?;
        let results = body.read(DeleteGroupsResponse::decode)?.results;
        let code = results.first().map_or(ErrorCode::UNKNOWN_SERVER_ERROR, |result| result.error_code);
        let result = if code.is_none() { "deleted".to_owned() } else { explain(code, group) };
        changes.push(GroupChanged { group: group.clone(), result, failed: code.is_error() });
    }
    Ok(Report::GroupsChanged(changes))
}

impl Groups {
    pub(super) fn connect(bootstrap: &str) -> Result<Self, AdminError> {
        let mut cluster = Cluster::connect(bootstrap)?;
        let nodes = cluster.metadata(Some(&[]))?;
        Ok(Self { cluster, nodes })
    }

    /// The groups that a node coordinates.
    pub(super) fn listed_by(&mut self, id: i32) -> Result<Vec<GroupLine>, AdminError> {
        let node = self.cluster.node(id, &self.nodes, &format!("node {id}"))?;
        let request = ListGroupsRequest::default();
        let body = node.call(ApiKey::ListGroups, |version, out| request.encode(version, out))?;
        let answer = body.read(ListGroupsResponse::decode)?;
        if answer.error_code.is_error() {
            let what = format!("listing the groups of node {id}: {}", explain(answer.error_code, "GROUP"));
            return Err(AdminError::Usage(what));
        }
        // Old nodes do not tell types and states.
        let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let line = |group: &wire::list_groups::ListedGroup<'_>| GroupLine {
            group: group.group_id.to_string(),
            kind: told(&group.group_type),
            state: told(&group.group_state),
            protocol_type: told(&group.protocol_type),
        };
        Ok(answer.groups.iter().map(line).collect())
    }

    /// The node that coordinates a group, and its id.
    pub(super) fn coordinator(&mut self, group: &str) -> Result<(i32, &mut Client), AdminError> {
        let request = FindCoordinatorRequest { key: group, coordinator_keys: vec![group], ..Default::default() };
        let body = self.cluster.any().call(ApiKey::FindCoordinator, |version, out| request.encode(version, out))?;
        let answer = body.read(FindCoordinatorResponse::decode)?;
        let (code, id) = match answer.coordinators.first() {
            Some(coordinator) => (coordinator.error_code, coordinator.node_id),
            None => (answer.error_code, answer.node_id),
        };
        refused(code, group)?;
        Ok((id, self.cluster.node(id, &self.nodes, &format!("group {group}"))?))
    }

    /// What a group has committed.
    pub(super) fn committed(&mut self, group: &str) -> Result<Offsets, AdminError> {
        let groups = vec![OffsetFetchRequestGroup { group_id: group, topics: None, ..Default::default() }];
        let request = OffsetFetchRequest { group_id: group, topics: None, groups, ..Default::default() };
        let (_, node) = self.coordinator(group)?;
        let body = node.call(ApiKey::OffsetFetch, |version, out| request.encode(version, out))?;
        let answer = body.read(OffsetFetchResponse::decode)?;
        refused(answer.error_code, group)?;
        let mut found = Vec::new();
        for topic in &answer.topics {
            let partitions = topic.partitions.iter();
            found.extend(partitions.map(|one| (topic.name.to_string(), one.partition_index, one.committed_offset)));
        }
        for answered in &answer.groups {
            // A group that is not there has committed nothing; newer nodes say that with an error.
            if answered.error_code != ErrorCode::GROUP_ID_NOT_FOUND {
                refused(answered.error_code, group)?;
            }
            for topic in &answered.topics {
                let partitions = topic.partitions.iter();
                found.extend(partitions.map(|one| (topic.name.to_string(), one.partition_index, one.committed_offset)));
            }
        }
        let committed = found.into_iter().filter(|(_, _, offset)| *offset >= 0);
        Ok(committed.map(|(topic, partition, offset)| ((topic, partition), offset)).collect())
    }
}

const TRY_AGAIN: &str = "try again in a moment";

/// An error code about a group as an error of the command.
pub(super) fn refused(code: ErrorCode, group: &str) -> Result<(), AdminError> {
    if code.is_none() { Ok(()) } else { Err(AdminError::Usage(format!("group {group}: {}", explain(code, group)))) }
}

/// An error as a sentence, with what to do about it where that is known.
pub(super) fn explain(code: ErrorCode, group: &str) -> String {
    match code {
        ErrorCode::NON_EMPTY_GROUP => {
            format!("it has members; stop its consumers first (`ringmain group describe {group}` shows them)")
        }
        ErrorCode::UNKNOWN_MEMBER_ID | ErrorCode::REBALANCE_IN_PROGRESS | ErrorCode::ILLEGAL_GENERATION => {
            format!("a consumer has joined; stop its consumers first (`ringmain group describe {group}` shows them)")
        }
        ErrorCode::GROUP_ID_NOT_FOUND => "it is not known; `ringmain group list` shows the groups".to_owned(),
        ErrorCode::COORDINATOR_NOT_AVAILABLE | ErrorCode::COORDINATOR_LOAD_IN_PROGRESS | ErrorCode::NOT_COORDINATOR => {
            format!("{}; {TRY_AGAIN}", code.name())
        }
        _ => code.name().to_owned(),
    }
}
