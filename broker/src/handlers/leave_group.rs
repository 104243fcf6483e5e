//! LeaveGroup: one member for itself, or several that an administrator removes.

use std::rc::Rc;

use wire::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberResponse};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{GroupAnswer, GroupFault, GroupRequest, Identity, Leave};
use crate::net::Answer;
use crate::shard::Context;

/// From this version on a request names several members, and each has a result of its own.
const MEMBERS_SINCE: i16 = 3;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = LeaveGroupRequest::decode(version, &mut request.body)?;
    if body.group_id.is_empty() {
        let response = LeaveGroupResponse { error_code: ErrorCode::INVALID_GROUP_ID, ..Default::default() };
        return Ok(request.reply_to.ready(|version, out| response.encode(version, out)));
    }
    let members: Vec<Identity> = if version < MEMBERS_SINCE {
        vec![Identity::member(body.member_id)]
    } else {
        let named = body.members.iter();
        named
            .map(|member| Identity {
                member: member.member_id.to_owned(),
                instance: member.group_instance_id.map(str::to_owned),
            })
            .collect()
    };
    let leave = Leave { group: body.group_id.to_owned(), members: members.clone() };
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::Leave(leave), move |reply, version, out| {
        let response = match reply {
            Ok(GroupAnswer::Left(results)) => to_wire(&members, &results, version),
            Ok(other) => unreachable!("members leave, and are not told {other:?}"),
            Err(fault) => {
                LeaveGroupResponse { error_code: error_codes::of_group(&fault), ..LeaveGroupResponse::default() }
            }
        };
        response.encode(version, out);
    }))
}

fn to_wire<'a>(members: &'a [Identity], results: &[Result<(), GroupFault>], version: i16) -> LeaveGroupResponse<'a> {
    let code =
        |result: &Result<(), GroupFault>| result.as_ref().map_or_else(error_codes::of_group, |()| ErrorCode::NONE);
    if version < MEMBERS_SINCE {
        return LeaveGroupResponse { error_code: results.first().map_or(ErrorCode::NONE, code), ..Default::default() };
    }
    let members = members.iter().zip(results).map(|(identity, result)| MemberResponse {
        member_id: identity.member.as_str().into(),
        group_instance_id: identity.instance.as_deref().map(Into::into),
        error_code: code(result),
    });
    LeaveGroupResponse { members: members.collect(), ..LeaveGroupResponse::default() }
}
