//! A group of the classic protocol: its members, and how far they have come in agreeing.
//!
//! ```text
//!              first member joins                    all have joined, or time is over
//!     Empty ----------------------> PreparingRebalance ---------------------------> CompletingRebalance
//!       ^                            |    ^    ^                                            |   |
//!       '----nobody is left----------'    |    '---a member joins, leaves, fails or changes-'   | leader hands in
//!                                         |                                                     v the assignment
//!                                         '---a member joins, leaves, fails or changes------- Stable
//! ```
//! - Empty: heartbeats and syncs are refused; offsets are taken from whoever is no member.
//! - PreparingRebalance: joins wait; heartbeats and syncs learn that they have to join.
//! - CompletingRebalance: syncs wait for the leader's; commits are told to wait.
//! - Stable: heartbeats, commits and syncs are answered at once.
//!
//! A group that is gone is called Dead, as in Kafka; there is nothing left of it here.
//!
//! Invariants: `joining_count` is the number of members with a waiting join; `votes` has for each protocol the number of members
//! that can do it; `static_ids` has each member with an instance once; there is a leader exactly if there is a member, and it is one;
//! only in PreparingRebalance a join waits, only in CompletingRebalance a sync; a member without a deadline waits.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::api::{GroupAnswer, GroupFault, Identity, Joined, JoinedMember, Protocol};
use super::api::{Now, Waiter};
use super::coordinator::Turn;
use super::member::Member;
use super::records::{ClassicValue, GroupRecord};

/// The kind of the protocols of consumers.
pub(super) const CONSUMER_PROTOCOL: &str = "consumer";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

/// What Kafka calls a group that does not exist.
pub(super) const DEAD: &str = "Dead";

impl State {
    /// Kafka's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// When joining ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JoinDeadline {
    pub(super) at_ms: u64,
    /// For a group that begins: the time that may be added as long as members keep coming.
    pub(super) extendable: Option<Extendable>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extendable {
    /// The wait that ends now.
    pub(super) delay_ms: u64,
    pub(super) left_ms: u64,
    /// Somebody has come since that wait began.
    pub(super) has_grown: bool,
}

#[derive(Debug)]
pub(super) struct Classic {
    pub(super) state: State,
    /// Since when it has its state, in wall time; none if it was loaded from a record that does not say.
    pub(super) since_ms: Option<i64>,
    /// None in a group that only stores offsets.
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) generation: i32,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Member ids by instance id.
    pub(super) static_ids: BTreeMap<String, String>,
    /// Ids that were given out and not joined with, each with its end.
    pub(super) pending: BTreeMap<String, u64>,
    pub(super) joining_count: usize,
    votes: BTreeMap<String, usize>,
    pub(super) join_deadline: Option<JoinDeadline>,
    pub(super) sync_deadline_ms: Option<u64>,
    /// No deadline of this group comes before this. Heartbeats move deadlines back without touching it, so that they cost nothing here.
    pub(super) wake_ms: Option<u64>,
    bytes: usize,
}

impl Default for Classic {
    fn default() -> Self {
        Self {
            state: State::Empty,
            since_ms: None,
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            static_ids: BTreeMap::new(),
            pending: BTreeMap::new(),
            joining_count: 0,
            votes: BTreeMap::new(),
            join_deadline: None,
            sync_deadline_ms: None,
            wake_ms: None,
            bytes: 0,
        }
    }
}

impl Classic {
    /// Nothing would be lost without it.
    pub(super) fn is_blank(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty() && self.generation == 0 && self.protocol_type.is_none()
    }

