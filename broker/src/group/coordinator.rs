//! All groups of one partition of the offsets topic: who is asked what, what becomes of records, and when time matters.
//!
//! Invariants: a group that has something to do by itself is in `wakes`, once, at `Group::registered_ms`; `bytes` is the sum over all
//! groups; before [`Coordinator::on_loaded`] nothing but replay changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::api::{GroupFault, GroupReply, GroupRequest, Now, Waiter};
use super::classic::{Classic, State};
use super::config::{GroupConfig, GroupConfigs};
use super::consumer::Consumer;
use super::consumer::records::ConsumerChange;
use super::limits::GROUPS_PER_TURN_MAX;
use super::offsets::{Offsets, tombstone};
use super::records::{ClassicValue, GroupRecord};
use crate::controller::image::Image;

/// What an operation wants done: the records stored, and then the answers given.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub records: Vec<GroupRecord>,
    pub answers: Vec<(Waiter, GroupReply)>,
}

/// What an operation works with.
pub(super) struct Turn<'a> {
    pub(super) config: &'a GroupConfig,
    pub(super) group: &'a str,
    pub(super) now: Now,
    /// Groups and offsets may grow.
    pub(super) has_room: bool,
    pub(super) topics: &'a Image,
    /// Rises with each change of `topics`.
    pub(super) topics_version: u64,
    pub(super) outcome: &'a mut Outcome,
}

impl Turn<'_> {
    pub(super) fn answer(&mut self, waiter: Waiter, reply: GroupReply) {
        self.outcome.answers.push((waiter, reply));
    }

    pub(super) fn refuse(&mut self, waiter: Waiter, fault: GroupFault) {
        self.answer(waiter, Err(fault));
    }
}

/// A group: who is in it, and how far it has come.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) membership: Membership,
    pub(super) offsets: Offsets,
    /// Where it stands in `wakes`.
    registered_ms: Option<u64>,
}

/// Who is in a group, by the protocol that the group is of. The offsets are the same for both.
#[derive(Debug)]
pub(super) enum Membership {
    Classic(Box<Classic>),
    Consumer(Box<Consumer>),
}

impl Default for Membership {
    fn default() -> Self {
        Self::Classic(Box::default())
    }
}

impl Group {
    fn bytes(&self) -> usize {
        const GROUP_BYTES: usize = 512;
        let members = match &self.membership {
            Membership::Classic(classic) => classic.bytes(),
            Membership::Consumer(consumer) => consumer.bytes(),
        };
        GROUP_BYTES + members + self.offsets.bytes()
    }

    fn wake_ms(&self) -> Option<u64> {
        match &self.membership {
            Membership::Classic(classic) => classic.wake_ms,
            Membership::Consumer(consumer) => consumer.wake_ms,
        }
    }

    /// Nothing would be lost without it.
    fn is_blank(&self) -> bool {
        self.offsets.is_empty() && matches!(&self.membership, Membership::Classic(classic) if classic.is_blank())
    }

    /// Nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        match &self.membership {
            Membership::Classic(classic) => classic.state == State::Empty,
            Membership::Consumer(consumer) => consumer.members.is_empty(),
        }
    }
}

/// Coordinates the groups of one partition.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: GroupConfig,
    /// What holds for groups with settings of their own.
    configs: Rc<GroupConfigs>,
    pub(super) groups: BTreeMap<Rc<str>, Group>,
    wakes: BTreeSet<(u64, Rc<str>)>,
    /// When old offsets are looked for, and the group at which that goes on.
    pub(super) expiry_ms: u64,
    pub(super) expiry_from: Option<Rc<str>>,
    is_loaded: bool,
    has_room: bool,
    /// Rises when topics were created or deleted, or have more partitions.
    topics_version: u64,
    /// What it was told last: deadlines that begin with a record begin then.
    now: Now,
    bytes: usize,
}

