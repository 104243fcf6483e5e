//! One Kafka connection: a task that reads requests and sends their answers, side by side.
//!
//! ```text
//!   socket --receive--> frames --admit--> handlers::handle --> Answers --in order--> send --> socket
//!      ^                          |                               |
//!      +------- not read while ---+---- too much is in flight ----+
//! ```
//! Reader and writer are two futures of one task, polled in this order: what the reader starts, the writer sees in the
//! same poll, so neither has to wake the other. When either ends the connection ends, and dropping both lets go of
//! everything that was in flight.
//!
//! Receives are one-shot, not multishot: not reading is then all it takes to push back, with nothing to cancel.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use engine::ring::{RecvChunk, Socket};
use wire::{ApiKey, Reader, RequestHeader};

use super::answers::{Answers, Origin};
use super::arrivals::Admission;
use super::budget::{Budget, Permit};
use super::frame::{self, FrameError, PREFIX_BYTES, Rest};
use super::table::{Entry, Order};
use super::{Answer, RequestFrame, Response};
use crate::handlers;
use crate::limits;
use crate::metrics::{Stage, Timeline};
use crate::quota::run::Tariff;
use crate::shard::Context;

/// Pieces of an answer that the writer keeps room for.
const PARTS_KEPT: usize = 8;
/// Requests whose answers are being sent that the writer keeps room for.
const TAKEN_KEPT: usize = 1;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the peer closed it")]
    Closed,
    #[error("the peer closed it within a request")]
    Truncated,
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Violation(String),
    #[error("a deadline passed")]
    Expired,
    #[error("the shard stops")]
    Finished,
}

struct Connection {
    ctx: Rc<Context>,
    socket: Socket,
    entry: Rc<Entry>,
    peer: SocketAddr,
    local: SocketAddr,
    answers: RefCell<Answers>,
    /// The writer has taken answers that the kernel has not.
    sending: Cell<bool>,
    /// The reader, when it waits for answers to leave.
    blocked: Cell<Option<Waker>>,
    /// See [`RequestFrame::turn`].
    turn: Rc<Budget>,
    /// What its client is bound by, if quotas bind anybody.
    tariff: RefCell<Option<Rc<Tariff>>>,
    /// Until when no request is taken up, as the client has used more than it may. Answers leave all the while (KIP-219).
    muted_until: Cell<Option<Instant>>,
    _admission: Admission,
}

/// Serves a connection until either side ends it.
pub async fn serve(ctx: Rc<Context>, socket: Socket, admission: Admission) {
    let (Ok(peer), Ok(local)) = (socket.peer_addr(), socket.local_addr()) else {
        // It was gone before it was looked at.
        ctx.metrics.connections_closed.add(1);
        return;
    };
    let entry = ctx.connections.enter(ctx.clock.monotonic());
    let connection = Connection {
        ctx: ctx.clone(),
        socket,
        entry: entry.clone(),
        peer,
        local,
        answers: RefCell::default(),
        sending: Cell::new(false),
        blocked: Cell::new(None),
        turn: Budget::new(1),
        tariff: RefCell::default(),
        muted_until: Cell::new(None),
        _admission: admission,
    };
    let end = connection.run().await;
    drop(connection);
    ctx.connections.leave(&entry);
    ctx.metrics.connections_closed.add(1);
    match end {
        End::Violation(_) | End::Frame(_) => {
            ctx.metrics.connections_violated.add(1);
            tracing::info!(shard = %ctx.shard, %peer, reason = %end, "connection closed");
        }
        _ => tracing::debug!(shard = %ctx.shard, %peer, reason = %end, "connection closed"),
    }
}

impl Connection {
    async fn run(&self) -> End {
        let mut reader = pin!(self.read());
        let mut writer = pin!(self.write());
        poll_fn(|cx| {
            self.entry.remember(cx.waker());
            match self.entry.order() {
                Order::Close => return Poll::Ready(End::Expired),
                Order::Serve => {
                    if let Poll::Ready(end) = reader.as_mut().poll(cx) {
                        return Poll::Ready(end);
                    }
                }
                Order::Finish => {}
            }
            if let Poll::Ready(end) = writer.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            let idle = !self.sending.get() && self.answers.borrow().is_empty();
            if self.entry.order() == Order::Finish && idle { Poll::Ready(End::Finished) } else { Poll::Pending }
        })
        .await
    }

    async fn read(&self) -> End {
        loop {
            if let Err(end) = self.read_some().await {
                return end;
            }
        }
    }

    /// Receives once and starts every request whose last byte came, finishing the one whose first bytes did.
    async fn read_some(&self) -> Result<(), End> {
        self.room().await;
        let chunk = self.socket.recv_provided().await?;
        if chunk.is_empty() {
            return Err(End::Closed);
        }
        let arrived = self.ctx.clock.monotonic();
        let (whole, rest) = self.split(chunk, arrived)?;
        self.start_all(whole, arrived).await?;
        match rest {
            Some(rest) => self.finish(rest).await,
            None => Ok(()),
        }
    }