    pub(super) fn is_of_consumers(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL)
    }

    /// About how much memory its members take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.pending.len() * 128
    }

    pub(super) fn is_leader(&self, id: &str) -> bool {
        self.leader.as_deref() == Some(id)
    }

    /// The group began with this rebalance, so it may still be waited for further members.
    pub(super) fn is_beginning(&self) -> bool {
        self.join_deadline.is_some_and(|deadline| deadline.extendable.is_some())
    }

    pub(super) fn have_all_joined(&self) -> bool {
        self.joining_count == self.members.len() && self.pending.is_empty()
    }

    /// The time that the slowest member asks for.
    pub(super) fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max();
        longest.map_or(0, |ms| u64::try_from(ms).unwrap_or(0))
    }

    /// Whether somebody may speak for a member.
    pub(super) fn validate(&self, identity: &Identity) -> Result<(), GroupFault> {
        if let Some(instance) = &identity.instance {
            match self.static_ids.get(instance) {
                None => return Err(GroupFault::UnknownMember),
                Some(id) if *id != identity.member => return Err(GroupFault::FencedInstance),
                Some(_) => {}
            }
        }
        if self.members.contains_key(&identity.member) { Ok(()) } else { Err(GroupFault::UnknownMember) }
    }

    /// Whether a member with these protocols can be in the group: the others must have one of them in common.
    pub(super) fn supports(&self, protocol_type: &str, protocols: &[Protocol]) -> bool {
        if self.state == State::Empty {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        let is_common = |known: &Protocol| self.votes.get(&known.name).copied().unwrap_or(0) == self.members.len();
        self.protocol_type.as_deref() == Some(protocol_type) && protocols.iter().any(is_common)
    }

    /// The protocol of the next generation: each member votes for the first of its own that all can do.
    pub(super) fn elect_protocol(&self) -> String {
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            let is_common = |known: &&Protocol| self.votes.get(&known.name) == Some(&self.members.len());
            let vote = member.protocols.iter().find(is_common).expect("a member is let in with a common protocol");
            *votes.entry(&vote.name).or_default() += 1;
        }
        let most = votes.values().max().copied().expect("a group that elects has members");
        let elected = votes.into_iter().find(|&(_, count)| count == most).expect("somebody has most votes");
        elected.0.to_owned()
    }

    pub(super) fn add(&mut self, id: &str, member: Member) {
        if self.members.is_empty() {
            self.leader = Some(id.to_owned());
        }
        if let Some(instance) = &member.instance {
            let known = self.static_ids.insert(instance.clone(), id.to_owned());
            assert!(known.is_none(), "an instance is one member");
        }
        self.count_in(&member);
        let known = self.members.insert(id.to_owned(), member);
        assert!(known.is_none(), "a member is added once");
        self.pending.remove(id);
    }

    /// Takes a member out. Whoever waits for it is in what is returned.
    pub(super) fn take_out(&mut self, id: &str) -> Option<Member> {
        let member = self.members.remove(id)?;
        if let Some(instance) = &member.instance {
            self.static_ids.remove(instance);
        }
        self.count_out(&member);
        if self.is_leader(id) {
            self.leader = self.members.keys().next().cloned();
        }
        Some(member)
    }

    /// Changes a member; what is counted over members is counted anew.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Member)) {
        let (id, mut member) = self.members.remove_entry(id).expect("a member that is changed is there");
        self.count_out(&member);
        change(&mut member);
        self.count_in(&member);
        self.members.insert(id, member);
    }

    fn count_in(&mut self, member: &Member) {
        for known in &member.protocols {
            match self.votes.get_mut(&known.name) {
                Some(count) => *count += 1,
                None => drop(self.votes.insert(known.name.clone(), 1)),
            }
        }
        self.bytes += member.bytes();
        self.joining_count += usize::from(member.joining.is_some());
    }

    fn count_out(&mut self, member: &Member) {
        for known in &member.protocols {
            let count = self.votes.get_mut(&known.name).expect("a member's protocols are counted");
            *count -= 1;
            if *count == 0 {
                self.votes.remove(&known.name);
            }
        }
        self.bytes -= member.bytes();
        self.joining_count -= usize::from(member.joining.is_some());
    }

    /// Makes sure that the group is looked after at this time.
    pub(super) fn wake_at(&mut self, at_ms: u64) {
        self.wake_ms = Some(self.wake_ms.map_or(at_ms, |wake_ms| wake_ms.min(at_ms)));
    }

    /// A member has shown that it is there.
    pub(super) fn renew_session(&mut self, id: &str, now: Now) {
        let Some(member) = self.members.get(id) else { return };
        let session_ms = u64::try_from(member.session_timeout_ms).unwrap_or(0);
        self.end_session_at(id, now.mono_ms + session_ms);
    }

    pub(super) fn end_session_at(&mut self, id: &str, at_ms: u64) {
        if let Some(member) = self.members.get_mut(id) {
            member.session_ends_ms = Some(at_ms);
            self.wake_at(at_ms);
        }
    }

    /// What a member learns of the generation: the leader everything, the others that they are in it.
    pub(super) fn joined(&self, id: &str) -> Joined {
        let members = if self.is_leader(id) { self.members_for_leader() } else { Vec::new() };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader: self.leader.clone().unwrap_or_default(),
            member: id.to_owned(),
            skip_assignment: false,
            members,
        }
    }

    fn members_for_leader(&self) -> Vec<JoinedMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let listed = self.members.iter().map(|(id, member)| JoinedMember {
            id: id.clone(),
            instance: member.instance.clone(),
            metadata: member.metadata(protocol).cloned().unwrap_or_default(),
        });
        listed.collect()
    }

    /// The group as a record, with what each member is assigned.
    pub(super) fn to_record(&self, turn: &Turn<'_>, assigned: impl Fn(&str, &Member) -> Bytes) -> GroupRecord {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let members = self.members.iter().map(|(id, member)| member.to_value(id, protocol, assigned(id, member)));
        let value = ClassicValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            since_ms: Some(turn.now.wall_ms),
            members: members.collect(),
        };
        GroupRecord::Classic { group: turn.group.to_owned(), value: Some(value) }
    }

    /// Replays a record of a group that serves: the members are here already, the record says what they are assigned.
    pub(super) fn replay(&mut self, value: ClassicValue) {
        assert_eq!(value.generation, self.generation, "a group stores the generation it has");
        assert_eq!(value.members.len(), self.members.len(), "a group stores the members it has");
        self.since_ms = value.since_ms;
        self.state = if self.members.is_empty() { State::Empty } else { State::Stable };
        for stored in value.members {
            self.change(&stored.id, |member| member.assignment = stored.assignment);
        }
    }

    /// A group as a record from before the start has it.
    pub(super) fn loaded(value: &ClassicValue) -> Self {
        let mut classic = Self {
            state: if value.members.is_empty() { State::Empty } else { State::Stable },
            since_ms: value.since_ms,
            protocol_type: Some(value.protocol_type.clone()).filter(|kind| !kind.is_empty()),
            protocol: value.protocol.clone(),
            generation: value.generation,
            ..Self::default()
        };
        let protocol = value.protocol.as_deref().unwrap_or_default();
        for stored in &value.members {
            // A record that another program wrote may say anything; the first one counts.
            let is_known = classic.members.contains_key(&stored.id)
                || stored.instance.as_ref().is_some_and(|instance| classic.static_ids.contains_key(instance));
            if !is_known {
                classic.add(&stored.id, Member::loaded(stored, protocol));
            }
        }
        if let Some(leader) = value.leader.as_ref().filter(|leader| classic.members.contains_key(*leader)) {
            classic.leader = Some(leader.clone());
        }
        classic
    }

    /// A group that was of the consumer protocol: all its members have to join.
    pub(super) fn taken_over(value: &ClassicValue, now: Now) -> Self {
        let mut classic = Self::loaded(value);
        let ids: Vec<String> = classic.members.keys().cloned().collect();
        ids.iter().for_each(|id| classic.renew_session(id, now));
        if classic.state == State::Stable {
            classic.state = State::PreparingRebalance;
            let at_ms = now.mono_ms + classic.rebalance_timeout_ms();
            classic.join_deadline = Some(JoinDeadline { at_ms, extendable: None });
            classic.wake_at(at_ms);
        }
        classic
    }

    /// The group becomes one of the consumer protocol: whoever waits is to ask again.
    pub(super) fn dismiss(&mut self, turn: &mut Turn<'_>) {
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let mut waiting = Vec::new();
            self.change(&id, |member| waiting.extend([member.joining.take(), member.syncing.take()]));
            waiting.into_iter().flatten().for_each(|waiter| turn.refuse(waiter, GroupFault::RebalanceInProgress));
        }
    }

    /// Panics where the invariants do not hold.
    pub(super) fn check(&self) {
        let joining = self.members.values().filter(|member| member.joining.is_some()).count();
        assert_eq!(joining, self.joining_count, "joins that wait");
        assert!(joining == 0 || self.state == State::PreparingRebalance, "a join waits in {:?}", self.state);
        let syncing = self.members.values().any(|member| member.syncing.is_some());
        assert!(!syncing || self.state == State::CompletingRebalance, "a sync waits in {:?}", self.state);
        assert_eq!(self.leader.is_some(), !self.members.is_empty(), "a leader and members");
        assert!(self.leader.iter().all(|leader| self.members.contains_key(leader)), "the leader is a member");
        let instances = self.members.values().filter(|member| member.is_static()).count();
        assert_eq!(instances, self.static_ids.len(), "members with instances");
        assert!(self.state != State::Empty || self.members.is_empty(), "an empty group has no members");
    }
}

impl Turn<'_> {
    /// Answers a join that waited.
    pub(super) fn joined(&mut self, waiter: Waiter, joined: Joined) {
        self.answer(waiter, Ok(GroupAnswer::Joined(Box::new(joined))));
    }
}
