//! The coordinators of one shard at work: takes requests, stores records, keeps who waits, and looks after deadlines. SHELL.
//!
//! An answer leaves when everything that it may have seen is on stable storage, so that nobody learns of a generation or an offset
//! that a crash would take back. While the storage has no room nothing is decided: requests of that partition wait in order.

mod figures;
mod hosted;
mod loading;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::ring::sync::{Notify, oneshot};
use engine::{LogId, Offset, ring};

use self::hosted::{Held, Hosted, Phase};
use super::api::{GroupAnswer, GroupFault, GroupFilter, GroupReply, GroupRequest, ListedGroup, Now, Waiter};
use super::config::GroupConfigs;
use super::limits::{HELD_BACK_MAX, WAITERS_MAX, group_bytes_max};
use super::{Coordinator, OFFSETS_TOPIC};
use crate::controller::Topic;
use crate::mesh::message::{GroupCall, Reply};
use crate::partition::join::join_all;
use crate::partition::run::Served;
use crate::shard::Context;

/// The groups of one shard. Lives on that shard, in its context; no borrow of it outlives a call.
///
/// Invariants: whoever waits is in `waiting` until answered; `armed` is when the task for deadlines wakes by itself.
pub struct Groups {
    /// By partition of the offsets topic.
    hosted: BTreeMap<u32, Hosted>,
    /// Those groups that have settings of their own.
    configs: Rc<GroupConfigs>,
    waiting: BTreeMap<Waiter, oneshot::Sender<GroupReply>>,
    waiters_numbered: u64,
    /// The zero of the time that coordinators are told.
    origin: Instant,
    bytes_max: usize,
    /// The node is stopping: nobody is made to wait for others any more.
    has_resigned: bool,
    armed_ms: Option<u64>,
    rearm: Rc<Notify>,
}

/// Answers that may leave.
type Released = Vec<(Waiter, GroupReply)>;

impl Groups {
    /// A shard without groups. `memory_bytes` is what the shard has in all.
    pub fn new(origin: Instant, memory_bytes: u64) -> Self {
        Self {
            hosted: BTreeMap::new(),
            configs: Rc::default(),
            waiting: BTreeMap::new(),
            waiters_numbered: 0,
            origin,
            bytes_max: usize::try_from(group_bytes_max(memory_bytes)).unwrap_or(usize::MAX),
            has_resigned: false,
            armed_ms: None,
            rearm: Rc::default(),
        }
    }

    /// Answers whoever waits for one of these.
    fn deliver(&mut self, released: Released) {
        for (waiter, reply) in released {
            if let Some(sender) = self.waiting.remove(&waiter) {
                // Nobody waits any more if the connection is gone.
                let _ = sender.send(reply);
            }
        }
    }

    /// Makes sure that the task for deadlines wakes early enough.
    fn arm(&mut self, at_ms: u64) {
        if self.armed_ms.is_none_or(|armed_ms| at_ms < armed_ms) {
            self.armed_ms = Some(at_ms);
            self.rearm.notify_one();
        }
    }

    fn has_room(&self) -> bool {
        self.hosted.values().map(Hosted::bytes).sum::<usize>() < self.bytes_max
    }
}

pub use figures::{Figures, committed, figures, hosted_partitions};

/// Starts the task for deadlines.
pub fn attach(ctx: &Rc<Context>) {
    ring::spawn(keep_deadlines(Rc::clone(ctx)));
}

/// Whether a topic is the one that holds groups.
pub fn is_offsets_topic(topic: &Topic) -> bool {
    topic.name == OFFSETS_TOPIC
}

/// This shard owns a partition of the offsets topic. Its groups are there when it is loaded.
pub fn host(ctx: &Rc<Context>, log: LogId) {
    let mut groups = ctx.groups.borrow_mut();
    groups.hosted.entry(log.partition).or_insert_with(|| Hosted::new(log));
}

