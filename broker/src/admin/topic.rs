//! `ringmain topic`: what the sub-commands ask the cluster.

use std::collections::BTreeMap;

use wire::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse};
use wire::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, RESOURCE_TYPE_TOPIC, SOURCE_TOPIC,
};
use wire::list_offsets::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic,
};
use wire::metadata::{MetadataResponse, MetadataResponseTopic};
use wire::{ApiKey, ErrorCode, Uuid};

use super::client::{AdminError, Body, Cluster, check};
use super::report::{Changed, Described, Listed, PartitionLine, Report, Setting};

/// Time the cluster may take for a change, in milliseconds.
const CHANGE_WAIT_MS: i32 = 30_000;

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

pub(super) fn describe(bootstrap: &str, names: &[String]) -> Result<Report, AdminError> {
    let mut cluster = Cluster::connect(bootstrap)?;
    let asked = (!names.is_empty()).then_some(names);
    let metadata = cluster.metadata(asked)?;
    let answer = metadata.read(MetadataResponse::decode)?;
    for topic in &answer.topics {
        check(topic.error_code, &format!("topic {}", name_of(topic)), None)?;
    }
    let earliest = offsets(&mut cluster, &metadata, &answer, EARLIEST_TIMESTAMP)?;
    let latest = offsets(&mut cluster, &metadata, &answer, LATEST_TIMESTAMP)?;
    let mut settings = settings(&mut cluster, &metadata, &answer)?;
    let mut topics: Vec<Described> = answer
        .topics
        .iter()
        .map(|topic| {
            let name = name_of(topic);
            let offset = |offsets: &Offsets, partition| offsets.get(&(name.to_owned(), partition)).copied();
            let mut partitions: Vec<PartitionLine> = topic
                .partitions
                .iter()
                .map(|partition| PartitionLine {
                    partition: partition.partition_index,
                    leader: partition.leader_id,
                    leader_epoch: partition.leader_epoch,
                    replicas: partition.replica_nodes.clone(),
                    in_sync: partition.isr_nodes.clone(),
                    earliest_offset: offset(&earliest, partition.partition_index),
                    latest_offset: offset(&latest, partition.partition_index),
                })
                .collect();
            partitions.sort_by_key(|line| line.partition);
            let settings = settings.remove(name).unwrap_or_default();
            Described { topic: name.to_owned(), id: id(topic.topic_id), settings, partitions }
        })
        .collect();
    topics.sort_by(|one, other| one.topic.cmp(&other.topic));
    Ok(Report::Described(topics))
}

type Offsets = BTreeMap<(String, i32), i64>;

/// Asks each leader for the offsets of its partitions.
fn offsets(
    cluster: &mut Cluster,
    metadata: &Body,
    answer: &MetadataResponse<'_>,
    timestamp: i64,
) -> Result<Offsets, AdminError> {
    let mut found = Offsets::new();
    let led = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.leader_id);
    let leaders: std::collections::BTreeSet<i32> = led.filter(|leader| *leader >= 0).collect();
    for leader in leaders {
        let topics = answer
            .topics
            .iter()
            .map(|topic| led_by(leader, topic, timestamp))
            .filter(|topic| !topic.partitions.is_empty());
        let request = ListOffsetsRequest { replica_id: -1, isolation_level: 0, topics: topics.collect() };
        let node = cluster.node(leader, metadata, "a partition's leader")?;
        let body = node.call(ApiKey::ListOffsets, |version, out| request.encode(version, out))?;
        for topic in body.read(ListOffsetsResponse::decode)?.topics {
            for partition in topic.partitions.iter().filter(|partition| partition.error_code.is_none()) {
                found.insert((topic.name.to_string(), partition.partition_index), partition.offset);
            }
        }
    }
    Ok(found)
}

/// What to ask `leader` about a topic.
fn led_by<'a>(leader: i32, topic: &'a MetadataResponseTopic<'_>, timestamp: i64) -> ListOffsetsTopic<'a> {
    let led = topic.partitions.iter().filter(|partition| partition.leader_id == leader);
    let question = |index| ListOffsetsPartition { partition_index: index, timestamp, ..Default::default() };
    ListOffsetsTopic { name: name_of(topic), partitions: led.map(|led| question(led.partition_index)).collect() }
}

/// The settings of each topic that were set for it.
fn settings(
    cluster: &mut Cluster,
    metadata: &Body,
    answer: &MetadataResponse<'_>,
) -> Result<BTreeMap<String, Vec<Setting>>, AdminError> {
    let resource = |topic| DescribeConfigsResource {
        resource_type: RESOURCE_TYPE_TOPIC,
        resource_name: name_of(topic),
        configuration_keys: None,
    };
    let resources: Vec<_> = answer.topics.iter().map(resource).collect();
    if resources.is_empty() {
        return Ok(BTreeMap::new());
    }
    let request = DescribeConfigsRequest { resources, ..Default::default() };
    let node = cluster.node(answer.controller_id, metadata, "settings")?;
    let body = match node.call(ApiKey::DescribeConfigs, |version, out| request.encode(version, out)) {
        Ok(body) => body,
        // A node that does not tell its settings can still be described without them.
        Err(AdminError::NoVersion { .. }) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let answer = body.read(DescribeConfigsResponse::decode)?;
    let of_topic =
        |config: &&wire::describe_configs::DescribeConfigsResourceResult<'_>| config.config_source == SOURCE_TOPIC;
    let setting = |config: &wire::describe_configs::DescribeConfigsResourceResult<'_>| Setting {
        key: config.name.to_string(),
        value: config.value.as_deref().map(str::to_owned),
    };
    let settings = answer.results.iter().map(|result| {
        (result.resource_name.to_string(), result.configs.iter().filter(of_topic).map(setting).collect())
    });
    Ok(settings.collect())
}

fn name_of<'a>(topic: &'a MetadataResponseTopic<'_>) -> &'a str {
    topic.name.as_deref().unwrap_or_default()
}

fn id(id: Uuid) -> Option<String> {
    (id != Uuid::ZERO).then(|| id.to_string())
}

fn key_value(text: &str) -> Result<(&str, &str), AdminError> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.ok_or_else(|| AdminError::Usage(format!("--config {text}: it must be KEY=VALUE")))
}

fn explain(code: ErrorCode, message: Option<&str>) -> String {
    match message {
        Some(message) if !message.is_empty() => format!("{}: {message}", code.name()),
        _ => code.name().to_owned(),
    }
}
