//! The owner's side of every request about partitions: calls the engine, keeps who waits, and wakes them. SHELL.
//!
//! Three things move [`Partitions`] on: requests ([`serve`]), groups that became durable (the engine's
//! observer), and time (one task that sleeps until the next deadline). All of it is on the shard's own core.

mod cuts;
mod owned;
mod reads;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ring::sync::oneshot;
use engine::{GroupSeq, LogId, ring};

use self::owned::Unanswered;
use super::append::{Advance, AppendRun};
use super::{Partition, log_config, logs_of};
use crate::controller::MetadataRecord;
use crate::controller::defaults::TopicDefaults;
use crate::controller::image::{Change, Image, Topic};
use crate::group;
use crate::mesh::message::{Append, AppendReply, AppendTimes, Reply, Request, Watch, Woken};
use crate::mesh::placement;
use crate::shard::Context;

pub use owned::Partitions;

/// How a request was answered.
pub enum Served {
    Now(Reply),
    Later(Pin<Box<dyn Future<Output = Reply>>>),
}

/// Makes a fresh context ready to serve: sets the image's defaults, watches the engine, starts the task for deadlines.
pub fn attach(ctx: &Rc<Context>) {
    *ctx.image.borrow_mut() = Image::new(TopicDefaults::of(&ctx.config));
    ctx.partitions.borrow_mut().found(ctx.engine.logs());
    let observed = Rc::downgrade(ctx);
    ctx.engine.on_durable(Box::new(move |ends, times| {
        if let Some(ctx) = observed.upgrade() {
            ctx.metrics.group_written(&times);
            ctx.partitions.borrow_mut().on_durable(ends, times);
            group::run::on_durable(&ctx, ends);
        }
    }));
    let observed = Rc::downgrade(ctx);
    ctx.engine.on_damage(Box::new(move |_damage| {
        if let Some(ctx) = observed.upgrade() {
            ctx.metrics.damaged_segments.add(1);
        }
    }));
    ring::spawn(keep_deadlines(Rc::clone(ctx)));
    ring::spawn(watch_for_failure(Rc::clone(ctx)));
}

/// Carries out a request of this or another shard. What its order decides has happened when this returns.
pub fn serve(ctx: &Rc<Context>, request: Request) -> Served {
    match request {
        Request::Append(append) => serve_append(ctx, append),
        Request::Fetch(fetch) => reads::fetch(ctx, fetch),
        Request::Watch(watch) => serve_watch(ctx, watch),
        Request::CancelWatch(key) => {
            ctx.partitions.borrow_mut().cancel_watch(key);
            Served::Now(Reply::CancelWatch)
        }
        Request::ListOffsets(queries) => reads::list_offsets(ctx, queries),
        Request::Cut(cuts) => Served::Later(cuts::cut(ctx, &cuts)),
        Request::Group(calls) => group::run::serve(ctx, calls),
        Request::ListGroups(filter) => Served::Now(Reply::ListGroups(group::run::list(ctx, &filter))),
        Request::Producers(logs) => Served::Now(reads::producers(ctx, &logs)),
        Request::LogSizes(logs) => Served::Now(Reply::LogSizes(reads::log_sizes(ctx, &logs))),
        Request::Change(change) => {
            let controller = ctx.controller.as_ref().expect("changes are sent to the controller's shard");
            controller.submit(ctx, change)
        }
        Request::Apply(records) => Served::Later(Box::pin(apply(Rc::clone(ctx), records))),
    }
}

fn serve_append(ctx: &Rc<Context>, append: Append) -> Served {
    let arrived = ctx.clock.monotonic();
    let mut partitions = ctx.partitions.borrow_mut();
    let mut run = AppendRun::new(append);
    let advance = |run: &mut AppendRun| partitions.advance(&ctx.engine, &ctx.metrics, run, ctx.clock.now_ms());
    if partitions.is_blocked() || advance(&mut run) == Advance::Blocked {
        let (answer, answered) = oneshot::channel();
        let times = AppendTimes { arrived, had_room: None, appended: arrived, group: None };
        let is_first = partitions.block(Unanswered { run, answer, times });
        drop(partitions);
        if is_first {
            ring::spawn(unblock(Rc::clone(ctx)));
        }
        return Served::Later(Box::pin(reply(answered)));
    }
    let times = AppendTimes { arrived, had_room: None, appended: ctx.clock.monotonic(), group: None };
    partitions.on_appended(&ctx.engine, &run);
    if run.waits().is_none() {
        return Served::Now(Reply::Append(AppendReply { results: run.into_results(), times }));
    }
    let (answer, answered) = oneshot::channel();
    partitions.park(Unanswered { run, answer, times });
    Served::Later(Box::pin(reply(answered)))
}

/// Appends what had to wait, in order, whenever the engine has room again. Runs while anything is blocked.
async fn unblock(ctx: Rc<Context>) {
    while ctx.partitions.borrow().is_blocked() {
        let until = ctx.partitions.borrow().blocked_until();
        match until {
            Some(deadline) => {
                let wait = time_until(&ctx, deadline);
                // Whether there is room or the time is over: trying finds out.
                let _ = ctx.ring.timeout(ctx.engine.writable(), wait).await;
            }
            None => ctx.engine.writable().await,
        }
        ctx.partitions.borrow_mut().unblock(&ctx.engine, &ctx.metrics, ctx.clock.monotonic(), ctx.clock.now_ms());
    }
}

