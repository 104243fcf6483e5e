//! A member shows that it is there, and says what it wants and owns; the coordinator brings it one step towards its target.

use std::collections::BTreeMap;

use regex::Regex;

use super::assignor::Assignor;
use super::member::{AWAY_EPOCH, Holding, Profile};
use super::reconcile::{self, Target};
use super::records::{ConsumerChange, GroupEpoch};
use super::target::Replacement;
use super::topics::{self, Subscriptions};
use super::{Assignment, Consumer};
use crate::group::api::{ConsumerBeat, ConsumerBeaten, GroupFault};
use crate::group::coordinator::Turn;
use crate::group::limits::MEMBER_METADATA_BYTES_MAX;
use crate::group::records::GroupRecord;

/// The epoch of a member that joins.
const JOINING: i32 = 0;
/// The epoch of a member that leaves.
const LEAVING: i32 = -1;

/// A member as it stands before this heartbeat changes anything.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) id: String,
    pub(super) profile: Profile,
    pub(super) holding: Holding,
    /// The group has nothing stored of it.
    pub(super) is_new: bool,
    /// The static member that it is from here on.
    pub(super) replaces: Option<String>,
}

/// What a member says this time.
pub(super) struct Saying<'a> {
    pub(super) profile: Profile,
    /// A regular expression that the group does not have yet.
    pub(super) pattern: Option<Regex>,
    pub(super) owned: Option<&'a Assignment>,
}

impl Saying<'_> {
    fn subscribes_anew(&self, entrant: &Entrant) -> bool {
        self.profile.topics != entrant.profile.topics || self.profile.pattern != entrant.profile.pattern
    }
}

impl ConsumerBeat {
    pub(in crate::group) fn is_joining(&self) -> bool {
        self.epoch == JOINING
    }

    pub(in crate::group) fn is_leaving(&self) -> bool {
        self.epoch < JOINING
    }

    /// Everything is in it, as after an error, so the answer has everything too.
    fn is_whole(&self) -> bool {
        let is_subscribing = self.topics.is_some() || self.pattern.is_some();
        self.is_joining() || self.rebalance_timeout_ms >= 0 && is_subscribing && self.owned.is_some()
    }

    /// What can be judged without the group, by Kafka's rules and in its words.
    pub(in crate::group) fn validate(&self, assignors: &[Assignor]) -> Result<(), GroupFault> {
        let invalid = |message: &str| Err(GroupFault::Invalid(message.to_owned()));
        let is_blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        if self.group.trim().is_empty() {
            return invalid("GroupId can't be empty.");
        }
        if self.member.trim().is_empty() && (self.makes_own_id || !self.is_joining()) {
            return invalid("MemberId can't be empty.");
        }
        if is_blank(&self.instance) {
            return invalid("InstanceId can't be empty.");
        }
        if is_blank(&self.rack) {
            return invalid("RackId can't be empty.");
        }
        if self.epoch < AWAY_EPOCH {
            return invalid("MemberEpoch is invalid.");
        }
        if self.epoch == AWAY_EPOCH && self.instance.is_none() {
            return invalid("InstanceId can't be null.");
        }
        if self.is_joining() {
            if self.rebalance_timeout_ms < 0 {
                return invalid("RebalanceTimeoutMs must be provided in first request.");
            }
            if !self.owned.as_ref().is_some_and(Assignment::is_empty) {
                return invalid("TopicPartitions must be empty when (re-)joining.");
            }
            if self.topics.is_none() && self.pattern.is_none() {
                return invalid(
                    "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
                );
            }
        }
        let topics: usize = self.topics.iter().flatten().map(String::len).sum();
        if topics > MEMBER_METADATA_BYTES_MAX {
            return Err(GroupFault::TooLarge);
        }
        match &self.assignor {
            Some(name) if !Assignor::find(name).is_some_and(|assignor| assignors.contains(&assignor)) => {
                let names: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
                let names = names.join(", ");
                let message = format!("ServerAssignor {name} is not supported. Supported assignors: {names}.");
                Err(GroupFault::UnsupportedAssignor(message))
            }
            _ => Ok(()),
        }
    }

    /// The profile after this heartbeat: what is not said stays, unless the member joins, which says everything. (Kafka lets a static member
    /// that comes back with topics by name keep the regular expression that it had.)
    fn over(&self, before: &Profile) -> Profile {
        let nothing = Profile::default();
        let before = if self.is_joining() { &nothing } else { before };
        Profile {
            instance: self.instance.clone().or_else(|| before.instance.clone()),
            rack: self.rack.clone().or_else(|| before.rack.clone()),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            topics: match &self.topics {
                Some(topics) => topics.iter().cloned().collect(),
                None => before.topics.clone(),
            },
            pattern: match &self.pattern {
                Some(pattern) => Some(pattern.clone()).filter(|pattern| !pattern.is_empty()),
                None => before.pattern.clone(),
            },
            rebalance_timeout_ms: match self.rebalance_timeout_ms {
                given @ 0.. => given,
                _ => before.rebalance_timeout_ms,
            },
            assignor: self.assignor.clone().or_else(|| before.assignor.clone()),
            classic: None,
        }
    }
}

