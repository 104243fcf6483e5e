//! DeleteGroups.

use std::collections::BTreeSet;
use std::rc::Rc;

use wire::delete_groups::{DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::GroupRequest;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DeleteGroupsRequest::decode(request.version(), &mut request.body)?;
    let mut seen = BTreeSet::new();
    let names = body.groups_names.iter().filter(|name| seen.insert(**name)).map(|&name| name.to_owned());
    let names: Vec<String> = names.collect();
    let requests = names.iter().map(|group| GroupRequest::Delete { group: group.clone() });
    let replies = groups::ask_all(ctx, requests.collect());
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let results = names.iter().zip(replies.await).map(|(name, reply)| DeletableGroupResult {
            group_id: name.as_str().into(),
            error_code: reply.map_or_else(|fault| error_codes::of_group(&fault), |_deleted| ErrorCode::NONE),
        });
        let response = DeleteGroupsResponse { results: results.collect(), ..DeleteGroupsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}
