//! DeleteRecords: partitions lose what lies before an offset. The answer comes when that is on stable storage, so the timeout of the
//! request is not needed.

use std::rc::Rc;

use batch::Offset;
use wire::delete_records::{
    DeleteRecordsPartition, DeleteRecordsPartitionResult, DeleteRecordsRequest, DeleteRecordsResponse,
    DeleteRecordsTopicResult, TO_HIGH_WATERMARK,
};
use wire::{DecodeError, ErrorCode};

use super::routes::Routes;
use super::{Request, error_codes, groups};
use crate::controller::image::Image;
use crate::mesh::message::{self, Cut};
use crate::net::Answer;
use crate::partition::join::join_all;
use crate::partition::log_id;
use crate::shard::Context;

/// The low watermark where there is none to tell.
const NO_OFFSET: i64 = -1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DeleteRecordsRequest::decode(request.version(), &mut request.body)?;
    let reply_to = request.reply_to;
    let mut routes = Routes::new();
    let mut topics: Vec<(String, usize)> = Vec::with_capacity(body.topics.len());
    let mut answers = Vec::new();
    for topic in &body.topics {
        let image = ctx.image.borrow();
        for partition in &topic.partitions {
            let error_code = match cut(&image, topic.name, partition) {
                Err(error_code) => error_code,
                Ok(cut) => {
                    routes.add(ctx, cut.log, answers.len(), cut);
                    ErrorCode::NONE
                }
            };
            let partition_index = partition.partition_index;
            answers.push(DeleteRecordsPartitionResult { partition_index, low_watermark: NO_OFFSET, error_code });
        }
        topics.push((topic.name.to_owned(), topic.partitions.len()));
    }
    let mut places = Vec::with_capacity(routes.len());
    let mut calls = Vec::with_capacity(routes.len());
    for route in routes {
        places.push(route.places);
        calls.push(ctx.call(route.owner, message::Request::Cut(route.items)));
    }
    Ok(Answer::Later(Box::pin(async move {
        for (places, reply) in places.into_iter().zip(join_all(calls).await) {
            for (place, result) in places.into_iter().zip(reply.into_cut()) {
                match result {
                    Ok(start) => answers[place].low_watermark = start.0,
                    Err(fault) => answers[place].error_code = error_codes::of_read(fault),
                }
            }
        }
        let mut answers = answers.into_iter();
        let topics = topics.iter().map(|(name, partitions)| DeleteRecordsTopicResult {
            name: name.as_str().into(),
            partitions: answers.by_ref().take(*partitions).collect(),
        });
        let response = DeleteRecordsResponse { topics: topics.collect(), ..DeleteRecordsResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn cut(image: &Image, topic: &str, asked: &DeleteRecordsPartition) -> Result<Cut, ErrorCode> {
    let topic = image.topic(topic).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if groups::is_read_only(&topic.name) {
        return Err(ErrorCode::INVALID_TOPIC_EXCEPTION);
    }
    let partition = topic.partition(asked.partition_index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    if !topic.settings.deletes {
        return Err(ErrorCode::POLICY_VIOLATION);
    }
    let start = match asked.offset {
        TO_HIGH_WATERMARK => None,
        offset if offset >= 0 => Some(Offset(offset)),
        _ => return Err(ErrorCode::OFFSET_OUT_OF_RANGE),
    };
    Ok(Cut { log: log_id(topic.id, partition), start })
}
