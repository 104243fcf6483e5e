//! How the shards of a node speak to each other: typed requests and replies over one bounded queue per ordered pair.
//!
//! ```text
//!   shard A                                              shard B
//!   call() --> queue A->B (overflow waits at A) --> turn() --> serve --> Now ----+
//!     |                                                            \--> Later ---+ (a task)
//!   oneshot <-- turn() <-- queue B->A <---------------------------- reply() <----+
//! ```
//! Messages of one pair arrive in the order in which they were sent. Buffers move with their message; nothing is copied.
//! A [`Mesh`] lives on one shard; only [`Endpoint`] travels between threads, once, at the start.

pub mod message;
pub mod placement;
pub mod queue;
mod sync;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use engine::ring::RingWaker;
use engine::ring::sync::{Notify, oneshot};

use self::message::{Reply, Request};
use self::queue::{Bell, Receiver, Sender};
use crate::ids::ShardId;
use crate::limits::{MESH_CALLS_OPEN_MAX, MESH_DRAIN_MESSAGES, MESH_QUEUE_MESSAGES};

/// Names an open call on the shard that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(u32);

enum Envelope {
    Request(CallId, Request),
    Reply(CallId, Reply),
}

/// One shard's ends of all its queues, before the shard's thread has taken them.
pub struct Endpoint {
    shard: ShardId,
    outbound: Vec<Option<Sender<Envelope>>>,
    inbound: Vec<Option<Receiver<Envelope>>>,
    bells: Arc<[Bell]>,
    wakers: Arc<[OnceLock<RingWaker>]>,
}

impl Endpoint {
    /// Whose ends these are.
    pub fn shard(&self) -> ShardId {
        self.shard
    }
}

/// Makes the queues between `wakers.len()` shards. The shards put their wakers in before they first sleep.
pub fn endpoints(wakers: &Arc<[OnceLock<RingWaker>]>) -> Vec<Endpoint> {
    let shard_count = u16::try_from(wakers.len()).expect("checked against SHARDS_MAX");
    let bells: Arc<[Bell]> = ShardId::all(shard_count).map(|_| Bell::new()).collect();
    let mut endpoints: Vec<Endpoint> = ShardId::all(shard_count)
        .map(|shard| Endpoint {
            shard,
            outbound: ShardId::all(shard_count).map(|_| None).collect(),
            inbound: ShardId::all(shard_count).map(|_| None).collect(),
            bells: bells.clone(),
            wakers: wakers.clone(),
        })
        .collect();
    for from in ShardId::all(shard_count) {
        for to in ShardId::all(shard_count).filter(|to| *to != from) {
            let (sender, receiver) = queue::queue(MESH_QUEUE_MESSAGES);
            endpoints[from.index()].outbound[to.index()] = Some(sender);
            endpoints[to.index()].inbound[from.index()] = Some(receiver);
        }
    }
    endpoints
}

/// A shard's way to the others. Clones are the same mesh.
#[derive(Clone)]
pub struct Mesh {
    shared: Rc<Shared>,
}

struct Shared {
    shard: ShardId,
    outbound: RefCell<Vec<Option<Outbound>>>,
    inbound: RefCell<Vec<Option<Receiver<Envelope>>>>,
    calls: RefCell<Calls>,
    /// Messages that wait on this shard because their queue is full.
    overflowing: Cell<usize>,
    room: Notify,
    bells: Arc<[Bell]>,
    wakers: Arc<[OnceLock<RingWaker>]>,
}

struct Outbound {
    queue: Sender<Envelope>,
    /// First in, first out. Bounded because each message belongs to an admitted request, and while too many calls are
    /// open no shard reads further requests ([`Mesh::has_room`]).
    overflow: VecDeque<Envelope>,
}

/// The calls this shard waits for; a vacant place is linked through `vacant`.
#[derive(Default)]
struct Calls {
    places: Vec<Option<oneshot::Sender<Reply>>>,
    vacant: Vec<u32>,
}

/// A reply that is waited for. Dropping it forgets the call; the other shard still carries it out.
pub enum Call {
    /// The reply is there.
    Now(Option<Reply>),
    /// The request is being carried out on this shard.
    Here(Pin<Box<dyn Future<Output = Reply>>>),
    /// Another shard has the request.
    There(oneshot::Receiver<Reply>),
}

