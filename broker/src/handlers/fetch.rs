//! Fetch: reads what is there, and if that is too little waits at the owners for more.
//!
//! ```text
//!   read all owners --enough, an error, or no time to wait--> answer
//!        ^      '--too little--> watch the owners --deadline--> answer
//!        '-- read that owner again --- one has more --'
//! ```
//! Read-uncommitted and read-committed are the same as long as there are no transactions: every record below the high
//! watermark is stable, and no transaction was aborted.

use std::rc::Rc;
use std::time::{Duration, Instant};

use batch::{LeaderEpoch, Offset};
use engine::LogId;
use wire::fetch::FetchRequest;
use wire::{DecodeError, ErrorCode};

use super::fetch_answer::{FetchAnswer, Slot, refuse};
use super::fetch_session::{self, Mode};
use super::routes::Routes;
use super::topic_named::TopicNamed;
use super::{Request, error_codes};
use crate::clock::Clock;
use crate::controller::image::Image;
use crate::ids::ShardId;
use crate::mesh::Call;
use crate::mesh::message::{self, Fetch, Watch, WatchKey, Woken};
use crate::metrics::{Stage, Timeline};
use crate::net::{Answer, Permit, Response};
use crate::partition::fetch_sessions::{PartitionKey, TopicKey, Wanted};
use crate::partition::join::{first_of, join_all};
use crate::partition::limits::{FETCH_WAIT_MS_MAX, fetch_bytes_max};
use crate::partition::log_id;
use crate::shard::Context;

/// "None", for epochs that clients send.
const NO_EPOCH: i32 = -1;

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    let body = FetchRequest::decode(version, &mut request.body)?;
    let begun = fetch_session::begin(&mut ctx.fetch_sessions.borrow_mut(), request.received, version, &body);
    let (mode, wanted) = match begun {
        Ok(begun) => begun,
        Err(error_code) => return Ok(Answer::Ready(refuse(request.reply_to, 0, error_code))),
    };
    let bytes_max = usize::try_from(body.max_bytes).unwrap_or(0).min(fetch_bytes_max(ctx.fetch_memory.limit_bytes()));
    // No more at once than the client may have in a burst, or it would be silenced for so long that its group gives it up.
    let burst =
        request.tariff.and_then(|tariff| tariff.fetch.as_ref()).map_or(usize::MAX, |fetch| fetch.burst() as usize);
    let bytes_max = bytes_max.min(burst);
    let wait_ms = body.max_wait_ms.clamp(0, FETCH_WAIT_MS_MAX);
    let mut fetching = Fetching {
        slots: slots(&ctx.image.borrow(), wanted),
        mode,
        answer: FetchAnswer { reply_to: request.reply_to, is_committed_only: body.isolation_level != 0, bytes_max },
        bytes_min: usize::try_from(body.min_bytes).unwrap_or(0).min(bytes_max),
        deadline: request.received + Duration::from_millis(wait_ms as u64),
        is_patient: wait_ms > 0,
        timeline: request.timeline,
    };
    fetching.timeline.pass(Stage::Decode, ctx.clock.monotonic());
    Ok(Answer::Later(Box::pin(fetching.run(Rc::clone(ctx), request.turn.open()))))
}

/// A fetch under way. Nothing is read before the connection first asks for the answer, so that what one connection has
/// read for it is bounded by what it sends.
struct Fetching {
    slots: Vec<Slot>,
    mode: Mode,
    answer: FetchAnswer,
    bytes_min: usize,
    deadline: Instant,
    is_patient: bool,
    timeline: Timeline,
}

/// A read at one owner: the slots it fills, and the reply to come.
struct Read {
    places: Vec<usize>,
    is_elsewhere: bool,
    call: Call,
}

