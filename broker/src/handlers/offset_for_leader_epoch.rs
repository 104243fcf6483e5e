//! OffsetForLeaderEpoch: where an epoch's records end. There is one epoch, the current one, and its end is the log's.

use std::rc::Rc;

use batch::LeaderEpoch;
use wire::offset_for_leader_epoch::{
    EpochEndOffset, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
};
use wire::{DecodeError, ErrorCode};

use super::routes::Routes;
use super::{Request, error_codes};
use crate::controller::image::Image;
use crate::mesh::message::{self, FoundOffset, OffsetQuery, OffsetWanted, ReadFault};
use crate::net::Answer;
use crate::partition::join::join_all;
use crate::partition::log_id;
use crate::shard::Context;

/// "None", for epochs that clients send.
const NO_EPOCH: i32 = -1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = OffsetForLeaderEpochRequest::decode(request.version(), &mut request.body)?;
    let reply_to = request.reply_to;
    let mut routes = Routes::new();
    let mut topics: Vec<(String, usize)> = Vec::with_capacity(body.topics.len());
    let mut answers = Vec::new();
    let mut epochs = Vec::new();
    {
        let image = ctx.image.borrow();
        for topic in &body.topics {
            for asked in &topic.partitions {
                let query = query(&image, topic.topic, asked);
                let error_code = query.as_ref().err().copied().unwrap_or(ErrorCode::NONE);
                if let Ok(query) = query {
                    routes.add(ctx, query.log, answers.len(), query);
                }
                answers.push(EpochEndOffset { error_code, partition: asked.partition, ..Default::default() });
                epochs.push(asked.leader_epoch);
            }
            topics.push((topic.topic.to_owned(), topic.partitions.len()));
        }
    }
    let mut places = Vec::with_capacity(routes.len());
    let mut calls = Vec::with_capacity(routes.len());
    for route in routes {
        places.push(route.places);
        calls.push(ctx.call(route.owner, message::Request::ListOffsets(route.items)));
    }
    Ok(Answer::Later(Box::pin(async move {
        for (places, reply) in places.into_iter().zip(join_all(calls).await) {
            for (place, result) in places.into_iter().zip(reply.into_offsets()) {
                fill(&mut answers[place], epochs[place], result);
            }
        }
        let mut answers = answers.into_iter();
        let topics = topics.iter().map(|(name, partitions)| OffsetForLeaderTopicResult {
            topic: name.as_str().into(),
            partitions: answers.by_ref().take(*partitions).collect(),
        });
        let response = OffsetForLeaderEpochResponse { topics: topics.collect(), ..Default::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn query(image: &Image, topic: &str, asked: &OffsetForLeaderPartition) -> Result<OffsetQuery, ErrorCode> {
    let topic = image.topic(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let partition = topic.partition(asked.partition).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let leader_epoch = Some(asked.current_leader_epoch).filter(|&epoch| epoch != NO_EPOCH).map(LeaderEpoch);
    Ok(OffsetQuery { log: log_id(topic.id, partition), what: OffsetWanted::LogEnd, leader_epoch })
}

fn fill(answer: &mut EpochEndOffset, epoch: i32, result: Result<FoundOffset, ReadFault>) {
    match result {
        Err(fault) => answer.error_code = error_codes::of_read(fault),
        // An epoch that never was has no end: both fields stay undefined, without an error, as in Kafka.
        Ok(found) if found.leader_epoch.0 != epoch => {}
        Ok(found) => {
            answer.leader_epoch = epoch;
            answer.end_offset = found.offset.map_or(-1, |offset| offset.0);
        }
    }
}
