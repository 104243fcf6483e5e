//! One partition of the offsets topic on its shard: its coordinator, what is on its way to the disk, and who waits for that. SHELL.

use std::collections::VecDeque;
use std::rc::Rc;

use batch::{BatchBuilder, CheckedBytes, Compression};
use engine::{AppendError, LogId, Offset};

use super::Released;
use crate::group::api::{GroupFault, GroupReply, GroupRequest, Now, Waiter};
use crate::group::complaints::Complaints;
use crate::group::config::GroupConfigs;
use crate::group::limits::{RECORDS_BATCH_BYTES_MAX, REFUSAL_TOLD_EVERY};
use crate::group::records::GroupRecord;
use crate::group::{Coordinator, Outcome};
use crate::shard::Context;

/// How far a partition is.
pub(super) enum Phase {
    /// Nobody has begun to load it.
    New,
    Loading,
    Ready(Box<Coordinator>),
    /// It cannot be read, or nothing more can be stored.
    Failed,
}

/// Something that happens to a coordinator.
pub(super) enum Held {
    Request(Waiter, GroupRequest),
    TopicDeleted(String),
    TimeOver,
    Loaded,
}

/// A partition of the offsets topic.
///
/// Invariants: `parked` has ascending ends; while `blocked` holds something nothing is decided, and what comes is in `held`, in order;
/// if `parked` is empty, all that was appended is durable.
pub(super) struct Hosted {
    pub(super) log: LogId,
    pub(super) phase: Phase,
    /// Answers by the end that has to be durable before they leave.
    parked: VecDeque<(Offset, Released)>,
    blocked: Option<Write>,
    held: VecDeque<Held>,
    /// A task waits for room.
    pub(super) is_being_unblocked: bool,
    complaints: Complaints,
}

/// Records on their way into the log, and the answers that follow them.
struct Write {
    batches: VecDeque<(CheckedBytes, Vec<GroupRecord>)>,
    answers: Released,
    /// The end of what was appended.
    end: Option<Offset>,
}

