//! DescribeTopicPartitions: topics page by page, from this shard's image (KIP-966).

use std::collections::BTreeSet;
use std::rc::Rc;

use wire::describe_topic_partitions::{
    Cursor, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::metadata::{FIRST_EPOCH, TOPIC_OPERATIONS};
use crate::controller::image::Image;
use crate::controller::{Topic, names};
use crate::ids::NodeId;
use crate::net::Answer;
use crate::partition::limits::PARTITIONS_PER_PAGE_MAX;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DescribeTopicPartitionsRequest::decode(request.version(), &mut request.body)?;
    let image = ctx.image.borrow();
    let response = match first_of(&body) {
        Some(first) => page(&image, ctx.node.node_id, &body, first),
        None => refused(&body),
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

/// The partition that a page starts with.
#[derive(Clone, Copy)]
struct First<'a> {
    topic: &'a str,
    partition: u32,
}

/// None for a cursor that cannot have come from an answer.
fn first_of<'a>(body: &'a DescribeTopicPartitionsRequest<'_>) -> Option<First<'a>> {
    let Some(cursor) = &body.cursor else { return Some(First { topic: "", partition: 0 }) };
    let topic = cursor.topic_name.as_ref();
    let is_asked = body.topics.is_empty() || body.topics.iter().any(|asked| asked.name == topic);
    let partition = u32::try_from(cursor.partition_index).ok()?;
    is_asked.then_some(First { topic, partition })
}

/// The answer has no place for an error but at its topics.
fn refused<'a>(body: &DescribeTopicPartitionsRequest<'a>) -> DescribeTopicPartitionsResponse<'a> {
    let topic = |name: &'a str| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::INVALID_REQUEST,
        name: Some(name.into()),
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    let topics = body.topics.iter().map(|asked| topic(asked.name)).collect();
    DescribeTopicPartitionsResponse { topics, ..DescribeTopicPartitionsResponse::default() }
}

fn page<'a>(
    image: &'a Image,
    node: NodeId,
    body: &'a DescribeTopicPartitionsRequest<'_>,
    first: First<'a>,
) -> DescribeTopicPartitionsResponse<'a> {
    let names: BTreeSet<&str> = if body.topics.is_empty() {
        image.topics().map(|topic| topic.name.as_str()).collect()
    } else {
        body.topics.iter().map(|asked| asked.name).collect()
    };
    let mut room = u32::try_from(body.response_partition_limit).unwrap_or(0).clamp(1, PARTITIONS_PER_PAGE_MAX);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.range(first.topic..).copied() {
        let from = if name == first.topic { first.partition } else { 0 };
        if room == 0 {
            response.next_cursor = Some(cursor(name, from));
            break;
        }
        let Some(topic) = image.topic(name) else {
            response.topics.push(unknown(name));
            continue;
        };
        let until = topic.partitions.min(from.saturating_add(room));
        response.topics.push(describe(topic, node, from..until));
        room -= until.saturating_sub(from);
        if until < topic.partitions {
            response.next_cursor = Some(cursor(name, until));
            break;
        }
    }
    response
}

fn cursor(topic: &str, partition: u32) -> Cursor<'_> {
    let partition_index = i32::try_from(partition).expect("bounded by PARTITIONS_PER_TOPIC_MAX");
    Cursor { topic_name: topic.into(), partition_index }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic<'_> {
    let is_valid = names::check(name).is_ok();
    let error_code = if is_valid { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION } else { ErrorCode::INVALID_TOPIC_EXCEPTION };
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.into()),
        is_internal: names::is_internal(name),
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(topic: &Topic, node: NodeId, indexes: std::ops::Range<u32>) -> DescribeTopicPartitionsResponseTopic<'_> {
    let partitions = indexes.map(|index| DescribeTopicPartitionsResponsePartition {
        partition_index: i32::try_from(index).expect("bounded by PARTITIONS_PER_TOPIC_MAX"),
        leader_id: node.0,
        leader_epoch: FIRST_EPOCH,
        replica_nodes: vec![node.0],
        isr_nodes: vec![node.0],
        eligible_leader_replicas: Some(Vec::new()),
        last_known_elr: Some(Vec::new()),
        ..DescribeTopicPartitionsResponsePartition::default()
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.as_str().into()),
        topic_id: topic.id.to_wire(),
        is_internal: names::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

#[cfg(test)]
#[path = "describe_topic_partitions_tests.rs"]
mod tests;