    /// Copies what was received out of the shard's buffer, which goes back: the whole frames, and the rest.
    fn split(&self, chunk: RecvChunk, arrived: Instant) -> Result<(Bytes, Option<Partial>), End> {
        self.entry.active_at.set(arrived);
        self.ctx.metrics.request_bytes.add(chunk.len());
        self.ctx.metrics.receive_copied_bytes.add(chunk.len());
        let (end, rest) = frame::scan(&chunk, self.request_bytes_max())?;
        let partial = match rest {
            Rest::Nothing => None,
            Rest::Prefix => Some(Partial::Prefix(chunk[end..].to_vec())),
            Rest::Body { length } => {
                let begun = &chunk[end + PREFIX_BYTES..];
                let mut body = Vec::with_capacity(length.min(begun.len() + limits::FRAME_AHEAD_BYTES));
                body.extend_from_slice(begun);
                Some(Partial::Body { length, body })
            }
        };
        Ok((Bytes::copy_from_slice(&chunk[..end]), partial))
    }

    /// Starts the requests of `frames`, which holds whole frames with their lengths.
    async fn start_all(&self, mut frames: Bytes, arrived: Instant) -> Result<(), End> {
        while let Some(prefix) = frames.first_chunk::<PREFIX_BYTES>() {
            let length = frame::length(*prefix, self.request_bytes_max())?;
            frames.advance(PREFIX_BYTES);
            // The last frame, mostly the only one, takes the memory as it is; those before it share it by count.
            let body = if frames.len() == length { std::mem::take(&mut frames) } else { frames.split_to(length) };
            self.room().await;
            let mut permit = self.ctx.request_memory.small.open();
            if !permit.try_grow(length) {
                permit.grow(length).await;
            }
            self.start(body, permit, arrived)?;
        }
        Ok(())
    }

    /// Receives the rest of a frame, straight into its own memory, and starts its request.
    async fn finish(&self, partial: Partial) -> Result<(), End> {
        let (length, mut body) = match partial {
            Partial::Body { length, body } => (length, body),
            Partial::Prefix(begun) => {
                let missing = PREFIX_BYTES - begun.len();
                let prefix = self.receive(begun, missing).await?;
                let prefix =
                    *prefix.first_chunk::<PREFIX_BYTES>().expect("as many bytes as a prefix has were received");
                (frame::length(prefix, self.request_bytes_max())?, Vec::new())
            }
        };
        let mut permit = self.ctx.request_memory.large.open();
        permit.grow(body.len()).await;
        while body.len() < length {
            // A step is as large as what came already: large frames take few, and who sends little holds little.
            let step =
                body.len().clamp(limits::FRAME_STEP_BYTES_MIN, limits::FRAME_AHEAD_BYTES).min(length - body.len());
            permit.grow(step).await;
            body.reserve((length - body.len()).min(limits::FRAME_AHEAD_BYTES));
            body = self.receive(body, step).await?;
            self.ctx.metrics.request_bytes.add(step);
        }
        let arrived = self.ctx.clock.monotonic();
        self.room().await;
        self.start(Bytes::from(body), permit, arrived)
    }

    /// Appends `count` further bytes to `buf`. The peer has a limited time to send them.
    async fn receive(&self, mut buf: Vec<u8>, count: usize) -> Result<Vec<u8>, End> {
        buf.reserve_exact(count);
        self.entry.frame_due.set(Some(self.ctx.clock.monotonic() + Duration::from_millis(limits::FRAME_STEP_MS_MAX)));
        let (received, buf) = self.socket.recv_exact_into(buf, count).await;
        self.entry.frame_due.set(None);
        if received? < count { Err(End::Truncated) } else { Ok(buf) }
    }

    /// Hands a request to its handler. What its order decides has happened when this returns.
    fn start(&self, body: Bytes, permit: Permit, arrived: Instant) -> Result<(), End> {
        let received = self.ctx.clock.monotonic();
        self.entry.active_at.set(received);
        let api_key = body.first_chunk::<2>().map_or(-1, |key| i16::from_be_bytes(*key));
        let mut timeline = Timeline::new(arrived);
        timeline.pass(Stage::Admit, received);
        let mut origin = Origin { api_key, timeline };
        let request_bytes = body.len();
        self.ctx.metrics.requests.add(1);
        let tariff = self.tariff(&body, received);
        let (peer, local, turn) = (self.peer, self.local, self.turn.clone());
        if let Some(tariff) = tariff.as_ref().filter(|_| api_key == ApiKey::Produce.as_i16()) {
            // What the client has sent behind it waits as well.
            self.mute(tariff.take_produced(request_bytes, received), received);
        }
        let request = RequestFrame { bytes: body, received, timeline, peer, local, turn, tariff: tariff.clone() };
        let answer = handlers::handle(&self.ctx, request);
        if let Some(tariff) = tariff.as_ref().filter(|tariff| tariff.counts_time()) {
            let now = self.ctx.clock.monotonic();
            self.mute(tariff.take_time(now.saturating_duration_since(received), now), now);
        }
        match answer {
            Answer::Ready(response) => {
                origin.timeline.pass(Stage::Decode, self.ctx.clock.monotonic());
                self.answers.borrow_mut().push_ready(origin, response);
            }
            Answer::Later(response) => self.answers.borrow_mut().push_later(origin, response, request_bytes, permit),
            Answer::Silent => {}
            Answer::Close(reason) => return Err(End::Violation(reason)),
        }
        self.entry.unanswered.set(self.answers.borrow().len());
        Ok(())
    }