/// The offsets topic is gone, and the groups with it.
pub fn unhost_all(ctx: &Rc<Context>) {
    let groups = &mut *ctx.groups.borrow_mut();
    groups.hosted.clear();
    for (_, sender) in std::mem::take(&mut groups.waiting) {
        let _ = sender.send(Err(GroupFault::NotCoordinator));
    }
}

/// Loads what is hosted and not loaded, as soon as the shard has time for it.
pub fn begin_loading(ctx: &Rc<Context>) {
    let hosted = ctx.groups.borrow();
    let new = hosted.hosted.iter().filter(|(_, hosted)| matches!(hosted.phase, Phase::New));
    let (empty, full): (Vec<_>, Vec<_>) = new
        .map(|(&partition, hosted)| (partition, hosted.log))
        .partition(|&(_, log)| ctx.engine.log(log).is_none_or(|view| view.start == view.end));
    drop(hosted);
    for (partition, _) in empty {
        // Nobody is made to wait for a topic that was just created.
        begin_to_serve(ctx, partition, Coordinator::new(ctx.config.groups));
    }
    if !full.is_empty() {
        ring::spawn(loading::load_all(Rc::clone(ctx)));
    }
}

/// Carries out requests about groups of this shard. Their order is kept.
pub fn serve(ctx: &Rc<Context>, calls: Vec<GroupCall>) -> Served {
    let mut answers: Vec<Answering> = calls.into_iter().map(|call| serve_one(ctx, call)).collect();
    if answers.iter().all(|answer| matches!(answer, Answering::Now(_))) {
        let replies = answers.iter_mut().map(|answer| match answer {
            Answering::Now(reply) => reply.take().expect("a reply is taken once"),
            Answering::Later(_) => unreachable!("all are there"),
        });
        return Served::Now(Reply::Group(replies.collect()));
    }
    Served::Later(Box::pin(async move { Reply::Group(join_all(answers).await) }))
}

/// The groups of this shard that a filter lets through.
pub fn list(ctx: &Rc<Context>, filter: &GroupFilter) -> Result<Vec<ListedGroup>, GroupFault> {
    let mut listed = Vec::new();
    for hosted in ctx.groups.borrow().hosted.values() {
        match &hosted.phase {
            Phase::Ready(coordinator) => listed.extend(coordinator.list(filter)),
            Phase::New | Phase::Loading => return Err(GroupFault::Loading),
            Phase::Failed => return Err(GroupFault::Unavailable),
        }
    }
    Ok(listed)
}

/// Logs are durable up to these ends.
pub fn on_durable(ctx: &Rc<Context>, ends: &[(LogId, Offset)]) {
    let groups = &mut *ctx.groups.borrow_mut();
    if groups.hosted.is_empty() {
        return;
    }
    let mut released = Released::new();
    for &(log, end) in ends {
        if let Some(hosted) = groups.hosted.get_mut(&log.partition).filter(|hosted| hosted.log == log) {
            hosted.release(end, &mut released);
        }
    }
    groups.deliver(released);
}

/// A topic is gone: no group needs its offsets.
pub fn on_topic_deleted(ctx: &Rc<Context>, topic: &str) {
    let partitions: Vec<u32> = ctx.groups.borrow().hosted.keys().copied().collect();
    for partition in partitions {
        let groups = &mut *ctx.groups.borrow_mut();
        let Some(hosted) = groups.hosted.get_mut(&partition) else { continue };
        let held = Held::TopicDeleted(topic.to_owned());
        let mut released = Released::new();
        if hosted.is_blocked() {
            hosted.hold_back(held);
        } else {
            hosted.carry_out(ctx, held, now(ctx, groups.origin), &mut released);
        }
        groups.deliver(released);
        unblock_if_blocked(ctx, groups, partition);
    }
}

