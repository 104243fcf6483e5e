//! What is asked of a group's coordinator and what it answers. Everything here moves between cores, so it owns what it holds.

use bytes::Bytes;

use super::consumer::{Assignment, Profile};
use super::offsets::Committed;
use crate::controller::TopicId;

/// Somebody who waits for an answer. Numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waiter(pub u64);

/// The time, as a coordinator is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// For deadlines: never steps back.
    pub mono_ms: u64,
    /// For what is stored: milliseconds since 1970.
    pub wall_ms: i64,
}

/// A request about one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRequest {
    Join(Box<Join>),
    Sync(Sync),
    Heartbeat(Heartbeat),
    Leave(Leave),
    ConsumerBeat(Box<ConsumerBeat>),
    Commit(Commit),
    Fetch(FetchOffsets),
    DeleteOffsets(DeleteOffsets),
    Describe { group: String },
    DescribeConsumer { group: String },
    Delete { group: String },
}

impl GroupRequest {
    /// The group that is meant.
    pub fn group(&self) -> &str {
        match self {
            Self::Join(join) => &join.group,
            Self::Sync(sync) => &sync.group,
            Self::Heartbeat(heartbeat) => &heartbeat.group,
            Self::Leave(leave) => &leave.group,
            Self::ConsumerBeat(beat) => &beat.group,
            Self::Commit(commit) => &commit.group,
            Self::Fetch(fetch) => &fetch.group,
            Self::DeleteOffsets(delete) => &delete.group,
            Self::Describe { group } | Self::DescribeConsumer { group } | Self::Delete { group } => group,
        }
    }
}

/// The answer to a request about a group.
pub type GroupReply = Result<GroupAnswer, GroupFault>;

/// The answer to the [`GroupRequest`] variant of the same kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupAnswer {
    Joined(Box<Joined>),
    Synced(Synced),
    Beat,
    /// For each member, in order.
    Left(Vec<Result<(), GroupFault>>),
    ConsumerBeaten(Box<ConsumerBeaten>),
    /// For each offset, in order.
    Committed(Vec<Result<(), GroupFault>>),
    Fetched(FetchedOffsets),
    /// For each partition, in order.
    OffsetsDeleted(Vec<Result<(), GroupFault>>),
    Described(DescribedGroup),
    DescribedConsumer(Box<DescribedConsumer>),
    Deleted,
}

/// Why a request about a group is refused. Errors in the order of Kafka's numbers would say less than their reasons.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupFault {
    #[error("the group has no such member")]
    UnknownMember,
    #[error("the member belongs to another generation of the group")]
    IllegalGeneration,
    #[error("the group is being made anew; the member has to join again")]
    RebalanceInProgress,
    #[error("another member has taken over this group instance id")]
    FencedInstance,
    #[error("the member has no protocol that all other members have")]
    InconsistentProtocol,
    #[error("the group has as many members as it may")]
    MaxSizeReached,
    #[error("the member has to join with the id it is given here")]
    MemberIdRequired(String),
    #[error("the session timeout is outside of what the broker allows")]
    InvalidSessionTimeout,
    #[error("there is no such group")]
    NotFound,
    #[error("the group is of another protocol")]
    OtherProtocol,
    #[error("{0}")]
    Invalid(String),
    #[error("{0}")]
    UnsupportedAssignor(String),
    #[error("the regular expression is not understood: {0}")]
    InvalidPattern(String),
    #[error("the member has another epoch; it has to give its partitions up and join again")]
    FencedEpoch,
    #[error("the member has another epoch")]
    StaleEpoch,
    #[error("another member has this group instance id and has not left")]
    UnreleasedInstance,
    #[error("members of this protocol need a newer version of the request")]
    OldVersion,
    #[error("the group has members")]
    NonEmpty,
    #[error("members of the group subscribe to the topic")]
    Subscribed,
    #[error("the metadata of the offset is too long")]
    MetadataTooLarge,
    #[error("the request is larger than a group may be")]
    TooLarge,
    #[error("groups and offsets take all the memory they may")]
    Full,
    #[error("the groups of this partition are being loaded")]
    Loading,
    #[error("this node does not coordinate the group")]
    NotCoordinator,
    #[error("the coordinator of the group cannot work now")]
    Unavailable,
}

/// A member, by the id it was given or by the one it chose for itself (KIP-345).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Empty where the member has none.
    pub member: String,
    pub instance: Option<String>,
}

