//! Metadata: nodes and topics, from this shard's image. A topic that is created on the way is described when it exists.

use std::collections::BTreeSet;
use std::rc::Rc;

use wire::metadata::{
    AUTHORIZED_OPERATIONS_UNKNOWN, MetadataRequest, MetadataResponse, MetadataResponseBroker,
    MetadataResponsePartition, MetadataResponseTopic,
};
use wire::{DecodeError, ErrorCode, Uuid};

use super::answer::ReplyTo;
use super::create_topics::new_topic_id;
use super::describe_cluster::CLUSTER_OPERATIONS;
use super::{Request, groups};
use crate::controller::create_topics::{CreateTopics, NewTopic};
use crate::controller::image::Image;
use crate::controller::{MetadataChange, Topic, TopicId, names};
use crate::group::OFFSETS_TOPIC;
use crate::ids::ShardId;
use crate::mesh::message;
use crate::net::{Answer, Response};
use crate::shard::Context;

/// The epoch of a node that leads a partition since it exists.
pub(super) const FIRST_EPOCH: i32 = 0;
/// What anybody may do with a topic, as bits of Kafka's `AclOperation`: without rules, all that there is for a topic.
/// Read, write, create, delete, alter, describe, describe and alter configs.
pub(super) const TOPIC_OPERATIONS: i32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;
/// Topics that one request may create on the way: each costs a record, and a client that wants more says so.
const AUTO_CREATED_TOPICS_MAX: usize = 100;

/// What a client wants to know.
enum Asked {
    Everything,
    Topics(Vec<AskedTopic>),
}

/// What the client may do, in the form of an answer: unknown where it did not ask.
#[derive(Clone, Copy)]
struct Operations {
    cluster: i32,
    topic: i32,
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
enum AskedTopic {
    Named(String),
    Identified(TopicId),
}

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = MetadataRequest::decode(version, &mut request.body)?;
    let reply_to = request.reply_to;
    let asked = match asked(version, &body) {
        Ok(asked) => asked,
        Err(reason) => return Ok(Answer::Close(reason)),
    };
    let operations = operations(&body);
    let missing = if body.allow_auto_topic_creation && ctx.config.auto_create_topics {
        missing_topics(ctx, &ctx.image.borrow(), &asked)
    } else {
        Vec::new()
    };
    if missing.is_empty() {
        return Ok(Answer::Ready(respond(ctx, reply_to, &asked, operations)));
    }
    let change = MetadataChange::CreateTopics(CreateTopics { topics: missing, validate_only: false });
    let call = ctx.call(ShardId::CONTROLLER, message::Request::Change(change));
    let ctx = Rc::clone(ctx);
    Ok(Answer::Later(Box::pin(async move {
        // Whatever came of it, the image now tells: a topic may be there because another client asked for it as well.
        let _outcome = call.await.into_outcome();
        respond(&ctx, reply_to, &asked, operations)
    })))
}

/// Sorts out what is asked for. Ids cannot be asked for before version 12, although the field is there since 10.
fn asked(version: i16, body: &MetadataRequest<'_>) -> Result<Asked, String> {
    let Some(topics) = &body.topics else { return Ok(Asked::Everything) };
    if topics.is_empty() && version == 0 {
        return Ok(Asked::Everything);
    }
    let mut seen = BTreeSet::new();
    let mut asked = Vec::new();
    for topic in topics {
        let wanted = match topic.name {
            _ if topic.topic_id != Uuid::ZERO && version < 12 => {
                return Err(format!("Metadata version {version} asks for a topic by id"));
            }
            _ if topic.topic_id != Uuid::ZERO => AskedTopic::Identified(TopicId::from_wire(topic.topic_id)),
            Some(name) => AskedTopic::Named(name.to_owned()),
            None => return Err(format!("Metadata version {version} asks for a topic without name and id")),
        };
        // One answer per topic, however often it is asked for: an answer may be much longer than a question.
        if seen.insert(wanted.clone()) {
            asked.push(wanted);
        }
    }
    Ok(Asked::Topics(asked))
}

