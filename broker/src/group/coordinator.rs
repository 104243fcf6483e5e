//! All groups of one partition of the offsets topic: who is asked what, what becomes of records, and when time matters.
//!
//! Invariants: a group that has something to do by itself is in `wakes`, once, at `Group::registered_ms`; `bytes` is the sum over all
//! groups; before [`Coordinator::on_loaded`] nothing but replay changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::api::{GroupFault, GroupReply, GroupRequest, Now, Waiter};
use super::classic::Classic;
use super::config::GroupConfig;
use super::limits::GROUPS_PER_TURN_MAX;
use super::offsets::{Offsets, tombstone};
use super::records::GroupRecord;

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

/// A group: who is in it, and how far it has come. Another kind of membership would stand beside `classic`; the offsets are the same.
#[derive(Debug, Default)]
pub(super) struct Group {
    pub(super) classic: Classic,
    pub(super) offsets: Offsets,
    /// Where it stands in `wakes`.
    registered_ms: Option<u64>,
}

impl Group {
    fn bytes(&self) -> usize {
        const GROUP_BYTES: usize = 512;
        GROUP_BYTES + self.classic.bytes() + self.offsets.bytes()
    }
}

/// Coordinates the groups of one partition.
#[derive(Debug)]
pub struct Coordinator {
    pub(super) config: GroupConfig,
    pub(super) groups: BTreeMap<Rc<str>, Group>,
    wakes: BTreeSet<(u64, Rc<str>)>,
    /// When old offsets are looked for, and the group at which that goes on.
    pub(super) expiry_ms: u64,
    pub(super) expiry_from: Option<Rc<str>>,
    is_loaded: bool,
    has_room: bool,
    bytes: usize,
}

