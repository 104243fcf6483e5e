//! Which operation belongs to which completion.
//!
//! Each operation in flight has a slot; slot number and generation travel through the kernel as `user_data`. A slot is in one
//! of these states:
//!
//! ```text
//!   Vacant --insert--> Waiting --completion--> Done --polled--> Vacant
//!                         |                      |
//!                         |                      +--future dropped--> Vacant (the result is discarded)
//!                         +--future dropped--> Orphan --completion--> Vacant (what the kernel used is freed only now)
//!   Streaming: like Waiting, for operations with many completions; ends with the completion that says so.
//! ```

use std::collections::VecDeque;
use std::task::{Poll, Waker};

use super::limits::OPS_IN_FLIGHT_MAX;

/// One completion as the kernel reports it: a count or `-errno`, and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) result: i32,
    pub(super) flags: u32,
}

/// What the kernel uses while an operation is in flight: buffers, descriptors, paths. Their addresses must not change when the
/// value moves, so everything the kernel looks at is on the heap.
pub(super) trait Held: Unpin + 'static {
    /// Disposes of a result that nobody will look at, for example closes a descriptor that was opened.
    fn discard(&mut self, _completion: Completion) {}
}

/// What kind of operation sits in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Socket operations and polls: may be cancelled when nobody waits any more.
    Cancellable,
    /// Disk operations: always run to their end.
    Disk,
    /// Disk operations that end on stable storage. The driver does not spin while one is in flight.
    DurableDisk,
}

/// Names one use of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    pub(super) fn user_data(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    fn of(user_data: u64) -> Key {
        Key { index: user_data as u32, generation: (user_data >> 32) as u32 }
    }
}

/// Generations stay below this, so that the top bit of `user_data` marks the ring's own operations.
const GENERATION_MASK: u32 = (1 << 31) - 1;

struct Slot {
    generation: u32,
    kind: Kind,
    state: State,
}

enum State {
    Vacant,
    Waiting(Option<Waker>),
    Done(Completion),
    Streaming { ready: VecDeque<Completion>, waker: Option<Waker>, ended: bool },
    Orphan(Box<dyn Held>),
}

/// What the ring must do for a completion, outside of any borrow of the slab: wakers and destructors may come back to it.
pub(super) enum Reaped {
    Nothing,
    Wake(Waker),
    Discard(Box<dyn Held>, Completion),
}

/// What is left to do when a future is dropped.
pub(super) enum Abandoned<H> {
    /// The operation had ended; these are its unseen results.
    Ended(H, Vec<Completion>),
    /// The kernel is still at it; the slab keeps what it uses. True: ask for cancellation.
    InFlight(bool),
}

pub(super) struct Slab {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    in_flight: usize,
    durable_in_flight: usize,
}

impl Slab {
    pub(super) fn new() -> Slab {
        Slab { slots: Vec::new(), vacant: Vec::new(), in_flight: 0, durable_in_flight: 0 }
    }

    /// Operations the kernel holds.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many more operations fit.
    pub(super) fn vacancies(&self) -> usize {
        OPS_IN_FLIGHT_MAX - self.in_flight
    }

    /// How many of them end on stable storage.
    pub(super) fn durable_in_flight(&self) -> usize {
        self.durable_in_flight
    }

    /// A slot for an operation with one completion; `None` at the limit.
    pub(super) fn insert(&mut self, kind: Kind) -> Option<Key> {
        self.occupy(kind, State::Waiting(None))
    }

    /// A slot for an operation with many completions; `None` at the limit.
    pub(super) fn insert_stream(&mut self) -> Option<Key> {
        self.occupy(Kind::Cancellable, State::Streaming { ready: VecDeque::new(), waker: None, ended: false })
    }

    /// Takes the completion if there is one; otherwise remembers whom to wake. The slot is vacant afterwards when ready.
    pub(super) fn poll(&mut self, key: Key, waker: &Waker) -> Poll<Completion> {
        match &mut self.slot(key).state {
            State::Done(completion) => {
                let completion = *completion;
                self.vacate(key);
                Poll::Ready(completion)
            }
            State::Waiting(slot) => {
                remember(slot, waker);
                Poll::Pending
            }
            State::Vacant | State::Streaming { .. } | State::Orphan(_) => unreachable!("a future polls its own slot"),
        }
    }

    /// Takes the next completion of a stream; `Ready(None)` once it has ended and everything was taken.
    pub(super) fn poll_stream(&mut self, key: Key, waker: &Waker) -> Poll<Option<Completion>> {
        let State::Streaming { ready, waker: slot, ended } = &mut self.slot(key).state else {
            unreachable!("a stream polls its own slot")
        };
        if let Some(completion) = ready.pop_front() {
            return Poll::Ready(Some(completion));
        }
        if *ended {
            self.vacate(key);
            return Poll::Ready(None);
        }
        remember(slot, waker);
        Poll::Pending
    }

