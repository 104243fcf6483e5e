//! FindCoordinator: there is one node, so it is this one.
//!
//! That holds for transactions too, which this version does not have: a client learns it from InitProducerId, whose error
//! says so for good, while an error here would be tried again by most clients until they give up.

use std::rc::Rc;

use wire::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, KEY_TYPE_GROUP, KEY_TYPE_TRANSACTION,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = FindCoordinatorRequest::decode(request.version(), &mut request.body)?;
    let response =
        if matches!(body.key_type, KEY_TYPE_GROUP | KEY_TYPE_TRANSACTION) { find(ctx, &body) } else { refuse(&body) };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

fn find<'a>(ctx: &'a Context, body: &FindCoordinatorRequest<'a>) -> FindCoordinatorResponse<'a> {
    let node = &ctx.node;
    let coordinators = body.coordinator_keys.iter().map(|&key| Coordinator {
        key: key.into(),
        node_id: node.node_id.0,
        host: node.host.as_str().into(),
        port: i32::from(node.port),
        ..Coordinator::default()
    });
    FindCoordinatorResponse {
        node_id: node.node_id.0,
        host: node.host.as_str().into(),
        port: i32::from(node.port),
        coordinators: coordinators.collect(),
        ..FindCoordinatorResponse::default()
    }
}

fn refuse<'a>(body: &FindCoordinatorRequest<'a>) -> FindCoordinatorResponse<'a> {
    const NO_NODE: i32 = -1;
    let error_code = ErrorCode::INVALID_REQUEST;
    let coordinators = body.coordinator_keys.iter().map(|&key| Coordinator {
        key: key.into(),
        node_id: NO_NODE,
        port: NO_NODE,
        error_code,
        ..Coordinator::default()
    });
    FindCoordinatorResponse {
        error_code,
        node_id: NO_NODE,
        port: NO_NODE,
        coordinators: coordinators.collect(),
        ..FindCoordinatorResponse::default()
    }
}
