//! What topics follow that do not say otherwise: the table, what the node was started with, and what was changed since for all nodes
//! or for this one.
//!
//! ```text
//!   this node, changed at run time  >  all nodes, changed at run time  >  file and flags  >  the table of configs
//! ```

use std::collections::BTreeMap;

use super::config_keys::{self, ConfigKey};
use super::configs::{durability_word, limit_text};
use super::node_keys;
use crate::config::{Config, Durability};
use crate::ids::NodeId;
use crate::limits::{MESSAGE_BYTES_MAX_DEFAULT, PARTITIONS_DEFAULT};

/// Settings of nodes that were changed while they ran, by node; none stands for all nodes.
pub type NodeConfigs = BTreeMap<Option<NodeId>, BTreeMap<String, String>>;

/// What the broker gives a topic that does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDefaults {
    pub durability: Durability,
    pub message_bytes_max: u32,
    pub segment_bytes: u64,
    /// None keeps records of any age.
    pub retention_ms: Option<u64>,
    /// None keeps any number of bytes.
    pub retention_bytes: Option<u64>,
    /// Partitions of a topic whose creator does not care.
    pub partitions: u32,
    /// The node that gives these defaults.
    pub node: NodeId,
    /// What was changed for it and for all nodes.
    pub(super) changed: Changed,
}

/// The values that were changed at run time, under the names of the topic configs that they are defaults of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Changed {
    node: BTreeMap<&'static str, String>,
    cluster: BTreeMap<&'static str, String>,
}

/// Where a default comes from. The first of these that has a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Changed for this node while it ran.
    Node,
    /// Changed for all nodes while they ran.
    Cluster,
    /// The configuration file or a flag.
    Static,
    /// The table of configs.
    Table,
}

impl Default for TopicDefaults {
    fn default() -> Self {
        Self {
            durability: Durability::Durable,
            message_bytes_max: MESSAGE_BYTES_MAX_DEFAULT,
            segment_bytes: engine::limits::SEGMENT_BYTES_DEFAULT,
            retention_ms: Some(config_keys::WEEK_MS),
            retention_bytes: None,
            partitions: PARTITIONS_DEFAULT,
            node: NodeId(1),
            changed: Changed::default(),
        }
    }
}

impl TopicDefaults {
    /// What a node's configuration says.
    pub fn of(config: &Config) -> Self {
        Self {
            durability: config.durability,
            message_bytes_max: config.message_bytes_max,
            partitions: config.partitions,
            retention_ms: config.retention_ms,
            retention_bytes: config.retention_bytes,
            node: config.node_id,
            ..Self::default()
        }
    }

    /// Follows what was changed at run time.
    pub(super) fn follow(&mut self, configs: &NodeConfigs) {
        let of = |node: Option<NodeId>| {
            let set = configs.get(&node).into_iter().flatten();
            set.filter_map(|(name, value)| Some((node_keys::find(name)?.topic_key, value.clone()))).collect()
        };
        self.changed = Changed { node: of(Some(self.node)), cluster: of(None) };
    }

    /// The default of a topic config that was changed at run time.
    pub fn changed(&self, topic_key: &str) -> Option<&str> {
        self.changed.node.get(topic_key).or_else(|| self.changed.cluster.get(topic_key)).map(String::as_str)
    }

    /// The effective default of a key.
    pub fn value_of(&self, key: &ConfigKey) -> String {
        self.ladder(key).swap_remove(0).1
    }

    /// Every place that has a default for a key, the one that counts first. The last is the table's.
    pub fn ladder(&self, key: &ConfigKey) -> Vec<(Level, String)> {
        let changed = [(Level::Node, &self.changed.node), (Level::Cluster, &self.changed.cluster)];
        let mut ladder: Vec<(Level, String)> =
            changed.iter().filter_map(|(level, values)| Some((*level, values.get(key.name)?.clone()))).collect();
        ladder.extend(self.started_with(key).filter(|value| value != key.default).map(|value| (Level::Static, value)));
        ladder.push((Level::Table, key.default.to_owned()));
        ladder
    }

    /// What the file or a flag says, where it can.
    fn started_with(&self, key: &ConfigKey) -> Option<String> {
        match key.name {
            config_keys::DURABILITY => Some(durability_word(self.durability).to_owned()),
            config_keys::MAX_MESSAGE_BYTES => Some(self.message_bytes_max.to_string()),
            config_keys::SEGMENT_BYTES => Some(self.segment_bytes.to_string()),
            config_keys::RETENTION_MS => Some(limit_text(self.retention_ms)),
            config_keys::RETENTION_BYTES => Some(limit_text(self.retention_bytes)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(node: Option<i32>, name: &str, value: &str) -> NodeConfigs {
        BTreeMap::from([(node.map(NodeId), BTreeMap::from([(name.to_owned(), value.to_owned())]))])
    }

    #[test]
    fn the_nearest_place_that_has_a_value_counts() {
        let key = config_keys::find(config_keys::RETENTION_MS).expect("a known key");
        let mut defaults = TopicDefaults { retention_ms: Some(5), ..TopicDefaults::default() };
        assert_eq!(defaults.value_of(key), "5");
        let mut all = configs(None, "log.retention.ms", "6");
        defaults.follow(&all);
        assert_eq!(defaults.value_of(key), "6");
        all.extend(configs(Some(1), "log.retention.ms", "7"));
        defaults.follow(&all);
        let table = key.default.to_owned();
        let ladder = [(Level::Node, "7".into()), (Level::Cluster, "6".into()), (Level::Static, "5".into())];
        assert_eq!(defaults.ladder(key), [&ladder[..], &[(Level::Table, table)]].concat());
        assert_eq!(defaults.changed(config_keys::RETENTION_MS), Some("7"));
        defaults.follow(&NodeConfigs::new());
        assert_eq!(defaults.value_of(key), "5");
    }

    #[test]
    fn what_was_changed_for_another_node_does_not_count() {
        let mut defaults = TopicDefaults::default();
        defaults.follow(&configs(Some(2), "log.retention.ms", "7"));
        assert_eq!(defaults.changed(config_keys::RETENTION_MS), None);
    }
}
