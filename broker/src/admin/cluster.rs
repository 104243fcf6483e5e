//! `ringmain cluster`: what the sub-commands ask the cluster.

use wire::describe_log_dirs::{DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult};
use wire::metadata::MetadataResponse;
use wire::{ApiKey, ErrorCode};

use super::client::{AdminError, Cluster, check};
use super::report::Report;
use super::report_cluster::{ClusterReport, Directory, NodeLine, TopicSize};

/// Shows the nodes and how the partitions are.
pub(super) fn describe(bootstrap: &str) -> Result<Report, AdminError> {
    let mut cluster = Cluster::connect(bootstrap)?;
    let body = cluster.metadata(None)?;
    let answer = body.read(MetadataResponse::decode)?;
    check(answer.error_code, "describing the cluster", None)?;
    let partitions = || answer.topics.iter().flat_map(|topic| &topic.partitions);
    let node = |node: &wire::metadata::MetadataResponseBroker<'_>| NodeLine {
        id: node.node_id,
        host: node.host.to_string(),
        port: node.port,
        rack: node.rack.as_deref().map(str::to_owned),
        leads: partitions().filter(|partition| partition.leader_id == node.node_id).count(),
    };
    let mut nodes: Vec<NodeLine> = answer.brokers.iter().map(node).collect();
    nodes.sort_by_key(|node| node.id);
    Ok(Report::Cluster(ClusterReport {
        cluster: answer.cluster_id.as_deref().map(str::to_owned),
        controller: answer.controller_id,
        nodes,
        topics: answer.topics.len(),
        partitions: partitions().count(),
        leaderless: partitions().filter(|partition| partition.leader_id < 0).count(),
        under_replicated: partitions().filter(|one| one.isr_nodes.len() < one.replica_nodes.len()).count(),
    }))
}

/// Shows where each node keeps its partitions, and how much there is of each topic.
pub(super) fn directories(bootstrap: &str) -> Result<Report, AdminError> {
    let mut cluster = Cluster::connect(bootstrap)?;
    let metadata = cluster.metadata(Some(&[]))?;
    let mut ids: Vec<i32> = metadata.read(MetadataResponse::decode)?.brokers.iter().map(|node| node.node_id).collect();
    ids.sort_unstable();
    let mut directories = Vec::new();
    for id in ids {
        let request = DescribeLogDirsRequest { topics: None };
        let node = cluster.node(id, &metadata, &format!("node {id}"))?;
        let body = node.call(ApiKey::DescribeLogDirs, |version, out| request.encode(version, out))?;
        let answer = body.read(DescribeLogDirsResponse::decode)?;
        check(answer.error_code, &format!("node {id}"), None)?;
        directories.extend(answer.results.iter().map(|result| directory(id, result)));
    }
    Ok(Report::Directories(directories))
}

fn directory(node: i32, result: &DescribeLogDirsResult<'_>) -> Directory {
    let known = |bytes: i64| (bytes >= 0).then_some(bytes);
    let mut topics: Vec<TopicSize> = result
        .topics
        .iter()
        .map(|topic| {
            let sizes = || topic.partitions.iter().map(|partition| partition.partition_size);
            TopicSize {
                topic: topic.name.to_string(),
                partitions: topic.partitions.len(),
                bytes: sizes().sum(),
                largest_partition_bytes: sizes().max().unwrap_or(0),
            }
        })
        .collect();
    // The largest first: that is what one looks for.
    topics.sort_by(|one, other| other.bytes.cmp(&one.bytes).then_with(|| one.topic.cmp(&other.topic)));
    Directory {
        node,
        path: result.log_dir.to_string(),
        error: (result.error_code != ErrorCode::NONE).then(|| result.error_code.name().to_owned()),
        total_bytes: known(result.total_bytes),
        usable_bytes: known(result.usable_bytes),
        topics,
    }
}
