//! Heartbeat.

use std::rc::Rc;

use wire::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{GroupRequest, Heartbeat, Identity};
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = HeartbeatRequest::decode(request.version(), &mut request.body)?;
    if body.group_id.is_empty() {
        let response = HeartbeatResponse { error_code: ErrorCode::INVALID_GROUP_ID, ..Default::default() };
        return Ok(request.reply_to.ready(|version, out| response.encode(version, out)));
    }
    let heartbeat = Heartbeat {
        group: body.group_id.to_owned(),
        identity: Identity { member: body.member_id.to_owned(), instance: body.group_instance_id.map(str::to_owned) },
        generation: body.generation_id,
    };
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::Heartbeat(heartbeat), |reply, version, out| {
        let error_code = reply.map_or_else(|fault| error_codes::of_group(&fault), |_beat| ErrorCode::NONE);
        HeartbeatResponse { error_code, ..Default::default() }.encode(version, out);
    }))
}
