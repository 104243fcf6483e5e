//! DeleteTopics: by name or by id. The answer comes when every shard has dropped the topics' logs.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::delete_topics::{DeletableTopicResult, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::{DecodeError, ErrorCode, Uuid};

use super::mutations::{EXCEEDED, Mutations};
use super::{Request, error_codes, groups};
use crate::controller::delete_topics::DeleteTopics;
use crate::controller::image::Image;
use crate::controller::{MetadataChange, Outcome, TopicId};
use crate::ids::ShardId;
use crate::mesh::message;
use crate::net::Answer;
use crate::shard::Context;

/// What is said of topics in which the broker keeps its own records.
const INTERNAL: (ErrorCode, &str) = (ErrorCode::POLICY_VIOLATION, "The broker keeps its own records in this topic.");

/// From this version on a client knows that it may have to come again.
const STRICT_QUOTA_SINCE: i16 = 5;

/// A topic to delete, as the client calls it. `name` is none if the id is not known.
struct Target {
    name: Option<String>,
    id: Uuid,
    is_named: bool,
    result: Result<TopicId, (ErrorCode, &'static str)>,
}

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DeleteTopicsRequest::decode(request.version(), &mut request.body)?;
    let mut targets = targets(&ctx.image.borrow(), &body);
    let mutations = Mutations::of(&request, STRICT_QUOTA_SINCE);
    for target in &mut targets {
        let known = target.result.ok().and_then(|id| ctx.image.borrow().topic_by_id(id).cloned());
        if known.is_some_and(|topic| !mutations.admit(topic.partitions)) {
            target.result = Err((ErrorCode::THROTTLING_QUOTA_EXCEEDED, EXCEEDED));
        }
    }
    let ids: Vec<TopicId> = targets.iter().filter_map(|target| target.result.ok()).collect();
    let reply_to = request.reply_to;
    let change = MetadataChange::DeleteTopics(DeleteTopics { ids });
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(change));
    Ok(Answer::Later(Box::pin(async move {
        match call.await.into_outcome() {
            Outcome::DeleteTopics(results) => {
                let asked = targets.iter_mut().filter(|target| target.result.is_ok());
                for (target, result) in asked.zip(results) {
                    if result.is_err() {
                        // It was there when the request came, so another one has deleted it meanwhile.
                        target.result = Err(target.unknown());
                    }
                }
            }
            Outcome::Refused(refusal) => {
                for target in targets.iter_mut().filter(|target| target.result.is_ok()) {
                    target.result = Err((error_codes::of_refusal(refusal), "The change could not be stored."));
                }
            }
            other => unreachable!("topics were to be deleted, not {other:?}"),
        }
        let responses = targets.iter().map(Target::to_wire).collect();
        let response = DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

impl Target {
    fn by_name(image: &Image, name: &str, is_repeated: bool) -> Self {
        let topic = image.topic(name);
        let result = match topic {
            _ if is_repeated => Err((ErrorCode::INVALID_REQUEST, "Duplicate topic name.")),
            Some(topic) if groups::is_read_only(&topic.name) => Err(INTERNAL),
            Some(topic) => Ok(topic.id),
            None => Err((ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")),
        };
        let id = result.map_or(Uuid::ZERO, TopicId::to_wire);
        Self { name: Some(name.to_owned()), id, is_named: true, result }
    }

    fn by_id(image: &Image, id: Uuid, is_repeated: bool) -> Self {
        let topic = image.topic_by_id(TopicId::from_wire(id));
        let result = match topic {
            _ if is_repeated => Err((ErrorCode::INVALID_REQUEST, "Duplicate topic id.")),
            Some(topic) if groups::is_read_only(&topic.name) => Err(INTERNAL),
            Some(topic) => Ok(topic.id),
            None => Err((ErrorCode::UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")),
        };
        Self { name: topic.map(|topic| topic.name.clone()), id, is_named: false, result }
    }

    fn refused(name: Option<&str>, id: Uuid, message: &'static str) -> Self {
        let result = Err((ErrorCode::INVALID_REQUEST, message));
        Self { name: name.map(str::to_owned), id, is_named: name.is_some(), result }
    }

    fn unknown(&self) -> (ErrorCode, &'static str) {
        if self.is_named {
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, "This server does not host this topic-partition.")
        } else {
            (ErrorCode::UNKNOWN_TOPIC_ID, "This server does not host this topic ID.")
        }
    }

    fn to_wire(&self) -> DeletableTopicResult<'_> {
        DeletableTopicResult {
            name: self.name.as_deref().map(Into::into),
            topic_id: self.id,
            error_code: self.result.map_or_else(|(code, _)| code, |_| ErrorCode::NONE),
            error_message: self.result.err().map(|(_, message)| message.into()),
        }
    }
}

/// Finds what the request means. A topic that is named twice is refused, and answered once.
fn targets(image: &Image, body: &DeleteTopicsRequest<'_>) -> Vec<Target> {
    let asked: Vec<(Option<&str>, Uuid)> = body
        .topic_names
        .iter()
        .map(|&name| (Some(name), Uuid::ZERO))
        .chain(body.topics.iter().map(|topic| (topic.name, topic.topic_id)))
        .collect();
    let mut times = BTreeMap::<(Option<&str>, Uuid), usize>::new();
    for &key in &asked {
        *times.entry(key).or_default() += 1;
    }
    let mut targets = Vec::with_capacity(times.len());
    for key in asked {
        let Some(times) = times.remove(&key) else { continue };
        targets.push(match key {
            (Some(name), Uuid::ZERO) => Target::by_name(image, name, times > 1),
            (Some(name), id) => Target::refused(Some(name), id, "You may not specify both topic name and topic id."),
            (None, Uuid::ZERO) => Target::refused(None, Uuid::ZERO, "Neither topic name nor id were specified."),
            (None, id) => Target::by_id(image, id, times > 1),
        });
    }
    targets
}