/// A member wants to belong to the group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Join {
    pub group: String,
    pub identity: Identity,
    pub client_id: String,
    pub client_host: String,
    pub protocol_type: String,
    /// The best first.
    pub protocols: Vec<Protocol>,
    pub session_timeout_ms: i32,
    pub rebalance_timeout_ms: i32,
    /// The client knows how to join again with an id it is given (KIP-394).
    pub knows_member_id_required: bool,
    /// The client knows that a leader may be told not to assign (KIP-814).
    pub knows_skip_assignment: bool,
    /// Ends the id of a member that has none. Random; whoever asks draws it, because a decision has no dice.
    pub fresh: String,
}

/// A protocol that a member can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    pub name: String,
    pub metadata: Bytes,
}

/// The group is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub leader: String,
    pub member: String,
    pub skip_assignment: bool,
    /// For the leader everybody, for the others nobody.
    pub members: Vec<JoinedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinedMember {
    pub id: String,
    pub instance: Option<String>,
    pub metadata: Bytes,
}

/// A member waits for its assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sync {
    pub group: String,
    pub identity: Identity,
    pub generation: i32,
    /// What the member believes, if it says so (KIP-559).
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    /// From the leader, by member id.
    pub assignments: Vec<(String, Bytes)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    pub protocol_type: Option<String>,
    pub protocol: Option<String>,
    pub assignment: Bytes,
}

/// A member is alive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heartbeat {
    pub group: String,
    pub identity: Identity,
    pub generation: i32,
}

/// A member of the consumer protocol says what it wants and owns (KIP-848). None is "as I said before".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerBeat {
    pub group: String,
    pub member: String,
    /// 0 to join, -1 to leave, -2 from a static member that will come back.
    pub epoch: i32,
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Negative for as before.
    pub rebalance_timeout_ms: i32,
    pub topics: Option<Vec<String>>,
    /// A regular expression; an empty one is none.
    pub pattern: Option<String>,
    pub assignor: Option<String>,
    pub owned: Option<Assignment>,
    /// The client chooses its member id (KIP-1082).
    pub makes_own_id: bool,
    /// The id of a member that has none. Random; whoever asks draws it.
    pub fresh: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerBeaten {
    pub member: String,
    pub epoch: i32,
    /// When the next heartbeat is expected.
    pub interval_ms: i32,
    /// What the member is to own; none for as before.
    pub assignment: Option<Assignment>,
}

/// Members go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leave {
    pub group: String,
    pub members: Vec<Identity>,
}

/// Offsets to store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    pub group: String,
    pub identity: Identity,
    /// Negative from whoever is no member.
    pub generation: i32,
    /// How long to keep them, if the client says so.
    pub retention_ms: Option<i64>,
    /// The client knows that a group may not exist (from version 9 on).
    pub knows_not_found: bool,
    pub offsets: Vec<NewOffset>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOffset {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// -1 where it is not known.
    pub leader_epoch: i32,
    pub metadata: String,
}

/// Offsets to look up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchOffsets {
    pub group: String,
    /// Who asks, if it says so (KIP-848).
    pub member: Option<String>,
    /// Negative from whoever is no member.
    pub epoch: i32,
    /// None for all that the group has.
    pub wanted: Option<Vec<(String, Vec<i32>)>>,
}

/// By topic and partition, in the order asked for; none where nothing is stored.
pub type FetchedOffsets = Vec<(String, Vec<(i32, Option<Committed>)>)>;

/// Offsets to forget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOffsets {
    pub group: String,
    pub partitions: Vec<(String, i32)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedGroup {
    pub state: &'static str,
    pub protocol_type: String,
    /// Empty unless the group is stable.
    pub protocol: String,
    pub members: Vec<DescribedMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedMember {
    pub id: String,
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub metadata: Bytes,
    pub assignment: Bytes,
}

/// A group of the consumer protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumer {
    pub state: &'static str,
    pub epoch: i32,
    pub target_epoch: i32,
    pub assignor: &'static str,
    pub members: Vec<DescribedConsumerMember>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribedConsumerMember {
    pub id: String,
    pub epoch: i32,
    pub profile: Profile,
    pub assigned: NamedAssignment,
    pub target: NamedAssignment,
}

/// Topics with their names, and partitions.
pub type NamedAssignment = Vec<(TopicId, String, Vec<i32>)>;

/// Which groups to list. Empty lists let all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// In lower case.
    pub states: Vec<String>,
    /// In lower case.
    pub types: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedGroup {
    pub group: String,
    pub protocol_type: String,
    pub state: &'static str,
    pub kind: &'static str,
}
