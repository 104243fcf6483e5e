//! What the broker's own faults are called in Kafka's protocol.

use batch::BatchError;
use engine::SequenceError;
use wire::ErrorCode;

use crate::controller::Refusal;
use crate::controller::alter_configs::AlterFault;
use crate::controller::create_partitions::GrowFault;
use crate::controller::create_topics::CreateFault;
use crate::controller::group_keys;
use crate::group::api::GroupFault;
use crate::mesh::message::{AppendFault, ReadFault};

/// The code for a batch that was not acknowledged.
pub(super) fn of_append(fault: AppendFault) -> ErrorCode {
    match fault {
        AppendFault::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AppendFault::TimedOut => ErrorCode::REQUEST_TIMED_OUT,
        AppendFault::TooLarge => ErrorCode::MESSAGE_TOO_LARGE,
        AppendFault::StorageFailed => ErrorCode::KAFKA_STORAGE_ERROR,
        // What Kafka says when its disk is full, and what producers act best on: Java's retries it as an invalid-metadata error,
        // librdkafka's refreshes its metadata, retries, and knows that nothing was stored. NOT_ENOUGH_REPLICAS would be retried
        // as well but lies about the reason; POLICY_VIOLATION tells the truth and is final.
        AppendFault::DiskFull => ErrorCode::KAFKA_STORAGE_ERROR,
        AppendFault::Sequence(SequenceError::OutOfOrder { .. } | SequenceError::EpochBegun { .. }) => {
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
        }
        AppendFault::Sequence(SequenceError::OldEpoch { .. }) => ErrorCode::INVALID_PRODUCER_EPOCH,
    }
}

