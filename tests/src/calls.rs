//! The calls that most tests make, each in a version that every broker of today serves.

use crate::kafka::Client;
use crate::records;
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    ApiVersionsRequest, BrokerId, CreateTopicsRequest, DeleteRecordsRequest, DeleteTopicsRequest, FetchRequest,
    InitProducerIdRequest, ListOffsetsRequest, MetadataRequest, MetadataResponse, ProduceRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::Record;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The newest Produce version that every API table of ours offers.
pub const PRODUCE_VERSION: i16 = 9;
/// The newest Fetch version that names topics instead of giving their ids.
pub const FETCH_BY_NAME_VERSION: i16 = 12;
/// Bytes that a fetch of these tests asks for at most.
const FETCH_BYTES_MAX: i32 = 8 << 20;

/// A partition of a topic.
#[derive(Clone, Copy, Debug)]
pub struct Partition<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition's number.
    pub index: i32,
}

/// The partition `index` of `topic`.
pub fn partition(topic: &str, index: i32) -> Partition<'_> {
    Partition { topic, index }
}

/// A topic's name in the codec's type.
pub fn topic_name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

/// A produce request of one batch for one partition.
pub fn produce_request(to: Partition<'_>, acks: i16, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(to.index).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic_name(to.topic)).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

/// A fetch from one partition, by the topic's name, outside any session.
pub fn fetch_request(from: Partition<'_>, offset: i64, max_wait_ms: i32, min_bytes: i32) -> FetchRequest {
    let data = FetchPartition::default()
        .with_partition(from.index)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(offset)
        .with_last_fetched_epoch(-1)
        .with_log_start_offset(-1)
        .with_partition_max_bytes(FETCH_BYTES_MAX);
    let topic = FetchTopic::default().with_topic(topic_name(from.topic)).with_partitions(vec![data]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(max_wait_ms)
        .with_min_bytes(min_bytes)
        .with_max_bytes(FETCH_BYTES_MAX)
        .with_session_id(0)
        .with_session_epoch(-1)
        .with_topics(vec![topic])
}

/// A request to delete the records of one partition before an offset.
pub fn delete_records_request(of: Partition<'_>, offset: i64) -> DeleteRecordsRequest {
    let data = DeleteRecordsPartition::default().with_partition_index(of.index).with_offset(offset);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(of.topic)).with_partitions(vec![data]);
    DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(10_000)
}

/// A request to delete one topic.
pub fn delete_topics_request(topic: &str) -> DeleteTopicsRequest {
    let state = DeleteTopicState::default().with_name(Some(topic_name(topic)));
    DeleteTopicsRequest::default().with_topics(vec![state]).with_timeout_ms(30_000)
}

impl Client {
    /// What the broker offers: api key to lowest and highest version.
    pub fn api_versions(&mut self) -> BTreeMap<i16, (i16, i16)> {
        let answer = self.call(0, &ApiVersionsRequest::default());
        assert_eq!(answer.error_code, 0, "ApiVersions");
        answer.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect()
    }

    /// Creates a topic and gives its id; panics if the broker refuses.
    pub fn create_topic(&mut self, topic: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        match self.try_create_topic(topic, partitions, configs) {
            Ok(id) => id,
            Err((code, text)) => panic!("create topic {topic}: error {code} {text}"),
        }
    }

    /// Creates a topic and gives its id, or the error code and text; UNKNOWN_SERVER_ERROR where no answer came.
    pub fn try_create_topic(
        &mut self,
        topic: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<Uuid, (i16, String)> {
        let configs = configs.iter().map(|(name, value)| {
            let config = CreatableTopicConfig::default().with_name(StrBytes::from_string((*name).to_owned()));
            config.with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(topic))
            .with_num_partitions(partitions)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(30_000);
        let answer = self.try_call(7, &request).map_err(|error| (-1, error.to_string()))?;
        let result = &answer.topics[0];
        match result.error_code {
            0 => Ok(result.topic_id),
            code => Err((code, result.error_message.as_ref().map(ToString::to_string).unwrap_or_default())),
        }
    }

    /// Deletes a topic and gives the error code.
    pub fn delete_topic(&mut self, topic: &str) -> i16 {
        self.call(6, &delete_topics_request(topic)).responses[0].error_code
    }

    /// Metadata of these topics, without creating them.
    pub fn metadata(&mut self, topics: &[&str]) -> MetadataResponse {
        let topics = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(Some(topic_name(topic))));
        let request =
            MetadataRequest::default().with_topics(Some(topics.collect())).with_allow_auto_topic_creation(false);
        self.call(12, &request)
    }

    /// Produces one batch and gives the partition's answer.
    pub fn produce(&mut self, to: Partition<'_>, acks: i16, records: Bytes) -> PartitionProduceResponse {
        let mut answer = self.call(PRODUCE_VERSION, &produce_request(to, acks, records));
        answer.responses.remove(0).partition_responses.remove(0)
    }

    /// Produces one batch durably and gives its base offset; panics if the broker refuses.
    pub fn append(&mut self, to: Partition<'_>, records: Bytes) -> i64 {
        let answer = self.produce(to, -1, records);
        assert_eq!(answer.error_code, 0, "produce to {to:?}");
        answer.base_offset
    }

    /// Fetches from one partition with a long poll and gives the partition's answer.
    pub fn fetch(&mut self, from: Partition<'_>, offset: i64, max_wait_ms: i32, min_bytes: i32) -> PartitionData {
        let request = fetch_request(from, offset, max_wait_ms, min_bytes);
        let mut answer = self.call(FETCH_BY_NAME_VERSION, &request);
        assert_eq!(answer.error_code, 0, "fetch from {from:?}");
        answer.responses.remove(0).partitions.remove(0)
    }

    /// The offset that ListOffsets gives for a timestamp or one of the special values -1, -2 and -3.
    pub fn list_offset(&mut self, of: Partition<'_>, timestamp: i64) -> ListOffsetsPartitionResponse {
        let data = ListOffsetsPartition::default()
            .with_partition_index(of.index)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default().with_name(topic_name(of.topic)).with_partitions(vec![data]);
        let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![topic]);
        self.call(7, &request).topics.remove(0).partitions.remove(0)
    }

    /// The offset of the next record to be written.
    pub fn end_offset(&mut self, of: Partition<'_>) -> i64 {
        let answer = self.list_offset(of, -1);
        assert_eq!(answer.error_code, 0, "end of {of:?}");
        answer.offset
    }

    /// All batches of a partition as they are stored, from `offset` on to the end known now.
    pub fn read_batches(&mut self, from: Partition<'_>, offset: i64) -> Bytes {
        let end = self.end_offset(from);
        let mut next = offset;
        let mut batches = BytesMut::new();
        while next < end {
            let answer = self.fetch(from, next, 10_000, 1);
            assert_eq!(answer.error_code, 0, "fetch {next} of {from:?}");
            let fetched = records::whole(&answer.records.unwrap_or_default());
            let behind = records::next_offset(&fetched);
            next = behind.unwrap_or_else(|| panic!("{from:?}: no batch at {next}, although the end is {end}"));
            batches.extend_from_slice(&fetched);
        }
        batches.freeze()
    }

    /// All records of a partition from offset 0 on, checked to have every offset once.
    pub fn read_records(&mut self, from: Partition<'_>) -> Vec<Record> {
        let records = records::decode(&self.read_batches(from, 0));
        for (expected, record) in records.iter().enumerate() {
            assert_eq!(record.offset, expected as i64, "{from:?}: offsets have no hole and no repetition");
        }
        records
    }

    /// A producer id and its epoch.
    pub fn producer_id(&mut self) -> (i64, i16) {
        let request = InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(60_000);
        let answer = self.call(4, &request);
        assert_eq!(answer.error_code, 0, "InitProducerId");
        (*answer.producer_id, answer.producer_epoch)
    }
}