impl Consumer {
    /// Decides on a heartbeat that neither leaves nor is invalid. The records it takes are added to the outcome.
    pub(in crate::group) fn on_beat(
        &self,
        turn: &mut Turn<'_>,
        beat: &ConsumerBeat,
    ) -> Result<ConsumerBeaten, GroupFault> {
        let entrant = self.admit(turn, beat)?;
        let profile = beat.over(&entrant.profile);
        let pattern = match &profile.pattern {
            Some(pattern) if !self.patterns.contains_key(pattern) => {
                let compiled =
                    topics::compile(pattern).map_err(|error| GroupFault::InvalidPattern(error.to_string()))?;
                Some(compiled)
            }
            _ => None,
        };
        let saying = Saying { profile, pattern, owned: beat.owned.as_ref() };
        let before = entrant.holding.assigned.clone();
        let id = entrant.id.clone();
        let holding = self.advance(turn, entrant, saying);
        let is_told = beat.is_whole() || holding.assigned != before;
        Ok(ConsumerBeaten {
            member: id,
            epoch: holding.epoch,
            interval_ms: turn.config.consumer_interval_ms,
            assignment: is_told.then_some(holding.assigned),
        })
    }

    /// Finds the member that speaks, and judges whether it may.
    fn admit(&self, turn: &Turn<'_>, beat: &ConsumerBeat) -> Result<Entrant, GroupFault> {
        let id = if beat.member.is_empty() { beat.fresh.clone() } else { beat.member.clone() };
        let known = self.members.get(&id);
        let namesake = beat.instance.as_ref().and_then(|instance| self.static_ids.get(instance));
        if !beat.is_joining() {
            if beat.instance.is_some() {
                match namesake {
                    None => return Err(GroupFault::UnknownMember),
                    Some(other) if *other != id => return Err(GroupFault::FencedInstance),
                    Some(_) => {}
                }
            }
            let member = known.ok_or(GroupFault::UnknownMember)?;
            judge_epoch(&member.holding, beat.epoch, beat.owned.as_ref())?;
            return Ok(Entrant::known(id, member.profile.clone(), member.holding.clone()));
        }
        if let Some(old_id) = namesake.filter(|old_id| **old_id != id) {
            let old = &self.members[old_id];
            // A member that moves from the classic protocol cannot say that it goes.
            if old.holding.epoch != AWAY_EPOCH && !old.profile.is_classic() {
                return Err(GroupFault::UnreleasedInstance);
            }
            return Ok(Entrant::in_place_of(old_id, id, old.profile.clone(), &old.holding));
        }
        match known {
            // It begins anew and owns nothing; Kafka would fence it until its session is over.
            Some(member) => Ok(Entrant::known(id, member.profile.clone(), Holding::default())),
            None => {
                self.judge_room(turn)?;
                Ok(Entrant::new(id))
            }
        }
    }

    /// Whether the group may have one member more.
    pub(super) fn judge_room(&self, turn: &Turn<'_>) -> Result<(), GroupFault> {
        if self.members.len() >= turn.config.consumer_size_max as usize {
            return Err(GroupFault::MaxSizeReached);
        }
        if turn.has_room { Ok(()) } else { Err(GroupFault::Full) }
    }

    /// Brings a member up to what it says, the group's epoch up to its members and topics, the targets up to the group, and the member one
    /// step towards its target. Returns what the member owns then. Most heartbeats change nothing and cost the same in every group: only what
    /// concerns all members looks at all of them.
    pub(super) fn advance(&self, turn: &mut Turn<'_>, entrant: Entrant, saying: Saying<'_>) -> Holding {
        let former = entrant.replaces.as_deref();
        if let Some(old) = former {
            self.delete_member(turn, old);
        }
        let is_stored_anew = entrant.is_new || former.is_some();
        let id = entrant.id.as_str();
        if is_stored_anew || saying.profile != entrant.profile {
            let value = Some(Box::new(saying.profile.clone()));
            turn.change(ConsumerChange::Member { id: id.to_owned(), value });
        }
        let is_settled = !is_stored_anew && !saying.subscribes_anew(&entrant) && self.epoch.epoch == self.target_epoch;
        let (target_epoch, target) = if is_settled && !self.has_to_look(turn) {
            (self.target_epoch, self.target_of(id).clone())
        } else {
            self.retarget(turn, &entrant, &saying)
        };
        let is_free = |topic, partition| {
            self.is_free_for(id, topic, partition) || former.is_some_and(|old| self.is_free_for(old, topic, partition))
        };
        let target = Target { epoch: target_epoch, assignment: &target };
        let stepped = reconcile::step(&entrant.holding, target, saying.owned, is_free);
        if is_stored_anew || self.members.get(id).is_none_or(|member| member.holding != stepped) {
            turn.change(ConsumerChange::Holding { id: id.to_owned(), value: Some(stepped.clone()) });
        }
        stepped
    }