    /// Files a completion. `last`: the kernel is done with the operation.
    pub(super) fn complete(&mut self, user_data: u64, completion: Completion, last: bool) -> Reaped {
        let key = Key::of(user_data);
        let slot = self.slot(key);
        let kind = slot.kind;
        let mut vacate = false;
        let reaped = match &mut slot.state {
            State::Waiting(waker) => {
                assert!(last, "an operation with one completion announced another");
                let waker = waker.take();
                slot.state = State::Done(completion);
                waker.map_or(Reaped::Nothing, Reaped::Wake)
            }
            State::Streaming { ready, waker, ended } => {
                ready.push_back(completion);
                *ended = last;
                waker.take().map_or(Reaped::Nothing, Reaped::Wake)
            }
            State::Orphan(held) if !last => {
                held.discard(completion);
                Reaped::Nothing
            }
            State::Orphan(_) => {
                let State::Orphan(held) = std::mem::replace(&mut slot.state, State::Vacant) else { unreachable!() };
                vacate = true;
                Reaped::Discard(held, completion)
            }
            State::Vacant | State::Done(_) => unreachable!("a completion for a slot that has none in flight"),
        };
        if last {
            self.count(kind, -1);
        }
        if vacate {
            self.vacate(key);
        }
        reaped
    }

    /// Ends a future's interest in its operation. `held` moves into the slab if the kernel still uses it.
    pub(super) fn abandon<H: Held>(&mut self, key: Key, held: H) -> Abandoned<H> {
        let slot = self.slot(key);
        let cancel = slot.kind == Kind::Cancellable;
        let mut unseen = Vec::new();
        let ended = match &mut slot.state {
            State::Done(completion) => {
                unseen.push(*completion);
                true
            }
            State::Streaming { ready, ended, .. } => {
                unseen.extend(ready.drain(..));
                *ended
            }
            State::Waiting(_) => false,
            State::Vacant | State::Orphan(_) => unreachable!("a future abandons its own slot, once"),
        };
        if ended {
            self.vacate(key);
            return Abandoned::Ended(held, unseen);
        }
        let mut held = held;
        for completion in unseen {
            held.discard(completion);
        }
        self.slot(key).state = State::Orphan(Box::new(held));
        Abandoned::InFlight(cancel)
    }

    /// The `user_data` of every operation in flight that may be cancelled.
    pub(super) fn cancellable(&self) -> Vec<u64> {
        let in_flight = |slot: &Slot| match &slot.state {
            State::Waiting(_) | State::Orphan(_) => true,
            State::Streaming { ended, .. } => !ended,
            State::Vacant | State::Done(_) => false,
        };
        let slots = self.slots.iter().enumerate();
        let wanted = slots.filter(|(_, slot)| slot.kind == Kind::Cancellable && in_flight(slot));
        wanted.map(|(index, slot)| Key { index: index as u32, generation: slot.generation }.user_data()).collect()
    }

    fn occupy(&mut self, kind: Kind, state: State) -> Option<Key> {
        if self.in_flight >= OPS_IN_FLIGHT_MAX {
            return None;
        }
        let index = match self.vacant.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Slot { generation: 0, kind, state: State::Vacant });
                (self.slots.len() - 1) as u32
            }
        };
        let slot = &mut self.slots[index as usize];
        slot.kind = kind;
        slot.state = state;
        let key = Key { index, generation: slot.generation };
        self.count(kind, 1);
        Some(key)
    }

    fn vacate(&mut self, key: Key) {
        let slot = self.slot(key);
        slot.state = State::Vacant;
        slot.generation = slot.generation.wrapping_add(1) & GENERATION_MASK;
        self.vacant.push(key.index);
    }

    fn slot(&mut self, key: Key) -> &mut Slot {
        let slot = &mut self.slots[key.index as usize];
        assert_eq!(slot.generation, key.generation, "slot {} was given away while in use", key.index);
        slot
    }

    fn count(&mut self, kind: Kind, by: isize) {
        self.in_flight = self.in_flight.strict_add_signed(by);
        if kind == Kind::DurableDisk {
            self.durable_in_flight = self.durable_in_flight.strict_add_signed(by);
        }
    }
}

