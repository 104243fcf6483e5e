//! JoinGroup: answered when the group is complete, which may take as long as its slowest member.

use std::rc::Rc;

use bytes::Bytes;
use wire::join_group::{JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{GroupAnswer, GroupFault, GroupReply, GroupRequest, Identity, Join, Joined, Protocol};
use crate::net::Answer;
use crate::shard::Context;

/// From this version on a member is told its id first and joins then (KIP-394).
const MEMBER_ID_REQUIRED_SINCE: i16 = 4;
/// From this version on a leader may be told not to assign (KIP-814).
const SKIP_ASSIGNMENT_SINCE: i16 = 9;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = JoinGroupRequest::decode(version, &mut request.body)?;
    let asked_by = body.member_id.to_owned();
    if body.group_id.is_empty() {
        let response = refused(ErrorCode::INVALID_GROUP_ID, asked_by, version);
        return Ok(request.reply_to.ready(|version, out| response.encode(version, out)));
    }
    let join = to_join(&request, &body);
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::Join(Box::new(join)), move |reply, version, out| {
        respond(reply, asked_by, version, out);
    }))
}

fn to_join(request: &Request<'_>, body: &JoinGroupRequest<'_>) -> Join {
    let version = request.version();
    let protocols = body.protocols.iter().map(|known| Protocol {
        name: known.name.to_owned(),
        // It is kept, and is not to keep the rest of the request with it.
        metadata: Bytes::copy_from_slice(known.metadata),
    });
    Join {
        group: body.group_id.to_owned(),
        identity: Identity { member: body.member_id.to_owned(), instance: body.group_instance_id.map(str::to_owned) },
        client_id: request.client_id.to_owned(),
        // As Java writes an address, which is what tools show.
        client_host: format!("/{}", request.peer.ip()),
        protocol_type: body.protocol_type.to_owned(),
        protocols: protocols.collect(),
        session_timeout_ms: body.session_timeout_ms,
        rebalance_timeout_ms: if version == 0 { body.session_timeout_ms } else { body.rebalance_timeout_ms },
        knows_member_id_required: version >= MEMBER_ID_REQUIRED_SINCE,
        knows_skip_assignment: version >= SKIP_ASSIGNMENT_SINCE,
        fresh: uuid::Uuid::new_v4().to_string(),
    }
}

fn respond(reply: GroupReply, asked_by: String, version: i16, out: &mut Vec<u8>) {
    match reply {
        Ok(GroupAnswer::Joined(joined)) => to_wire(&joined).encode(version, out),
        Ok(other) => unreachable!("a member joined, and was not told {other:?}"),
        Err(GroupFault::MemberIdRequired(id)) => {
            refused(ErrorCode::MEMBER_ID_REQUIRED, id, version).encode(version, out)
        }
        Err(fault) => refused(error_codes::of_group(&fault), asked_by, version).encode(version, out),
    }
}

fn to_wire(joined: &Joined) -> JoinGroupResponse<'_> {
    let members = joined.members.iter().map(|member| JoinGroupResponseMember {
        member_id: member.id.as_str().into(),
        group_instance_id: member.instance.as_deref().map(Into::into),
        metadata: &member.metadata,
    });
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: joined.protocol_type.as_deref().map(Into::into),
        protocol_name: joined.protocol.as_deref().map(Into::into),
        leader: joined.leader.as_str().into(),
        skip_assignment: joined.skip_assignment,
        member_id: joined.member.as_str().into(),
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}

fn refused(error_code: ErrorCode, member_id: String, version: i16) -> JoinGroupResponse<'static> {
    /// The first version in which there may be no protocol.
    const NO_PROTOCOL_SINCE: i16 = 7;
    JoinGroupResponse {
        error_code,
        member_id: member_id.into(),
        protocol_name: (version < NO_PROTOCOL_SINCE).then(|| "".into()),
        ..JoinGroupResponse::default()
    }
}
