//! `ringmain topic`: what the sub-commands that create, grow, list and delete ask the cluster.

use wire::create_partitions::{CreatePartitionsRequest, CreatePartitionsResponse, CreatePartitionsTopic};
use wire::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse};
use wire::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::metadata::{MetadataResponse, MetadataResponseTopic};
use wire::{ApiKey, ErrorCode, Uuid};

use super::client::{AdminError, Cluster};
use super::report::{Changed, Listed, Report};

/// Time the cluster may take for a change, in milliseconds.
pub(super) const CHANGE_WAIT_MS: i32 = 30_000;

/// Arguments of `create`.
pub(super) struct Create {
    pub(super) names: Vec<String>,
    pub(super) partitions: Option<i32>,
    pub(super) configs: Vec<String>,
    pub(super) if_not_exists: bool,
    pub(super) validate_only: bool,
}

pub(super) fn create(bootstrap: &str, order: &Create) -> Result<Report, AdminError> {
    let configs = order.configs.iter().map(|config| key_value(config)).collect::<Result<Vec<_>, _>>()?;
    let topic = |name| CreatableTopic {
        name,
        num_partitions: order.partitions.unwrap_or(-1),
        replication_factor: -1,
        configs: configs.iter().map(|&(name, value)| CreatableTopicConfig { name, value: Some(value) }).collect(),
        ..Default::default()
    };
    let request = CreateTopicsRequest {
        topics: order.names.iter().map(String::as_str).map(topic).collect(),
        timeout_ms: CHANGE_WAIT_MS,
        validate_only: order.validate_only,
    };
    let mut cluster = Cluster::connect(bootstrap)?;
    let body = cluster.controller()?.call(ApiKey::CreateTopics, |version, out| request.encode(version, out))?;
    let answer = body.read(CreateTopicsResponse::decode)?;
    let done = if order.validate_only { "could be created" } else { "created" };
    let changes = answer.topics.iter().map(|topic| Changed {
        topic: topic.name.to_string(),
        id: id(topic.topic_id),
        partitions: u32::try_from(topic.num_partitions).ok(),
        result: match topic.error_code {
            ErrorCode::NONE => done.to_owned(),
            ErrorCode::TOPIC_ALREADY_EXISTS if order.if_not_exists => "exists already".to_owned(),
            code => explain(code, topic.error_message.as_deref()),
        },
        failed: topic.error_code.is_error()
            && !(order.if_not_exists && topic.error_code == ErrorCode::TOPIC_ALREADY_EXISTS),
    });
    Ok(Report::Changed(changes.collect()))
}

pub(super) fn delete(bootstrap: &str, names: &[String], if_exists: bool) -> Result<Report, AdminError> {
    let state = |name| DeleteTopicState { name: Some(name), ..Default::default() };
    let request = DeleteTopicsRequest {
        topics: names.iter().map(String::as_str).map(state).collect(),
        topic_names: names.iter().map(String::as_str).collect(),
        timeout_ms: CHANGE_WAIT_MS,
    };
    let mut cluster = Cluster::connect(bootstrap)?;
    let body = cluster.controller()?.call(ApiKey::DeleteTopics, |version, out| request.encode(version, out))?;
    let answer = body.read(DeleteTopicsResponse::decode)?;
    let changes = answer.responses.iter().map(|topic| {
        let missing = topic.error_code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
        Changed {
            topic: topic.name.as_deref().unwrap_or_default().to_owned(),
            id: id(topic.topic_id),
            partitions: None,
            result: match topic.error_code {
                ErrorCode::NONE => "deleted".to_owned(),
                _ if missing && if_exists => "does not exist".to_owned(),
                code => explain(code, topic.error_message.as_deref()),
            },
            failed: topic.error_code.is_error() && !(missing && if_exists),
        }
    });
    Ok(Report::Changed(changes.collect()))
}

/// Lets topics have `count` partitions.
pub(super) fn add_partitions(
    bootstrap: &str,
    names: &[String],
    count: i32,
    validate_only: bool,
) -> Result<Report, AdminError> {
    let topic = |name| CreatePartitionsTopic { name, count, assignments: None };
    let request = CreatePartitionsRequest {
        topics: names.iter().map(String::as_str).map(topic).collect(),
        timeout_ms: CHANGE_WAIT_MS,
        validate_only,
    };
    let mut cluster = Cluster::connect(bootstrap)?;
    let body = cluster.controller()?.call(ApiKey::CreatePartitions, |version, out| request.encode(version, out))?;
    let answer = body.read(CreatePartitionsResponse::decode)?;
    let done = if validate_only { "could be made larger" } else { "made larger" };
    let changes = answer.results.iter().map(|topic| Changed {
        topic: topic.name.to_string(),
        id: None,
        partitions: topic.error_code.is_none().then_some(count.unsigned_abs()),
        result: match topic.error_code {
            ErrorCode::NONE => done.to_owned(),
            code => explain(code, topic.error_message.as_deref()),
        },
        failed: topic.error_code.is_error(),
    });
    Ok(Report::Changed(changes.collect()))
}

pub(super) fn list(bootstrap: &str, internal: bool) -> Result<Report, AdminError> {
    let mut cluster = Cluster::connect(bootstrap)?;
    let body = cluster.metadata(None)?;
    let answer = body.read(MetadataResponse::decode)?;
    let mut topics: Vec<Listed> = answer
        .topics
        .iter()
        .filter(|topic| internal || !topic.is_internal)
        .map(|topic| Listed {
            topic: name_of(topic).to_owned(),
            id: id(topic.topic_id),
            partitions: topic.partitions.len(),
            replicas: topic.partitions.iter().map(|partition| partition.replica_nodes.len()).max().unwrap_or(0),
        })
        .collect();
    topics.sort_by(|one, other| one.topic.cmp(&other.topic));
    Ok(Report::Listed(topics))
}

pub(super) fn name_of<'a>(topic: &'a MetadataResponseTopic<'_>) -> &'a str {
    topic.name.as_deref().unwrap_or_default()
}

pub(super) fn id(id: Uuid) -> Option<String> {
    (id != Uuid::ZERO).then(|| id.to_string())
}

pub(super) fn key_value(text: &str) -> Result<(&str, &str), AdminError> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.ok_or_else(|| AdminError::Usage(format!("--config {text}: it must be KEY=VALUE")))
}

/// An error as a sentence, with what to do about it where that is known.
pub(super) fn explain(code: ErrorCode, message: Option<&str>) -> String {
    let said = match message {
        Some(message) if !message.is_empty() => format!("{}: {message}", code.name()),
        _ => code.name().to_owned(),
    };
    let advice = match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION => "`ringmain topic list` shows the topics",
        ErrorCode::TOPIC_ALREADY_EXISTS => {
            "--if-not-exists takes that for success, `ringmain topic add-partitions` makes it larger"
        }
        ErrorCode::INVALID_CONFIG => "`ringmain config describe --all` shows the settings and their values",
        ErrorCode::INVALID_PARTITIONS => "partitions can be added and not taken away",
        ErrorCode::REQUEST_TIMED_OUT => "try again",
        _ => return said,
    };
    format!("{}; {advice}", said.trim_end_matches('.'))
}
