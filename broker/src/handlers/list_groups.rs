//! ListGroups: every shard tells of its own.

use std::rc::Rc;

use wire::list_groups::{ListGroupsRequest, ListGroupsResponse, ListedGroup};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes};
use crate::group::api::{self, GroupFilter};
use crate::ids::ShardId;
use crate::mesh::message;
use crate::net::Answer;
use crate::partition::join::join_all;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = ListGroupsRequest::decode(request.version(), &mut request.body)?;
    let lower = |names: &[&str]| names.iter().map(|name| name.trim().to_lowercase()).collect();
    let filter = GroupFilter { states: lower(&body.states_filter), types: lower(&body.types_filter) };
    let ask = |shard| ctx.call(shard, message::Request::ListGroups(filter.clone()));
    let calls: Vec<_> = ShardId::all(ctx.shard_count).map(ask).collect();
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let mut groups = Vec::new();
        let mut error_code = ErrorCode::NONE;
        for reply in join_all(calls).await {
            match reply.into_listed() {
                Ok(listed) => groups.extend(listed),
                // What the other shards have is listed all the same; the code says that it is not all.
                Err(fault) => error_code = error_codes::of_group(&fault),
            }
        }
        let groups = groups.iter().map(to_wire).collect();
        let response = ListGroupsResponse { error_code, groups, ..ListGroupsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn to_wire(listed: &api::ListedGroup) -> ListedGroup<'_> {
    ListedGroup {
        group_id: listed.group.as_str().into(),
        protocol_type: listed.protocol_type.as_str().into(),
        group_state: listed.state.into(),
        group_type: listed.kind.into(),
    }
}
