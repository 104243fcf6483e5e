//! What shards ask each other. Everything here moves between cores: buffers are shared or owned, never borrowed.
//!
//! Every request has its own reply; [`Reply`]'s accessors say so in one place.

use std::sync::Arc;
use std::time::Instant;

use batch::{CheckedBytes, LeaderEpoch, Offset};
use engine::memory::Span;
use engine::{GroupTimes, LogId, SequenceError};

use crate::controller::{MetadataChange, MetadataRecord, Outcome};
use crate::group::api::{GroupFault, GroupFilter, GroupReply, GroupRequest, ListedGroup};
use crate::ids::ShardId;

/// A question to the shard that owns what it names.
#[derive(Debug)]
pub enum Request {
    /// Append batches to partitions; answered when they are as safe as was asked.
    Append(Append),
    /// Read what is there now.
    Fetch(Fetch),
    /// Answer when one of these logs has more to read, or at the deadline.
    Watch(Watch),
    /// Answer the watch now, if it still waits.
    CancelWatch(WatchKey),
    /// Look offsets up.
    ListOffsets(Vec<OffsetQuery>),
    /// Let logs start further on; answered when they durably do.
    Cut(Vec<Cut>),
    /// About groups of partitions of the offsets topic.
    Group(Vec<GroupCall>),
    /// Which groups there are.
    ListGroups(GroupFilter),
    /// Tell which producers these logs know.
    Producers(Vec<LogId>),
    /// Say how large logs are.
    LogSizes(Vec<LogId>),
    /// Change the metadata. Only the controller's shard takes it.
    Change(MetadataChange),
    /// Metadata that is durable. Sent by the controller to every shard, in order.
    Apply(Arc<[MetadataRecord]>),
}

/// The answer to the [`Request`] variant of the same name.
#[derive(Debug)]
pub enum Reply {
    Append(AppendReply),
    Fetch(FetchReply),
    Watch(Woken),
    CancelWatch,
    /// For each query, in order.
    ListOffsets(Vec<Result<FoundOffset, ReadFault>>),
    /// Where each log starts, in order.
    Cut(Vec<Result<Offset, ReadFault>>),
    /// For each call, in order.
    Group(Vec<GroupReply>),
    ListGroups(Result<Vec<ListedGroup>, GroupFault>),
    /// For each log, in order.
    Producers(Vec<Result<Vec<KnownProducer>, ReadFault>>),
    LogSizes(LogSizes),
    Change(Outcome),
    Apply,
}

/// Batches of one client request, for partitions of one shard.
#[derive(Debug)]
pub struct Append {
    pub batches: Vec<AppendBatch>,
    pub acks: Acks,
}

/// One batch and where it goes.
#[derive(Debug)]
pub struct AppendBatch {
    pub log: LogId,
    pub batch: CheckedBytes,
}

/// When an append is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Once appended. The client does not want to know more.
    None,
    /// Once committed, or with [`AppendFault::TimedOut`] at the deadline. Partitions of relaxed topics are committed once
    /// appended.
    Committed { deadline: Instant },
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    pub base_offset: Offset,
    pub log_start: Offset,
    /// The time that its records got, in milliseconds since 1970, if not their producer's.
    pub append_time_ms: Option<i64>,
}

/// What has become of an [`Append`].
#[derive(Debug)]
pub struct AppendReply {
    /// For each batch, in order.
    pub results: Vec<Result<Placed, AppendFault>>,
    pub times: AppendTimes,
}

/// When an append passed its stages on the owner's shard.
#[derive(Debug, Clone, Copy)]
pub struct AppendTimes {
    pub arrived: Instant,
    /// When the storage had room, if it had none at first.
    pub had_room: Option<Instant>,
    pub appended: Instant,
    /// How the write group travelled that it waited for last, if for any.
    pub group: Option<GroupTimes>,
}

impl AppendTimes {
    /// The last moment that is known.
    pub fn ended(&self) -> Instant {
        self.group.map_or(self.appended, |group| group.durable)
    }
}

/// Why a batch is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendFault {
    /// The shard owns no such partition, or no longer.
    #[error("the partition does not exist here")]
    UnknownPartition,
    /// It may have been appended, but not in time.
    #[error("the records were not stored in time")]
    TimedOut,
    /// Larger than any batch this node stores.
    #[error("the batch is larger than the node stores")]
    TooLarge,
    /// Nothing more can be stored here until the node is restarted and its disk looked at.
    #[error("the storage failed")]
    StorageFailed,
    /// Nothing was appended; what is sent again later is stored when there is space.
    #[error("the disk is full; try again when there is space")]
    DiskFull,
    /// It does not follow what its producer has sent before.
    #[error(transparent)]
    Sequence(SequenceError),
}

/// What to read from partitions of one shard, in the order of the client's request.
#[derive(Debug)]
pub struct Fetch {
    pub partitions: Vec<FetchPartition>,
    /// Most bytes for all partitions together.
    pub bytes_max: usize,
}

/// What to read from one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    pub log: LogId,
    pub from: Offset,
    pub bytes_max: usize,
    /// The epoch the client knows, if it knows one.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What has come of a [`Fetch`].
#[derive(Debug)]
pub struct FetchReply {
    /// For each partition, in order.
    pub results: Vec<Result<Fetched, ReadFault>>,
    /// When the request was taken up on the owner's shard, and when all was read.
    pub arrived: Instant,
    pub read: Instant,
}

