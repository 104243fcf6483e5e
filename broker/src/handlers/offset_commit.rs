//! OffsetCommit: answered when the offsets are on stable storage.

use std::rc::Rc;

use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::{DecodeError, ErrorCode, Uuid};

use super::topic_named::TopicNamed;
use super::{Request, error_codes, groups};
use crate::group::api::{Commit, GroupAnswer, GroupRequest, Identity, NewOffset};
use crate::net::Answer;
use crate::shard::Context;

/// From this version on a client knows that its group may not exist.
const NOT_FOUND_SINCE: i16 = 9;
/// From this version on topics are told by their ids.
const TOPIC_IDS_SINCE: i16 = 10;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = OffsetCommitRequest::decode(version, &mut request.body)?;
    let mut topics: Vec<(String, Uuid, usize)> = Vec::with_capacity(body.topics.len());
    let mut answers = Vec::new();
    let (mut places, mut offsets) = (Vec::new(), Vec::new());
    for topic in &body.topics {
        let image = ctx.image.borrow();
        let known = TopicNamed::new(version >= TOPIC_IDS_SINCE, topic.name, topic.topic_id).find(&image);
        for partition in &topic.partitions {
            let partition_index = partition.partition_index;
            let found = known.and_then(|known| {
                let exists = known.partition(partition_index).is_some();
                exists.then_some(known).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            });
            let error_code = found.err().unwrap_or(ErrorCode::NONE);
            if let Ok(known) = found {
                places.push(answers.len());
                offsets.push(NewOffset {
                    topic: known.name.clone(),
                    partition: partition_index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.unwrap_or_default().to_owned(),
                });
            }
            answers.push(OffsetCommitResponsePartition { partition_index, error_code });
        }
        topics.push((topic.name.to_owned(), topic.topic_id, topic.partitions.len()));
    }
    let respond = move |answers: Vec<OffsetCommitResponsePartition>, version: i16, out: &mut Vec<u8>| {
        let mut answers = answers.into_iter();
        let topics = topics.iter().map(|(name, topic_id, partitions)| OffsetCommitResponseTopic {
            name: name.as_str().into(),
            topic_id: *topic_id,
            partitions: answers.by_ref().take(*partitions).collect(),
        });
        OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() }.encode(version, out);
    };
    if offsets.is_empty() {
        // Nobody has to be asked, as in Kafka.
        return Ok(request.reply_to.ready(|version, out| respond(answers, version, out)));
    }
    let commit = Commit {
        group: body.group_id.to_owned(),
        identity: Identity { member: body.member_id.to_owned(), instance: body.group_instance_id.map(str::to_owned) },
        generation: body.generation_id_or_member_epoch,
        retention_ms: Some(body.retention_time_ms).filter(|&ms| ms >= 0),
        knows_not_found: version >= NOT_FOUND_SINCE,
        offsets,
    };
    Ok(groups::answer(ctx, request.reply_to, GroupRequest::Commit(commit), move |reply, version, out| {
        match reply {
            Ok(GroupAnswer::Committed(results)) => {
                for (place, result) in places.into_iter().zip(results) {
                    answers[place].error_code =
                        result.map_or_else(|fault| error_codes::of_group(&fault), |()| ErrorCode::NONE);
                }
            }
            Ok(other) => unreachable!("offsets were to be committed, not {other:?}"),
            Err(fault) => {
                let error_code = error_codes::of_group(&fault);
                places.into_iter().for_each(|place| answers[place].error_code = error_code);
            }
        }
        respond(answers, version, out);
    }))
}
