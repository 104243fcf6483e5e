//! The metadata as the records so far make it. The controller has one image that runs ahead to the newest record; each
//! shard has one of what is durable, and answers clients from it.
//!
//! Invariants: `by_name` and `topics` hold the same topics; `partition_count` is the sum over them; `next_producer_id`
//! never falls.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::configs::TopicSettings;
use super::defaults::{NodeConfigs, TopicDefaults};
use super::group_keys::GroupConfigs;
use super::names;
use super::records::MetadataRecord;
use super::topic_id::TopicId;
use crate::ids::NodeId;
use crate::quota::{QuotaKey, Quotas};

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    pub id: TopicId,
    pub name: String,
    /// Number of partitions; their indexes run from 0.
    pub partitions: u32,
    /// The configs that were set, not the defaults.
    pub configs: BTreeMap<String, String>,
    /// What the configs mean.
    pub settings: TopicSettings,
}

impl Topic {
    /// The index as a number within the topic, if the topic has such a partition.
    pub fn partition(&self, index: i32) -> Option<u32> {
        u32::try_from(index).ok().filter(|&index| index < self.partitions)
    }
}

/// What a record did to an image, for those who keep logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Created(Rc<Topic>),
    /// It has other settings, or more partitions.
    Reconfigured(Rc<Topic>),
    Deleted(Rc<Topic>),
    /// Every topic may have other settings than before.
    ReconfiguredAll,
    /// A group has other settings.
    GroupReconfigured,
    /// Nothing that concerns a log.
    None,
}

/// The replayed metadata.
#[derive(Debug, Clone, Default)]
pub struct Image {
    topics: BTreeMap<TopicId, Rc<Topic>>,
    by_name: BTreeMap<String, Rc<Topic>>,
    /// The topic that holds each [`names::collision_key`]; the controller lets no second one in.
    collisions: BTreeMap<String, String>,
    defaults: TopicDefaults,
    node_configs: NodeConfigs,
    quotas: Quotas,
    group_configs: GroupConfigs,
    partition_count: u64,
    next_producer_id: i64,
}

impl Image {
    /// An image without topics. The defaults are the broker's: topics that do not say otherwise follow them.
    pub fn new(defaults: TopicDefaults) -> Self {
        Self { defaults, ..Self::default() }
    }

    /// Applies one record: the only way an image changes.
    ///
    /// # Panics
    /// If the record contradicts the image (a second topic of one name or id). The controller never writes such a
    /// record, so the metadata log is not what it wrote.
    pub fn replay(&mut self, record: &MetadataRecord) -> Change {
        let change = match record {
            MetadataRecord::Topic { name, id, partitions, configs } => {
                self.replay_topic(name, *id, *partitions, configs.clone())
            }
            MetadataRecord::TopicDeleted { id } => self.replay_deletion(*id),
            MetadataRecord::TopicConfig { id, key, value } => self.replay_config(*id, key, value.as_deref()),
            MetadataRecord::TopicPartitions { id, partitions } => self.replay_partitions(*id, *partitions),
            MetadataRecord::NodeConfig { node, key, value } => self.replay_node_config(*node, key, value.as_deref()),
            MetadataRecord::ClientQuota { entity, key, value } => {
                // What a later build may bound is kept in the log and means nothing here.
                if let Some(key) = QuotaKey::named(key) {
                    let rate = value.as_deref().and_then(|value| value.parse().ok());
                    self.quotas.replay(entity, key, rate);
                }
                Change::None
            }
            MetadataRecord::GroupConfig { group, key, value } => {
                set(self.group_configs.entry(group.clone()).or_default(), key, value.as_deref());
                self.group_configs.retain(|_, configs| !configs.is_empty());
                Change::GroupReconfigured
            }
            MetadataRecord::ProducerIds { next } => {
                self.next_producer_id = self.next_producer_id.max(*next);
                Change::None
            }
        };
        assert_eq!(self.topics.len(), self.by_name.len(), "a topic has one name and one id");
        change
    }