fn operations(body: &MetadataRequest<'_>) -> Operations {
    let if_asked = |is_asked, operations| if is_asked { operations } else { AUTHORIZED_OPERATIONS_UNKNOWN };
    Operations {
        cluster: if_asked(body.include_cluster_authorized_operations, CLUSTER_OPERATIONS),
        topic: if_asked(body.include_topic_authorized_operations, TOPIC_OPERATIONS),
    }
}

fn missing_topics(ctx: &Context, image: &Image, asked: &Asked) -> Vec<NewTopic> {
    let Asked::Topics(topics) = asked else { return Vec::new() };
    let missing = topics.iter().filter_map(|topic| match topic {
        // It is made as it has to be, whoever asks first.
        AskedTopic::Named(name) if name == OFFSETS_TOPIC && image.topic(name).is_none() => {
            Some(groups::offsets_topic(ctx))
        }
        AskedTopic::Named(name) if image.topic(name).is_none() && names::check(name).is_ok() => Some(NewTopic {
            name: name.clone(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
            id: new_topic_id(),
        }),
        _ => None,
    });
    missing.take(AUTO_CREATED_TOPICS_MAX).collect()
}

fn respond(ctx: &Context, reply_to: ReplyTo, asked: &Asked, operations: Operations) -> Response {
    let image = ctx.image.borrow();
    let node = &ctx.node;
    let topics = match asked {
        Asked::Everything => image.topics().map(|topic| describe(ctx, topic, operations)).collect(),
        Asked::Topics(topics) => topics.iter().map(|topic| answer(ctx, &image, topic, operations)).collect(),
    };
    let response = MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id: node.node_id.0,
            host: node.host.as_str().into(),
            port: i32::from(node.port),
            rack: None,
        }],
        cluster_id: Some(node.cluster_id.as_str().into()),
        controller_id: node.node_id.0,
        topics,
        cluster_authorized_operations: operations.cluster,
        ..MetadataResponse::default()
    };
    reply_to.whole(|version, out| response.encode(version, out))
}

fn answer<'a>(
    ctx: &Context,
    image: &'a Image,
    asked: &'a AskedTopic,
    operations: Operations,
) -> MetadataResponseTopic<'a> {
    match asked {
        AskedTopic::Named(name) => match image.topic(name) {
            Some(topic) => describe(ctx, topic, operations),
            None => {
                let is_valid = names::check(name).is_ok();
                MetadataResponseTopic {
                    error_code: if is_valid {
                        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                    } else {
                        ErrorCode::INVALID_TOPIC_EXCEPTION
                    },
                    name: Some(name.as_str().into()),
                    is_internal: names::is_internal(name),
                    ..MetadataResponseTopic::default()
                }
            }
        },
        AskedTopic::Identified(id) => match image.topic_by_id(*id) {
            Some(topic) => describe(ctx, topic, operations),
            None => MetadataResponseTopic {
                error_code: ErrorCode::UNKNOWN_TOPIC_ID,
                name: None,
                topic_id: id.to_wire(),
                ..MetadataResponseTopic::default()
            },
        },
    }
}

fn describe<'a>(ctx: &Context, topic: &'a Topic, operations: Operations) -> MetadataResponseTopic<'a> {
    let node = ctx.node.node_id.0;
    let partitions = (0..topic.partitions).map(|index| MetadataResponsePartition {
        partition_index: i32::try_from(index).expect("bounded by PARTITIONS_PER_TOPIC_MAX"),
        leader_id: node,
        leader_epoch: FIRST_EPOCH,
        replica_nodes: vec![node],
        isr_nodes: vec![node],
        ..MetadataResponsePartition::default()
    });
    MetadataResponseTopic {
        name: Some(topic.name.as_str().into()),
        topic_id: topic.id.to_wire(),
        is_internal: names::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: operations.topic,
        ..MetadataResponseTopic::default()
    }
}