impl Coordinator {
    /// A coordinator that knows nothing yet: its records are to be replayed, then [`Coordinator::on_loaded`].
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            configs: Rc::default(),
            groups: BTreeMap::new(),
            wakes: BTreeSet::new(),
            expiry_ms: 0,
            expiry_from: None,
            is_loaded: false,
            has_room: true,
            topics_version: 0,
            now: Now { mono_ms: 0, wall_ms: 0 },
            bytes: 0,
        }
    }

    /// About how much memory groups and offsets take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What groups have committed: group, topic, partition, offset. All of one group and topic stand together.
    pub fn committed(&self) -> impl Iterator<Item = (&str, &str, i32, i64)> {
        self.groups.iter().flat_map(|(name, group)| {
            let offsets = group.offsets.iter();
            offsets.map(move |(topic, partition, committed)| (&**name, topic, partition, committed.offset))
        })
    }

    /// Whether groups and offsets may grow from here on.
    pub fn set_room(&mut self, has_room: bool) {
        self.has_room = has_room;
    }

    /// These groups have settings of their own. Sessions follow when their members are heard of.
    pub fn set_configs(&mut self, configs: Rc<GroupConfigs>) {
        self.configs = configs;
    }

    fn config_of(&self, id: &str) -> GroupConfig {
        *self.configs.get(id).unwrap_or(&self.config)
    }

    /// There are other topics than before, or larger ones. Groups look when their members are heard of.
    pub fn on_topics_changed(&mut self) {
        self.topics_version += 1;
    }

    /// When [`Coordinator::on_time`] is to be called.
    pub fn deadline_ms(&self) -> u64 {
        self.wakes.first().map_or(self.expiry_ms, |(at_ms, _)| (*at_ms).min(self.expiry_ms))
    }

    /// Carries out a request. An answer that is not in the outcome comes in a later one.
    pub fn handle(&mut self, waiter: Waiter, request: GroupRequest, now: Now, topics: &Image) -> Outcome {
        assert!(self.is_loaded, "requests are taken when the groups are loaded");
        self.now = now;
        let mut outcome = Outcome::default();
        let group: Rc<str> = request.group().into();
        let config = self.config_of(&group);
        let mut turn = Turn {
            config: &config,
            group: &group,
            now,
            has_room: self.has_room,
            topics,
            topics_version: self.topics_version,
            outcome: &mut outcome,
        };
        match request {
            GroupRequest::Join(join) => self.join(&mut turn, waiter, *join),
            GroupRequest::Sync(sync) => self.sync(&mut turn, waiter, sync),
            GroupRequest::Heartbeat(heartbeat) => self.heartbeat(&mut turn, waiter, &heartbeat),
            GroupRequest::Leave(leave) => self.leave(&mut turn, waiter, &leave),
            GroupRequest::ConsumerBeat(beat) => self.consumer_beat(&mut turn, waiter, &beat),
            GroupRequest::Commit(commit) => self.commit(&mut turn, waiter, commit),
            GroupRequest::Fetch(fetch) => turn.answer(waiter, self.fetch(fetch)),
            GroupRequest::DeleteOffsets(delete) => self.delete_offsets(&mut turn, waiter, delete),
            GroupRequest::Describe { .. } => turn.answer(waiter, self.describe(&group)),
            GroupRequest::DescribeConsumer { .. } => turn.answer(waiter, self.describe_consumer(&group, topics)),
            GroupRequest::Delete { .. } => self.delete(&mut turn, waiter),
        }
        self.settle(&group);
        outcome
    }

    /// Applies one record: the only way that what lasts changes. Records are replayed in the order in which they are stored.
    pub fn replay(&mut self, record: GroupRecord) {
        let id: Rc<str> = record.group().into();
        match record {
            GroupRecord::Offset { topic, partition, value, .. } => {
                if value.is_some() || self.groups.contains_key(&id) {
                    self.with_group(&id, |group| group.offsets.replay(&topic, partition, value));
                }
            }
            GroupRecord::Classic { value: None, .. } => self.replay_deletion(&id, Membership::is_classic),
            GroupRecord::Classic { value: Some(value), .. } => self.replay_classic(&id, value),
            GroupRecord::Consumer { change: ConsumerChange::Epoch(None), .. } => {
                self.replay_deletion(&id, Membership::is_consumer);
            }
            GroupRecord::Consumer { change, .. } => self.replay_consumer(&id, change),
        }
        if self.is_loaded {
            self.settle(&id);
        }
    }

    /// All records from before are replayed: members have their sessions from here on, and groups may be asked. A topic may have been
    /// deleted while nobody was here to forget its offsets.
    pub fn on_loaded(&mut self, now: Now, topics: &Image) -> Outcome {
        self.is_loaded = true;
        self.now = now;
        self.expiry_ms = now.mono_ms + self.config.retention_check_ms;
        let mut outcome = Outcome::default();
        let ids: Vec<Rc<str>> = self.groups.keys().cloned().collect();
        for id in ids {
            self.in_turn(&id, topics, &mut outcome, Membership::on_loaded);
            let Some(group) = self.groups.get(&id) else { continue };
            let orphaned = group.offsets.iter().filter(|(topic, _, _)| topics.topic(topic).is_none());
            outcome.records.extend(orphaned.map(|(topic, partition, _)| tombstone(&id, topic, partition)));
        }
        outcome
    }

    /// Time has passed. Some of what is due is done; the rest is due still.
    pub fn on_time(&mut self, now: Now, topics: &Image) -> Outcome {
        self.now = now;
        let mut outcome = Outcome::default();
        for _ in 0..GROUPS_PER_TURN_MAX {
            let Some((at_ms, _)) = self.wakes.first() else { break };
            if *at_ms > now.mono_ms {
                break;
            }
            let (_, id) = self.wakes.pop_first().expect("it was just looked at");
            self.groups.get_mut(&id).expect("a group that wakes is there").registered_ms = None;
            self.in_turn(&id, topics, &mut outcome, Membership::on_time);
        }
        if self.expiry_ms <= now.mono_ms {
            self.expire(now, &mut outcome);
        }
        outcome
    }

    /// Lets a group do something, and settles what that changed.
    fn in_turn(
        &mut self,
        id: &Rc<str>,
        topics: &Image,
        outcome: &mut Outcome,
        act: impl FnOnce(&mut Membership, &mut Turn<'_>),
    ) {
        let config = self.config_of(id);
        let mut turn = Turn {
            config: &config,
            group: id,
            now: self.now,
            has_room: self.has_room,
            topics,
            topics_version: self.topics_version,
            outcome,
        };
        self.with_group(id, |group| act(&mut group.membership, &mut turn));
        self.settle(id);
    }

    /// Changes a group, which is made if there is none, and keeps count of the memory.
    pub(super) fn with_group<T>(&mut self, id: &str, change: impl FnOnce(&mut Group) -> T) -> T {
        if !self.groups.contains_key(id) {
            self.bytes += Group::default().bytes();
            self.groups.insert(id.into(), Group::default());
        }
        let group = self.groups.get_mut(id).expect("it was just made sure of");
        self.bytes -= group.bytes();
        let result = change(group);
        self.bytes += group.bytes();
        result
    }

    /// Brings `wakes` in line with a group that may have changed, and drops a group of which nothing would be lost.
    fn settle(&mut self, id: &str) {
        let Some((id, group)) = self.groups.get_key_value(id) else { return };
        let id = Rc::clone(id);
        if group.is_blank() {
            return self.remove(&id);
        }
        let (registered_ms, wake_ms) = (group.registered_ms, group.wake_ms());
        if registered_ms != wake_ms {
            if let Some(registered_ms) = registered_ms {
                self.wakes.remove(&(registered_ms, Rc::clone(&id)));
            }
            self.wakes.extend(wake_ms.map(|wake_ms| (wake_ms, Rc::clone(&id))));
            self.groups.get_mut(&id).expect("it is there").registered_ms = wake_ms;
        }
    }

    /// The group is no more, or one of the other protocol: offsets have records of their own.
    fn replay_deletion(&mut self, id: &Rc<str>, is_meant: impl FnOnce(&Membership) -> bool) {
        let Some(group) = self.groups.get(id).filter(|group| is_meant(&group.membership)) else { return };
        if group.offsets.is_empty() {
            self.remove(id);
        } else {
            self.with_group(id, |group| group.membership = Membership::default());
        }
    }

    fn replay_classic(&mut self, id: &str, value: ClassicValue) {
        let now = self.is_loaded.then_some(self.now);
        self.with_group(id, |group| match (&mut group.membership, now) {
            (Membership::Classic(classic), Some(_)) if classic.generation == value.generation => classic.replay(value),
            // It was of the consumer protocol a moment ago: its members are told to join.
            (membership, Some(now)) => *membership = Membership::Classic(Box::new(Classic::taken_over(&value, now))),
            (membership, None) => *membership = Membership::Classic(Box::new(Classic::loaded(&value))),
        });
    }

    fn replay_consumer(&mut self, id: &str, change: ConsumerChange) {
        let is_one = self.groups.get(id).is_some_and(|group| group.membership.is_consumer());
        if change.is_deletion() && !is_one {
            return;
        }
        let (config, now_ms) = (self.config_of(id), self.is_loaded.then_some(self.now.mono_ms));
        self.with_group(id, |group| {
            if !is_one {
                group.membership = Membership::Consumer(Box::default());
            }
            if let Membership::Consumer(consumer) = &mut group.membership {
                consumer.replay(change, now_ms, &config);
            }
        });
    }

    fn remove(&mut self, id: &Rc<str>) {
        let group = self.groups.remove(id).expect("a group that is removed is there");
        self.bytes -= group.bytes();
        if let Some(registered_ms) = group.registered_ms {
            self.wakes.remove(&(registered_ms, Rc::clone(id)));
        }
    }

    /// Panics where the invariants do not hold. For tests: it looks at everything.
    pub fn check(&self) {
        assert_eq!(self.bytes, self.groups.values().map(Group::bytes).sum::<usize>(), "bytes");
        let registered = self.groups.iter().filter_map(|(id, group)| Some((group.registered_ms?, Rc::clone(id))));
        assert_eq!(self.wakes, registered.collect(), "groups that wake");
        for group in self.groups.values() {
            match &group.membership {
                Membership::Classic(classic) => classic.check(),
                Membership::Consumer(consumer) => consumer.check(),
            }
            assert_eq!(group.registered_ms.is_none(), group.wake_ms().is_none(), "a group that waits wakes");
        }
    }
}

impl Membership {
    pub(super) fn is_classic(&self) -> bool {
        matches!(self, Self::Classic(_))
    }

    pub(super) fn is_consumer(&self) -> bool {
        matches!(self, Self::Consumer(_))
    }

    fn on_loaded(&mut self, turn: &mut Turn<'_>) {
        match self {
            Self::Classic(classic) => classic.on_loaded(turn),
            Self::Consumer(consumer) => consumer.on_loaded(turn.now.mono_ms, turn.config),
        }
    }

    fn on_time(&mut self, turn: &mut Turn<'_>) {
        match self {
            Self::Classic(classic) => classic.on_time(turn),
            Self::Consumer(consumer) => consumer.on_time(turn),
        }
    }
}
