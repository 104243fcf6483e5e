//! Nodes and their directories as a command shows them. Pure.

use serde::Serialize;

use super::report::bytes_text;
use super::table::table;

/// A cluster and its nodes.
#[derive(Debug, Serialize)]
pub(super) struct ClusterReport {
    pub(super) cluster: Option<String>,
    /// Id of the node that takes changes, -1 if there is none.
    pub(super) controller: i32,
    pub(super) nodes: Vec<NodeLine>,
    pub(super) topics: usize,
    pub(super) partitions: usize,
    /// Partitions that nobody leads.
    pub(super) leaderless: usize,
    /// Partitions of which a replica is not in sync.
    pub(super) under_replicated: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct NodeLine {
    pub(super) id: i32,
    pub(super) host: String,
    pub(super) port: i32,
    pub(super) rack: Option<String>,
    /// Partitions that it leads.
    pub(super) leads: usize,
}

/// A directory of a node.
#[derive(Debug, Serialize)]
pub(super) struct Directory {
    pub(super) node: i32,
    pub(super) path: String,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    pub(super) total_bytes: Option<i64>,
    pub(super) usable_bytes: Option<i64>,
    pub(super) topics: Vec<TopicSize>,
}

#[derive(Debug, Serialize)]
pub(super) struct TopicSize {
    pub(super) topic: String,
    pub(super) partitions: usize,
    pub(super) bytes: i64,
    pub(super) largest_partition_bytes: i64,
}

impl ClusterReport {
    pub(super) fn text(&self) -> String {
        let Self { topics, partitions, leaderless, under_replicated, .. } = self;
        let head = format!(
            "cluster {}  nodes {}  topics {topics}  partitions {partitions} ({leaderless} without a leader, \
             {under_replicated} with a replica out of sync)\n",
            self.cluster.as_deref().unwrap_or("-"),
            self.nodes.len(),
        );
        let row = |node: &NodeLine| {
            [
                node.id.to_string(),
                node.host.clone(),
                node.port.to_string(),
                node.rack.clone().unwrap_or_else(|| "-".to_owned()),
                node.leads.to_string(),
                if node.id == self.controller { "takes changes" } else { "" }.to_owned(),
            ]
        };
        let rows: Vec<_> = self.nodes.iter().map(row).collect();
        head + &table(["NODE", "HOST", "PORT", "RACK", "LEADS", ""], &rows)
    }
}

impl Directory {
    pub(super) fn text(&self) -> String {
        let bytes = |bytes: Option<i64>| bytes.map_or_else(|| "?".to_owned(), bytes_text);
        let error = self.error.as_deref().map(|error| format!("  {error}")).unwrap_or_default();
        let room = format!("{} free of {}", bytes(self.usable_bytes), bytes(self.total_bytes));
        let head = format!("node {}  {}  {room}{error}\n", self.node, self.path);
        if self.topics.is_empty() {
            return head;
        }
        let row = |topic: &TopicSize| {
            let partitions = topic.partitions.to_string();
            [topic.topic.clone(), partitions, bytes_text(topic.bytes), bytes_text(topic.largest_partition_bytes)]
        };
        let rows: Vec<_> = self.topics.iter().map(row).collect();
        head + &table(["TOPIC", "PARTITIONS", "SIZE", "LARGEST PARTITION"], &rows)
    }
}
