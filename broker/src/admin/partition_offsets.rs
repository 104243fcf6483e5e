//! Asks the leaders of partitions for offsets.

use std::collections::{BTreeMap, BTreeSet};

use wire::ApiKey;
use wire::list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic};
use wire::metadata::{MetadataResponse, MetadataResponseTopic};

use super::client::{AdminError, Body, Cluster};
use super::topic::name_of;

/// A number for each partition, by topic and partition.
pub(super) type Offsets = BTreeMap<(String, i32), i64>;

/// Asks each leader for the offsets of its partitions at a timestamp, in milliseconds or one of the special ones; -1 is after the last
/// record. A partition that nobody leads, or whose leader has an error for it, is not in the answer.
pub(super) fn offsets(
    cluster: &mut Cluster,
    metadata: &Body,
    answer: &MetadataResponse<'_>,
    timestamp: i64,
) -> Result<Offsets, AdminError> {
    let mut found = Offsets::new();
    let led = answer.topics.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.leader_id);
    let leaders: BTreeSet<i32> = led.filter(|leader| *leader >= 0).collect();
    for leader in leaders {
        let topics = answer
            .topics
            .iter()
            .map(|topic| led_by(leader, topic, timestamp))
            .filter(|topic| !topic.partitions.is_empty());
        let request = ListOffsetsRequest { replica_id: -1, topics: topics.collect(), ..ListOffsetsRequest::default() };
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