impl Mesh {
    /// Takes a shard's ends over on its own thread.
    pub fn new(endpoint: Endpoint) -> Self {
        let outbound = endpoint.outbound.into_iter();
        let outbound = outbound.map(|queue| queue.map(|queue| Outbound { queue, overflow: VecDeque::new() })).collect();
        Self {
            shared: Rc::new(Shared {
                shard: endpoint.shard,
                outbound: RefCell::new(outbound),
                inbound: RefCell::new(endpoint.inbound),
                calls: RefCell::default(),
                overflowing: Cell::new(0),
                room: Notify::new(),
                bells: endpoint.bells,
                wakers: endpoint.wakers,
            }),
        }
    }

    /// Asks shard `to`, another one than this. The request is on its way when this returns.
    pub fn call(&self, to: ShardId, request: Request) -> Call {
        let (sender, receiver) = oneshot::channel();
        let call = self.shared.calls.borrow_mut().open(sender);
        self.shared.send(to, Envelope::Request(call, request));
        Call::There(receiver)
    }

    /// Answers a request that [`Mesh::turn`] gave out.
    pub fn reply(&self, to: ShardId, call: CallId, reply: Reply) {
        self.shared.send(to, Envelope::Reply(call, reply));
    }

    /// Whether requests may be taken on that call other shards.
    pub fn has_room(&self) -> bool {
        self.shared.calls.borrow().open_count() < MESH_CALLS_OPEN_MAX
    }

    /// Calls that other shards have not answered yet.
    pub fn open_calls(&self) -> usize {
        self.shared.calls.borrow().open_count()
    }

    /// Messages that wait on this shard because their queue is full.
    pub fn overflowing(&self) -> usize {
        self.shared.overflowing.get()
    }

    /// Waits until [`Mesh::has_room`] may have become true.
    pub async fn room(&self) {
        if !self.has_room() {
            self.shared.room.notified().await;
        }
    }

    /// Part of the driver's turn: passes on what overflowed, wakes the callers of replies, gives requests to `serve`.
    /// True if anything moved or still has to, so that the shard does not go to sleep over it.
    pub fn turn(&self, mut serve: impl FnMut(ShardId, CallId, Request)) -> bool {
        let mut busy = self.shared.overflowing.get() > 0;
        if busy {
            self.shared.pass_on_overflow();
        }
        let peers = self.shared.bells.len();
        for from in 0..peers {
            for _ in 0..MESH_DRAIN_MESSAGES {
                // The borrow ends before anybody is woken or served, because both may come back to the mesh.
                let arrived = self.shared.inbound.borrow_mut()[from].as_mut().and_then(Receiver::pop);
                let Some(envelope) = arrived else { break };
                busy = true;
                match envelope {
                    Envelope::Request(call, request) => serve(ShardId(from as u16), call, request),
                    Envelope::Reply(call, reply) => self.resolve(call, reply),
                }
            }
        }
        busy
    }

    /// Tells the peers that this shard goes to sleep, or is awake. After `true`, one more turn must find nothing.
    pub fn announce(&self, sleeping: bool) {
        let bell = &self.shared.bells[self.shared.shard.index()];
        if sleeping { bell.announce_sleep() } else { bell.announce_awake() }
    }

    fn resolve(&self, call: CallId, reply: Reply) {
        let was_full = !self.has_room();
        let sender = self.shared.calls.borrow_mut().close(call);
        // Nobody waits if the connection that asked is gone.
        let _ = sender.send(reply);
        if was_full {
            self.shared.room.notify_waiters();
        }
    }
}

impl Shared {
    fn send(&self, to: ShardId, envelope: Envelope) {
        {
            let mut outbound = self.outbound.borrow_mut();
            let outbound = outbound[to.index()].as_mut().expect("a shard does not send messages to itself");
            // Behind an overflow only the overflow keeps the order.
            let unsent =
                if outbound.overflow.is_empty() { outbound.queue.push(envelope).err() } else { Some(envelope) };
            if let Some(envelope) = unsent {
                outbound.overflow.push_back(envelope);
                self.overflowing.set(self.overflowing.get() + 1);
            }
        }
        self.ring_bell(to.index());
    }

