//! ListPartitionReassignments: there is one node, so no partition is ever on the move.

use wire::DecodeError;
use wire::list_partition_reassignments::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

use super::Request;
use crate::net::Answer;

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    ListPartitionReassignmentsRequest::decode(request.version(), &mut request.body)?;
    let response = ListPartitionReassignmentsResponse::default();
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}
