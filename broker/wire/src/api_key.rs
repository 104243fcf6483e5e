//! The messages that are spoken, and in which versions.

/// A message, by Kafka's number for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i16)]
#[allow(missing_docs, reason = "Kafka's own names")]
pub enum ApiKey {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    DescribeGroups = 15,
    ListGroups = 16,
    ApiVersions = 18,
    CreateTopics = 19,
    DeleteTopics = 20,
    DeleteRecords = 21,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    DescribeAcls = 29,
    CreateAcls = 30,
    DeleteAcls = 31,
    DescribeConfigs = 32,
    DeleteGroups = 42,
    OffsetDelete = 47,
    DescribeProducers = 61,
    AlterConfigs = 33,
    DescribeLogDirs = 35,
    CreatePartitions = 37,
    ElectLeaders = 43,
    IncrementalAlterConfigs = 44,
    AlterPartitionReassignments = 45,
    ListPartitionReassignments = 46,
    DescribeClientQuotas = 48,
    AlterClientQuotas = 49,
    DescribeCluster = 60,
    ConsumerGroupHeartbeat = 68,
    ConsumerGroupDescribe = 69,
    ListConfigResources = 74,
    DescribeTopicPartitions = 75,
}

/// The versions of a message that a broker advertises, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// The message.
    pub key: ApiKey,
    /// Lowest version.
    pub min: i16,
    /// Highest version.
    pub max: i16,
}

/// What a broker advertises, in the order of the keys.
///
/// The lower ends are those of Kafka 4 (KIP-896). Produce 0-2 is a lie that Kafka tells too (KAFKA-18659): librdkafka
/// before 2.10 compresses only if it sees Produce 0. The request cannot be decoded in these versions, the response can be
/// encoded in them, and a broker answers `UNSUPPORTED_VERSION`.
pub const SUPPORTED: &[ApiRange] = &[
    range(ApiKey::Produce, 0, 13),
    range(ApiKey::Fetch, 4, 18),
    range(ApiKey::ListOffsets, 1, 10),
    range(ApiKey::Metadata, 0, 13),
    range(ApiKey::OffsetCommit, 2, 10),
    range(ApiKey::OffsetFetch, 1, 10),
    range(ApiKey::FindCoordinator, 0, 6),
    range(ApiKey::JoinGroup, 0, 9),
    range(ApiKey::Heartbeat, 0, 4),
    range(ApiKey::LeaveGroup, 0, 5),
    range(ApiKey::SyncGroup, 0, 5),
    range(ApiKey::DescribeGroups, 0, 6),
    range(ApiKey::ListGroups, 0, 5),
    range(ApiKey::ApiVersions, 0, 4),
    range(ApiKey::CreateTopics, 2, 7),
    range(ApiKey::DeleteTopics, 1, 6),
    range(ApiKey::DeleteRecords, 0, 2),
    range(ApiKey::InitProducerId, 0, 5),
    range(ApiKey::OffsetForLeaderEpoch, 2, 4),
    range(ApiKey::DescribeAcls, 1, 3),
    range(ApiKey::CreateAcls, 1, 3),
    range(ApiKey::DeleteAcls, 1, 3),
    range(ApiKey::DescribeConfigs, 1, 4),
    range(ApiKey::DeleteGroups, 0, 2),
    range(ApiKey::OffsetDelete, 0, 0),
    range(ApiKey::DescribeProducers, 0, 0),
    range(ApiKey::AlterConfigs, 0, 2),
    range(ApiKey::DescribeLogDirs, 1, 4),
    range(ApiKey::CreatePartitions, 0, 3),
    range(ApiKey::ElectLeaders, 0, 2),
    range(ApiKey::IncrementalAlterConfigs, 0, 1),
    range(ApiKey::AlterPartitionReassignments, 0, 1),
    range(ApiKey::ListPartitionReassignments, 0, 0),
    range(ApiKey::DescribeClientQuotas, 0, 1),
    range(ApiKey::AlterClientQuotas, 0, 1),
    range(ApiKey::DescribeCluster, 0, 2),
    range(ApiKey::ConsumerGroupHeartbeat, 0, 1),
    range(ApiKey::ConsumerGroupDescribe, 0, 1),
    range(ApiKey::ListConfigResources, 0, 1),
    range(ApiKey::DescribeTopicPartitions, 0, 0),
];

/// Whether a version of a message is in [`SUPPORTED`].
pub fn supports(key: ApiKey, version: i16) -> bool {
    let range = key.range();
    (range.min..=range.max).contains(&version)
}

impl ApiKey {
    /// The message with this number, if it is spoken here.
    pub fn from_i16(number: i16) -> Option<Self> {
        SUPPORTED.iter().map(|range| range.key).find(|&key| key.as_i16() == number)
    }