    /// The topic of this name.
    pub fn topic(&self, name: &str) -> Option<&Rc<Topic>> {
        self.by_name.get(name)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Rc<Topic>> {
        self.topics.get(&id)
    }

    /// Every topic, by name.
    pub fn topics(&self) -> impl Iterator<Item = &Rc<Topic>> {
        self.by_name.values()
    }

    /// An existing topic whose name differs only in `.` and `_`, if there is one.
    pub fn colliding(&self, name: &str) -> Option<&str> {
        self.collisions.get(&names::collision_key(name)?).map(String::as_str)
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// Partitions of all topics together.
    pub fn partition_count(&self) -> u64 {
        self.partition_count
    }

    /// The first producer id that was never reserved.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// What topics follow that do not say otherwise.
    pub fn defaults(&self) -> &TopicDefaults {
        &self.defaults
    }

    /// Settings of nodes that were changed while they ran.
    pub fn node_configs(&self) -> &NodeConfigs {
        &self.node_configs
    }

    /// How much clients may use.
    pub fn quotas(&self) -> &Quotas {
        &self.quotas
    }

    /// What was set for single groups.
    pub fn group_configs(&self) -> &GroupConfigs {
        &self.group_configs
    }

    /// The fewest records that make an empty image equal to this one.
    pub fn to_records(&self) -> Vec<MetadataRecord> {
        let topics = self.topics.values().map(|topic| MetadataRecord::Topic {
            name: topic.name.clone(),
            id: topic.id,
            partitions: topic.partitions,
            configs: topic.configs.clone(),
        });
        let node_configs = self.node_configs.iter().flat_map(|(&node, configs)| {
            let record = move |(key, value): (&String, &String)| MetadataRecord::NodeConfig {
                node,
                key: key.clone(),
                value: Some(value.clone()),
            };
            configs.iter().map(record)
        });
        let quotas = self.quotas.iter().flat_map(|(entity, quotas)| {
            let record = move |(key, rate): (&QuotaKey, &f64)| MetadataRecord::ClientQuota {
                entity: entity.clone(),
                key: key.name().to_owned(),
                value: Some(rate.to_string()),
            };
            quotas.iter().map(record)
        });
        let groups = self.group_configs.iter().flat_map(|(group, configs)| {
            let record = move |(key, value): (&String, &String)| MetadataRecord::GroupConfig {
                group: group.clone(),
                key: key.clone(),
                value: Some(value.clone()),
            };
            configs.iter().map(record)
        });
        // The defaults come before the topics that follow them.
        node_configs
            .chain(quotas)
            .chain(groups)
            .chain(topics)
            .chain([MetadataRecord::ProducerIds { next: self.next_producer_id }])
            .collect()
    }

    fn replay_topic(&mut self, name: &str, id: TopicId, partitions: u32, configs: BTreeMap<String, String>) -> Change {
        let settings = TopicSettings::new(&configs, &self.defaults);
        let topic = Rc::new(Topic { id, name: name.to_owned(), partitions, configs, settings });
        let same_id = self.topics.insert(id, Rc::clone(&topic));
        let same_name = self.by_name.insert(name.to_owned(), Rc::clone(&topic));
        assert!(same_id.is_none() && same_name.is_none(), "the metadata log creates topic {name} ({id}) twice");
        if let Some(key) = names::collision_key(name) {
            self.collisions.insert(key, name.to_owned());
        }
        self.partition_count += u64::from(partitions);
        Change::Created(topic)
    }

    fn replay_deletion(&mut self, id: TopicId) -> Change {
        let Some(topic) = self.topics.remove(&id) else { return Change::None };
        self.by_name.remove(&topic.name);
        if let Some(key) = names::collision_key(&topic.name) {
            self.collisions.remove(&key);
        }
        self.partition_count -= u64::from(topic.partitions);
        Change::Deleted(topic)
    }

    fn replay_config(&mut self, id: TopicId, key: &str, value: Option<&str>) -> Change {
        let Some(topic) = self.topics.get(&id) else { return Change::None };
        let mut topic = Topic::clone(topic);
        set(&mut topic.configs, key, value);
        topic.settings = TopicSettings::new(&topic.configs, &self.defaults);
        Change::Reconfigured(self.put(topic))
    }

    /// A topic does not lose partitions.
    fn replay_partitions(&mut self, id: TopicId, partitions: u32) -> Change {
        let Some(topic) = self.topics.get(&id) else { return Change::None };
        let topic = Topic { partitions: partitions.max(topic.partitions), ..Topic::clone(topic) };
        self.partition_count += u64::from(topic.partitions - self.topics[&id].partitions);
        Change::Reconfigured(self.put(topic))
    }

    fn replay_node_config(&mut self, node: Option<NodeId>, key: &str, value: Option<&str>) -> Change {
        set(self.node_configs.entry(node).or_default(), key, value);
        self.node_configs.retain(|_, configs| !configs.is_empty());
        self.defaults.follow(&self.node_configs);
        let topics: Vec<Rc<Topic>> = self.topics.values().cloned().collect();
        for topic in topics {
            let settings = TopicSettings::new(&topic.configs, &self.defaults);
            self.put(Topic { settings, ..Topic::clone(&topic) });
        }
        Change::ReconfiguredAll
    }

    /// Puts a topic in the place of what it was before.
    fn put(&mut self, topic: Topic) -> Rc<Topic> {
        let topic = Rc::new(topic);
        self.topics.insert(topic.id, Rc::clone(&topic));
        self.by_name.insert(topic.name.clone(), Rc::clone(&topic));
        topic
    }
}

fn set(configs: &mut BTreeMap<String, String>, key: &str, value: Option<&str>) {
    match value {
        Some(value) => configs.insert(key.to_owned(), value.to_owned()),
        None => configs.remove(key),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quota::{Entity, EntityKind};

    fn topic(name: &str, id: u128, partitions: u32) -> MetadataRecord {
        MetadataRecord::Topic { name: name.into(), id: TopicId(id), partitions, configs: BTreeMap::new() }
    }

    #[test]
    fn a_topic_is_found_by_name_and_by_id_until_it_is_deleted() {
        let mut image = Image::default();
        let Change::Created(created) = image.replay(&topic("a.b", 5, 3)) else { panic!("not created") };
        assert_eq!(image.topic("a.b"), Some(&created));
        assert_eq!(image.topic_by_id(TopicId(5)), Some(&created));
        assert_eq!(image.colliding("a_b"), Some("a.b"));
        assert_eq!(image.partition_count(), 3);

        assert_eq!(image.replay(&MetadataRecord::TopicDeleted { id: TopicId(5) }), Change::Deleted(created));
        assert_eq!(image.topic("a.b"), None);
        assert_eq!(image.colliding("a_b"), None);
        assert_eq!((image.topic_count(), image.partition_count()), (0, 0));
        assert_eq!(image.replay(&MetadataRecord::TopicDeleted { id: TopicId(5) }), Change::None);
    }

    #[test]
    fn a_name_that_is_used_again_belongs_to_the_new_id() {
        let mut image = Image::default();
        image.replay(&topic("a", 5, 1));
        image.replay(&MetadataRecord::TopicDeleted { id: TopicId(5) });
        image.replay(&topic("a", 6, 2));
        assert_eq!(image.topic("a").map(|topic| topic.id), Some(TopicId(6)));
        assert_eq!(image.topic_by_id(TopicId(5)), None);
    }

    #[test]
    fn a_config_changes_the_settings_and_goes_back_to_the_default() {
        let mut image = Image::default();
        image.replay(&topic("a", 5, 1));
        let set = |value: Option<&str>| MetadataRecord::TopicConfig {
            id: TopicId(5),
            key: "segment.bytes".into(),
            value: value.map(str::to_owned),
        };
        image.replay(&set(Some("2097152")));
        assert_eq!(image.topic("a").unwrap().settings.segment_bytes, 2_097_152);
        image.replay(&set(None));
        assert_eq!(image.topic("a").unwrap().settings.segment_bytes, image.defaults().segment_bytes);
    }

    #[test]
    fn the_records_of_an_image_rebuild_it() {
        let mut image = Image::default();
        let node = |node, value: &str| MetadataRecord::NodeConfig {
            node,
            key: "log.retention.ms".into(),
            value: Some(value.into()),
        };
        let more = MetadataRecord::TopicPartitions { id: TopicId(6), partitions: 12 };
        let ids = MetadataRecord::ProducerIds { next: 3_000 };
        let quota = MetadataRecord::ClientQuota {
            entity: Entity::new([(EntityKind::ClientId, None)]),
            key: "request_percentage".into(),
            value: Some("0.1".into()),
        };
        let nodes = [node(None, "5"), node(Some(NodeId(7)), "6")];
        let group = MetadataRecord::GroupConfig { group: "g".into(), key: "k".into(), value: Some("v".into()) };
        for record in [topic("a", 5, 1), topic("b", 6, 9), ids, more, quota, group].into_iter().chain(nodes) {
            image.replay(&record);
        }
        image.replay(&MetadataRecord::TopicDeleted { id: TopicId(5) });
        let mut rebuilt = Image::default();
        for record in image.to_records() {
            rebuilt.replay(&record);
        }
        assert_eq!(rebuilt.topics().collect::<Vec<_>>(), image.topics().collect::<Vec<_>>());
        assert_eq!(rebuilt.partition_count(), image.partition_count());
        assert_eq!(rebuilt.next_producer_id(), 3_000);
        assert_eq!(rebuilt.node_configs(), image.node_configs());
        assert_eq!(rebuilt.quotas().iter().collect::<Vec<_>>(), image.quotas().iter().collect::<Vec<_>>());
        assert_eq!(rebuilt.quotas().len(), 1);
        assert_eq!(rebuilt.group_configs(), image.group_configs());
        assert_eq!(rebuilt.group_configs().len(), 1);
        assert_eq!(rebuilt.topic("b").map(|topic| topic.settings.retention_ms), Some(Some(5)));
    }
}
