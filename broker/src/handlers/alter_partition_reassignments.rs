//! AlterPartitionReassignments: a partition can be moved to where it is, which changes nothing, and to nowhere else; there is no
//! move to call off.

use std::rc::Rc;

use wire::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignablePartitionResponse, ReassignableTopic, ReassignableTopicResponse,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::answer::refuse_above_limit;
use crate::controller::Topic;
use crate::controller::assignment;
use crate::ids::NodeId;
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = AlterPartitionReassignmentsRequest::decode(request.version(), &mut request.body)?;
    if let Some(refused) = refuse_above_limit(body.topics.iter().map(|topic| topic.partitions.len()).sum()) {
        return Ok(refused);
    }
    let image = ctx.image.borrow();
    let responses = body.topics.iter().map(|topic| {
        let known = image.topic(topic.name).map(Rc::as_ref);
        let answer = |partition| respond(ctx.node.node_id, topic, known, partition);
        ReassignableTopicResponse { name: topic.name.into(), partitions: topic.partitions.iter().map(answer).collect() }
    });
    let response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: body.allow_replication_factor_change,
        responses: responses.collect(),
        ..AlterPartitionReassignmentsResponse::default()
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

fn respond(
    node: NodeId,
    topic: &ReassignableTopic<'_>,
    known: Option<&Topic>,
    partition: &ReassignablePartition,
) -> ReassignablePartitionResponse<'static> {
    let refused = judge(node, topic.name, known, partition).err();
    let (error_code, message) = refused.map_or((ErrorCode::NONE, None), |(code, message)| (code, Some(message)));
    ReassignablePartitionResponse {
        partition_index: partition.partition_index,
        error_code,
        error_message: message.map(Into::into),
    }
}

fn judge(
    node: NodeId,
    name: &str,
    known: Option<&Topic>,
    partition: &ReassignablePartition,
) -> Result<(), (ErrorCode, String)> {
    let unknown = |what: String| (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, what);
    let topic = known.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let index = partition.partition_index;
    topic.partition(index).ok_or_else(|| unknown(format!("Unable to find partition {name}-{index}.")))?;
    let Some(replicas) = &partition.replicas else {
        let message = "No partition reassignment is in progress.".to_owned();
        return Err((ErrorCode::NO_REASSIGNMENT_IN_PROGRESS, message));
    };
    let nodes: Vec<NodeId> = replicas.iter().copied().map(NodeId).collect();
    assignment::check(&nodes, node).map_err(|fault| (ErrorCode::INVALID_REPLICA_ASSIGNMENT, fault.to_string()))
}