/// Groups have other settings of their own.
pub fn on_configs_changed(ctx: &Rc<Context>) {
    let groups = &mut *ctx.groups.borrow_mut();
    let image = ctx.image.borrow();
    let of_each = image.group_configs().iter();
    groups.configs =
        Rc::new(of_each.map(|(name, set)| (name.as_str().into(), ctx.config.groups.of_group(set))).collect());
    groups.hosted.values_mut().for_each(|hosted| hosted.set_configs(&groups.configs));
}

/// Topics were created or deleted, or have more partitions.
pub fn on_topics_changed(ctx: &Rc<Context>) {
    ctx.groups.borrow_mut().hosted.values_mut().for_each(Hosted::on_topics_changed);
}

/// Nothing more will be stored on this shard.
pub fn on_storage_failed(ctx: &Rc<Context>) {
    let groups = &mut *ctx.groups.borrow_mut();
    for hosted in groups.hosted.values_mut() {
        hosted.phase = Phase::Failed;
    }
    for (_, sender) in std::mem::take(&mut groups.waiting) {
        let _ = sender.send(Err(GroupFault::Unavailable));
    }
}

/// The node is stopping: whoever waits for other members is sent away, so that nobody holds the stop up.
pub fn resign(ctx: &Rc<Context>) {
    let groups = &mut *ctx.groups.borrow_mut();
    groups.has_resigned = true;
    let stored: BTreeSet<Waiter> = groups.hosted.values().flat_map(Hosted::answered).collect();
    let waiting = groups.waiting.keys().filter(|waiter| !stored.contains(waiter)).copied();
    let released = waiting.map(|waiter| (waiter, Err(GroupFault::Unavailable))).collect();
    groups.deliver(released);
}

fn now(ctx: &Context, origin: Instant) -> Now {
    let since = ctx.clock.monotonic().saturating_duration_since(origin);
    Now { mono_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), wall_ms: ctx.clock.now_ms() }
}

enum Answering {
    Now(Option<GroupReply>),
    Later(oneshot::Receiver<GroupReply>),
}

impl Answering {
    fn now(reply: GroupReply) -> Self {
        Self::Now(Some(reply))
    }
}

impl Future for Answering {
    type Output = GroupReply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<GroupReply> {
        match &mut *self {
            Self::Now(reply) => std::task::Poll::Ready(reply.take().expect("a reply is taken once")),
            Self::Later(receiver) => {
                Pin::new(receiver).poll(cx).map(|reply| reply.unwrap_or(Err(GroupFault::Unavailable)))
            }
        }
    }
}

fn serve_one(ctx: &Rc<Context>, call: GroupCall) -> Answering {
    let groups = &mut *ctx.groups.borrow_mut();
    let has_room = groups.has_room();
    let must_wait = matches!(call.request, GroupRequest::Join(_) | GroupRequest::Sync(_));
    let Some(hosted) = groups.hosted.get_mut(&call.partition) else {
        return Answering::now(Err(GroupFault::NotCoordinator));
    };
    match &mut hosted.phase {
        Phase::Ready(coordinator) => coordinator.set_room(has_room),
        // The member is not to lose its place because the node was restarted.
        Phase::New | Phase::Loading if matches!(call.request, GroupRequest::Heartbeat(_)) => {
            return Answering::now(Ok(GroupAnswer::Beat));
        }
        Phase::New | Phase::Loading => return Answering::now(Err(GroupFault::Loading)),
        Phase::Failed => return Answering::now(Err(GroupFault::Unavailable)),
    }
    if groups.waiting.len() >= WAITERS_MAX || must_wait && groups.has_resigned || hosted.held_count() >= HELD_BACK_MAX {
        return Answering::now(Err(GroupFault::Unavailable));
    }
    groups.waiters_numbered += 1;
    let waiter = Waiter(groups.waiters_numbered);
    let held = Held::Request(waiter, call.request);
    let mut released = Released::new();
    if hosted.is_blocked() {
        hosted.hold_back(held);
    } else {
        hosted.carry_out(ctx, held, now(ctx, groups.origin), &mut released);
    }
    let own = released.iter().position(|(answered, _)| *answered == waiter).map(|at| released.swap_remove(at).1);
    groups.deliver(released);
    unblock_if_blocked(ctx, groups, call.partition);
    match own {
        Some(reply) => Answering::now(reply),
        None => {
            let (sender, receiver) = oneshot::channel();
            groups.waiting.insert(waiter, sender);
            Answering::Later(receiver)
        }
    }
}

