//! ConsumerGroupHeartbeat: what a member of a group of the consumer protocol says, and what it is to own.

use std::rc::Rc;

use wire::consumer_group_heartbeat::{
    self as message, Assignment, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::controller::TopicId;
use crate::group::api::{ConsumerBeat, ConsumerBeaten, GroupAnswer, GroupReply, GroupRequest};
use crate::group::consumer;
use crate::net::Answer;
use crate::shard::Context;

/// From this version on clients choose their member ids (KIP-1082).
const OWN_IDS_SINCE: i16 = 1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = ConsumerGroupHeartbeatRequest::decode(request.version(), &mut request.body)?;
    let beat = to_beat(&request, &body);
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::ConsumerBeat(Box::new(beat)), respond))
}

fn to_beat(request: &Request<'_>, body: &ConsumerGroupHeartbeatRequest<'_>) -> ConsumerBeat {
    let owned = |topics: &Vec<message::TopicPartitions>| {
        let all = topics.iter().flat_map(|topic| topic.partitions.iter().map(|&index| (topic.topic_id, index)));
        all.map(|(topic, partition)| (TopicId::from_wire(topic), partition)).collect::<consumer::Assignment>()
    };
    ConsumerBeat {
        group: body.group_id.to_owned(),
        member: body.member_id.to_owned(),
        epoch: body.member_epoch,
        instance: body.instance_id.map(str::to_owned),
        rack: body.rack_id.map(str::to_owned),
        client_id: request.client_id.to_owned(),
        client_host: format!("/{}", request.peer.ip()),
        rebalance_timeout_ms: body.rebalance_timeout_ms,
        topics: body.subscribed_topic_names.as_ref().map(|names| names.iter().map(|&name| name.to_owned()).collect()),
        pattern: body.subscribed_topic_regex.map(str::to_owned),
        assignor: body.server_assignor.map(str::to_owned),
        owned: body.topic_partitions.as_ref().map(owned),
        makes_own_id: request.version() >= OWN_IDS_SINCE,
        fresh: uuid::Uuid::new_v4().to_string(),
    }
}

fn respond(reply: GroupReply, version: i16, out: &mut Vec<u8>) {
    match reply {
        Ok(GroupAnswer::ConsumerBeaten(beaten)) => to_wire(&beaten).encode(version, out),
        Ok(other) => unreachable!("a member was heard of, and was not told {other:?}"),
        Err(fault) => {
            let error_message = Some(fault.to_string().into());
            let response = ConsumerGroupHeartbeatResponse {
                error_code: error_codes::of_group(&fault),
                error_message,
                ..ConsumerGroupHeartbeatResponse::default()
            };
            response.encode(version, out);
        }
    }
}

fn to_wire(beaten: &ConsumerBeaten) -> ConsumerGroupHeartbeatResponse<'_> {
    let topic = |(id, partitions): (TopicId, &std::collections::BTreeSet<i32>)| message::TopicPartitions {
        topic_id: id.to_wire(),
        partitions: partitions.iter().copied().collect(),
    };
    let assignment = beaten.assignment.as_ref();
    ConsumerGroupHeartbeatResponse {
        error_code: ErrorCode::NONE,
        member_id: Some(beaten.member.as_str().into()),
        member_epoch: beaten.epoch,
        heartbeat_interval_ms: beaten.interval_ms,
        assignment: assignment.map(|owned| Assignment { topic_partitions: owned.topics().map(topic).collect() }),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
