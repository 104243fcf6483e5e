//! CreatePartitions: the controller decides; the answer comes when every shard has the new partitions it owns.

use std::rc::Rc;

use wire::create_partitions::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic, CreatePartitionsTopicResult,
};
use wire::{DecodeError, ErrorCode};

use super::answer::refuse_above_limit;
use super::mutations::{EXCEEDED, Mutations};
use super::{Request, error_codes};
use crate::controller::create_partitions::{CreatePartitions, LargerTopic, create_partitions};
use crate::controller::{MetadataChange, Outcome};
use crate::ids::{NodeId, ShardId};
use crate::mesh::message;
use crate::net::Answer;
use crate::shard::Context;

/// From this version on a client knows that it may have to come again.
const STRICT_QUOTA_SINCE: i16 = 3;
const EXCEEDED_CODE: ErrorCode = ErrorCode::THROTTLING_QUOTA_EXCEEDED;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = CreatePartitionsRequest::decode(request.version(), &mut request.body)?;
    if let Some(refused) = refuse_above_limit(body.topics.len()) {
        return Ok(refused);
    }
    let names: Vec<String> = body.topics.iter().map(|topic| topic.name.to_owned()).collect();
    let topics = body.topics.iter().map(wished).collect();
    let mut wished = CreatePartitions { topics, validate_only: body.validate_only };
    let too_early = take_what_is_too_early(ctx, &Mutations::of(&request, STRICT_QUOTA_SINCE), &mut wished);
    let change = MetadataChange::CreatePartitions(wished);
    let reply_to = request.reply_to;
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(change));
    Ok(Answer::Later(Box::pin(async move {
        let results: Vec<(String, ErrorCode, Option<String>)> = match call.await.into_outcome() {
            Outcome::CreatePartitions(results) => results
                .into_iter()
                .map(|(name, result)| match result {
                    Ok(()) => (name, ErrorCode::NONE, None),
                    Err(fault) => (name, error_codes::of_growth(&fault), Some(fault.to_string())),
                })
                .chain(too_early.into_iter().map(|name| (name, EXCEEDED_CODE, Some(EXCEEDED.to_owned()))))
                .collect(),
            Outcome::Refused(refusal) => {
                let refused = |name| (name, error_codes::of_refusal(refusal), Some(refusal.to_string()));
                names.into_iter().map(refused).collect()
            }
            other => unreachable!("partitions were to be created, not {other:?}"),
        };
        let results = results.iter().map(|(name, error_code, message)| CreatePartitionsTopicResult {
            name: name.into(),
            error_code: *error_code,
            error_message: message.as_deref().map(Into::into),
        });
        let response = CreatePartitionsResponse { results: results.collect(), ..CreatePartitionsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

/// Takes the topics out of the request for which the client's quota has nothing left, and gives their names. Those that are refused anyway cost nothing.
fn take_what_is_too_early(ctx: &Context, mutations: &Mutations<'_>, wished: &mut CreatePartitions) -> Vec<String> {
    if !mutations.is_bound() {
        return Vec::new();
    }
    let image = ctx.image.borrow();
    let (_, results) = create_partitions(&image, ctx.node.node_id, wished);
    let mut early = Vec::new();
    for topic in &wished.topics {
        let is_larger = results.iter().any(|(name, result)| *name == topic.name && result.is_ok());
        let have = image.topic(&topic.name).map_or(0, |known| known.partitions);
        let added = u32::try_from(topic.count).unwrap_or(0).saturating_sub(have);
        if is_larger && !mutations.admit(added) {
            early.push(topic.name.clone());
        }
    }
    wished.topics.retain(|topic| !early.contains(&topic.name));
    early
}

fn wished(topic: &CreatePartitionsTopic<'_>) -> LargerTopic {
    let assignments = topic.assignments.as_ref().map(|assignments| {
        let nodes = assignments.iter().map(|one| one.broker_ids.iter().copied().map(NodeId).collect());
        nodes.collect()
    });
    LargerTopic { name: topic.name.to_owned(), count: topic.count, assignments }
}