    fn pass_on_overflow(&self) {
        for to in 0..self.bells.len() {
            let passed = self.outbound.borrow_mut()[to].as_mut().map_or(0, Outbound::pass_on);
            if passed > 0 {
                self.overflowing.set(self.overflowing.get() - passed);
                self.ring_bell(to);
            }
        }
    }

    fn ring_bell(&self, to: usize) {
        if self.bells[to].must_wake() {
            // A shard that has announced its sleep has registered its waker before.
            self.wakers[to].get().expect("a sleeping shard has a waker").wake();
        }
    }
}

impl Outbound {
    fn pass_on(&mut self) -> usize {
        let mut passed = 0;
        while let Some(envelope) = self.overflow.pop_front() {
            if let Err(envelope) = self.queue.push(envelope) {
                self.overflow.push_front(envelope);
                break;
            }
            passed += 1;
        }
        passed
    }
}

impl Calls {
    fn open(&mut self, sender: oneshot::Sender<Reply>) -> CallId {
        if let Some(place) = self.vacant.pop() {
            let vacated = self.places[place as usize].replace(sender);
            assert!(vacated.is_none(), "call {place} was open");
            return CallId(place);
        }
        self.places.push(Some(sender));
        CallId(u32::try_from(self.places.len() - 1).expect("calls are limited by the bytes of admitted requests"))
    }

    fn close(&mut self, call: CallId) -> oneshot::Sender<Reply> {
        let sender = self.places[call.0 as usize].take().expect("a call is replied to once");
        self.vacant.push(call.0);
        sender
    }

    fn open_count(&self) -> usize {
        self.places.len() - self.vacant.len()
    }
}

impl Future for Call {
    type Output = Reply;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Reply> {
        match &mut *self {
            Call::Now(reply) => Poll::Ready(reply.take().expect("a call is not polled after its end")),
            Call::Here(served) => served.as_mut().poll(cx),
            Call::There(receiver) => match Pin::new(receiver).poll(cx) {
                Poll::Ready(Ok(reply)) => Poll::Ready(reply),
                // The mesh keeps the sender until the reply is there, so the shard is ending and so is this task.
                Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::message::WatchKey;
    use super::*;

    fn pair() -> (Mesh, Mesh) {
        let wakers: Arc<[OnceLock<RingWaker>]> = (0..2).map(|_| OnceLock::new()).collect();
        let mut meshes = endpoints(&wakers).into_iter().map(Mesh::new);
        (meshes.next().expect("shard 0"), meshes.next().expect("shard 1"))
    }

    fn request(number: u64) -> Request {
        Request::CancelWatch(WatchKey { asker: ShardId(0), number })
    }

    fn is_ready(call: &mut Call) -> bool {
        Pin::new(call).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn more_calls_than_the_queue_holds_arrive_in_order_and_all_get_their_reply() {
        let (near, far) = pair();
        let count = 3 * MESH_QUEUE_MESSAGES as u64 + 7;
        let mut calls: Vec<Call> = (0..count).map(|number| near.call(ShardId(1), request(number))).collect();
        let mut next = 0;
        let mut turns = 0;
        while near.shared.calls.borrow().open_count() > 0 {
            far.turn(|from, call, request| {
                let Request::CancelWatch(key) = request else { panic!("another kind of request") };
                assert_eq!((from, key.number), (ShardId(0), next));
                next += 1;
                far.reply(from, call, Reply::CancelWatch);
            });
            near.turn(|_, _, _| panic!("nobody asks this shard anything"));
            turns += 1;
            assert!(turns < 100, "the overflow has to move");
        }
        assert_eq!(next, count);
        assert!(calls.iter_mut().all(is_ready));
        assert!(!near.turn(|_, _, _| ()) && !far.turn(|_, _, _| ()), "an idle mesh lets its shard sleep");
    }

    #[test]
    fn a_call_that_nobody_waits_for_any_more_frees_its_place() {
        let (near, far) = pair();
        drop(near.call(ShardId(1), request(1)));
        far.turn(|from, call, _| far.reply(from, call, Reply::CancelWatch));
        near.turn(|_, _, _| ());
        assert_eq!(near.shared.calls.borrow().open_count(), 0);
        let mut again = near.call(ShardId(1), request(2));
        assert!(!is_ready(&mut again), "the place is used again, the old reply is not");
    }
}
