//! OffsetDelete.

use std::rc::Rc;

use wire::offset_delete::{
    OffsetDeleteRequest, OffsetDeleteResponse, OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{DeleteOffsets, GroupAnswer, GroupRequest};
use crate::net::Answer;
use crate::shard::Context;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = OffsetDeleteRequest::decode(request.version(), &mut request.body)?;
    if body.group_id.is_empty() {
        let response = OffsetDeleteResponse { error_code: ErrorCode::INVALID_GROUP_ID, ..Default::default() };
        return Ok(request.reply_to.ready(|version, out| response.encode(version, out)));
    }
    let mut topics: Vec<(String, usize)> = Vec::with_capacity(body.topics.len());
    let mut answers = Vec::new();
    let (mut places, mut partitions) = (Vec::new(), Vec::new());
    for topic in &body.topics {
        let image = ctx.image.borrow();
        let known = image.topic(topic.name);
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            let exists = known.is_some_and(|topic| topic.partition(partition_index).is_some());
            let error_code = if exists { ErrorCode::NONE } else { ErrorCode::UNKNOWN_TOPIC_OR_PARTITION };
            if exists {
                places.push(answers.len());
                partitions.push((topic.name.to_owned(), partition_index));
            }
            answers.push(OffsetDeleteResponsePartition { partition_index, error_code });
        }
        topics.push((topic.name.to_owned(), topic.partitions.len()));
    }
    let delete = DeleteOffsets { group: body.group_id.to_owned(), partitions };
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::DeleteOffsets(delete), move |reply, version, out| {
        let results = match reply {
            Ok(GroupAnswer::OffsetsDeleted(results)) => results,
            Ok(other) => unreachable!("offsets were to be deleted, not {other:?}"),
            Err(fault) => {
                let error_code = error_codes::of_group(&fault);
                return OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() }.encode(version, out);
            }
        };
        for (place, result) in places.into_iter().zip(results) {
            answers[place].error_code = result.map_or_else(|fault| error_codes::of_group(&fault), |()| ErrorCode::NONE);
        }
        let mut answers = answers.into_iter();
        let topics = topics.iter().map(|(name, partitions)| OffsetDeleteResponseTopic {
            name: name.as_str().into(),
            partitions: answers.by_ref().take(*partitions).collect(),
        });
        let response = OffsetDeleteResponse { topics: topics.collect(), ..OffsetDeleteResponse::default() };
        response.encode(version, out);
    }))
}
