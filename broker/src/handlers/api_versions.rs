//! ApiVersions: the first request of a connection. KIP-511 for what an unknown version gets.

use wire::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{DecodeError, ErrorCode};

use super::Request;
use super::answer::ReplyTo;
use crate::net::Answer;

pub(super) fn handle(mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = ApiVersionsRequest::decode(version, &mut request.body)?;
    let is_named =
        version < 3 || is_valid_name(body.client_software_name) && is_valid_name(body.client_software_version);
    let response = if is_named {
        ApiVersionsResponse::advertising_supported(ErrorCode::NONE)
    } else {
        ApiVersionsResponse { error_code: ErrorCode::INVALID_REQUEST, ..ApiVersionsResponse::default() }
    };
    Ok(request.reply_to.ready(|version, out| response.encode(version, out)))
}

/// The answer to a version that is not known here: in version 0, which every client reads.
pub(super) fn refuse(reply_to: ReplyTo) -> Answer {
    let response = ApiVersionsResponse::advertising_supported(ErrorCode::UNSUPPORTED_VERSION);
    ReplyTo { version: 0, ..reply_to }.ready(|version, out| response.encode(version, out))
}

/// Kafka's rule for names and versions of client software: letters, digits, `-` and `.`, the latter two not at the ends.
fn is_valid_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    is_outer(bytes.first()) && is_outer(bytes.last()) && bytes.iter().all(|&byte| is_inner(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_names_follow_kafka_s_pattern() {
        for name in ["a", "apache-kafka-java", "2.16.1", "librdkafka", "3.0.0-SNAPSHOT"] {
            assert!(is_valid_name(name), "{name}");
        }
        for name in ["", "-a", "a.", "a b", "ä", "a_b"] {
            assert!(!is_valid_name(name), "{name}");
        }
    }
}
