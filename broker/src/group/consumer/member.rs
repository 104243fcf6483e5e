//! A member of a group of the consumer protocol: who it is, and how far it has come towards what it is to own.
//!
//! ```text
//!              the target takes partitions away             it no longer owns them
//!     Stable ------------------------------------> Unrevoked ----------------------> Stable or Unreleased
//!       |  ^
//!       |  '---all are free--------.               others still own partitions that the target gives it
//!       '--------------------------- Unreleased
//! ```
//! - Stable: it has the epoch of the target and owns what the target says.
//! - Unrevoked: it has its old epoch, and has been told to give partitions up. Its rebalance timeout runs.
//! - Unreleased: it has the epoch of the target, owns part of it, and gets the rest as others give it up.
//!
//! Invariant: nothing is being revoked unless it is Unrevoked.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::assignment::Assignment;
use crate::group::api::Protocol;
use crate::group::config::GroupConfig;

/// A static member with this epoch has left and will come back (KIP-345).
pub(in crate::group) const AWAY_EPOCH: i32 = -2;

/// What a member says about itself. Lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    pub instance: Option<String>,
    pub rack: Option<String>,
    pub client_id: String,
    pub client_host: String,
    /// Names of the topics that it subscribes to.
    pub topics: BTreeSet<String>,
    /// Further ones, by a regular expression.
    pub pattern: Option<String>,
    pub rebalance_timeout_ms: i32,
    /// None for whichever.
    pub assignor: Option<String>,
    /// For a member that speaks the classic protocol.
    pub classic: Option<ClassicSide>,
}

/// What is known of a member that speaks the classic protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClassicSide {
    pub session_timeout_ms: i32,
    /// The best first.
    pub protocols: Vec<Protocol>,
}

/// How far a member is. Kafka's numbers are those of its records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Progress {
    #[default]
    Stable,
    Unrevoked,
    Unreleased,
}

/// What a member owns. Lasts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// The epoch that the member is expected to name.
    pub epoch: i32,
    /// The one before: it names that one if it has not got the answer with the new one.
    pub previous_epoch: i32,
    pub progress: Progress,
    pub assigned: Assignment,
    /// What it still owns and has been told to give up.
    pub revoking: Assignment,
}

/// A member.
#[derive(Debug, Default)]
pub(in crate::group) struct ConsumerMember {
    pub(in crate::group) profile: Profile,
    pub(in crate::group) holding: Holding,
    /// When it counts as gone. None until the group's records are loaded.
    pub(in crate::group) session_ends_ms: Option<u64>,
    /// When it has to have given up what it was told to.
    pub(in crate::group) rebalance_ends_ms: Option<u64>,
    /// A member of the classic protocol has to have joined by then, to learn of a new assignment.
    pub(in crate::group) join_ends_ms: Option<u64>,
    /// A member of the classic protocol has to have asked for its assignment by then.
    pub(in crate::group) sync_ends_ms: Option<u64>,
}

impl Profile {
    pub(super) fn is_classic(&self) -> bool {
        self.classic.is_some()
    }

    /// Time without a heartbeat after which it counts as gone.
    pub(super) fn session_ms(&self, config: &GroupConfig) -> u64 {
        match &self.classic {
            Some(classic) => u64::try_from(classic.session_timeout_ms).unwrap_or(0),
            None => config.consumer_session_ms,
        }
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        const PROFILE_BYTES: usize = 512;
        const TOPIC_BYTES: usize = 48;
        let topics: usize = self.topics.iter().map(|topic| TOPIC_BYTES + topic.len()).sum();
        let protocols = self.classic.iter().flat_map(|classic| &classic.protocols);
        let protocols: usize = protocols.map(|known| known.name.len() + known.metadata.len()).sum();
        PROFILE_BYTES + self.client_id.len() + self.pattern.as_ref().map_or(0, String::len) + topics + protocols
    }
}

impl ClassicSide {
    /// What it said with a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|known| known.name == protocol).map(|known| &known.metadata)
    }
}

impl Progress {
    pub(super) fn number(self) -> i8 {
        match self {
            Self::Stable => 0,
            Self::Unrevoked => 1,
            Self::Unreleased => 2,
        }
    }

    /// None for one that a later Kafka may have.
    pub(super) fn from_number(number: i8) -> Option<Self> {
        [Self::Stable, Self::Unrevoked, Self::Unreleased].into_iter().find(|progress| progress.number() == number)
    }
}

impl Holding {
    /// Whether it has come as far as it can go.
    pub(in crate::group) fn is_reconciled_to(&self, target_epoch: i32) -> bool {
        self.progress == Progress::Stable && self.epoch == target_epoch
    }

    pub(super) fn bytes(&self) -> usize {
        self.assigned.bytes() + self.revoking.bytes()
    }
}

impl ConsumerMember {
    pub(in crate::group) fn bytes(&self) -> usize {
        self.profile.bytes() + self.holding.bytes()
    }

    /// When something happens to it if nobody does anything.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = u64> {
        [self.session_ends_ms, self.rebalance_ends_ms, self.join_ends_ms, self.sync_ends_ms].into_iter().flatten()
    }
}