fn remember(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(known) if known.will_wake(waker) => {}
        _ => *slot = Some(waker.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Abandoned, Completion, Held, Kind, OPS_IN_FLIGHT_MAX, Reaped, Slab};
    use std::cell::Cell;
    use std::rc::Rc;
    use std::task::{Poll, Waker};

    const DONE: Completion = Completion { result: 7, flags: 0 };

    /// Counts what was discarded into it, and shows by its reference count whether it is alive.
    struct Tally(Rc<Cell<i32>>);

    impl Held for Tally {
        fn discard(&mut self, completion: Completion) {
            self.0.set(self.0.get() + completion.result);
        }
    }

    #[test]
    fn a_slot_is_used_again_under_another_name() {
        let mut slab = Slab::new();
        let first = slab.insert(Kind::Disk).expect("there is room");
        assert!(slab.poll(first, Waker::noop()).is_pending());
        assert!(matches!(slab.complete(first.user_data(), DONE, true), Reaped::Wake(_)));
        assert_eq!(slab.poll(first, Waker::noop()), Poll::Ready(DONE));
        let second = slab.insert(Kind::Disk).expect("there is room");
        assert_ne!(first.user_data(), second.user_data());
        assert_eq!(first.index, second.index);
    }

    #[test]
    #[should_panic(expected = "given away while in use")]
    fn a_completion_under_an_old_name_is_a_bug_that_shows() {
        let mut slab = Slab::new();
        let first = slab.insert(Kind::Disk).expect("there is room");
        slab.complete(first.user_data(), DONE, true);
        assert!(slab.poll(first, Waker::noop()).is_ready());
        slab.insert(Kind::Disk).expect("there is room");
        slab.complete(first.user_data(), DONE, true);
    }

    #[test]
    fn an_abandoned_operation_keeps_what_the_kernel_uses() {
        let mut slab = Slab::new();
        let tally = Rc::new(Cell::new(0));
        let key = slab.insert(Kind::DurableDisk).expect("there is room");
        assert!(matches!(slab.abandon(key, Tally(Rc::clone(&tally))), Abandoned::InFlight(false)));
        assert_eq!((Rc::strong_count(&tally), slab.in_flight(), slab.durable_in_flight()), (2, 1, 1));
        let Reaped::Discard(mut held, completion) = slab.complete(key.user_data(), DONE, true) else {
            panic!("an orphan's result is discarded")
        };
        held.discard(completion);
        drop(held);
        assert_eq!((tally.get(), Rc::strong_count(&tally)), (7, 1));
        assert_eq!((slab.in_flight(), slab.durable_in_flight()), (0, 0));
    }

    #[test]
    fn an_abandoned_stream_discards_what_was_queued_and_what_comes() {
        let mut slab = Slab::new();
        let tally = Rc::new(Cell::new(0));
        let key = slab.insert_stream().expect("there is room");
        slab.complete(key.user_data(), DONE, false);
        assert!(matches!(slab.abandon(key, Tally(Rc::clone(&tally))), Abandoned::InFlight(true)));
        assert_eq!(tally.get(), 7);
        assert!(matches!(slab.complete(key.user_data(), DONE, false), Reaped::Nothing));
        assert_eq!(tally.get(), 14);
        let last = slab.complete(key.user_data(), Completion { result: -libc::ECANCELED, flags: 0 }, true);
        assert!(matches!(last, Reaped::Discard(..)));
        assert_eq!(slab.in_flight(), 0);
    }

    #[test]
    fn a_stream_ends_after_its_last_completion_was_taken() {
        let mut slab = Slab::new();
        let key = slab.insert_stream().expect("there is room");
        slab.complete(key.user_data(), DONE, false);
        slab.complete(key.user_data(), DONE, true);
        assert_eq!(slab.poll_stream(key, Waker::noop()), Poll::Ready(Some(DONE)));
        assert_eq!(slab.poll_stream(key, Waker::noop()), Poll::Ready(Some(DONE)));
        assert_eq!(slab.poll_stream(key, Waker::noop()), Poll::Ready(None));
        assert_eq!(slab.vacancies(), OPS_IN_FLIGHT_MAX);
    }

    #[test]
    fn the_limit_refuses_one_more_and_takes_it_when_one_has_ended() {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..OPS_IN_FLIGHT_MAX).map(|_| slab.insert(Kind::Disk).expect("there is room")).collect();
        assert!(slab.insert(Kind::Disk).is_none());
        assert_eq!(slab.vacancies(), 0);
        slab.complete(keys[5].user_data(), DONE, true);
        assert!(slab.insert(Kind::Disk).is_some());
    }

    #[test]
    fn only_cancellable_operations_in_flight_are_offered_for_cancellation() {
        let mut slab = Slab::new();
        let disk = slab.insert(Kind::Disk).expect("there is room");
        let socket = slab.insert(Kind::Cancellable).expect("there is room");
        let over = slab.insert(Kind::Cancellable).expect("there is room");
        slab.complete(over.user_data(), DONE, true);
        let stream = slab.insert_stream().expect("there is room");
        assert_eq!(slab.cancellable(), [socket.user_data(), stream.user_data()]);
        assert!(!slab.cancellable().contains(&disk.user_data()));
    }
}