impl Hosted {
    pub(super) fn new(log: LogId) -> Self {
        Self {
            log,
            phase: Phase::New,
            parked: VecDeque::new(),
            blocked: None,
            held: VecDeque::new(),
            is_being_unblocked: false,
            complaints: Complaints::default(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match &self.phase {
            Phase::Ready(coordinator) => coordinator.bytes(),
            Phase::New | Phase::Loading | Phase::Failed => 0,
        }
    }

    pub(super) fn set_room(&mut self, has_room: bool) {
        if let Phase::Ready(coordinator) = &mut self.phase {
            coordinator.set_room(has_room);
        }
    }

    pub(super) fn set_configs(&mut self, configs: &Rc<GroupConfigs>) {
        if let Phase::Ready(coordinator) = &mut self.phase {
            coordinator.set_configs(Rc::clone(configs));
        }
    }

    pub(super) fn on_topics_changed(&mut self) {
        if let Phase::Ready(coordinator) = &mut self.phase {
            coordinator.on_topics_changed();
        }
    }

    /// When the coordinator wants to be told the time. None while it cannot do anything.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match &self.phase {
            Phase::Ready(coordinator) if !self.is_blocked() => Some(coordinator.deadline_ms()),
            _ => None,
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    pub(super) fn hold_back(&mut self, held: Held) {
        self.held.push_back(held);
    }

    pub(super) fn held_count(&self) -> usize {
        self.held.len()
    }

    /// Those who have their answer, which only has to become durable.
    pub(super) fn answered(&self) -> impl Iterator<Item = Waiter> {
        let parked = self.parked.iter().flat_map(|(_, answers)| answers);
        let blocked = self.blocked.iter().flat_map(|write| &write.answers);
        parked.chain(blocked).map(|(waiter, _)| *waiter)
    }

    /// Lets something happen, now that nothing is in its way.
    pub(super) fn carry_out(&mut self, ctx: &Rc<Context>, held: Held, now: Now, released: &mut Released) {
        assert!(!self.is_blocked(), "nothing is decided while records wait for room");
        let Phase::Ready(coordinator) = &mut self.phase else { return };
        let image = ctx.image.borrow();
        let outcome = match held {
            Held::Request(waiter, request) => coordinator.handle(waiter, request, now, &image),
            Held::TopicDeleted(topic) => {
                Outcome { records: coordinator.on_topics_deleted(&[topic]), ..Outcome::default() }
            }
            Held::TimeOver => coordinator.on_time(now, &image),
            Held::Loaded => coordinator.on_loaded(now, &image),
        };
        drop(image);
        let batches = to_batches(outcome.records, now.wall_ms);
        self.write(ctx, Write { batches, answers: outcome.answers, end: None }, released);
    }

    /// There may be room again.
    pub(super) fn resume(&mut self, ctx: &Rc<Context>, now: Now, released: &mut Released) {
        if let Some(write) = self.blocked.take() {
            self.write(ctx, write, released);
        }
        while !self.is_blocked()
            && let Some(held) = self.held.pop_front()
        {
            self.carry_out(ctx, held, now, released);
        }
    }

    /// The log is durable up to `end`.
    pub(super) fn release(&mut self, end: Offset, released: &mut Released) {
        while let Some((_, answers)) = self.parked.pop_front_if(|(needed, _)| *needed <= end) {
            released.extend(answers);
        }
    }

    /// Appends records, replays each when its place in the log is certain, and keeps the answers until all is durable.
    fn write(&mut self, ctx: &Rc<Context>, mut write: Write, released: &mut Released) {
        let Phase::Ready(coordinator) = &mut self.phase else {
            return released.extend(refused(write.answers, GroupFault::Unavailable));
        };
        let epoch = ctx.partitions.borrow().get(self.log).map(|partition| partition.leader_epoch);
        while let Some((batch, records)) = write.batches.pop_front() {
            let appended = epoch
                .ok_or(AppendError::UnknownLog)
                .and_then(|epoch| ctx.engine.append(self.log, &batch.as_checked(), epoch));
            match appended {
                Ok(appended) => {
                    write.end = Some(appended.last_offset.next());
                    records.into_iter().for_each(|record| coordinator.replay(record));
                }
                Err(AppendError::Busy) => {
                    write.batches.push_front((batch, records));
                    self.blocked = Some(write);
                    return;
                }
                Err(error) => {
                    if let Some(untold) = self.complaints.on_another(ctx.clock.monotonic(), REFUSAL_TOLD_EVERY) {
                        tracing::warn!(log = %self.log, %error, untold, "the records of a group are not stored");
                    }
                    self.park(write.end, Vec::new());
                    let fault =
                        if error == AppendError::TooLarge { GroupFault::TooLarge } else { GroupFault::Unavailable };
                    return released.extend(refused(write.answers, fault));
                }
            }
        }
        if write.end.is_none() && self.parked.is_empty() {
            return released.extend(write.answers);
        }
        self.park(write.end, write.answers);
    }

    /// Keeps answers until what was appended so far is durable.
    fn park(&mut self, end: Option<Offset>, answers: Released) {
        match (end, self.parked.back_mut()) {
            (Some(end), _) => self.parked.push_back((end, answers)),
            // They saw what those before them changed.
            (None, Some((_, parked))) => parked.extend(answers),
            (None, None) => assert!(answers.is_empty(), "answers are parked behind an append"),
        }
    }
}

/// What was granted is not stored; what was refused stays refused.
fn refused(answers: Released, fault: GroupFault) -> impl Iterator<Item = (Waiter, GroupReply)> {
    answers.into_iter().map(move |(waiter, reply)| (waiter, reply.and_then(|_| Err(fault.clone()))))
}

fn to_batches(records: Vec<GroupRecord>, now_ms: i64) -> VecDeque<(CheckedBytes, Vec<GroupRecord>)> {
    let mut batches = VecDeque::new();
    let mut builder = BatchBuilder::new(Compression::None);
    let mut gathered = Vec::new();
    for record in records {
        let (key, value) = record.encode();
        let bytes = key.len() + value.as_ref().map_or(0, Vec::len);
        if !gathered.is_empty() && builder.bytes() + bytes > RECORDS_BATCH_BYTES_MAX {
            let full = std::mem::replace(&mut builder, BatchBuilder::new(Compression::None));
            batches.push_back((own_batch(full), std::mem::take(&mut gathered)));
        }
        builder.append(now_ms, Some(&key), value.as_deref(), &[]);
        gathered.push(record);
    }
    if !gathered.is_empty() {
        batches.push_back((own_batch(builder), gathered));
    }
    batches
}

fn own_batch(builder: BatchBuilder) -> CheckedBytes {
    CheckedBytes::check(builder.build().into()).expect("a batch that was just built is sound")
}
