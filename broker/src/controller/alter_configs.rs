//! Changing configs of topics, nodes and groups: the decision. Either all changes of one of them are made, or none.

use std::collections::{BTreeMap, BTreeSet};

use super::config_keys::{self, ConfigKey};
use super::configs::{self, ConfigFault};
use super::group_keys::{self, GroupBounds, GroupFault};
use super::image::{Image, Topic};
use super::limits::GROUPS_CONFIGURED_MAX;
use super::node_keys;
use super::records::MetadataRecord;
use crate::ids::NodeId;

/// A request to change configs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterConfigs {
    pub resources: Vec<Alteration>,
    /// Only say what would happen.
    pub validate_only: bool,
}

/// What is to change of one topic or node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    pub resource: Resource,
    pub wish: Wish,
}

/// Whose configs are meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    Topic(String),
    /// A node by its id in decimal, or all nodes with an empty name.
    Node(String),
    Group(String),
}

/// How configs are to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Exactly these are set.
    Replace(Vec<(String, Option<String>)>),
    /// These change and the others stay.
    Change(Vec<KeyChange>),
}

/// A change of one config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    pub name: String,
    pub operation: Operation,
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    Set,
    /// Back to the default.
    Delete,
    /// Adds words to a list, from the default on if it is not set.
    Append,
    /// Takes words from a list.
    Subtract,
    /// A number that means nothing.
    Unknown(i8),
}

/// Why configs are not changed. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AlterFault {
    #[error("Each resource must appear at most once.")]
    NamedTwice,
    #[error("Error due to duplicate config keys")]
    KeyTwice,
    #[error("Null value not supported for : {0}")]
    NullValue(String),
    #[error("Unknown operations type {0}")]
    UnknownOperation(i8),
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    #[error("Node id must be an integer, but it is: {0}")]
    NotANode(String),
    #[error("Unexpected broker id, expected {expected} or an empty string for all, but received {named}")]
    OtherNode { expected: NodeId, named: NodeId },
    #[error("Cannot update these configs dynamically: {0}")]
    Static(String),
    #[error("Unknown broker config name: {0}")]
    UnknownNodeKey(String),
    #[error("Can't {operation} to key {name} because its type is not LIST.")]
    NoList { operation: &'static str, name: String },
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error(transparent)]
    Group(#[from] GroupFault),
}

/// The answer for each topic or node, in the order of the request.
pub type AlterResults = Vec<Result<(), AlterFault>>;

/// Decides on each topic or node of a request by itself.
pub fn alter_configs(
    image: &Image,
    node: NodeId,
    groups: &GroupBounds,
    request: &AlterConfigs,
) -> (Vec<MetadataRecord>, AlterResults) {
    let mut times = BTreeMap::<&Resource, usize>::new();
    for alteration in &request.resources {
        *times.entry(&alteration.resource).or_default() += 1;
    }
    let mut records = Vec::new();
    let mut alter = |alteration: &Alteration| {
        if times[&alteration.resource] > 1 {
            return Err(AlterFault::NamedTwice);
        }
        check_wish(&alteration.wish)?;
        records.extend(changes_of(image, node, groups, alteration)?);
        Ok(())
    };
    let results = request.resources.iter().map(&mut alter).collect();
    if request.validate_only {
        records.clear();
    }
    (records, results)
}

/// What can be wrong with a wish, whatever it is about.
fn check_wish(wish: &Wish) -> Result<(), AlterFault> {
    let keys: Vec<(&str, bool)> = match wish {
        Wish::Replace(configs) => configs.iter().map(|(name, value)| (name.as_str(), value.is_none())).collect(),
        Wish::Change(changes) => {
            let lacks = |change: &KeyChange| change.operation != Operation::Delete && change.value.is_none();
            changes.iter().map(|change| (change.name.as_str(), lacks(change))).collect()
        }
    };
    let distinct: BTreeSet<&str> = keys.iter().map(|(name, _)| *name).collect();
    if distinct.len() < keys.len() {
        return Err(AlterFault::KeyTwice);
    }
    let null: Vec<&str> = keys.iter().filter(|(_, is_null)| *is_null).map(|(name, _)| *name).collect();
    if null.is_empty() { Ok(()) } else { Err(AlterFault::NullValue(null.join(", "))) }
}

fn changes_of(
    image: &Image,
    node: NodeId,
    groups: &GroupBounds,
    alteration: &Alteration,
) -> Result<Vec<MetadataRecord>, AlterFault> {
    match &alteration.resource {
        Resource::Topic(name) => {
            let topic = image.topic(name).ok_or_else(|| AlterFault::UnknownTopic(name.clone()))?;
            let default_of = |key: &ConfigKey| image.defaults().value_of(key);
            let wished = wished(&topic.configs, &alteration.wish, config_keys::find, &default_of)?;
            check_topic_configs(topic, &wished)?;
            let record = |key, value| MetadataRecord::TopicConfig { id: topic.id, key, value };
            Ok(difference(&topic.configs, &wished, record))
        }
        Resource::Node(name) => {
            let of = named_node(name, node)?;
            let nothing = BTreeMap::new();
            let current = image.node_configs().get(&of).unwrap_or(&nothing);
            let default_of = |key: &ConfigKey| image.defaults().value_of(key);
            let key_of = |name: &str| node_keys::find(name).map(|key| key.topic_config());
            let wished = wished(current, &alteration.wish, key_of, &default_of)?;
            check_node_configs(&wished)?;
            let record = |key, value| MetadataRecord::NodeConfig { node: of, key, value };
            Ok(difference(current, &wished, record))
        }
        Resource::Group(name) => group_changes(image, name, groups, &alteration.wish),
    }
}