impl Fetching {
    async fn run(mut self, ctx: Rc<Context>, mut turn: Permit) -> Response {
        turn.grow(1).await;
        let mut memory = ctx.fetch_memory.open();
        let mut reread = None;
        loop {
            // What may come is accounted before it is read, and what has not come is given back.
            memory.grow(self.bytes_at_most().saturating_sub(memory.byte_len())).await;
            self.timeline.pass(Stage::Memory, ctx.clock.monotonic());
            let reads = self.start_reads(&ctx, reread);
            self.finish_reads(reads, ctx.clock).await;
            memory.shrink_to(self.byte_len().min(memory.byte_len()));
            if self.is_enough() {
                break;
            }
            let mut watches = Watches::start(&ctx, &self);
            let (owner, woken) = watches.first().await;
            drop(watches);
            self.timeline.pass(Stage::LongPoll, ctx.clock.monotonic());
            if woken == Woken::Expired || ctx.clock.monotonic() >= self.deadline {
                break;
            }
            reread = Some(owner);
        }
        self.conclude(&ctx, vec![turn, memory])
    }

    /// Bytes of records that the partitions may bring together.
    fn bytes_at_most(&self) -> usize {
        let wishes = self.slots.iter().filter_map(|slot| slot.wish);
        wishes.fold(0, |sum: usize, wish| sum.saturating_add(wish.bytes_max)).min(self.answer.bytes_max)
    }

    /// Asks the owners of the partitions that are known, or only one of them. All share the bytes of the request evenly:
    /// who has less leaves the rest to the next request.
    fn start_reads(&self, ctx: &Rc<Context>, only: Option<ShardId>) -> Vec<Read> {
        let mut routes = Routes::new();
        for (place, slot) in self.slots.iter().enumerate() {
            if let Some(wish) = slot.wish {
                routes.add(ctx, wish.log, place, wish);
            }
        }
        let bytes_max = self.answer.bytes_max / routes.len().max(1);
        routes
            .into_iter()
            .filter(|route| only.is_none_or(|owner| route.owner == owner))
            .map(|route| {
                let fetch = Fetch { partitions: route.items, bytes_max };
                let is_elsewhere = route.owner != ctx.shard;
                let call = ctx.call(route.owner, message::Request::Fetch(fetch));
                Read { places: route.places, is_elsewhere, call }
            })
            .collect()
    }

    async fn finish_reads(&mut self, reads: Vec<Read>, clock: Clock) {
        let (places, calls): (Vec<_>, Vec<_>) =
            reads.into_iter().map(|read| ((read.places, read.is_elsewhere), read.call)).unzip();
        let replies = join_all(calls).await;
        let back = clock.monotonic();
        // When the one that took longest was read, and when it was begun elsewhere.
        let mut slowest: Option<(Instant, Option<Instant>)> = None;
        for ((places, is_elsewhere), reply) in places.into_iter().zip(replies) {
            let reply = reply.into_fetch();
            if slowest.is_none_or(|(read, _)| read < reply.read) {
                slowest = Some((reply.read, is_elsewhere.then_some(reply.arrived)));
            }
            for (place, result) in places.into_iter().zip(reply.results) {
                let slot = &mut self.slots[place];
                match result {
                    Ok(fetched) => slot.fetched = Some(fetched),
                    Err(fault) => slot.error_code = error_codes::of_read(fault),
                }
            }
        }
        if let Some((read, arrived)) = slowest {
            if let Some(arrived) = arrived {
                self.timeline.pass(Stage::MeshOut, arrived);
            }
            self.timeline.pass(Stage::Read, read);
            self.timeline.pass(Stage::MeshBack, back);
        }
    }

    fn byte_len(&self) -> usize {
        self.slots.iter().map(Slot::byte_len).sum()
    }

    /// Whether there is a reason to answer now. Without partitions there is nothing to wait for.
    fn is_enough(&self) -> bool {
        !self.is_patient
            || self.slots.is_empty()
            || self.slots.iter().any(|slot| slot.error_code.is_error())
            || self.byte_len() >= self.bytes_min
    }

