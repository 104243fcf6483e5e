//! `ringmain group describe`: members, what each was given, and how far the group has come.

use std::collections::{BTreeMap, BTreeSet};

use wire::consumer_group_describe::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, TopicPartitions};
use wire::describe_groups::{DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroupMember};
use wire::list_offsets::LATEST_TIMESTAMP;
use wire::metadata::MetadataResponse;
use wire::{ApiKey, DecodeError, ErrorCode, Reader};

use super::client::{AdminError, Cluster};
use super::group::{Groups, refused};
use super::partition_offsets::{Offsets, offsets};
use super::report::Report;
use super::report_group::{Assigned, GroupDescribed, GroupOffset, MemberLine};

/// The state of a group that is not there.
pub(super) const DEAD: &str = "Dead";
/// The protocol type of groups whose members are consumers, and the type of groups for which the broker assigns.
const CONSUMER: &str = "consumer";

pub(super) fn describe(bootstrap: &str, names: &[String]) -> Result<Report, AdminError> {
    let mut groups = Groups::connect(bootstrap)?;
    let described = names.iter().map(|group| describe_one(&mut groups, group)).collect::<Result<Vec<_>, _>>()?;
    Ok(Report::GroupsDescribed(described))
}

fn describe_one(groups: &mut Groups, group: &str) -> Result<GroupDescribed, AdminError> {
    let described = members(groups, group)?;
    let committed = groups.committed(group)?;
    if described.state == DEAD && described.members.is_empty() && committed.is_empty() {
        let error = format!("group {group} is not known; `ringmain group list` shows the groups");
        return Ok(GroupDescribed { error: Some(error), ..described });
    }
    let owners = owners(&described.members);
    let places: BTreeSet<&(String, i32)> = committed.keys().chain(owners.keys()).collect();
    let topics: BTreeSet<&String> = places.iter().map(|(topic, _)| topic).collect();
    let ends = ends(&mut groups.cluster, &topics.into_iter().cloned().collect::<Vec<_>>())?;
    let offset = |place: &&(String, i32)| {
        let (committed, end) = (committed.get(*place).copied(), ends.get(*place).copied());
        GroupOffset {
            topic: place.0.clone(),
            partition: place.1,
            committed,
            end,
            // A topic that was made anew may end before what was committed in the old one.
            lag: committed.zip(end).map(|(committed, end)| (end - committed).max(0)),
            owner: owners.get(*place).cloned(),
        }
    };
    let partitions = places.iter().map(offset).collect();
    Ok(GroupDescribed { partitions, ..described })
}

/// A group without its offsets; its state is `Dead` if it is not there.
pub(super) fn members(groups: &mut Groups, group: &str) -> Result<GroupDescribed, AdminError> {
    let request = DescribeGroupsRequest { groups: vec![group], ..Default::default() };
    let (coordinator, node) = groups.coordinator(group)?;
    let body = node.call(ApiKey::DescribeGroups, |version, out| request.encode(version, out))?;
    let answer = body.read(DescribeGroupsResponse::decode)?;
    let found = answer.groups.first();
    let found =
        found.ok_or_else(|| AdminError::Usage(format!("group {group}: the coordinator does not describe it")))?;
    let nameless =
        GroupDescribed { group: group.to_owned(), state: DEAD.to_owned(), coordinator, ..Default::default() };
    if found.error_code == ErrorCode::GROUP_ID_NOT_FOUND || found.group_state == DEAD {
        // A group of another type is not described by this request, but listed.
        let listed = groups.listed_by(coordinator)?.into_iter().find(|line| line.group == group);
        let Some(state) = listed.as_ref().and_then(|line| line.state.clone()) else { return Ok(nameless) };
        let kind = listed.and_then(|line| line.kind).unwrap_or_else(|| "unknown".to_owned());
        if kind.eq_ignore_ascii_case(CONSUMER) {
            return consumers(groups, group, nameless);
        }
        let note = Some(format!("a group of type {kind}, whose members this program cannot show"));
        return Ok(GroupDescribed { state, note, ..nameless });
    }
    refused(found.error_code, group)?;
    let told = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let is_consumers = found.protocol_type == CONSUMER;
    let members = found.members.iter().map(|member| line(member, is_consumers)).collect::<Result<Vec<_>, _>>();
    let not_understood = |error| AdminError::Usage(format!("group {group}: an assignment is not understood: {error}"));
    Ok(GroupDescribed {
        state: found.group_state.to_string(),
        protocol_type: told(&found.protocol_type),
        assignor: told(&found.protocol_data),
        members: members.map_err(not_understood)?,
        ..nameless
    })
}