fn serve_watch(ctx: &Rc<Context>, watch: Watch) -> Served {
    let partitions = &mut *ctx.partitions.borrow_mut();
    // What changed between the read and this watch would otherwise be slept through.
    let has_changed = watch.logs.iter().any(|&(log, seen)| {
        let is_gone = partitions.get(log).is_none();
        is_gone || ctx.engine.log(log).is_none_or(|view| view.committed_end > seen)
    });
    if has_changed {
        return Served::Now(Reply::Watch(Woken::Changed));
    }
    let (answer, answered) = oneshot::channel();
    partitions.watch(watch, answer);
    Served::Later(Box::pin(reply(answered)))
}

async fn reply(answered: oneshot::Receiver<Reply>) -> Reply {
    match answered.await {
        Ok(reply) => reply,
        // Answers are dropped unsent only when the shard ends, and then nobody polls this again.
        Err(oneshot::Closed) => std::future::pending().await,
    }
}

/// Sleeps until the next deadline and expires what is due, for the whole life of the shard.
async fn keep_deadlines(ctx: Rc<Context>) {
    let rearm = ctx.partitions.borrow().rearm();
    loop {
        let next = ctx.partitions.borrow_mut().on_time(ctx.clock.monotonic(), &ctx.engine);
        match next {
            None => rearm.notified().await,
            Some(deadline) => {
                // Whether the time is over or an earlier deadline has come up: looking again finds out.
                let _ = ctx.ring.timeout(rearm.notified(), time_until(&ctx, deadline)).await;
            }
        }
    }
}

fn time_until(ctx: &Context, deadline: Instant) -> Duration {
    deadline.saturating_duration_since(ctx.clock.monotonic())
}

/// Tells everybody who waits when the storage fails. It does so once: after that the engine takes nothing.
async fn watch_for_failure(ctx: Rc<Context>) {
    // No group ever has the last number, so this ends with the storage's failure only.
    if let Err(error) = ctx.engine.durable(GroupSeq(u64::MAX)).await {
        tracing::error!(shard = %ctx.shard, %error, "waiting requests are answered with a storage error");
        ctx.partitions.borrow_mut().on_storage_failed();
        group::run::on_storage_failed(&ctx);
    }
}

/// Replays durable metadata and brings this shard's logs in line with it. The first records a shard gets are the whole
/// metadata as it was at the start.
async fn apply(ctx: Rc<Context>, records: Arc<[MetadataRecord]>) -> Reply {
    let (mut deleted, mut all_changed, mut has_changed, mut groups_changed) = (Vec::new(), false, false, false);
    for record in records.iter() {
        let change = ctx.image.borrow_mut().replay(record);
        has_changed |= matches!(change, Change::Created(_) | Change::Reconfigured(_) | Change::Deleted(_));
        match change {
            Change::Created(topic) | Change::Reconfigured(topic) => keep_logs(&ctx, &topic),
            Change::ReconfiguredAll => all_changed = true,
            Change::GroupReconfigured => groups_changed = true,
            Change::Deleted(topic) => {
                ctx.metrics.forget_topic(topic.id.0);
                deleted.extend(logs_of(&topic).filter(|&log| is_mine(&ctx, log)));
                if group::run::is_offsets_topic(&topic) {
                    group::run::unhost_all(&ctx);
                } else {
                    group::run::on_topic_deleted(&ctx, &topic.name);
                }
            }
            Change::None => {
                if let MetadataRecord::TopicDeleted { id } = record {
                    // The topic was deleted before the start, and the node stopped before its logs were gone.
                    let mut partitions = ctx.partitions.borrow_mut();
                    deleted.extend(partitions.unclaimed().iter().filter(|log| log.topic == id.0));
                }
            }
        }
    }
    if all_changed {
        let topics: Vec<_> = ctx.image.borrow().topics().cloned().collect();
        topics.iter().for_each(|topic| keep_logs(&ctx, topic));
    }
    if groups_changed {
        group::run::on_configs_changed(&ctx);
    }
    // Only now: the groups want to know which topics there are.
    if has_changed {
        group::run::on_topics_changed(&ctx);
    }
    group::run::begin_loading(&ctx);
    for log in deleted {
        ctx.partitions.borrow_mut().remove(log);
        if let Err(error) = ctx.engine.drop_log(log).await {
            // The metadata says it is gone, so the next start tries again.
            tracing::error!(shard = %ctx.shard, %log, %error, "a deleted log could not be removed");
        }
    }
    for log in std::mem::take(ctx.partitions.borrow_mut().unclaimed()) {
        // Nothing is deleted because nobody knows what it is.
        tracing::warn!(shard = %ctx.shard, %log, "a log on disk belongs to no topic; it is left alone");
    }
    Reply::Apply
}

fn keep_logs(ctx: &Rc<Context>, topic: &Topic) {
    for log in logs_of(topic).filter(|&log| is_mine(ctx, log)) {
        // The engine keeps a log it has, with the new configuration.
        if let Err(error) = ctx.engine.create_log(log, log_config(&topic.settings)) {
            tracing::error!(shard = %ctx.shard, %log, %error, "a log cannot be created");
        }
        ctx.partitions.borrow_mut().insert(log, Partition::new(&topic.settings));
        if group::run::is_offsets_topic(topic) {
            group::run::host(ctx, log);
        }
    }
}

fn is_mine(ctx: &Context, log: LogId) -> bool {
    placement::owner(log.topic, log.partition, ctx.shard_count) == ctx.shard
}
