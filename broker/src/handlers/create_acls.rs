//! CreateAcls: there are no rules of access, and each that is sent is refused.

use wire::create_acls::{AclCreationResult, CreateAclsRequest, CreateAclsResponse};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::describe_acls::NO_AUTHORIZER;
use crate::net::Answer;

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let body = CreateAclsRequest::decode(request.version(), &mut request.body)?;
    let refused =
        |_| AclCreationResult { error_code: ErrorCode::SECURITY_DISABLED, error_message: Some(NO_AUTHORIZER.into()) };
    let results = body.creations.iter().map(refused).collect();
    let response = CreateAclsResponse { results, ..CreateAclsResponse::default() };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}