fn group_changes(
    image: &Image,
    name: &str,
    bounds: &GroupBounds,
    wish: &Wish,
) -> Result<Vec<MetadataRecord>, AlterFault> {
    if name.is_empty() {
        return Err(GroupFault::Nameless.into());
    }
    let nothing = BTreeMap::new();
    let known = image.group_configs().get(name);
    let current = known.unwrap_or(&nothing);
    let wished = wished(current, wish, group_keys::find, &|key: &ConfigKey| key.default.to_owned())?;
    group_keys::check(&wished, bounds)?;
    if known.is_none() && !wished.is_empty() && image.group_configs().len() >= GROUPS_CONFIGURED_MAX {
        return Err(GroupFault::TooMany(GROUPS_CONFIGURED_MAX).into());
    }
    let record = |key, value| MetadataRecord::GroupConfig { group: name.to_owned(), key, value };
    Ok(difference(current, &wished, record))
}

/// None for all nodes.
fn named_node(name: &str, own: NodeId) -> Result<Option<NodeId>, AlterFault> {
    if name.is_empty() {
        return Ok(None);
    }
    let named = name.parse().map(NodeId).map_err(|_| AlterFault::NotANode(name.to_owned()))?;
    if named == own { Ok(Some(own)) } else { Err(AlterFault::OtherNode { expected: own, named }) }
}

/// The configs as they are to be. `key_of` knows the keys, `default_of` what holds where nothing is set.
fn wished(
    current: &BTreeMap<String, String>,
    wish: &Wish,
    key_of: impl Fn(&str) -> Option<&'static ConfigKey>,
    default_of: &dyn Fn(&ConfigKey) -> String,
) -> Result<BTreeMap<String, String>, AlterFault> {
    let changes = match wish {
        Wish::Replace(configs) => {
            let set = |(name, value): &(String, Option<String>)| Some((name.clone(), value.clone()?));
            return Ok(configs.iter().filter_map(set).collect());
        }
        Wish::Change(changes) => changes,
    };
    let mut wished = current.clone();
    for KeyChange { name, operation, value } in changes {
        let value = value.as_deref().unwrap_or_default();
        let new_value = match operation {
            Operation::Set => value.to_owned(),
            Operation::Delete => {
                wished.remove(name);
                continue;
            }
            Operation::Append | Operation::Subtract => {
                let is_append = *operation == Operation::Append;
                let Some(key) = key_of(name).filter(|key| key.kind.is_list()) else {
                    let operation = if is_append { "APPEND" } else { "SUBTRACT" };
                    return Err(AlterFault::NoList { operation, name: name.clone() });
                };
                let from = current.get(name).cloned().unwrap_or_else(|| default_of(key));
                if is_append { with_words(&from, value) } else { without_words(&from, value) }
            }
            Operation::Unknown(number) => return Err(AlterFault::UnknownOperation(*number)),
        };
        wished.insert(name.clone(), new_value);
    }
    Ok(wished)
}

fn words(list: &str) -> Vec<&str> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).collect()
}

fn with_words(list: &str, added: &str) -> String {
    let mut words_now = words(list);
    for word in words(added) {
        if !words_now.contains(&word) {
            words_now.push(word);
        }
    }
    words_now.join(",")
}

fn without_words(list: &str, taken: &str) -> String {
    let taken = words(taken);
    words(list).into_iter().filter(|word| !taken.contains(word)).collect::<Vec<_>>().join(",")
}

/// What is not new is not checked again: an older build may have stored what this one would refuse.
fn check_topic_configs(topic: &Topic, wished: &BTreeMap<String, String>) -> Result<(), AlterFault> {
    for (name, value) in wished.iter().filter(|(name, value)| topic.configs.get(*name) != Some(value)) {
        configs::check(name, Some(value))?;
    }
    Ok(configs::check_all(wished)?)
}

fn check_node_configs(wished: &BTreeMap<String, String>) -> Result<(), AlterFault> {
    let unchangeable: Vec<&str> = wished.keys().map(String::as_str).filter(|name| node_keys::is_static(name)).collect();
    if !unchangeable.is_empty() {
        return Err(AlterFault::Static(unchangeable.join(", ")));
    }
    let mut as_topic_configs = BTreeMap::new();
    for (name, value) in wished {
        let key = node_keys::find(name).ok_or_else(|| AlterFault::UnknownNodeKey(name.clone()))?.topic_config();
        configs::check_value(key, value).map_err(|fault| fault.about(name))?;
        as_topic_configs.insert(key.name.to_owned(), value.clone());
    }
    Ok(configs::check_all(&as_topic_configs)?)
}

fn difference(
    current: &BTreeMap<String, String>,
    wished: &BTreeMap<String, String>,
    record: impl Fn(String, Option<String>) -> MetadataRecord,
) -> Vec<MetadataRecord> {
    let set = wished.iter().filter(|(name, value)| current.get(*name) != Some(value));
    let unset = current.keys().filter(|name| !wished.contains_key(*name));
    let set = set.map(|(name, value)| record(name.clone(), Some(value.clone())));
    set.chain(unset.map(|name| record(name.clone(), None))).collect()
}

#[cfg(test)]
#[path = "alter_configs_tests.rs"]
mod tests;