/// A group of the consumer protocol, which has a request of its own.
fn consumers(groups: &mut Groups, group: &str, nameless: GroupDescribed) -> Result<GroupDescribed, AdminError> {
    let request = ConsumerGroupDescribeRequest { group_ids: vec![group], ..Default::default() };
    let (_, node) = groups.coordinator(group)?;
    let body = node.call(ApiKey::ConsumerGroupDescribe, |version, out| request.encode(version, out))?;
    let answer = body.read(ConsumerGroupDescribeResponse::decode)?;
    // It was there a moment ago.
    let Some(found) = answer.groups.first() else { return Ok(nameless) };
    refused(found.error_code, group)?;
    let assigned = |topics: &[TopicPartitions<'_>]| {
        let topic = |topic: &TopicPartitions<'_>| Assigned {
            topic: topic.topic_name.to_string(),
            partitions: topic.partitions.clone(),
        };
        let mut assigned: Vec<Assigned> = topics.iter().map(topic).collect();
        assigned.sort_by(|one, other| one.topic.cmp(&other.topic));
        assigned
    };
    let members = found.members.iter().map(|member| MemberLine {
        member: member.member_id.to_string(),
        instance: member.instance_id.as_deref().map(str::to_owned),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        assigned: assigned(&member.assignment.topic_partitions),
    });
    Ok(GroupDescribed {
        state: found.group_state.to_string(),
        protocol_type: Some(CONSUMER.to_owned()),
        assignor: Some(found.assignor_name.to_string()),
        members: members.collect(),
        ..nameless
    })
}

fn line(member: &DescribedGroupMember<'_>, is_consumer: bool) -> Result<MemberLine, DecodeError> {
    Ok(MemberLine {
        member: member.member_id.to_string(),
        instance: member.group_instance_id.as_deref().map(str::to_owned),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        // What members of another kind were given is theirs to read.
        assigned: if is_consumer { assigned(member.member_assignment)? } else { Vec::new() },
    })
}

/// What a consumer was given, as group leaders write it:
///
/// ```text
/// version i16 | count i32 | per topic: length i16, name | count i32, partitions i32... | user data
/// ```
///
/// A member that was given nothing yet has no bytes.
fn assigned(bytes: &[u8]) -> Result<Vec<Assigned>, DecodeError> {
    let mut topics = Vec::new();
    if bytes.is_empty() {
        return Ok(topics);
    }
    let mut reader = Reader::new(bytes);
    // Every version so far begins alike, and newer ones are to be read as far as they are known.
    let _version = reader.i16()?;
    for _ in 0..reader.i32()? {
        let length = usize::try_from(reader.i16()?).unwrap_or(0);
        let topic = String::from_utf8_lossy(reader.take(length)?).into_owned();
        // Grows with what is there, not with what is declared.
        let mut partitions = Vec::new();
        for _ in 0..reader.i32()? {
            partitions.push(reader.i32()?);
        }
        partitions.sort_unstable();
        topics.push(Assigned { topic, partitions });
    }
    topics.sort_by(|one, other| one.topic.cmp(&other.topic));
    Ok(topics)
}

fn owners(members: &[MemberLine]) -> BTreeMap<(String, i32), String> {
    let mut owners = BTreeMap::new();
    for member in members {
        for Assigned { topic, partitions } in &member.assigned {
            owners.extend(partitions.iter().map(|index| ((topic.clone(), *index), member.member.clone())));
        }
    }
    owners
}

/// Where the partitions of these topics end; topics that are gone have no end.
fn ends(cluster: &mut Cluster, topics: &[String]) -> Result<Offsets, AdminError> {
    let metadata = cluster.metadata(Some(topics))?;
    let answer = metadata.read(MetadataResponse::decode)?;
    offsets(cluster, &metadata, &answer, LATEST_TIMESTAMP)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1, "orders" with partitions 5 and 2, no user data.
    const BYTES: [u8; 32] = *b"\0\x01\0\0\0\x01\0\x06orders\0\0\0\x02\0\0\0\x05\0\0\0\x02\xff\xff\xff\xff\0\0";

    #[test]
    fn an_assignment_is_read_in_the_order_of_partitions() {
        let expected = vec![Assigned { topic: "orders".to_owned(), partitions: vec![2, 5] }];
        assert_eq!(assigned(&BYTES[..30]).expect("a whole assignment"), expected);
        assert_eq!(assigned(&BYTES).expect("a newer one with more behind it"), expected);
        assert_eq!(assigned(&[]).expect("nothing was given yet"), Vec::new());
    }

    #[test]
    fn a_cut_or_lying_assignment_is_an_error() {
        for length in 1..26 {
            assert!(assigned(&BYTES[..length]).is_err(), "{length} bytes");
        }
        assert!(assigned(b"\0\0\x7f\xff\xff\xff").is_err(), "many topics are declared and none is there");
    }
}
