//! ListOffsets: the first, the last, or the offset at a time.

use std::collections::BTreeMap;
use std::rc::Rc;

use batch::LeaderEpoch;
use wire::list_offsets::{
    EARLIEST_LOCAL_TIMESTAMP, EARLIEST_TIMESTAMP, LATEST_TIERED_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition,
    ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopicResponse, MAX_TIMESTAMP,
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
/// The versions since which clients may send these special timestamps.
const MAX_TIMESTAMP_SINCE: i16 = 7;
const EARLIEST_LOCAL_SINCE: i16 = 8;
const LATEST_TIERED_SINCE: i16 = 9;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = ListOffsetsRequest::decode(version, &mut request.body)?;
    let reply_to = request.reply_to;
    let mut routes = Routes::new();
    let mut topics: Vec<(String, usize)> = Vec::with_capacity(body.topics.len());
    let mut answers = Vec::new();
    {
        let image = ctx.image.borrow();
        let times = times_named(&body);
        for topic in &body.topics {
            for partition in &topic.partitions {
                let is_repeated = times[&(topic.name, partition.partition_index)] > 1;
                let error_code = match query(&image, version, topic.name, partition) {
                    _ if is_repeated => ErrorCode::INVALID_REQUEST,
                    Err(error_code) => error_code,
                    Ok(None) => ErrorCode::NONE,
                    Ok(Some(query)) => {
                        routes.add(ctx, query.log, answers.len(), query);
                        ErrorCode::NONE
                    }
                };
                let partition_index = partition.partition_index;
                answers.push(ListOffsetsPartitionResponse { partition_index, error_code, ..Default::default() });
            }
            topics.push((topic.name.to_owned(), topic.partitions.len()));
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
                fill(&mut answers[place], result);
            }
        }
        let mut answers = answers.into_iter();
        let topics = topics.iter().map(|(name, partitions)| ListOffsetsTopicResponse {
            name: name.as_str().into(),
            partitions: answers.by_ref().take(*partitions).collect(),
        });
        let response = ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

/// How often each partition is named: one that is named twice is refused, as in Kafka.
fn times_named<'a>(body: &ListOffsetsRequest<'a>) -> BTreeMap<(&'a str, i32), usize> {
    let mut times = BTreeMap::new();
    for topic in &body.topics {
        for partition in &topic.partitions {
            *times.entry((topic.name, partition.partition_index)).or_default() += 1;
        }
    }
    times
}

/// What the owner is asked; nothing where the answer is "none" without asking.
fn query(
    image: &Image,
    version: i16,
    topic: &str,
    asked: &ListOffsetsPartition,
) -> Result<Option<OffsetQuery>, ErrorCode> {
    let topic = image.topic(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let partition = topic.partition(asked.partition_index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    let what = match asked.timestamp {
        LATEST_TIMESTAMP => OffsetWanted::Latest,
        EARLIEST_TIMESTAMP => OffsetWanted::Earliest,
        MAX_TIMESTAMP if version >= MAX_TIMESTAMP_SINCE => OffsetWanted::MaxTimestamp,
        // All there is is on the broker's own disk, and nothing is tiered.
        EARLIEST_LOCAL_TIMESTAMP if version >= EARLIEST_LOCAL_SINCE => OffsetWanted::Earliest,
        LATEST_TIERED_TIMESTAMP if version >= LATEST_TIERED_SINCE => return Ok(None),
        timestamp_ms if timestamp_ms >= 0 => OffsetWanted::AtTimestamp(timestamp_ms),
        _ => return Err(ErrorCode::UNSUPPORTED_VERSION),
    };
    let leader_epoch = Some(asked.current_leader_epoch).filter(|&epoch| epoch != NO_EPOCH).map(LeaderEpoch);
    Ok(Some(OffsetQuery { log: log_id(topic.id, partition), what, leader_epoch }))
}

fn fill(answer: &mut ListOffsetsPartitionResponse, result: Result<FoundOffset, ReadFault>) {
    match result {
        Err(fault) => answer.error_code = error_codes::of_read(fault),
        Ok(FoundOffset { offset: None, .. }) => {}
        Ok(FoundOffset { offset: Some(offset), timestamp_ms, leader_epoch }) => {
            answer.offset = offset.0;
            answer.timestamp = timestamp_ms.unwrap_or(-1);
            answer.leader_epoch = leader_epoch.0;
        }
    }
}
