//! DescribeGroups.

use std::rc::Rc;

use wire::describe_groups::{
    AUTHORIZED_OPERATIONS_UNKNOWN, DescribeGroupsRequest, DescribeGroupsResponse, DescribedGroup, DescribedGroupMember,
};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{self, GroupAnswer, GroupFault, GroupReply, GroupRequest};
use crate::net::Answer;
use crate::shard::Context;

/// What anybody may do with a group, as bits of Kafka's `AclOperation`: read, delete, describe.
pub(super) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8;
/// From this version on a group that does not exist is an error (KIP-1043).
const NOT_FOUND_SINCE: i16 = 6;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = DescribeGroupsRequest::decode(version, &mut request.body)?;
    let names: Vec<String> = body.groups.iter().map(|&name| name.to_owned()).collect();
    let operations = if body.include_authorized_operations { GROUP_OPERATIONS } else { AUTHORIZED_OPERATIONS_UNKNOWN };
    let requests = names.iter().map(|group| GroupRequest::Describe { group: group.clone() });
    let replies = groups::ask_all(ctx, requests.collect());
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let described: Vec<_> = replies.await.into_iter().map(|reply| judge(reply, version)).collect();
        let groups = names.iter().zip(&described).map(|(name, described)| to_wire(name, described, operations));
        let response = DescribeGroupsResponse { groups: groups.collect(), ..DescribeGroupsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

/// What is told of a group: also of one that does not exist, older clients get a description.
fn judge(reply: GroupReply, version: i16) -> Result<api::DescribedGroup, GroupFault> {
    match reply {
        Ok(GroupAnswer::Described(described)) => Ok(described),
        Ok(other) => unreachable!("a group was to be described, not {other:?}"),
        Err(GroupFault::NotFound | GroupFault::OtherProtocol) if version < NOT_FOUND_SINCE => {
            Ok(api::DescribedGroup::dead())
        }
        Err(fault) => Err(fault),
    }
}

fn to_wire<'a>(
    name: &'a str,
    described: &'a Result<api::DescribedGroup, GroupFault>,
    authorized_operations: i32,
) -> DescribedGroup<'a> {
    let described = match described {
        Ok(described) => described,
        Err(fault) => {
            let error_code = error_codes::of_group(fault);
            let is_missing = error_code == ErrorCode::GROUP_ID_NOT_FOUND;
            let error_message = match fault {
                GroupFault::OtherProtocol => Some(format!("Group {name} is not a classic group.").into()),
                _ => is_missing.then(|| format!("Group {name} not found.").into()),
            };
            return DescribedGroup {
                error_code,
                error_message,
                group_id: name.into(),
                group_state: if is_missing { "Dead".into() } else { "".into() },
                ..DescribedGroup::default()
            };
        }
    };
    let members = described.members.iter().map(|member| DescribedGroupMember {
        member_id: member.id.as_str().into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        client_id: member.client_id.as_str().into(),
        client_host: member.client_host.as_str().into(),
        member_metadata: &member.metadata,
        member_assignment: &member.assignment,
    });
    DescribedGroup {
        group_id: name.into(),
        group_state: described.state.into(),
        protocol_type: described.protocol_type.as_str().into(),
        protocol_data: described.protocol.as_str().into(),
        members: members.collect(),
        authorized_operations,
        ..DescribedGroup::default()
    }
}
