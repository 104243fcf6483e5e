//! Creating topics: the decision. It changes nothing; its records do, when they are replayed.

use std::collections::{BTreeMap, BTreeSet};

use super::assignment::{self, AssignmentFault};
use super::configs::{self, ConfigFault};
use super::image::Image;
use super::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, TOPICS_MAX};
use super::names::{self, NameFault};
use super::records::MetadataRecord;
use super::topic_id::TopicId;
use crate::ids::NodeId;

/// The topic of Kafka's own metadata, which no client may create.
const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";
/// "The broker's default", for partitions and for replicas.
const UNSET: i32 = -1;
/// Replicas of a partition. There is one node.
const REPLICATION_FACTOR: i16 = 1;

/// A request for topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateTopics {
    pub topics: Vec<NewTopic>,
    /// Only say what would happen.
    pub validate_only: bool,
}

/// A topic as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    pub name: String,
    /// Number of partitions, -1 for the broker's default or with an assignment.
    pub partitions: i32,
    /// Number of replicas, -1 for the broker's default or with an assignment.
    pub replication_factor: i16,
    /// Nodes for each partition, if the client chooses them.
    pub assignments: Vec<Assignment>,
    pub configs: Vec<(String, Option<String>)>,
    /// The id it gets if it is created. Random; whoever asks draws it, because a decision has no dice.
    pub id: TopicId,
}

/// The nodes of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub partition: i32,
    pub node_ids: Vec<NodeId>,
}

/// A topic that was, or would be, created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    pub id: TopicId,
    pub partitions: u32,
    pub replication_factor: i16,
    /// The configs that were set.
    pub configs: BTreeMap<String, String>,
}

/// Why a topic is not created. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateFault {
    #[error("Duplicate topic name.")]
    NamedTwice,
    #[error("Topic creation of internal topic {CLUSTER_METADATA_TOPIC} is prohibited.")]
    Reserved,
    #[error(transparent)]
    Name(#[from] NameFault),
    #[error("Topic '{name}' collides with existing topic: {existing}")]
    Collides { name: String, existing: String },
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    #[error(transparent)]
    Config(#[from] ConfigFault),
    #[error("A manual partition assignment was specified, but {0} was not set to -1.")]
    AssignedAndCounted(&'static str),
    #[error("Found multiple manual partition assignments for partition {0}")]
    AssignedTwice(i32),
    #[error("partitions should be a consecutive 0-based integer sequence")]
    AssignmentGap,
    #[error(transparent)]
    Assignment(#[from] AssignmentFault),
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    NoReplicas,
    #[error(
        "Unable to replicate the partition {0} time(s): The target replication factor of {0} cannot be reached because \
         only 1 broker(s) are registered."
    )]
    TooManyReplicas(i16),
    #[error("Number of partitions was set to an invalid non-positive value.")]
    NoPartitions,
    #[error("A topic may have {PARTITIONS_PER_TOPIC_MAX} partitions at most, {0} were asked for.")]
    TooManyPartitions(usize),
    #[error("This node holds {PARTITIONS_MAX} partitions of {TOPICS_MAX} topics at most.")]
    NodeFull,
}

/// The answer for each distinct name, in the order of the request.
pub type CreateResults = Vec<(String, Result<CreatedTopic, CreateFault>)>;

/// Decides on each topic of a request by itself: some may be created and others not.
pub fn create_topics(image: &Image, node: NodeId, request: &CreateTopics) -> (Vec<MetadataRecord>, CreateResults) {
    let mut decision = Decision { image, node, taken: BTreeMap::new(), partitions: 0 };
    let (mut records, mut results) = (Vec::new(), Vec::new());
    let mut named = BTreeMap::<&str, usize>::new();
    for topic in &request.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    for topic in &request.topics {
        let result = match named.remove(topic.name.as_str()) {
            Some(1) => decision.create(topic),
            Some(_) => Err(CreateFault::NamedTwice),
            None => continue,
        };
        if let Ok(created) = &result {
            records.push(MetadataRecord::Topic {
                name: topic.name.clone(),
                id: created.id,
                partitions: created.partitions,
                configs: created.configs.clone(),
            });
        }
        results.push((topic.name.clone(), result));
    }
    if request.validate_only {
        records.clear();
    }
    (records, results)
}

/// What the topics of the request that were already decided on take up.
struct Decision<'a> {
    image: &'a Image,
    node: NodeId,
    /// Names created by this request, by what they collide on.
    taken: BTreeMap<String, String>,
    partitions: u64,
}

