//! FindCoordinator: there is one node, so it is this one. The first question about a group makes the topic that holds groups.
//!
//! That holds for transactions too, which this version does not have: a client learns it from InitProducerId, whose error
//! says so for good, while an error here would be tried again by most clients until they give up.

use std::rc::Rc;

use wire::find_coordinator::{
    Coordinator, FindCoordinatorRequest, FindCoordinatorResponse, KEY_TYPE_GROUP, KEY_TYPE_TRANSACTION,
};
use wire::{DecodeError, ErrorCode};

use super::{Request, groups};
use crate::controller::MetadataChange;
use crate::controller::create_topics::CreateTopics;
use crate::group::OFFSETS_TOPIC;
use crate::ids::ShardId;
use crate::mesh::message;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = FindCoordinatorRequest::decode(request.version(), &mut request.body)?;
    let reply_to = request.reply_to;
    let error_code = match body.key_type {
        KEY_TYPE_GROUP | KEY_TYPE_TRANSACTION => ErrorCode::NONE,
        _ => ErrorCode::INVALID_REQUEST,
    };
    if body.key_type != KEY_TYPE_GROUP || ctx.image.borrow().topic(OFFSETS_TOPIC).is_some() {
        let response = answer(ctx, &body.coordinator_keys, error_code);
        return Ok(reply_to.ready(|version, out| response.encode(version, out)));
    }
    let change = CreateTopics { topics: vec![groups::offsets_topic(ctx)], validate_only: false };
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(MetadataChange::CreateTopics(change)));
    let keys: Vec<String> = body.coordinator_keys.iter().map(|&key| key.to_owned()).collect();
    let ctx = Rc::clone(ctx);
    Ok(Answer::Later(Box::pin(async move {
        // Whatever came of it, the image now tells: another client may have asked as well.
        let outcome = call.await.into_outcome();
        let is_there = ctx.image.borrow().topic(OFFSETS_TOPIC).is_some();
        if !is_there {
            tracing::warn!(?outcome, "the topic for groups cannot be created");
        }
        let error_code = if is_there { ErrorCode::NONE } else { ErrorCode::COORDINATOR_NOT_AVAILABLE };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let response = answer(&ctx, &keys, error_code);
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

/// This node, or for an error none.
fn answer<'a>(ctx: &'a Context, keys: &[&'a str], error_code: ErrorCode) -> FindCoordinatorResponse<'a> {
    const NO_NODE: i32 = -1;
    let node = &ctx.node;
    let (node_id, host, port) = match error_code {
        ErrorCode::NONE => (node.node_id.0, node.host.as_str(), i32::from(node.port)),
        _ => (NO_NODE, "", NO_NODE),
    };
    let coordinators = keys.iter().map(|&key| Coordinator {
        key: key.into(),
        node_id,
        host: host.into(),
        port,
        error_code,
        ..Coordinator::default()
    });
    FindCoordinatorResponse {
        error_code,
        node_id,
        host: host.into(),
        port,
        coordinators: coordinators.collect(),
        ..FindCoordinatorResponse::default()
    }
}
