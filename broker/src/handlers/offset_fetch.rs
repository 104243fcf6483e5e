//! OffsetFetch: how far groups have come. What is answered is on stable storage.
//!
//! There are no transactions, so every offset is stable, and `require_stable` asks for nothing more.

use std::rc::Rc;

use wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchResponse, OffsetFetchResponseGroup,
    OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use wire::{DecodeError, ErrorCode};

use super::{Request, error_codes, groups};
use crate::group::api::{FetchOffsets, FetchedOffsets, GroupAnswer, GroupReply, GroupRequest};
use crate::group::offsets::Committed;
use crate::net::Answer;
use crate::shard::Context;

/// "Nothing was committed", which is no error.
const NO_OFFSET: i64 = -1;
/// "Unknown", for epochs of leaders and members.
const NO_EPOCH: i32 = -1;
/// From this version on a request asks about several groups.
const GROUPS_SINCE: i16 = 8;
/// From this version on what goes wrong with all of it has a code of its own.
const ERROR_CODE_SINCE: i16 = 2;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = OffsetFetchRequest::decode(version, &mut request.body)?;
    if version < GROUPS_SINCE {
        let wanted = body.topics.map(|topics| {
            topics.into_iter().map(|topic| (topic.name.to_owned(), topic.partition_indexes)).collect::<Vec<_>>()
        });
        let fetch =
            FetchOffsets { group: body.group_id.to_owned(), member: None, epoch: NO_EPOCH, wanted: wanted.clone() };
        return Ok(groups::answer(ctx, request.reply_to, GroupRequest::Fetch(fetch), move |reply, version, out| {
            respond_to_one(reply, wanted, version, out);
        }));
    }
    let names: Vec<String> = body.groups.iter().map(|group| group.group_id.to_owned()).collect();
    let replies = groups::ask_all(ctx, body.groups.into_iter().map(to_fetch).collect());
    let reply_to = request.reply_to;
    Ok(Answer::Later(Box::pin(async move {
        let results: Vec<_> = replies.await.into_iter().map(to_offsets).collect();
        let groups = names.iter().zip(&results).map(|(name, result)| group_to_wire(name, result));
        let response = OffsetFetchResponse { groups: groups.collect(), ..OffsetFetchResponse::default() };
        reply_to.whole(|version, out| response.encode(version, out))
    })))
}

fn to_fetch(group: OffsetFetchRequestGroup<'_>) -> GroupRequest {
    let wanted = group
        .topics
        .map(|topics| topics.into_iter().map(|topic| (topic.name.to_owned(), topic.partition_indexes)).collect());
    GroupRequest::Fetch(FetchOffsets {
        group: group.group_id.to_owned(),
        member: group.member_id.map(str::to_owned),
        epoch: group.member_epoch,
        wanted,
    })
}

fn to_offsets(reply: GroupReply) -> Result<FetchedOffsets, ErrorCode> {
    match reply {
        Ok(GroupAnswer::Fetched(offsets)) => Ok(offsets),
        Ok(other) => unreachable!("offsets were asked for, not {other:?}"),
        Err(fault) => Err(error_codes::of_group(&fault)),
    }
}

fn respond_to_one(reply: GroupReply, wanted: Option<Vec<(String, Vec<i32>)>>, version: i16, out: &mut Vec<u8>) {
    let (offsets, error_code) = match to_offsets(reply) {
        Ok(offsets) => (offsets, ErrorCode::NONE),
        // The oldest clients read a code at each partition only.
        Err(error_code) if version < ERROR_CODE_SINCE => {
            let nothing = |partitions: Vec<i32>| partitions.into_iter().map(|index| (index, None)).collect();
            let wanted = wanted.into_iter().flatten();
            (wanted.map(|(topic, partitions)| (topic, nothing(partitions))).collect(), error_code)
        }
        Err(error_code) => (Vec::new(), error_code),
    };
    let partition_code = if version < ERROR_CODE_SINCE { error_code } else { ErrorCode::NONE };
    let topics = offsets.iter().map(|(name, partitions)| OffsetFetchResponseTopic {
        name: name.as_str().into(),
        partitions: partitions.iter().map(|(index, found)| partition_to_wire(*index, found, partition_code)).collect(),
    });
    OffsetFetchResponse { topics: topics.collect(), error_code, ..OffsetFetchResponse::default() }.encode(version, out);
}

fn partition_to_wire(
    partition_index: i32,
    found: &Option<Committed>,
    error_code: ErrorCode,
) -> OffsetFetchResponsePartition<'_> {
    let found = found.as_ref();
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: found.map_or(NO_OFFSET, |committed| committed.offset),
        committed_leader_epoch: found.map_or(NO_EPOCH, |committed| committed.leader_epoch),
        metadata: Some(found.map_or("", |committed| &committed.metadata).into()),
        error_code,
    }
}

fn group_to_wire<'a>(name: &'a str, result: &'a Result<FetchedOffsets, ErrorCode>) -> OffsetFetchResponseGroup<'a> {
    let topics = result.iter().flatten().map(|(topic, partitions)| OffsetFetchResponseTopics {
        name: topic.as_str().into(),
        partitions: partitions
            .iter()
            .map(|(index, found)| {
                let one = partition_to_wire(*index, found, ErrorCode::NONE);
                OffsetFetchResponsePartitions {
                    partition_index: one.partition_index,
                    committed_offset: one.committed_offset,
                    committed_leader_epoch: one.committed_leader_epoch,
                    metadata: one.metadata,
                    error_code: one.error_code,
                }
            })
            .collect(),
    });
    OffsetFetchResponseGroup {
        group_id: name.into(),
        topics: topics.collect(),
        error_code: result.as_ref().err().copied().unwrap_or(ErrorCode::NONE),
    }
}