/// The code for a partition that was not read.
pub(super) fn of_read(fault: ReadFault) -> ErrorCode {
    match fault {
        ReadFault::UnknownPartition => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ReadFault::OutOfRange => ErrorCode::OFFSET_OUT_OF_RANGE,
        ReadFault::FencedEpoch => ErrorCode::FENCED_LEADER_EPOCH,
        ReadFault::UnknownEpoch => ErrorCode::UNKNOWN_LEADER_EPOCH,
        // What Kafka says of a batch that it cannot read. Java's consumer throws it at its caller, who can seek past the damage; on
        // KAFKA_STORAGE_ERROR it would ask again for ever, and nobody would know.
        ReadFault::Corrupt => ErrorCode::CORRUPT_MESSAGE,
        ReadFault::StorageFailed => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code for a batch that fails its check. Kafka tells a batch that was damaged on the way (the client sends it
/// again) from one that was made wrong (it does not): `ProduceRequest.validateRecords`, `LogValidator`.
pub(super) fn of_batch(error: &BatchError) -> ErrorCode {
    match error {
        BatchError::CrcMismatch { .. } | BatchError::LengthTooSmall(_) => ErrorCode::CORRUPT_MESSAGE,
        // Formats 0 and 1 are known and not taken from Produce 3 on; any other number is damage.
        BatchError::UnsupportedMagic(0 | 1) => ErrorCode::INVALID_RECORD,
        BatchError::UnsupportedMagic(_) => ErrorCode::CORRUPT_MESSAGE,
        BatchError::UnknownCompression(_) => ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
        BatchError::Truncated { .. }
        | BatchError::TrailingBytes { .. }
        | BatchError::RecordCountInvalid(_)
        | BatchError::CountMismatch { .. }
        | BatchError::RecordMalformed { .. }
        | BatchError::BytesAfterRecords { .. }
        | BatchError::Decompress { .. }
        | BatchError::OverDecompressLimit(_) => ErrorCode::INVALID_RECORD,
    }
}

/// The code for a topic that is not created (`ReplicationControlManager`).
pub(super) fn of_creation(fault: &CreateFault) -> ErrorCode {
    match fault {
        CreateFault::NamedTwice | CreateFault::AssignedAndCounted(_) => ErrorCode::INVALID_REQUEST,
        // Kafka hides its metadata topic behind an authorization that nobody has.
        CreateFault::Reserved => ErrorCode::TOPIC_AUTHORIZATION_FAILED,
        CreateFault::Name(_) | CreateFault::Collides { .. } => ErrorCode::INVALID_TOPIC_EXCEPTION,
        CreateFault::Exists(_) => ErrorCode::TOPIC_ALREADY_EXISTS,
        CreateFault::Config(_) => ErrorCode::INVALID_CONFIG,
        CreateFault::AssignedTwice(_) | CreateFault::AssignmentGap | CreateFault::Assignment(_) => {
            ErrorCode::INVALID_REPLICA_ASSIGNMENT
        }
        CreateFault::NoReplicas | CreateFault::TooManyReplicas(_) => ErrorCode::INVALID_REPLICATION_FACTOR,
        CreateFault::NoPartitions | CreateFault::TooManyPartitions(_) => ErrorCode::INVALID_PARTITIONS,
        CreateFault::NodeFull => ErrorCode::POLICY_VIOLATION,
    }
}

/// The code for a topic that gets no more partitions (`ReplicationControlManager.createPartitions`).
pub(super) fn of_growth(fault: &GrowFault) -> ErrorCode {
    match fault {
        GrowFault::NamedTwice | GrowFault::Internal(_) => ErrorCode::INVALID_REQUEST,
        GrowFault::UnknownTopic => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        GrowFault::AsLarge(_) | GrowFault::Smaller { .. } | GrowFault::TooLarge(_) => ErrorCode::INVALID_PARTITIONS,
        GrowFault::NodeFull => ErrorCode::POLICY_VIOLATION,
        GrowFault::AssignmentCount { .. } | GrowFault::Assignment(_) => ErrorCode::INVALID_REPLICA_ASSIGNMENT,
    }
}

/// The code for configs that are not changed (`ConfigAdminManager`, `ConfigurationControlManager`). That a setting of a node which
/// cannot be changed is an invalid request and not an invalid config is Kafka's own slip (KAFKA-13609), which tools know.
pub(super) fn of_alteration(fault: &AlterFault) -> ErrorCode {
    match fault {
        AlterFault::NamedTwice
        | AlterFault::KeyTwice
        | AlterFault::NullValue(_)
        | AlterFault::UnknownOperation(_)
        | AlterFault::NotANode(_)
        | AlterFault::OtherNode { .. }
        | AlterFault::Static(_) => ErrorCode::INVALID_REQUEST,
        AlterFault::UnknownTopic(_) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        AlterFault::Group(group_keys::GroupFault::Nameless) => ErrorCode::INVALID_REQUEST,
        AlterFault::Group(group_keys::GroupFault::TooMany(_)) => ErrorCode::POLICY_VIOLATION,
        AlterFault::UnknownNodeKey(_) | AlterFault::NoList { .. } | AlterFault::Config(_) | AlterFault::Group(_) => {
            ErrorCode::INVALID_CONFIG
        }
    }
}

/// The code for a change on which the controller did not decide.
pub(super) fn of_refusal(refusal: Refusal) -> ErrorCode {
    match refusal {
        // Retriable in every client and version.
        Refusal::Busy => ErrorCode::REQUEST_TIMED_OUT,
        Refusal::StorageFailed => ErrorCode::KAFKA_STORAGE_ERROR,
    }
}

/// The code for what a group's coordinator refuses.
pub(super) fn of_group(fault: &GroupFault) -> ErrorCode {
    match fault {
        GroupFault::UnknownMember => ErrorCode::UNKNOWN_MEMBER_ID,
        GroupFault::IllegalGeneration => ErrorCode::ILLEGAL_GENERATION,
        GroupFault::RebalanceInProgress => ErrorCode::REBALANCE_IN_PROGRESS,
        GroupFault::FencedInstance => ErrorCode::FENCED_INSTANCE_ID,
        GroupFault::InconsistentProtocol => ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
        GroupFault::MaxSizeReached => ErrorCode::GROUP_MAX_SIZE_REACHED,
        GroupFault::MemberIdRequired(_) => ErrorCode::MEMBER_ID_REQUIRED,
        GroupFault::InvalidSessionTimeout => ErrorCode::INVALID_SESSION_TIMEOUT,
        // To a request about one protocol a group of the other is not there, as in Kafka.
        GroupFault::NotFound | GroupFault::OtherProtocol => ErrorCode::GROUP_ID_NOT_FOUND,
        GroupFault::Invalid(_) => ErrorCode::INVALID_REQUEST,
        GroupFault::UnsupportedAssignor(_) => ErrorCode::UNSUPPORTED_ASSIGNOR,
        GroupFault::InvalidPattern(_) => ErrorCode::INVALID_REGULAR_EXPRESSION,
        GroupFault::FencedEpoch => ErrorCode::FENCED_MEMBER_EPOCH,
        GroupFault::StaleEpoch => ErrorCode::STALE_MEMBER_EPOCH,
        GroupFault::UnreleasedInstance => ErrorCode::UNRELEASED_INSTANCE_ID,
        GroupFault::OldVersion => ErrorCode::UNSUPPORTED_VERSION,
        GroupFault::NonEmpty => ErrorCode::NON_EMPTY_GROUP,
        GroupFault::Subscribed => ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC,
        GroupFault::MetadataTooLarge => ErrorCode::OFFSET_METADATA_TOO_LARGE,
        // What Kafka says where a group's record does not fit into a batch.
        GroupFault::TooLarge => ErrorCode::UNKNOWN_SERVER_ERROR,
        GroupFault::Loading => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        GroupFault::NotCoordinator => ErrorCode::NOT_COORDINATOR,
        // Clients look for the coordinator again and try again, which is all they can do.
        GroupFault::Full | GroupFault::Unavailable => ErrorCode::COORDINATOR_NOT_AVAILABLE,
    }
}
