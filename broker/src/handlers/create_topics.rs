//! CreateTopics: the controller decides; the answer comes when every shard knows the topics.

use std::rc::Rc;

use wire::create_topics::{
    CreatableTopic, CreatableTopicConfigs, CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::{DecodeError, ErrorCode};

use super::mutations::{EXCEEDED, Mutations};
use super::{Request, describe_configs, error_codes};
use crate::controller::create_topics::{Assignment, CreateFault, CreateTopics, CreatedTopic, NewTopic, create_topics};
use crate::controller::defaults::TopicDefaults;
use crate::controller::{MetadataChange, Outcome, TopicId};
use crate::ids::{NodeId, ShardId};
use crate::mesh::message;
use crate::net::Answer;
use crate::shard::Context;

/// From this version on a client knows that it may have to come again.
const STRICT_QUOTA_SINCE: i16 = 6;
const EXCEEDED_CODE: ErrorCode = ErrorCode::THROTTLING_QUOTA_EXCEEDED;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = CreateTopicsRequest::decode(request.version(), &mut request.body)?;
    let names: Vec<String> = body.topics.iter().map(|topic| topic.name.to_owned()).collect();
    let mut wished =
        CreateTopics { topics: body.topics.iter().map(wished_topic).collect(), validate_only: body.validate_only };
    let too_early = take_what_is_too_early(ctx, &Mutations::of(&request, STRICT_QUOTA_SINCE), &mut wished);
    let reply_to = request.reply_to;
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(MetadataChange::CreateTopics(wished)));
    let ctx = Rc::clone(ctx);
    Ok(Answer::Later(Box::pin(async move {
        let outcome = call.await.into_outcome();
        let image = ctx.image.borrow();
        let topics = match &outcome {
            Outcome::CreateTopics(results) => {
                let early = too_early.iter().map(|name| refused(name, EXCEEDED_CODE, EXCEEDED.to_owned()));
                results.iter().map(|(name, result)| result_of(image.defaults(), name, result)).chain(early).collect()
            }
            Outcome::Refused(refusal) => {
                let message = refusal.to_string();
                names.iter().map(|name| refused(name, error_codes::of_refusal(*refusal), message.clone())).collect()
            }
            other => unreachable!("topics were to be created, not {other:?}"),
        };
        let response = CreateTopicsResponse { topics, ..CreateTopicsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

/// Takes the topics out of the request for which the client's quota has nothing left, and gives their names. Those that are refused anyway cost nothing.
fn take_what_is_too_early(ctx: &Context, mutations: &Mutations<'_>, wished: &mut CreateTopics) -> Vec<String> {
    if !mutations.is_bound() {
        return Vec::new();
    }
    let (_, results) = create_topics(&ctx.image.borrow(), ctx.node.node_id, wished);
    let created = results.into_iter().filter_map(|(name, result)| Some((name, result.ok()?)));
    let early = created.filter(|(_, created)| !mutations.admit(created.partitions)).map(|(name, _)| name);
    let early: Vec<String> = early.collect();
    wished.topics.retain(|topic| !early.contains(&topic.name));
    early
}

/// A topic id that nobody has: random, and none of Kafka's reserved ones.
pub(super) fn new_topic_id() -> TopicId {
    let id = TopicId(uuid::Uuid::new_v4().as_u128());
    assert!(id.is_assignable(), "a random id has its version bits and so is none of the reserved ones");
    id
}

fn wished_topic(topic: &CreatableTopic<'_>) -> NewTopic {
    let assignments = topic.assignments.iter().map(|assignment| Assignment {
        partition: assignment.partition_index,
        node_ids: assignment.broker_ids.iter().copied().map(NodeId).collect(),
    });
    let configs = topic.configs.iter().map(|config| (config.name.to_owned(), config.value.map(str::to_owned)));
    NewTopic {
        name: topic.name.to_owned(),
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: configs.collect(),
        id: new_topic_id(),
    }
}

fn result_of<'a>(
    defaults: &TopicDefaults,
    name: &'a str,
    result: &'a Result<CreatedTopic, CreateFault>,
) -> CreatableTopicResult<'a> {
    let created = match result {
        Ok(created) => created,
        Err(fault) => return refused(name, error_codes::of_creation(fault), fault.to_string()),
    };
    let configs = describe_configs::topic_values(&created.configs, defaults);
    let configs = configs.map(|config| CreatableTopicConfigs {
        name: config.key.name.into(),
        value: Some(config.value.into()),
        read_only: false,
        config_source: config.source,
        is_sensitive: false,
    });
    CreatableTopicResult {
        name: name.into(),
        topic_id: created.id.to_wire(),
        num_partitions: i32::try_from(created.partitions).expect("bounded by PARTITIONS_PER_TOPIC_MAX"),
        replication_factor: created.replication_factor,
        configs: Some(configs.collect()),
        ..CreatableTopicResult::default()
    }
}

fn refused(name: &str, error_code: ErrorCode, message: String) -> CreatableTopicResult<'_> {
    // The configs stay an empty list: Java's admin client takes a null for a reason to fail with an exception of its own.
    CreatableTopicResult { name: name.into(), error_code, error_message: Some(message.into()), ..Default::default() }
}