    fn conclude(self, ctx: &Context, held: Vec<Permit>) -> Response {
        let partitions: Vec<_> = match self.mode {
            Mode::Sessionless => Vec::new(),
            Mode::Opening { .. } | Mode::Incremental { .. } => self.slots.iter().map(Slot::told).collect(),
        };
        let concluded = fetch_session::conclude(
            &mut ctx.fetch_sessions.borrow_mut(),
            self.mode,
            ctx.clock.monotonic(),
            (ctx.shard, ctx.shard_count),
            || uuid::Uuid::new_v4().as_fields().0,
            &partitions,
        );
        match (concluded, self.mode) {
            (Ok(concluded), _) => {
                let response = self.answer.build(concluded, self.slots, &ctx.metrics);
                Response { held, timeline: Some(self.timeline), ..response }
            }
            // Another request of the session was faster: its answer is the one that counts.
            (Err(error_code), Mode::Incremental { session }) => refuse(self.answer.reply_to, session.0.0, error_code),
            (Err(error_code), _) => refuse(self.answer.reply_to, 0, error_code),
        }
    }
}

/// Watches at all owners of a fetch. Those that still wait are cancelled when this is dropped, which also happens when the
/// connection ends.
struct Watches<'a> {
    ctx: &'a Rc<Context>,
    keys: Vec<(ShardId, WatchKey)>,
    calls: Vec<Call>,
    /// The one that has ended.
    ended: Option<usize>,
}

impl<'a> Watches<'a> {
    fn start(ctx: &'a Rc<Context>, fetching: &Fetching) -> Self {
        let mut routes = Routes::new();
        for (place, slot) in fetching.slots.iter().enumerate() {
            if let (Some(wish), Some(fetched)) = (&slot.wish, &slot.fetched) {
                routes.add(ctx, wish.log, place, (wish.log, fetched.committed_end));
            }
        }
        let mut watches = Self { ctx, keys: Vec::new(), calls: Vec::new(), ended: None };
        for route in routes {
            let key = WatchKey { asker: ctx.shard, number: ctx.partitions.borrow_mut().next_watch_number() };
            let watch = Watch { key, logs: route.items, deadline: fetching.deadline };
            watches.keys.push((route.owner, key));
            watches.calls.push(ctx.call(route.owner, message::Request::Watch(watch)));
        }
        watches
    }

    /// Waits for the first to end. Tells whose it was, and why it ended.
    async fn first(&mut self) -> (ShardId, Woken) {
        let (place, reply) = first_of(&mut self.calls).await;
        self.ended = Some(place);
        (self.keys[place].0, reply.into_woken())
    }
}

impl Drop for Watches<'_> {
    fn drop(&mut self) {
        for (place, &(owner, key)) in self.keys.iter().enumerate() {
            if self.ended != Some(place) {
                // The request is under way when the call returns; nobody needs the reply.
                drop(self.ctx.call(owner, message::Request::CancelWatch(key)));
            }
        }
    }
}

fn slots(image: &Image, wanted: Vec<(PartitionKey, Wanted)>) -> Vec<Slot> {
    wanted
        .into_iter()
        .map(|(key, wanted)| {
            let (error_code, wish) = match locate(image, &key) {
                Ok(log) => (ErrorCode::NONE, Some(wish(log, &wanted))),
                Err(error_code) => (error_code, None),
            };
            Slot { key, wanted, error_code, wish, fetched: None }
        })
        .collect()
}

fn locate(image: &Image, key: &PartitionKey) -> Result<LogId, ErrorCode> {
    let named = match &key.topic {
        TopicKey::Name(name) => TopicNamed::Name(name),
        TopicKey::Id(id) => TopicNamed::Id(*id),
    };
    let topic = named.find(image)?;
    let partition = topic.partition(key.index).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
    Ok(log_id(topic.id, partition))
}

fn wish(log: LogId, wanted: &Wanted) -> message::FetchPartition {
    message::FetchPartition {
        log,
        from: Offset(wanted.fetch_offset),
        bytes_max: usize::try_from(wanted.bytes_max).unwrap_or(0),
        leader_epoch: Some(wanted.current_leader_epoch).filter(|&epoch| epoch != NO_EPOCH).map(LeaderEpoch),
    }
}