impl Coordinator {
    /// A coordinator that knows nothing yet: its records are to be replayed, then [`Coordinator::on_loaded`].
    pub fn new(config: GroupConfig) -> Self {
        Self {
            config,
            groups: BTreeMap::new(),
            wakes: BTreeSet::new(),
            expiry_ms: 0,
            expiry_from: None,
            is_loaded: false,
            has_room: true,
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

    /// When [`Coordinator::on_time`] is to be called.
    pub fn deadline_ms(&self) -> u64 {
        self.wakes.first().map_or(self.expiry_ms, |(at_ms, _)| (*at_ms).min(self.expiry_ms))
    }

    /// Carries out a request. An answer that is not in the outcome comes in a later one.
    pub fn handle(&mut self, waiter: Waiter, request: GroupRequest, now: Now) -> Outcome {
        assert!(self.is_loaded, "requests are taken when the groups are loaded");
        let mut outcome = Outcome::default();
        let group: Rc<str> = request.group().into();
        let config = self.config;
        let mut turn = Turn { config: &config, group: &group, now, has_room: self.has_room, outcome: &mut outcome };
        match request {
            GroupRequest::Join(join) => self.join(&mut turn, waiter, *join),
            GroupRequest::Sync(sync) => self.sync(&mut turn, waiter, sync),
            GroupRequest::Heartbeat(heartbeat) => self.heartbeat(&mut turn, waiter, &heartbeat),
            GroupRequest::Leave(leave) => self.leave(&mut turn, waiter, &leave),
            GroupRequest::Commit(commit) => self.commit(&mut turn, waiter, commit),
            GroupRequest::Fetch(fetch) => turn.answer(waiter, self.fetch(fetch)),
            GroupRequest::DeleteOffsets(delete) => self.delete_offsets(&mut turn, waiter, delete),
            GroupRequest::Describe { .. } => turn.answer(waiter, self.describe(&group)),
            GroupRequest::Delete { .. } => self.delete(&mut turn, waiter),
        }
        self.settle(&group);
        outcome
    }

    /// Applies one record: the only way that what lasts changes. Records are replayed in the order in which they are stored.
    pub fn replay(&mut self, record: GroupRecord) {
        let id: Rc<str> = match &record {
            GroupRecord::Offset { group, .. } | GroupRecord::Classic { group, .. } => group.as_str().into(),
        };
        match record {
            GroupRecord::Offset { topic, partition, value, .. } => {
                if value.is_some() || self.groups.contains_key(&id) {
                    self.with_group(&id, |group| group.offsets.replay(&topic, partition, value));
                }
            }
            GroupRecord::Classic { value: None, .. } => self.replay_deletion(&id),
            GroupRecord::Classic { value: Some(value), .. } => {
                let is_loaded = self.is_loaded;
                self.with_group(&id, |group| match is_loaded {
                    true => group.classic.replay(value),
                    false => group.classic = Classic::loaded(&value),
                });
            }
        }
        if self.is_loaded {
            self.settle(&id);
        }
    }

    /// All records from before are replayed: members have their sessions from here on, and groups may be asked. `exists` tells of the
    /// topics there are: one may have been deleted while nobody was here to forget its offsets.
    pub fn on_loaded(&mut self, now: Now, exists: impl Fn(&str) -> bool) -> Outcome {
        self.is_loaded = true;
        self.expiry_ms = now.mono_ms + self.config.retention_check_ms;
        let mut outcome = Outcome::default();
        let ids: Vec<Rc<str>> = self.groups.keys().cloned().collect();
        for id in ids {
            self.in_turn(&id, now, &mut outcome, Classic::on_loaded);
            let Some(group) = self.groups.get(&id) else { continue };
            let orphaned = group.offsets.iter().filter(|(topic, _, _)| !exists(topic));
            outcome.records.extend(orphaned.map(|(topic, partition, _)| tombstone(&id, topic, partition)));
        }
        outcome
    }

    /// Time has passed. Some of what is due is done; the rest is due still.
    pub fn on_time(&mut self, now: Now) -> Outcome {
        let mut outcome = Outcome::default();
        for _ in 0..GROUPS_PER_TURN_MAX {
            let Some((at_ms, _)) = self.wakes.first() else { break };
            if *at_ms > now.mono_ms {
                break;
            }
            let (_, id) = self.wakes.pop_first().expect("it was just looked at");
            self.groups.get_mut(&id).expect("a group that wakes is there").registered_ms = None;
            self.in_turn(&id, now, &mut outcome, Classic::on_time);
        }
        if self.expiry_ms <= now.mono_ms {
            self.expire(now, &mut outcome);
        }
        outcome
    }

    /// Lets a group do something, and settles what that changed.
    pub(super) fn in_turn(
        &mut self,
        id: &Rc<str>,
        now: Now,
        outcome: &mut Outcome,
        act: impl FnOnce(&mut Classic, &mut Turn<'_>),
    ) {
        let config = self.config;
        let mut turn = Turn { config: &config, group: id, now, has_room: self.has_room, outcome };
        self.with_group(id, |group| act(&mut group.classic, &mut turn));
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
        if group.classic.is_blank() && group.offsets.is_empty() {
            return self.remove(&id);
        }
        let (registered_ms, wake_ms) = (group.registered_ms, group.classic.wake_ms);
        if registered_ms != wake_ms {
            if let Some(registered_ms) = registered_ms {
                self.wakes.remove(&(registered_ms, Rc::clone(&id)));
            }
            self.wakes.extend(wake_ms.map(|wake_ms| (wake_ms, Rc::clone(&id))));
            self.groups.get_mut(&id).expect("it is there").registered_ms = wake_ms;
        }
    }

    fn replay_deletion(&mut self, id: &Rc<str>) {
        let Some(group) = self.groups.get(id) else { return };
        // Offsets have records of their own; a group is also deleted to become one of another kind.
        if group.offsets.is_empty() {
            self.remove(id);
        } else {
            assert!(group.classic.members.is_empty() || !self.is_loaded, "a group with members is not deleted");
            self.with_group(id, |group| group.classic = Classic::default());
        }
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
            group.classic.check();
            assert_eq!(group.registered_ms.is_none(), group.classic.wake_ms.is_none(), "a group that waits wakes");
        }
    }
}
