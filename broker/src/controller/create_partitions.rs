//! More partitions for topics that exist: the decision. Those that are there stay where they are.

use std::collections::BTreeMap;

use super::assignment::{self, AssignmentFault};
use super::image::Image;
use super::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX};
use super::names;
use super::records::MetadataRecord;
use crate::ids::NodeId;

/// A request for more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePartitions {
    pub topics: Vec<LargerTopic>,
    /// Only say what would happen.
    pub validate_only: bool,
}

/// How large a topic is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargerTopic {
    pub name: String,
    /// Partitions in all.
    pub count: i32,
    /// Nodes for each new partition, if the client chooses them.
    pub assignments: Option<Vec<Vec<NodeId>>>,
}

/// Why a topic does not get more partitions. The texts go to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrowFault {
    #[error("Duplicate topic name.")]
    NamedTwice,
    #[error("This server does not host this topic-partition.")]
    UnknownTopic,
    #[error("The internal topic {0} keeps its partitions: what is kept in them would be looked for in others.")]
    Internal(String),
    #[error("Topic already has {0} partition(s).")]
    AsLarge(u32),
    #[error("The topic {name} currently has {have} partition(s); {wanted} would not be an increase.")]
    Smaller { name: String, have: u32, wanted: i32 },
    #[error("A topic may have {PARTITIONS_PER_TOPIC_MAX} partitions at most, {0} were asked for.")]
    TooLarge(i32),
    #[error("This node holds {PARTITIONS_MAX} partitions at most.")]
    NodeFull,
    #[error("Attempted to add {added} additional partition(s), but only {assigned} assignment(s) were specified.")]
    AssignmentCount { added: u32, assigned: usize },
    #[error(transparent)]
    Assignment(#[from] AssignmentFault),
}

/// The answer for each distinct name, in the order of the request.
pub type GrowResults = Vec<(String, Result<(), GrowFault>)>;

/// Decides on each topic of a request by itself.
pub fn create_partitions(
    image: &Image,
    node: NodeId,
    request: &CreatePartitions,
) -> (Vec<MetadataRecord>, GrowResults) {
    let (mut records, mut results, mut added_before) = (Vec::new(), Vec::new(), 0);
    let mut named = BTreeMap::<&str, usize>::new();
    for topic in &request.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    for topic in &request.topics {
        let result = match named.remove(topic.name.as_str()) {
            Some(1) => grow(image, node, topic, added_before),
            Some(_) => Err(GrowFault::NamedTwice),
            None => continue,
        };
        let result = result.map(|(record, added)| {
            records.push(record);
            added_before += u64::from(added);
        });
        results.push((topic.name.clone(), result));
    }
    if request.validate_only {
        records.clear();
    }
    (records, results)
}