impl Decision<'_> {
    fn create(&mut self, topic: &NewTopic) -> Result<CreatedTopic, CreateFault> {
        self.check_name(&topic.name)?;
        let configs = checked_configs(&topic.configs)?;
        let partitions =
            if topic.assignments.is_empty() { self.count_partitions(topic) } else { self.assigned(topic) }?;
        let partitions_after = self.image.partition_count() + self.partitions + u64::from(partitions);
        if partitions_after > PARTITIONS_MAX || self.image.topic_count() + self.taken.len() >= TOPICS_MAX {
            return Err(CreateFault::NodeFull);
        }
        self.partitions += u64::from(partitions);
        self.taken.insert(collision_key(&topic.name), topic.name.clone());
        Ok(CreatedTopic { id: topic.id, partitions, replication_factor: REPLICATION_FACTOR, configs })
    }

    fn check_name(&self, name: &str) -> Result<(), CreateFault> {
        if name == CLUSTER_METADATA_TOPIC {
            return Err(CreateFault::Reserved);
        }
        names::check(name)?;
        if self.image.topic(name).is_some() {
            return Err(CreateFault::Exists(name.to_owned()));
        }
        let existing = self.image.colliding(name).or_else(|| self.taken.get(&collision_key(name)).map(String::as_str));
        match existing {
            Some(existing) => Err(CreateFault::Collides { name: name.to_owned(), existing: existing.to_owned() }),
            None => Ok(()),
        }
    }

    fn count_partitions(&self, topic: &NewTopic) -> Result<u32, CreateFault> {
        match topic.replication_factor {
            REPLICATION_FACTOR | -1 => {}
            factor if factor < REPLICATION_FACTOR => return Err(CreateFault::NoReplicas),
            factor => return Err(CreateFault::TooManyReplicas(factor)),
        }
        match topic.partitions {
            UNSET => Ok(self.image.defaults().partitions),
            count => match u32::try_from(count) {
                Err(_) | Ok(0) => Err(CreateFault::NoPartitions),
                Ok(count) if count > PARTITIONS_PER_TOPIC_MAX => Err(CreateFault::TooManyPartitions(count as usize)),
                Ok(count) => Ok(count),
            },
        }
    }

    fn assigned(&self, topic: &NewTopic) -> Result<u32, CreateFault> {
        if i32::from(topic.replication_factor) != UNSET {
            return Err(CreateFault::AssignedAndCounted("replication factor"));
        }
        if topic.partitions != UNSET {
            return Err(CreateFault::AssignedAndCounted("numPartitions"));
        }
        let count = topic.assignments.len();
        if count > PARTITIONS_PER_TOPIC_MAX as usize {
            return Err(CreateFault::TooManyPartitions(count));
        }
        let mut indexes = BTreeSet::new();
        for assignment in &topic.assignments {
            if !indexes.insert(assignment.partition) {
                return Err(CreateFault::AssignedTwice(assignment.partition));
            }
            assignment::check(&assignment.node_ids, self.node)?;
        }
        let count = u32::try_from(count).expect("a topic has at most PARTITIONS_PER_TOPIC_MAX partitions");
        let is_gapless = (0i32..).zip(&indexes).all(|(expected, &index)| index == expected);
        if is_gapless { Ok(count) } else { Err(CreateFault::AssignmentGap) }
    }
}

/// Names without `.` and `_` collide with none but themselves, and those are told apart by name already.
fn collision_key(name: &str) -> String {
    names::collision_key(name).unwrap_or_else(|| name.to_owned())
}

