//! A member of a classic group.

use bytes::Bytes;

use super::api::{Identity, Join, Protocol, Waiter};
use super::records::MemberValue;

/// A member as the coordinator knows it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) instance: Option<String>,
    pub(super) client_id: String,
    pub(super) client_host: String,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// The best first.
    pub(super) protocols: Vec<Protocol>,
    /// Empty as long as the generation has none.
    pub(super) assignment: Bytes,
    /// Its JoinGroup, as long as that waits.
    pub(super) joining: Option<Waiter>,
    /// Its SyncGroup, as long as that waits.
    pub(super) syncing: Option<Waiter>,
    /// When it counts as gone. None once that time has passed while it waited.
    pub(super) session_ends_ms: Option<u64>,
    /// It never got an answer to its first JoinGroup, so it is not known to be there.
    pub(super) is_new: bool,
    /// It knows of the generation and has not asked for its assignment.
    pub(super) owes_sync: bool,
}

impl Member {
    pub(super) fn new(join: &Join) -> Self {
        Self {
            instance: join.identity.instance.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            session_timeout_ms: join.session_timeout_ms,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            joining: None,
            syncing: None,
            session_ends_ms: None,
            is_new: true,
            owes_sync: false,
        }
    }

    /// A member that was there before the start. Of its protocols only the chosen one is known.
    pub(super) fn loaded(value: &MemberValue, protocol: &str) -> Self {
        Self {
            instance: value.instance.clone(),
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            session_timeout_ms: value.session_timeout_ms,
            protocols: vec![Protocol { name: protocol.to_owned(), metadata: value.subscription.clone() }],
            assignment: value.assignment.clone(),
            joining: None,
            syncing: None,
            session_ends_ms: None,
            is_new: false,
            owes_sync: false,
        }
    }

    pub(super) fn to_value(&self, id: &str, protocol: &str, assignment: Bytes) -> MemberValue {
        MemberValue {
            id: id.to_owned(),
            instance: self.instance.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            session_timeout_ms: self.session_timeout_ms,
            subscription: self.metadata(protocol).cloned().unwrap_or_default(),
            assignment,
        }
    }

    pub(super) fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    /// What it said with a protocol.
    pub(super) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|known| known.name == protocol).map(|known| &known.metadata)
    }

    /// Whether its silence is no reason to take it for gone: it waits, and the coordinator has not answered.
    pub(super) fn is_excused(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        const MEMBER_BYTES: usize = 512;
        let protocols: usize = self.protocols.iter().map(|known| known.name.len() + known.metadata.len()).sum();
        MEMBER_BYTES + self.client_id.len() + protocols + self.assignment.len()
    }
}

impl Identity {
    /// The identity of a member with this id.
    pub fn member(id: &str) -> Self {
        Self { member: id.to_owned(), instance: None }
    }
}
