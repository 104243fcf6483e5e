//! SyncGroup: answered when the leader has assigned and the assignment is stored.

use std::rc::Rc;

use bytes::Bytes;
use wire::sync_group::{SyncGroupRequest, SyncGroupResponse};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{GroupAnswer, GroupReply, GroupRequest, Identity, Sync};
use crate::net::Answer;
use crate::shard::Context;

/// From this version on a member says which protocol it believes to have agreed on (KIP-559).
const PROTOCOL_SINCE: i16 = 5;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = SyncGroupRequest::decode(version, &mut request.body)?;
    let error_code = if body.group_id.is_empty() {
        ErrorCode::INVALID_GROUP_ID
    } else if version >= PROTOCOL_SINCE && (body.protocol_type.is_none() || body.protocol_name.is_none()) {
        ErrorCode::INCONSISTENT_GROUP_PROTOCOL
    } else {
        ErrorCode::NONE
    };
    if error_code.is_error() {
        let response = SyncGroupResponse { error_code, ..SyncGroupResponse::default() };
        return Ok(request.reply_to.ready(|version, out| response.encode(version, out)));
    }
    let assignments = body.assignments.iter();
    let sync = Sync {
        group: body.group_id.to_owned(),
        identity: Identity { member: body.member_id.to_owned(), instance: body.group_instance_id.map(str::to_owned) },
        generation: body.generation_id,
        protocol_type: body.protocol_type.map(str::to_owned),
        protocol: body.protocol_name.map(str::to_owned),
        assignments: assignments
            .map(|one| (one.member_id.to_owned(), Bytes::copy_from_slice(one.assignment)))
            .collect(),
    };
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::Sync(sync), respond))
}

fn respond(reply: GroupReply, version: i16, out: &mut Vec<u8>) {
    match reply {
        Ok(GroupAnswer::Synced(synced)) => {
            let response = SyncGroupResponse {
                protocol_type: synced.protocol_type.as_deref().map(Into::into),
                protocol_name: synced.protocol.as_deref().map(Into::into),
                assignment: &synced.assignment,
                ..SyncGroupResponse::default()
            };
            response.encode(version, out);
        }
        Ok(other) => unreachable!("a member asked for its assignment, not for {other:?}"),
        Err(fault) => {
            let error_code = error_codes::of_group(&fault);
            SyncGroupResponse { error_code, ..SyncGroupResponse::default() }.encode(version, out);
        }
    }
}
