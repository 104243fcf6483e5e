//! The topic and who leads its partitions.

use std::collections::BTreeMap;
use std::time::Duration;

use wire::create_topics::{CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse};
use wire::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use wire::list_offsets::{
    EARLIEST_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse,
    ListOffsetsTopic,
};
use wire::metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse};
use wire::{ApiKey, ErrorCode, Uuid};

use crate::client::{Client, Versions};
use crate::clock::{SECOND_NS, now_ns, pause};
use crate::sequences::Sequences;
use crate::{Failure, From, Options};

/// How long a new topic may take to get its leaders.
const LEADER_WAIT_S: u64 = 30;
const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// What is known of the broker's side before the run.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) versions: Versions,
    pub(crate) topic_id: Uuid,
    /// The address of each node by its id.
    pub(crate) nodes: BTreeMap<i32, String>,
    /// The leading node of each partition.
    pub(crate) leaders: Vec<i32>,
}

impl Cluster {
    /// Finds the topic, creates it if it is missing, and waits until every partition has a leader.
    pub(crate) fn prepare(address: &str, options: &Options) -> Result<Cluster, Failure> {
        let mut client = Client::connect(address)?;
        let deadline_ns = now_ns() + LEADER_WAIT_S * SECOND_NS;
        let may_create = client.versions().pick(ApiKey::CreateTopics, 7).is_ok();
        let mut asked = false;
        loop {
            // A broker without CreateTopics may still create a topic because somebody asks for it.
            match look_up(&mut client, &options.topic, !may_create)? {
                Topic::Led(cluster) => return Ok(cluster),
                Topic::Missing if may_create && !asked => {
                    create(&mut client, options)?;
                    asked = true;
                }
                Topic::Missing | Topic::Leaderless => pause(RETRY_PAUSE),
            }
            if now_ns() > deadline_ns {
                return Err(Failure::NoLeader { topic: options.topic.clone(), waited_s: LEADER_WAIT_S });
            }
        }
    }

    /// The first or the next offset of every partition.
    pub(crate) fn offsets(&self, topic: &str, from: From) -> Result<Vec<i64>, Failure> {
        let version = self.versions.pick(ApiKey::ListOffsets, 3)?;
        let timestamp = match from {
            From::Earliest => EARLIEST_TIMESTAMP,
            From::Latest => LATEST_TIMESTAMP,
        };
        let mut offsets = vec![0; self.leaders.len()];
        for (node, address) in &self.nodes {
            let partitions: Vec<_> = (0..self.leaders.len())
                .filter(|&partition| self.leaders[partition] == *node)
                .map(|partition| ListOffsetsPartition {
                    partition_index: partition as i32,
                    timestamp,
                    ..Default::default()
                })
                .collect();
            if partitions.is_empty() {
                continue;
            }
            let topics = vec![ListOffsetsTopic { name: topic, partitions }];
            let request = ListOffsetsRequest { replica_id: -1, topics, ..ListOffsetsRequest::default() };
            let answers = Client::connect(address)?.call(
                ApiKey::ListOffsets,
                version,
                |out| request.encode(version, out),
                |reader| {
                    Ok(ListOffsetsResponse::decode(version, reader)?
                        .topics
                        .into_iter()
                        .flat_map(|topic| topic.partitions)
                        .collect::<Vec<_>>())
                },
            )?;
            for answer in answers {
                if answer.error_code.is_error() {
                    let reason = answer.error_code.name().to_owned();
                    return Err(Failure::Refused { message: "ListOffsets", reason });
                }
                if let Some(offset) = offsets.get_mut(answer.partition_index as usize) {
                    *offset = answer.offset;
                }
            }
        }
        Ok(offsets)
    }
}

impl Cluster {
    /// A new producer id, from any node, and nothing sent with it yet.
    pub(crate) fn sequences(&self) -> Result<Sequences, Failure> {
        let version = self.versions.pick(ApiKey::InitProducerId, 4)?;
        let request =
            InitProducerIdRequest { transactional_id: None, transaction_timeout_ms: 60_000, ..Default::default() };
        let address = self.nodes.values().next().expect("a topic with leaders has nodes");
        let answer = Client::connect(address)?.call(
            ApiKey::InitProducerId,
            version,
            |out| request.encode(version, out),
            |reader| InitProducerIdResponse::decode(version, reader),
        )?;
        if answer.error_code.is_error() {
            let reason = answer.error_code.name().to_owned();
            return Err(Failure::Refused { message: "InitProducerId", reason });
        }
        Ok(Sequences::new(answer.producer_id, answer.producer_epoch, self.leaders.len()))
    }
}

enum Topic {
    Led(Cluster),
    Leaderless,
    Missing,
}

fn look_up(client: &mut Client, topic: &str, may_create: bool) -> Result<Topic, Failure> {
    let versions = client.versions().clone();
    let version = versions.pick(ApiKey::Metadata, 12)?;
    let request = MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id: Uuid::ZERO, name: Some(topic) }]),
        allow_auto_topic_creation: may_create,
        ..MetadataRequest::default()
    };
    client.call(
        ApiKey::Metadata,
        version,
        |out| request.encode(version, out),
        |reader| {
            let answer = MetadataResponse::decode(version, reader)?;
            let nodes: BTreeMap<i32, String> =
                answer.brokers.iter().map(|node| (node.node_id, format!("{}:{}", node.host, node.port))).collect();
            let found = answer.topics.iter().find(|found| found.name.as_deref() == Some(topic));
            let Some(found) = found.filter(|found| found.error_code != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) else {
                return Ok(Topic::Missing);
            };
            let mut leaders = vec![-1; found.partitions.len()];
            for partition in &found.partitions {
                if let Some(leader) = leaders.get_mut(partition.partition_index as usize) {
                    *leader = partition.leader_id;
                }
            }
            if leaders.is_empty() || !leaders.iter().all(|leader| nodes.contains_key(leader)) {
                return Ok(Topic::Leaderless);
            }
            Ok(Topic::Led(Cluster { versions, topic_id: found.topic_id, nodes, leaders }))
        },
    )
}

fn create(client: &mut Client, options: &Options) -> Result<(), Failure> {
    let version = client.versions().pick(ApiKey::CreateTopics, 7)?;
    let configs =
        options.topic_configs.iter().map(|(name, value)| CreatableTopicConfig { name, value: Some(value) }).collect();
    let request = CreateTopicsRequest {
        topics: vec![CreatableTopic {
            name: &options.topic,
            num_partitions: options.partitions as i32,
            replication_factor: options.replication_factor,
            configs,
            ..CreatableTopic::default()
        }],
        ..CreateTopicsRequest::default()
    };
    let refusal = client.call(
        ApiKey::CreateTopics,
        version,
        |out| request.encode(version, out),
        |reader| {
            let answer = CreateTopicsResponse::decode(version, reader)?;
            Ok(answer.topics.first().and_then(|topic| {
                let refused = topic.error_code.is_error() && topic.error_code != ErrorCode::TOPIC_ALREADY_EXISTS;
                let message = topic.error_message.as_deref().unwrap_or("");
                refused.then(|| format!("{} {message}", topic.error_code.name()).trim_end().to_owned())
            }))
        },
    )?;
    match refusal {
        Some(reason) => Err(Failure::Refused { message: "CreateTopics", reason }),
        None => Ok(()),
    }
}
