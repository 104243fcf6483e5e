//! OffsetCommit: refused, because nothing would be stored.
//!
//! The code is UNSUPPORTED_VERSION: it is true, no client takes it for a state that passes (COORDINATOR_NOT_AVAILABLE would be
//! tried again for ever), and none takes it for a matter of the group or of rights. Clients without a group do not commit,
//! and those with one stop before, as JoinGroup is not advertised.

use wire::offset_commit::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::net::Answer;

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = OffsetCommitRequest::decode(request.version(), &mut request.body)?;
    let error_code = ErrorCode::UNSUPPORTED_VERSION;
    let topics = body.topics.iter().map(|topic| OffsetCommitResponseTopic {
        name: topic.name.into(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| OffsetCommitResponsePartition { partition_index: partition.partition_index, error_code })
            .collect(),
    });
    let response = OffsetCommitResponse { topics: topics.collect(), ..OffsetCommitResponse::default() };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}
