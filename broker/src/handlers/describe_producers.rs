//! DescribeProducers: what partitions know of the producers that have appended to them.

use std::rc::Rc;

use wire::describe_producers::{
    DescribeProducersRequest, DescribeProducersResponse, PartitionResponse, ProducerState, TopicResponse,
};
use wire::{DecodeError, ErrorCode};

use super::routes::Routes;
use super::{Request, error_codes};
use crate::mesh::message::{self, KnownProducer};
use crate::net::Answer;
use crate::partition::join::join_all;
use crate::partition::log_id;
use crate::shard::Context;

/// Where there is nothing to tell. No coordinator has ever ended a transaction here.
const NONE: i64 = -1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DescribeProducersRequest::decode(request.version(), &mut request.body)?;
    let reply_to = request.reply_to;
    let mut routes = Routes::new();
    let mut topics: Vec<(String, usize)> = Vec::with_capacity(body.topics.len());
    let mut answers = Vec::new();
    for asked in &body.topics {
        let image = ctx.image.borrow();
        let topic = image.topic(asked.name);
        for &partition_index in &asked.partition_indexes {
            let log = topic.and_then(|topic| Some(log_id(topic.id, topic.partition(partition_index)?)));
            let error_code = match log {
                None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                Some(log) => {
                    routes.add(ctx, log, answers.len(), log);
                    ErrorCode::NONE
                }
            };
            answers.push(PartitionResponse { partition_index, error_code, ..PartitionResponse::default() });
        }
        topics.push((asked.name.to_owned(), asked.partition_indexes.len()));
    }
    let mut places = Vec::with_capacity(routes.len());
    let mut calls = Vec::with_capacity(routes.len());
    for route in routes {
        places.push(route.places);
        calls.push(ctx.call(route.owner, message::Request::Producers(route.items)));
    }
    Ok(Answer::Later(Box::pin(async move {
        for (places, reply) in places.into_iter().zip(join_all(calls).await) {
            for (place, result) in places.into_iter().zip(reply.into_producers()) {
                match result {
                    Ok(producers) => answers[place].active_producers = producers.iter().map(to_wire).collect(),
                    Err(fault) => answers[place].error_code = error_codes::of_read(fault),
                }
            }
        }
        let mut answers = answers.into_iter();
        let topics = topics.iter().map(|(name, partitions)| TopicResponse {
            name: name.as_str().into(),
            partitions: answers.by_ref().take(*partitions).collect(),
        });
        let response = DescribeProducersResponse { topics: topics.collect(), ..DescribeProducersResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn to_wire(known: &KnownProducer) -> ProducerState {
    ProducerState {
        producer_id: known.producer_id,
        producer_epoch: i32::from(known.epoch),
        last_sequence: known.last_sequence.unwrap_or(NONE as i32),
        last_timestamp: known.last_timestamp_ms.unwrap_or(NONE),
        coordinator_epoch: NONE as i32,
        current_txn_start_offset: known.transaction_start.map_or(NONE, |start| start.0),
    }
}