/// What was read from one partition.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub log_start: Offset,
    /// The offset after the last record that may be read.
    pub committed_end: Offset,
    /// Whole batches; the first one holds the offset asked for.
    pub spans: Vec<Span>,
}

impl Fetched {
    /// Bytes of records.
    pub fn byte_len(&self) -> usize {
        self.spans.iter().map(|span| span.len()).sum()
    }
}

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    #[error("the partition does not exist here")]
    UnknownPartition,
    #[error("the offset lies outside the log")]
    OutOfRange,
    #[error("the client knows an older leader epoch")]
    FencedEpoch,
    #[error("the client knows a leader epoch that does not exist yet")]
    UnknownEpoch,
    #[error("the bytes on disk fail their checksum")]
    Corrupt,
    #[error("the storage failed")]
    StorageFailed,
}

/// Names a watch: whoever sets it chooses the number and never uses it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchKey {
    pub asker: ShardId,
    pub number: u64,
}

/// Logs a fetch waits for.
#[derive(Debug)]
pub struct Watch {
    pub key: WatchKey,
    /// Each with the committed end the fetch has seen: a later one wakes it.
    pub logs: Vec<(LogId, Offset)>,
    pub deadline: Instant,
}

/// Why a watch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// There is more to read, or a partition is gone.
    Changed,
    /// The time is over, or the watch was cancelled.
    Expired,
}

/// An offset to look up in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetQuery {
    pub log: LogId,
    pub what: OffsetWanted,
    /// The epoch the client knows, if it knows one.
    pub leader_epoch: Option<LeaderEpoch>,
}

/// Which offset is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetWanted {
    /// The first of the log.
    Earliest,
    /// The one after the last committed record.
    Latest,
    /// The one after the last record, committed or not.
    LogEnd,
    /// That of the record with the largest timestamp.
    MaxTimestamp,
    /// That of the first record at this time or later, in milliseconds since 1970.
    AtTimestamp(i64),
}

/// An offset that was looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundOffset {
    /// None where no record fits.
    pub offset: Option<Offset>,
    /// Timestamp of the record found, in milliseconds, where a record was looked for.
    pub timestamp_ms: Option<i64>,
    pub leader_epoch: LeaderEpoch,
}

/// What a log is to lose from its front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    pub log: LogId,
    /// Where the log is to start: none for the end of what is committed.
    pub start: Option<Offset>,
}

/// A request about a group, and the partition of the offsets topic that the group belongs to.
#[derive(Debug)]
pub struct GroupCall {
    pub partition: u32,
    pub request: GroupRequest,
}

/// What a log knows of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownProducer {
    pub producer_id: i64,
    pub epoch: i16,
    /// Of the last record.
    pub last_sequence: Option<i32>,
    /// The largest of the last batch, in milliseconds.
    pub last_timestamp_ms: Option<i64>,
    pub transaction_start: Option<Offset>,
}

/// How large the logs of one shard are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSizes {
    /// For each log, in order: bytes of its batches, or none where there is no such log.
    pub bytes: Vec<Option<u64>>,
    /// The shard's storage takes nothing any more.
    pub has_failed: bool,
}

/// The mesh delivered the reply to another request: a defect, not something to handle.
const MISMATCHED: &str = "a reply answers the request of its own kind";

impl Reply {
    pub fn into_append(self) -> AppendReply {
        let Self::Append(reply) = self else { panic!("{MISMATCHED}") };
        reply
    }

    pub fn into_fetch(self) -> FetchReply {
        let Self::Fetch(reply) = self else { panic!("{MISMATCHED}") };
        reply
    }

    pub fn into_woken(self) -> Woken {
        let Self::Watch(woken) = self else { panic!("{MISMATCHED}") };
        woken
    }

    pub fn into_offsets(self) -> Vec<Result<FoundOffset, ReadFault>> {
        let Self::ListOffsets(results) = self else { panic!("{MISMATCHED}") };
        results
    }

    pub fn into_cut(self) -> Vec<Result<Offset, ReadFault>> {
        let Self::Cut(results) = self else { panic!("{MISMATCHED}") };
        results
    }

    pub fn into_groups(self) -> Vec<GroupReply> {
        let Self::Group(replies) = self else { panic!("{MISMATCHED}") };
        replies
    }

    pub fn into_listed(self) -> Result<Vec<ListedGroup>, GroupFault> {
        let Self::ListGroups(listed) = self else { panic!("{MISMATCHED}") };
        listed
    }

    pub fn into_producers(self) -> Vec<Result<Vec<KnownProducer>, ReadFault>> {
        let Self::Producers(results) = self else { panic!("{MISMATCHED}") };
        results
    }

    pub fn into_log_sizes(self) -> LogSizes {
        let Self::LogSizes(sizes) = self else { panic!("{MISMATCHED}") };
        sizes
    }

    pub fn into_outcome(self) -> Outcome {
        let Self::Change(outcome) = self else { panic!("{MISMATCHED}") };
        outcome
    }
}

// Messages cross cores.
const fn crosses_cores<T: Send>() {}
const _: () = crosses_cores::<Request>();
const _: () = crosses_cores::<Reply>();
