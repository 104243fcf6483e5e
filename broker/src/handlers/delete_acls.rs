//! DeleteAcls: there are no rules of access, so none can be deleted.

use wire::delete_acls::{DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::describe_acls::NO_AUTHORIZER;
use crate::net::Answer;

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = DeleteAclsRequest::decode(request.version(), &mut request.body)?;
    let refused = |_| DeleteAclsFilterResult {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some(NO_AUTHORIZER.into()),
        ..DeleteAclsFilterResult::default()
    };
    let filter_results = body.filters.iter().map(refused).collect();
    let response = DeleteAclsResponse { filter_results, ..DeleteAclsResponse::default() };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}
