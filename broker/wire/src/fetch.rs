//! Fetch: reads record batches.

use std::borrow::Cow;

use crate::field::Field;
use crate::schema::{message, structs};
use crate::{ErrorCode, Gap, Records, Uuid, Writer};

message! { FetchRequest<'a>, Fetch, versions 4..=18 }
message! { @decode FetchResponse<'a>, Fetch, 4..=18 }

impl FetchResponse<'_> {
    /// Appends the body, without header and without the bytes of [`Records::OutOfLine`]. Returns the gaps where those
    /// belong, one for each, in order; their lengths are already accounted for in the body, but the frame's length has to
    /// count them (`extra_len` of [`frame::finish`](crate::frame::finish)).
    ///
    /// # Panics
    /// If the message does not have this version; check with [`supports`](crate::supports) first.
    #[must_use = "the gaps say where the records belong"]
    pub fn encode(&self, version: i16, out: &mut Vec<u8>) -> Vec<Gap> {
        let version = Self::version(version).expect("the caller has checked the version");
        let mut writer = Writer::new(out);
        self.write(&mut writer, version);
        writer.into_gaps()
    }
}

structs! {
    /// What to read, and how long to wait for it.
    pub struct FetchRequest<'a> {
        /// The cluster the client believes it talks to, or null.
        pub cluster_id: Option<&'a str> [12.., tag 0],
        /// Id of a following node, or -1 for a consumer, up to version 14.
        pub replica_id: i32 [..=14] = -1,
        /// The following node, from version 15.
        pub replica_state: ReplicaState [15.., tag 1],
        /// How long to wait for `min_bytes`, in milliseconds.
        pub max_wait_ms: i32,
        /// Answer as soon as there are this many bytes.
        pub min_bytes: i32,
        /// Most bytes to return; a single batch may exceed it (KIP-74).
        pub max_bytes: i32 = i32::MAX,
        /// 0: every record up to the high watermark; 1: committed transactions only.
        pub isolation_level: i8,
        /// The fetch session (KIP-227), 0 if there is none.
        pub session_id: i32 [7..],
        /// Orders the requests of a session; -1 asks for none.
        pub session_epoch: i32 [7..] = -1,
        /// What to read, by topic.
        pub topics: Vec<FetchTopic<'a>>,
        /// Partitions to drop from the session.
        pub forgotten_topics_data: Vec<ForgottenTopic<'a>> [7..],
        /// Rack of the consumer, or empty.
        pub rack_id: &'a str [11..],
    }

    /// What to read of one topic.
    pub struct FetchTopic<'a> {
        /// Name of the topic, up to version 12.
        pub topic: &'a str [..=12],
        /// Id of the topic, from version 13.
        pub topic_id: Uuid [13..],
        /// What to read, by partition.
        pub partitions: Vec<FetchPartition>,
    }

    /// What to read of one partition.
    pub struct FetchPartition {
        /// Index of the partition.
        pub partition: i32,
        /// The leader epoch the client knows, -1 if none; a fence (KIP-320).
        pub current_leader_epoch: i32 [9..] = -1,
        /// Offset to read from.
        pub fetch_offset: i64,
        /// Epoch of the last record a follower has, -1 if none.
        pub last_fetched_epoch: i32 [12..] = -1,
        /// First offset a follower has, -1 from a consumer.
        pub log_start_offset: i64 [5..] = -1,
        /// Most bytes to return for this partition.
        pub partition_max_bytes: i32,
        /// The directory in which a follower has its replica.
        pub replica_directory_id: Uuid [17.., tag 0],
        /// The high watermark that a follower knows (KIP-1166).
        pub high_watermark: i64 [18.., tag 1] = i64::MAX,
    }

    /// A following node.
    pub struct ReplicaState {
        /// Its id, or -1 for a consumer.
        pub replica_id: i32 = -1,
        /// Its epoch, or -1.
        pub replica_epoch: i64 = -1,
    }

    /// Partitions to drop from the session.
    pub struct ForgottenTopic<'a> {
        /// Name of the topic, up to version 12.
        pub topic: &'a str [..=12],
        /// Id of the topic, from version 13.
        pub topic_id: Uuid [13..],
        /// Indexes of the partitions.
        pub partitions: Vec<i32>,
    }

    /// What was read.
    pub struct FetchResponse<'a> {
        /// How long the request was throttled, in milliseconds.
        pub throttle_time_ms: i32,
        /// What went wrong with the request as a whole.
        pub error_code: ErrorCode [7..],
        /// The fetch session, 0 if there is none.
        pub session_id: i32 [7..],
        /// Results by topic.
        pub responses: Vec<FetchableTopicResponse<'a>>,
        /// Addresses of the leaders named in `current_leader`.
        pub node_endpoints: Vec<NodeEndpoint<'a>> [16.., tag 0],
    }

    /// What was read of one topic.
    pub struct FetchableTopicResponse<'a> {
        /// Name of the topic, up to version 12.
        pub topic: Cow<'a, str> [..=12],
        /// Id of the topic, from version 13.
        pub topic_id: Uuid [13..],
        /// Results by partition.
        pub partitions: Vec<PartitionData<'a>>,
    }

    /// What was read of one partition.
    pub struct PartitionData<'a> {
        /// Index of the partition.
        pub partition_index: i32,
        /// What went wrong.
        pub error_code: ErrorCode,
        /// Offset after the last committed record.
        pub high_watermark: i64,
        /// Offset before which every transaction is decided.
        pub last_stable_offset: i64 = -1,
        /// First offset the partition still has.
        pub log_start_offset: i64 [5..] = -1,
        /// Where a follower's log leaves the leader's.
        pub diverging_epoch: EpochEndOffset [12.., tag 0],
        /// Who leads, with `NOT_LEADER_OR_FOLLOWER` or `FENCED_LEADER_EPOCH`.
        pub current_leader: LeaderIdAndEpoch [12.., tag 1],
        /// The snapshot a follower has to fetch instead.
        pub snapshot_id: SnapshotId [12.., tag 2],
        /// Aborted transactions in the range read, if committed ones were asked for.
        pub aborted_transactions: Option<Vec<AbortedTransaction>> = Some(Vec::new()),
        /// Node to read from next, -1 for the leader.
        pub preferred_read_replica: i32 [11..] = -1,
        /// Record batches.
        pub records: Records<'a>,
    }

    /// The address of a node.
    pub struct NodeEndpoint<'a> {
        /// Id of the node.
        pub node_id: i32,
        /// Host name or address.
        pub host: Cow<'a, str>,
        /// Port.
        pub port: i32,
        /// Rack, or null.
        pub rack: Option<Cow<'a, str>>,
    }

    /// Where an epoch ends.
    pub struct EpochEndOffset {
        /// The epoch, -1 if there is none.
        pub epoch: i32 = -1,
        /// Offset after its last record.
        pub end_offset: i64 = -1,
    }

    /// Who leads a partition.
    pub struct LeaderIdAndEpoch {
        /// Id of the node, -1 if unknown.
        pub leader_id: i32 = -1,
        /// Epoch of the leader, -1 if unknown.
        pub leader_epoch: i32 = -1,
    }

    /// Names a snapshot.
    pub struct SnapshotId {
        /// Offset after the last record in it.
        pub end_offset: i64 = -1,
        /// Epoch of that record.
        pub epoch: i32 = -1,
    }

    /// A transaction whose records a consumer skips.
    pub struct AbortedTransaction {
        /// Id of the producer.
        pub producer_id: i64,
        /// First offset of the transaction.
        pub first_offset: i64,
    }
}