/// `added_before` partitions are added by topics of the same request.
fn grow(
    image: &Image,
    node: NodeId,
    topic: &LargerTopic,
    added_before: u64,
) -> Result<(MetadataRecord, u32), GrowFault> {
    let known = image.topic(&topic.name).ok_or(GrowFault::UnknownTopic)?;
    if names::is_internal(&topic.name) {
        return Err(GrowFault::Internal(topic.name.clone()));
    }
    let have = known.partitions;
    let smaller = || GrowFault::Smaller { name: topic.name.clone(), have, wanted: topic.count };
    let wanted = u32::try_from(topic.count).map_err(|_| smaller())?;
    if wanted == have {
        return Err(GrowFault::AsLarge(have));
    }
    let added = wanted.checked_sub(have).ok_or_else(smaller)?;
    if wanted > PARTITIONS_PER_TOPIC_MAX {
        return Err(GrowFault::TooLarge(topic.count));
    }
    if image.partition_count() + added_before + u64::from(added) > PARTITIONS_MAX {
        return Err(GrowFault::NodeFull);
    }
    if let Some(assignments) = &topic.assignments {
        if assignments.len() != added as usize {
            return Err(GrowFault::AssignmentCount { added, assigned: assignments.len() });
        }
        assignments.iter().try_for_each(|node_ids| assignment::check(node_ids, node))?;
    }
    Ok((MetadataRecord::TopicPartitions { id: known.id, partitions: wanted }, added))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::TopicId;

    const NODE: NodeId = NodeId(1);

    fn image(topics: &[(&str, u32)]) -> Image {
        let mut image = Image::default();
        for (index, (name, partitions)) in (2..).zip(topics) {
            let (name, id, partitions) = ((*name).to_owned(), TopicId(index), *partitions);
            image.replay(&MetadataRecord::Topic { name, id, partitions, configs: BTreeMap::new() });
        }
        image
    }

    fn larger(name: &str, count: i32) -> LargerTopic {
        LargerTopic { name: name.into(), count, assignments: None }
    }

    fn decide(image: &Image, topics: Vec<LargerTopic>) -> (Vec<MetadataRecord>, GrowResults) {
        create_partitions(image, NODE, &CreatePartitions { topics, validate_only: false })
    }

    /// The group of a name is in the partition that its hash and the number of partitions give: with more of them it would begin anew.
    #[test]
    fn the_topic_of_offsets_does_not_grow() {
        let name = "__consumer_offsets";
        let (records, results) = decide(&image(&[(name, 50)]), vec![larger(name, 51)]);
        assert_eq!(records, []);
        assert_eq!(results, [(name.to_owned(), Err(GrowFault::Internal(name.to_owned())))]);
    }

    fn fault(topic: LargerTopic) -> GrowFault {
        let (records, mut results) = decide(&image(&[("a", 3)]), vec![topic]);
        assert_eq!(records, [], "a refused topic leaves no record");
        results.remove(0).1.expect_err("the topic has grown")
    }

    #[test]
    fn a_topic_grows_by_one_record_and_keeps_its_id_and_configs() {
        let mut image = image(&[("a", 3)]);
        let before = image.topic("a").unwrap().clone();
        let (records, results) = decide(&image, vec![larger("a", 5)]);
        assert_eq!(results, [("a".into(), Ok(()))]);
        assert_eq!(records, [MetadataRecord::TopicPartitions { id: before.id, partitions: 5 }]);
        records.iter().for_each(|record| drop(image.replay(record)));
        let after = image.topic("a").unwrap();
        assert_eq!((after.partitions, after.id, &after.configs), (5, before.id, &before.configs));
        assert_eq!(image.partition_count(), 5);
    }

    #[test]
    fn validate_only_answers_the_same_and_leaves_no_record() {
        let request = CreatePartitions { topics: vec![larger("a", 5), larger("b", 5)], validate_only: true };
        let (records, results) = create_partitions(&image(&[("a", 3)]), NODE, &request);
        assert_eq!(records, []);
        assert_eq!(results, [("a".into(), Ok(())), ("b".into(), Err(GrowFault::UnknownTopic))]);
    }

    #[test]
    fn a_topic_only_grows_and_only_within_the_bounds() {
        assert_eq!(fault(larger("a", 3)), GrowFault::AsLarge(3));
        for wanted in [2, 0, -1, i32::MIN] {
            assert_eq!(fault(larger("a", wanted)), GrowFault::Smaller { name: "a".into(), have: 3, wanted });
        }
        assert_eq!(fault(larger("a", i32::MAX)), GrowFault::TooLarge(i32::MAX));
        assert_eq!(fault(larger("b", 5)), GrowFault::UnknownTopic);
    }

    #[test]
    fn what_the_topics_of_one_request_add_counts_together_against_the_node() {
        let full = PARTITIONS_MAX as u32 / PARTITIONS_PER_TOPIC_MAX - 1;
        let names: Vec<String> = (0..full).map(|number| format!("full-{number}")).collect();
        let mut topics: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), PARTITIONS_PER_TOPIC_MAX)).collect();
        topics.extend([("a", 1), ("b", 1)]);
        let half = i32::try_from(PARTITIONS_PER_TOPIC_MAX / 2).unwrap();
        let (_, results) = decide(&image(&topics), vec![larger("a", half), larger("b", half)]);
        assert!(results.iter().all(|(_, result)| result.is_ok()));
        let (records, results) = decide(&image(&topics), vec![larger("a", half), larger("b", half + 1)]);
        assert_eq!((records.len(), &results[1].1), (1, &Err(GrowFault::NodeFull)));
    }

    #[test]
    fn an_assignment_names_this_node_for_each_new_partition() {
        let assigned = |nodes: &[&[i32]]| LargerTopic {
            assignments: Some(nodes.iter().map(|ids| ids.iter().copied().map(NodeId).collect()).collect()),
            ..larger("a", 5)
        };
        assert!(decide(&image(&[("a", 3)]), vec![assigned(&[&[1], &[1]])]).1[0].1.is_ok());
        assert_eq!(fault(assigned(&[&[1]])), GrowFault::AssignmentCount { added: 2, assigned: 1 });
        assert_eq!(fault(assigned(&[])), GrowFault::AssignmentCount { added: 2, assigned: 0 });
        let unknown = AssignmentFault::UnknownNode(NodeId(7));
        assert_eq!(fault(assigned(&[&[1], &[7]])), GrowFault::Assignment(unknown));
        assert_eq!(fault(assigned(&[&[1], &[]])), GrowFault::Assignment(AssignmentFault::Nowhere));
    }

    #[test]
    fn a_name_given_twice_is_refused_and_answered_once() {
        let (records, results) = decide(&image(&[("a", 1)]), vec![larger("a", 2), larger("a", 3)]);
        assert_eq!((records.len(), results), (0, vec![("a".into(), Err(GrowFault::NamedTwice))]));
    }
}