    /// Looks at the topics and at all members, and makes new targets if anything has changed. Returns the target of the member that speaks.
    fn retarget(&self, turn: &mut Turn<'_>, entrant: &Entrant, saying: &Saying<'_>) -> (i32, Assignment) {
        let (id, former) = (entrant.id.as_str(), entrant.replaces.as_deref());
        let new_pattern = saying.profile.pattern.as_deref().zip(saying.pattern.as_ref());
        let look = self.look(turn, new_pattern);
        look.records().for_each(|change| turn.change(change));
        let subscriptions = Subscriptions::of(self).resolved(&look.resolved);
        let subscriptions = match former {
            Some(old) => subscriptions.without(old),
            None => subscriptions,
        };
        let subscriptions = subscriptions.with(id, &saying.profile);
        self.drop_patterns(turn, &subscriptions);
        let has_changed = entrant.is_new || saying.subscribes_anew(entrant);
        let epoch = match has_changed || look.is_complete {
            true => self.next_epoch(turn, &subscriptions, has_changed),
            false => self.epoch.epoch,
        };
        if epoch > self.target_epoch {
            let replacement = former.map(|old| Replacement { old, new: id });
            let targets = self.assign(turn.config.assignors, turn.topics, &subscriptions, replacement);
            return (epoch, self.store_targets(turn, epoch, targets, id));
        }
        let target = self.target_of(former.unwrap_or(id)).clone();
        if former.is_some() {
            turn.change(ConsumerChange::Target { id: id.to_owned(), value: Some(target.clone()) });
        }
        (self.target_epoch, target)
    }

    /// The group's epoch after members or topics may have changed.
    fn next_epoch(&self, turn: &mut Turn<'_>, subscriptions: &Subscriptions<'_>, has_changed: bool) -> i32 {
        let topics_hash = subscriptions.hash(turn.topics);
        if !has_changed && topics_hash == self.epoch.topics_hash {
            return self.epoch.epoch;
        }
        let epoch = self.epoch.epoch + 1;
        turn.change(ConsumerChange::Epoch(Some(GroupEpoch { epoch, topics_hash })));
        epoch
    }

    /// Records what has changed of the targets, and gives that of one member.
    fn store_targets(
        &self,
        turn: &mut Turn<'_>,
        epoch: i32,
        targets: BTreeMap<String, Assignment>,
        own: &str,
    ) -> Assignment {
        let mut of_own = Assignment::default();
        for (id, target) in targets {
            if id == own {
                of_own = target.clone();
            }
            if self.targets.get(&id) != Some(&target) {
                turn.change(ConsumerChange::Target { id, value: Some(target) });
            }
        }
        turn.change(ConsumerChange::TargetEpoch(Some(epoch)));
        of_own
    }

    /// A member has said all that there is to say, and been brought up to the topics. What it changed is in records; what does not last is
    /// changed here.
    pub(in crate::group) fn on_advanced(&mut self, turn: &Turn<'_>, id: &str) {
        self.on_heard(turn, id);
        // What was found changed is looked at once more when its records are stored.
        if self.has_to_look(turn) && turn.outcome.records.is_empty() {
            self.looked_version = Some(turn.topics_version);
            self.looked_ms = Some(turn.now.mono_ms);
        }
    }

    /// A member that is known has been heard of.
    pub(super) fn on_heard(&mut self, turn: &Turn<'_>, id: &str) {
        if let Some(member) = self.members.get_mut(id) {
            let ends_ms = turn.now.mono_ms + member.profile.session_ms(turn.config);
            member.session_ends_ms = Some(ends_ms);
            self.wake_at(ends_ms);
        }
    }
}

impl Entrant {
    pub(super) fn new(id: String) -> Self {
        Self { id, profile: Profile::default(), holding: Holding::default(), is_new: true, replaces: None }
    }

    pub(super) fn known(id: String, profile: Profile, holding: Holding) -> Self {
        Self { id, profile, holding, is_new: false, replaces: None }
    }

    /// A static member that has come back with another id owns what it owned.
    pub(super) fn in_place_of(old: &str, id: String, profile: Profile, holding: &Holding) -> Self {
        let holding = Holding { assigned: holding.assigned.clone(), ..Holding::default() };
        Self { id, profile, holding, is_new: false, replaces: Some(old.to_owned()) }
    }
}

impl Turn<'_> {
    pub(super) fn change(&mut self, change: ConsumerChange) {
        self.outcome.records.push(GroupRecord::Consumer { group: self.group.to_owned(), change });
    }
}

/// A member has to name its epoch, or the one before if it cannot have got the answer with its epoch and owns nothing that it should not.
fn judge_epoch(holding: &Holding, named: i32, owned: Option<&Assignment>) -> Result<(), GroupFault> {
    let has_missed_answer =
        named == holding.previous_epoch && owned.is_some_and(|owned| owned.is_subset_of(&holding.assigned));
    if named == holding.epoch || named < holding.epoch && has_missed_answer {
        return Ok(());
    }
    Err(GroupFault::FencedEpoch)
}

/// Whether somebody wants to leave for good.
pub(super) fn is_for_good(epoch: i32) -> bool {
    epoch == LEAVING
}
