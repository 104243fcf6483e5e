//! OffsetFetch: no group has committed anything, because OffsetCommit stores nothing yet. That is what is answered.

use wire::DecodeError;
use wire::offset_fetch::{
    OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup, OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions, OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};

use super::Request;
use crate::net::Answer;

/// "Nothing was committed", which is no error.
const NO_OFFSET: i64 = -1;

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = OffsetFetchRequest::decode(request.version(), &mut request.body)?;
    let topics = body.topics.iter().flatten().map(|topic| OffsetFetchResponseTopic {
        name: topic.name.into(),
        partitions: topic.partition_indexes.iter().map(|&index| uncommitted(index)).collect(),
    });
    let groups = body.groups.iter().map(|group| OffsetFetchResponseGroup {
        group_id: group.group_id.into(),
        topics: group
            .topics
            .iter()
            .flatten()
            .map(|topic| OffsetFetchResponseTopics {
                name: topic.name.into(),
                partitions: topic.partition_indexes.iter().map(|&index| uncommitted_in_group(index)).collect(),
            })
            .collect(),
        ..OffsetFetchResponseGroup::default()
    });
    let response =
        OffsetFetchResponse { topics: topics.collect(), groups: groups.collect(), ..OffsetFetchResponse::default() };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

fn uncommitted(partition_index: i32) -> OffsetFetchResponsePartition<'static> {
    OffsetFetchResponsePartition {
        partition_index,
        committed_offset: NO_OFFSET,
        metadata: Some("".into()),
        ..OffsetFetchResponsePartition::default()
    }
}

fn uncommitted_in_group(partition_index: i32) -> OffsetFetchResponsePartitions<'static> {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: NO_OFFSET,
        metadata: Some("".into()),
        ..OffsetFetchResponsePartitions::default()
    }
}