/// Looks after what an operation left behind: a deadline, or records that found no room.
fn unblock_if_blocked(ctx: &Rc<Context>, groups: &mut Groups, partition: u32) {
    let Some(hosted) = groups.hosted.get_mut(&partition) else { return };
    if let Some(deadline_ms) = hosted.deadline_ms() {
        groups.arm(deadline_ms);
    } else if hosted.is_blocked() && !std::mem::replace(&mut hosted.is_being_unblocked, true) {
        ring::spawn(unblock(Rc::clone(ctx), partition));
    }
}

/// Stores what found no room, and then carries out what was held back. Runs while anything of the partition is blocked.
async fn unblock(ctx: Rc<Context>, partition: u32) {
    loop {
        ctx.engine.writable().await;
        let groups = &mut *ctx.groups.borrow_mut();
        let Some(hosted) = groups.hosted.get_mut(&partition) else { return };
        let mut released = Released::new();
        hosted.resume(&ctx, now(&ctx, groups.origin), &mut released);
        let is_done = !hosted.is_blocked();
        hosted.is_being_unblocked = !is_done;
        groups.deliver(released);
        if is_done {
            return unblock_if_blocked(&ctx, groups, partition);
        }
    }
}

/// Sleeps until the next deadline of any group, for the whole life of the shard.
async fn keep_deadlines(ctx: Rc<Context>) {
    let rearm = Rc::clone(&ctx.groups.borrow().rearm);
    loop {
        match on_time(&ctx) {
            None => rearm.notified().await,
            Some(wait) if wait.is_zero() => ring::yield_now().await,
            Some(wait) => {
                // Whether the time is over or an earlier deadline has come up: looking again finds out.
                let _ = ctx.ring.timeout(rearm.notified(), wait).await;
            }
        }
    }
}

/// Does what is due. Returns how long to wait for what comes next.
fn on_time(ctx: &Rc<Context>) -> Option<Duration> {
    let groups = &mut *ctx.groups.borrow_mut();
    let now = now(ctx, groups.origin);
    let has_room = groups.has_room();
    let due = groups.hosted.iter().filter(|(_, hosted)| hosted.deadline_ms().is_some_and(|at_ms| at_ms <= now.mono_ms));
    let due: Vec<u32> = due.map(|(&partition, _)| partition).collect();
    for partition in due {
        let mut released = Released::new();
        let hosted = groups.hosted.get_mut(&partition).expect("it was just looked at");
        hosted.set_room(has_room);
        hosted.carry_out(ctx, Held::TimeOver, now, &mut released);
        groups.deliver(released);
        unblock_if_blocked(ctx, groups, partition);
    }
    groups.armed_ms = groups.hosted.values().filter_map(Hosted::deadline_ms).min();
    groups.armed_ms.map(|at_ms| Duration::from_millis(at_ms.saturating_sub(now.mono_ms)))
}

/// A coordinator has its records: it serves from here on.
fn begin_to_serve(ctx: &Rc<Context>, partition: u32, coordinator: Coordinator) {
    let groups = &mut *ctx.groups.borrow_mut();
    let Some(hosted) = groups.hosted.get_mut(&partition) else { return };
    hosted.phase = Phase::Ready(Box::new(coordinator));
    hosted.set_configs(&groups.configs);
    let mut released = Released::new();
    hosted.carry_out(ctx, Held::Loaded, now(ctx, groups.origin), &mut released);
    groups.deliver(released);
    unblock_if_blocked(ctx, groups, partition);
}