fn checked_configs(configs: &[(String, Option<String>)]) -> Result<BTreeMap<String, String>, ConfigFault> {
    let mut checked = BTreeMap::new();
    for (name, value) in configs {
        configs::check(name, value.as_deref())?;
        // The last value of a key counts, as in Kafka.
        checked.insert(name.clone(), value.clone().expect("a config without a value does not pass the check"));
    }
    configs::check_all(&checked)?;
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId(1);

    fn topic(name: &str) -> NewTopic {
        NewTopic {
            name: name.into(),
            partitions: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: Vec::new(),
            id: TopicId(name.bytes().fold(7, |id, byte| id * 31 + u128::from(byte))),
        }
    }

    fn decide(image: &Image, topics: Vec<NewTopic>) -> (Vec<MetadataRecord>, CreateResults) {
        create_topics(image, NODE, &CreateTopics { topics, validate_only: false })
    }

    fn fault(image: &Image, topic: NewTopic) -> CreateFault {
        let (records, mut results) = decide(image, vec![topic]);
        assert_eq!(records, [], "a refused topic leaves no record");
        results.remove(0).1.expect_err("the topic was created")
    }

    fn image_with(names: &[&str]) -> Image {
        let mut image = Image::default();
        for record in decide(&image.clone(), names.iter().map(|name| topic(name)).collect()).0 {
            image.replay(&record);
        }
        image
    }

    #[test]
    fn a_topic_becomes_one_record_that_replay_turns_into_the_topic() {
        let image = Image::default();
        let wish = NewTopic { partitions: 3, configs: vec![("retention.ms".into(), Some("5".into()))], ..topic("a") };
        let (records, results) = decide(&image, vec![wish.clone()]);
        let created = results[0].1.as_ref().unwrap();
        assert_eq!((created.partitions, created.replication_factor, created.id), (3, 1, wish.id));
        let mut after = image;
        records.iter().for_each(|record| drop(after.replay(record)));
        assert_eq!(after.topic("a").unwrap().configs["retention.ms"], "5");
    }

    #[test]
    fn validate_only_answers_the_same_and_leaves_no_record() {
        let request = CreateTopics { topics: vec![topic("a"), topic("")], validate_only: true };
        let (records, results) = create_topics(&Image::default(), NODE, &request);
        assert_eq!(records, []);
        assert_eq!(
            results,
            create_topics(&Image::default(), NODE, &CreateTopics { validate_only: false, ..request }).1
        );
    }

    #[test]
    fn partitions_are_a_default_or_a_positive_number_within_the_bound() {
        let image = Image::default();
        let with = |partitions| NewTopic { partitions, ..topic("a") };
        assert_eq!(decide(&image, vec![with(-1)]).1[0].1.as_ref().unwrap().partitions, 1);
        assert_eq!(fault(&image, with(0)), CreateFault::NoPartitions);
        assert_eq!(fault(&image, with(-2)), CreateFault::NoPartitions);
        assert_eq!(fault(&image, with(i32::MAX)), CreateFault::TooManyPartitions(i32::MAX as usize));
    }

    #[test]
    fn one_node_gives_one_replica() {
        let image = Image::default();
        let with = |replication_factor| NewTopic { replication_factor, ..topic("a") };
        assert!(decide(&image, vec![with(1)]).1[0].1.is_ok());
        assert_eq!(fault(&image, with(0)), CreateFault::NoReplicas);
        assert_eq!(fault(&image, with(-5)), CreateFault::NoReplicas);
        assert_eq!(fault(&image, with(3)), CreateFault::TooManyReplicas(3));
    }

    #[test]
    fn a_manual_assignment_names_this_node_once_for_each_partition_from_zero() {
        let image = Image::default();
        let assign = |nodes: &[(i32, &[i32])]| NewTopic {
            assignments: nodes
                .iter()
                .map(|&(partition, ids)| Assignment { partition, node_ids: ids.iter().copied().map(NodeId).collect() })
                .collect(),
            ..topic("a")
        };
        assert_eq!(decide(&image, vec![assign(&[(1, &[1]), (0, &[1])])]).1[0].1.as_ref().unwrap().partitions, 2);
        assert_eq!(fault(&image, assign(&[(0, &[1]), (0, &[1])])), CreateFault::AssignedTwice(0));
        assert_eq!(fault(&image, assign(&[(0, &[1]), (2, &[1])])), CreateFault::AssignmentGap);
        assert_eq!(fault(&image, assign(&[(0, &[])])), CreateFault::Assignment(AssignmentFault::Nowhere));
        assert_eq!(
            fault(&image, assign(&[(0, &[2])])),
            CreateFault::Assignment(AssignmentFault::UnknownNode(NodeId(2)))
        );
        assert_eq!(fault(&image, assign(&[(0, &[1, 1])])), CreateFault::Assignment(AssignmentFault::Twice(NODE)));
        let counted = NewTopic { partitions: 1, ..assign(&[(0, &[1])]) };
        assert_eq!(fault(&image, counted), CreateFault::AssignedAndCounted("numPartitions"));
        let replicated = NewTopic { replication_factor: 1, ..assign(&[(0, &[1])]) };
        assert_eq!(fault(&image, replicated), CreateFault::AssignedAndCounted("replication factor"));
    }

    #[test]
    fn names_that_exist_or_collide_are_refused() {
        let image = image_with(&["a.b", "plain"]);
        assert_eq!(fault(&image, topic("plain")), CreateFault::Exists("plain".into()));
        let collides = CreateFault::Collides { name: "a_b".into(), existing: "a.b".into() };
        assert_eq!(fault(&image, topic("a_b")), collides);
        assert_eq!(fault(&image, topic("__cluster_metadata")), CreateFault::Reserved);
        assert_eq!(fault(&image, topic("a b")), CreateFault::Name(NameFault::Characters("a b".into())));
        // Two new topics of one request collide as well.
        let (records, results) = decide(&Image::default(), vec![topic("x.y"), topic("x_y")]);
        assert_eq!(records.len(), 1);
        assert!(results[0].1.is_ok() && matches!(results[1].1, Err(CreateFault::Collides { .. })));
    }

    #[test]
    fn a_name_given_twice_is_refused_and_answered_once() {
        let (records, results) = decide(&Image::default(), vec![topic("a"), topic("b"), topic("a")]);
        assert_eq!(results.len(), 2);
        assert_eq!(results[0], ("a".into(), Err(CreateFault::NamedTwice)));
        assert!(results[1].1.is_ok());
        assert_eq!(records.len(), 1);
    }

    #[test]
    fn configs_are_checked_before_anything_is_created() {
        let with = |name: &str, value: Option<String>| NewTopic { configs: vec![(name.into(), value)], ..topic("a") };
        let image = Image::default();
        assert!(matches!(
            fault(&image, with("nope", Some("1".into()))),
            CreateFault::Config(ConfigFault::UnknownKey(_))
        ));
        assert!(matches!(fault(&image, with("segment.ms", None)), CreateFault::Config(ConfigFault::NullValue(_))));
        let tiered = with("remote.storage.enable", Some("true".into()));
        assert_eq!(fault(&image, tiered), CreateFault::Config(ConfigFault::NoTieredStorage));
    }
}