    /// What the client of a request is bound by. Which client it is stands in each request.
    fn tariff(&self, body: &Bytes, now: Instant) -> Option<Rc<Tariff>> {
        let image = self.ctx.image.borrow();
        let quotas = image.quotas();
        let tariff = (!quotas.is_empty()).then(|| {
            let header = RequestHeader::decode(&mut Reader::new(body));
            let client_id = header.ok().and_then(|header| header.client_id).unwrap_or_default();
            self.ctx.quota_clients.tariff(quotas, client_id, now)
        });
        self.tariff.replace(tariff.clone());
        tariff
    }

    /// An answer leaves: its client is told how long it is throttled, and is not heard for that long. What was fetched counts now.
    fn settle(&self, api_key: i16, response: &mut Response) {
        let tariff = self.tariff.borrow();
        let Some(tariff) = tariff.as_ref() else { return };
        let now = self.ctx.clock.monotonic();
        let is = |key: ApiKey| key.as_i16() == api_key;
        let bytes = if is(ApiKey::Fetch) {
            tariff.take_fetched(response.byte_len(), now)
        } else if is(ApiKey::Produce) {
            tariff.take_produced(0, now)
        } else {
            Duration::ZERO
        };
        let wait = bytes.max(tariff.take_time(Duration::ZERO, now));
        if !wait.is_zero() {
            // Less than a millisecond is told as one: zero means that nothing was throttled.
            let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX).max(1);
            response.set_throttle_time(wait_ms);
            self.ctx.metrics.throttled.add(1);
            self.mute(wait, now);
        }
    }

    fn mute(&self, wait: Duration, now: Instant) {
        if wait.is_zero() {
            return;
        }
        let until = now + wait;
        self.muted_until.set(self.muted_until.get().max(Some(until)));
        // It is silent because it is told to be.
        self.entry.active_at.set(until);
    }

    /// Waits until another request may be taken on.
    async fn room(&self) {
        while let Some(until) = self.muted_until.take() {
            self.ctx.ring.sleep_until(until).await;
        }
        while !self.ctx.mesh.has_room() {
            self.ctx.mesh.room().await;
        }
        poll_fn(|cx| {
            let answers = self.answers.borrow();
            let full = answers.len() >= limits::REQUESTS_UNANSWERED_MAX
                || answers.byte_len() >= limits::CONNECTION_BYTES_IN_FLIGHT_MAX;
            if !full {
                return Poll::Ready(());
            }
            self.blocked.set(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Sends answers as they become ready, those that are ready together in one go.
    async fn write(&self) -> End {
        let mut parts = Vec::new();
        let mut taken = Vec::new();
        loop {
            poll_fn(|cx| {
                let settle = |api_key, response: &mut Response| self.settle(api_key, response);
                self.answers.borrow_mut().take_ready(&mut parts, &mut taken, settle, cx);
                if taken.is_empty() { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            let now = self.note_taken(&mut taken);
            self.sending.set(true);
            self.entry.sending_since.set(Some(now));
            let bytes: usize = parts.iter().map(|part: &engine::ring::Part| part.len()).sum();
            let (sent, returned) = self.socket.send_all(parts).await;
            self.entry.sending_since.set(None);
            self.sending.set(false);
            self.answers.borrow_mut().on_sent();
            if let Err(error) = sent {
                return End::Io(error);
            }
            self.ctx.metrics.sends.add(1);
            self.ctx.metrics.response_bytes.add(bytes);
            self.note_sent(&mut taken);
            // The list is used again; a long one goes back, so that an idle connection holds little.
            parts = returned;
            parts.clear();
            parts.shrink_to(PARTS_KEPT);
        }
    }

    fn note_taken(&self, taken: &mut [Origin]) -> Instant {
        let now = self.ctx.clock.monotonic();
        taken.iter_mut().for_each(|origin| origin.timeline.pass(Stage::Queue, now));
        self.entry.unanswered.set(self.answers.borrow().len());
        // Who is throttled counts as active until that is over.
        self.entry.active_at.set(self.entry.active_at.get().max(now));
        if let Some(reader) = self.blocked.take() {
            reader.wake();
        }
        now
    }

    fn note_sent(&self, taken: &mut Vec<Origin>) {
        let now = self.ctx.clock.monotonic();
        for mut origin in taken.drain(..) {
            origin.timeline.pass(Stage::Send, now);
            self.ctx.metrics.answered(origin.api_key, &origin.timeline);
        }
        taken.shrink_to(TAKEN_KEPT);
    }

    fn request_bytes_max(&self) -> usize {
        self.ctx.config.request_bytes_max as usize
    }
}

/// A frame that has begun to arrive.
enum Partial {
    Prefix(Vec<u8>),
    Body { length: usize, body: Vec<u8> },
}
