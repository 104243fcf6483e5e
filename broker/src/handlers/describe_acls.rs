//! DescribeAcls: there are no rules of access, and the answer says so as Kafka without an authorizer does.

use wire::describe_acls::{DescribeAclsRequest, DescribeAclsResponse};
use wire::{DecodeError, ErrorCode};

use super::Request;
use crate::net::Answer;

/// What Kafka says where rules of access are not configured.
pub(super) const NO_AUTHORIZER: &str = "No Authorizer is configured.";

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    DescribeAclsRequest::decode(request.version(), &mut request.body)?;
    let response = DescribeAclsResponse {
        error_code: ErrorCode::SECURITY_DISABLED,
        error_message: Some(NO_AUTHORIZER.into()),
        ..DescribeAclsResponse::default()
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}