    /// Kafka's number for the message.
    pub const fn as_i16(self) -> i16 {
        self as i16
    }

    /// Kafka's name for the message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Produce => "Produce",
            Self::Fetch => "Fetch",
            Self::ListOffsets => "ListOffsets",
            Self::Metadata => "Metadata",
            Self::OffsetCommit => "OffsetCommit",
            Self::OffsetFetch => "OffsetFetch",
            Self::FindCoordinator => "FindCoordinator",
            Self::JoinGroup => "JoinGroup",
            Self::Heartbeat => "Heartbeat",
            Self::LeaveGroup => "LeaveGroup",
            Self::SyncGroup => "SyncGroup",
            Self::DescribeGroups => "DescribeGroups",
            Self::ListGroups => "ListGroups",
            Self::ApiVersions => "ApiVersions",
            Self::CreateTopics => "CreateTopics",
            Self::DeleteTopics => "DeleteTopics",
            Self::DeleteRecords => "DeleteRecords",
            Self::InitProducerId => "InitProducerId",
            Self::OffsetForLeaderEpoch => "OffsetForLeaderEpoch",
            Self::DescribeAcls => "DescribeAcls",
            Self::CreateAcls => "CreateAcls",
            Self::DeleteAcls => "DeleteAcls",
            Self::DescribeConfigs => "DescribeConfigs",
            Self::DeleteGroups => "DeleteGroups",
            Self::OffsetDelete => "OffsetDelete",
            Self::DescribeProducers => "DescribeProducers",
            Self::AlterConfigs => "AlterConfigs",
            Self::DescribeLogDirs => "DescribeLogDirs",
            Self::CreatePartitions => "CreatePartitions",
            Self::ElectLeaders => "ElectLeaders",
            Self::IncrementalAlterConfigs => "IncrementalAlterConfigs",
            Self::AlterPartitionReassignments => "AlterPartitionReassignments",
            Self::ListPartitionReassignments => "ListPartitionReassignments",
            Self::DescribeClientQuotas => "DescribeClientQuotas",
            Self::AlterClientQuotas => "AlterClientQuotas",
            Self::DescribeCluster => "DescribeCluster",
            Self::ConsumerGroupHeartbeat => "ConsumerGroupHeartbeat",
            Self::ConsumerGroupDescribe => "ConsumerGroupDescribe",
            Self::ListConfigResources => "ListConfigResources",
            Self::DescribeTopicPartitions => "DescribeTopicPartitions",
        }
    }

    /// The advertised versions.
    pub fn range(self) -> ApiRange {
        *SUPPORTED.iter().find(|range| range.key == self).expect("every key is in SUPPORTED")
    }

    /// The first version with compact strings and tagged fields (KIP-482).
    pub const fn flexible_from(self) -> i16 {
        match self {
            Self::DescribeCluster
            | Self::DescribeProducers
            | Self::AlterPartitionReassignments
            | Self::ListPartitionReassignments
            | Self::ConsumerGroupHeartbeat
            | Self::ConsumerGroupDescribe
            | Self::ListConfigResources
            | Self::DescribeTopicPartitions => 0,
            Self::IncrementalAlterConfigs | Self::DescribeClientQuotas | Self::AlterClientQuotas => 1,
            Self::DeleteRecords | Self::InitProducerId | Self::DeleteGroups => 2,
            Self::DescribeAcls | Self::CreateAcls | Self::DeleteAcls => 2,
            Self::AlterConfigs | Self::DescribeLogDirs | Self::CreatePartitions | Self::ElectLeaders => 2,
            Self::FindCoordinator | Self::ApiVersions | Self::ListGroups => 3,
            Self::DeleteTopics | Self::OffsetForLeaderEpoch | Self::DescribeConfigs => 4,
            Self::Heartbeat | Self::LeaveGroup | Self::SyncGroup => 4,
            Self::CreateTopics | Self::DescribeGroups => 5,
            Self::ListOffsets | Self::OffsetFetch | Self::JoinGroup => 6,
            Self::OffsetCommit => 8,
            Self::Produce | Self::Metadata => 9,
            Self::Fetch => 12,
            // It has one version, which is from before.
            Self::OffsetDelete => i16::MAX,
        }
    }

    /// The version of the header before a request: 2 has tagged fields, 1 has not.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if version >= self.flexible_from() { 2 } else { 1 }
    }

    /// The version of the header before a response: 1 has tagged fields, 0 has not.
    ///
    /// For ApiVersions it is always 0 (KIP-511): a client reads that response before it knows what the broker speaks.
    pub const fn response_header_version(self, version: i16) -> i16 {
        match self {
            Self::ApiVersions => 0,
            _ if version >= self.flexible_from() => 1,
            _ => 0,
        }
    }
}

const fn range(key: ApiKey, min: i16, max: i16) -> ApiRange {
    ApiRange { key, min, max }
}
