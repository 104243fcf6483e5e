//! DeleteTopics: by name, from version 6 also by id.

use std::borrow::Cow;

use crate::schema::{message, structs};
use crate::{ErrorCode, Uuid};

message! { DeleteTopicsRequest<'a>, DeleteTopics, versions 1..=6 }
message! { DeleteTopicsResponse<'a>, DeleteTopics, versions 1..=6 }

structs! {
    /// Topics to delete.
    pub struct DeleteTopicsRequest<'a> {
        /// The topics, from version 6.
        pub topics: Vec<DeleteTopicState<'a>> [6..],
        /// The topics, up to version 5.
        pub topic_names: Vec<&'a str> [..=5],
        /// How long the broker may take, in milliseconds.
        pub timeout_ms: i32,
    }

    /// A topic to delete, by name or by id.
    pub struct DeleteTopicState<'a> {
        /// Name of the topic, or null.
        pub name: Option<&'a str>,
        /// Id of the topic, or zero.
        pub topic_id: Uuid,
    }

    /// What became of the topics.
    pub struct DeleteTopicsResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// Results by topic.
        pub responses: Vec<DeletableTopicResult<'a>>,
    }

    /// The result of one topic.
    pub struct DeletableTopicResult<'a> {
        /// Name of the topic; null from version 6 if an id is not known.
        pub name: Option<Cow<'a, str>> [1.., null 6..] = Some(Cow::Borrowed("")),
        /// Id of the topic.
        pub topic_id: Uuid [6..],
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Why.
        pub error_message: Option<Cow<'a, str>> [5..],
    }
}
