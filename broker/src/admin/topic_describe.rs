//! `ringmain topic describe`: partitions, offsets, sizes, and the settings that topics do not share with all others.

use std::collections::{BTreeMap, BTreeSet};

use wire::ApiKey;
use wire::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource, DescribeConfigsResponse, RESOURCE_TYPE_TOPIC, SOURCE_TOPIC,
};
use wire::describe_log_dirs::{DescribableLogDirTopic, DescribeLogDirsRequest, DescribeLogDirsResponse};
use wire::list_offsets::{EARLIEST_TIMESTAMP, LATEST_TIMESTAMP};
use wire::metadata::MetadataResponse;

use super::client::{AdminError, Body, Cluster, check};
use super::partition_offsets::{Offsets, offsets};
use super::report::{Described, PartitionLine, Report, Setting};
use super::topic::{id, name_of};

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
    let sizes = sizes(&mut cluster, &metadata, &answer)?;
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
                    bytes: offset(&sizes, partition.partition_index),
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

/// How many bytes each partition takes on its leader.
fn sizes(cluster: &mut Cluster, metadata: &Body, answer: &MetadataResponse<'_>) -> Result<Offsets, AdminError> {
    let mut sizes = Offsets::new();
    let led = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.leader_id);
    let leaders: BTreeSet<i32> = led.filter(|leader| *leader >= 0).collect();
    for leader in leaders {
        let topics = answer.topics.iter().map(|topic| DescribableLogDirTopic {
            topic: name_of(topic),
            partitions: topic
                .partitions
                .iter()
                .filter(|one| one.leader_id == leader)
                .map(|one| one.partition_index)
                .collect(),
        });
        let request = DescribeLogDirsRequest { topics: Some(topics.collect()) };
        let node = cluster.node(leader, metadata, "a partition's leader")?;
        let body = match node.call(ApiKey::DescribeLogDirs, |version, out| request.encode(version, out)) {
            Ok(body) => body,
            Err(AdminError::NoVersion { .. }) => continue,
            Err(error) => return Err(error),
        };
        let answer = body.read(DescribeLogDirsResponse::decode)?;
        for topic in answer.results.iter().flat_map(|directory| &directory.topics) {
            for partition in topic.partitions.iter().filter(|partition| !partition.is_future_key) {
                sizes.insert((topic.name.to_string(), partition.partition_index), partition.partition_size);
            }
        }
    }
    Ok(sizes)
}
