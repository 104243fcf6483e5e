//! Timers of one shard. No kernel timer per wait: the earliest deadline becomes the time-out of the driver's sleep, so
//! creating and dropping a timer costs a heap entry and no system call.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::limits::STALE_TIMERS_MIN;
use super::shared::Shared;

/// The monotonic clock; the ring's only look at it.
#[expect(clippy::disallowed_methods, reason = "the ring is a shell: it is where the time comes from")]
pub(super) fn now() -> Instant {
    Instant::now()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimerKey {
    index: u32,
    generation: u32,
}

struct TimerSlot {
    generation: u32,
    state: TimerState,
}

enum TimerState {
    Vacant,
    Waiting(Waker),
    Fired,
}

/// Order of firing: by deadline, then by creation.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    sequence: u64,
    index: u32,
    generation: u32,
}

/// All timers of a ring. A dropped timer leaves a stale heap entry, which is skipped when it comes up or swept out.
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Due>>,
    slots: Vec<TimerSlot>,
    vacant: Vec<u32>,
    sequence: u64,
    stale: usize,
}

impl Timers {
    pub(super) fn new() -> Timers {
        Timers { heap: BinaryHeap::new(), slots: Vec::new(), vacant: Vec::new(), sequence: 0, stale: 0 }
    }

    /// The earliest deadline; it may be that of a dropped timer, which costs one early turn.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    /// The waker of one timer that is due, or `None` when none is left.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        while self.heap.peek().is_some_and(|Reverse(due)| due.at <= now) {
            let Reverse(due) = self.heap.pop().expect("it was just seen");
            let slot = &mut self.slots[due.index as usize];
            if slot.generation != due.generation {
                self.stale -= 1;
                continue;
            }
            let fired = std::mem::replace(&mut slot.state, TimerState::Fired);
            let TimerState::Waiting(waker) = fired else { unreachable!("a timer is due once") };
            return Some(waker);
        }
        None
    }

    /// Gives up all wakers: the timers will never fire. The caller drops them outside of any borrow.
    pub(super) fn disarm(&mut self) -> Vec<Waker> {
        let waiting = self.slots.iter_mut().filter_map(|slot| match &mut slot.state {
            TimerState::Waiting(waker) => Some(std::mem::replace(waker, Waker::noop().clone())),
            TimerState::Vacant | TimerState::Fired => None,
        });
        waiting.collect()
    }

    /// Entries of the heap, stale ones included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    fn insert(&mut self, at: Instant, waker: Waker) -> TimerKey {
        let index = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(TimerSlot { generation: 0, state: TimerState::Vacant });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        slot.state = TimerState::Waiting(waker);
        let generation = slot.generation;
        self.heap.push(Reverse(Due { at, sequence: self.sequence, index, generation }));
        self.sequence += 1;
        TimerKey { index, generation }
    }

    /// True once the timer has fired; otherwise remembers whom to wake.
    fn poll(&mut self, key: TimerKey, waker: &Waker) -> bool {
        match &mut self.slots[key.index as usize].state {
            TimerState::Fired => true,
            TimerState::Waiting(known) => {
                known.clone_from(waker);
                false
            }
            TimerState::Vacant => unreachable!("a timer polls its own slot"),
        }
    }

    fn remove(&mut self, key: TimerKey) {
        let slot = &mut self.slots[key.index as usize];
        assert_eq!(slot.generation, key.generation, "a timer removes its own slot, once");
        let was = std::mem::replace(&mut slot.state, TimerState::Vacant);
        slot.generation = slot.generation.wrapping_add(1);
        self.vacant.push(key.index);
        if matches!(was, TimerState::Waiting(_)) {
            self.stale += 1;
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        if self.stale >= STALE_TIMERS_MIN && self.stale * 2 > self.heap.len() {
            let slots = &self.slots;
            self.heap.retain(|Reverse(due)| slots[due.index as usize].generation == due.generation);
            self.stale = 0;
        }
    }
}

/// Resolves at a point in time. Made by [`super::Ring::sleep`] and [`super::Ring::sleep_until`].
#[must_use = "a timer does nothing unless awaited"]
pub struct Sleep {
    ring: Rc<Shared>,
    at: Instant,
    key: Option<TimerKey>,
}

impl Sleep {
    pub(super) fn new(ring: Rc<Shared>, at: Instant) -> Sleep {
        Sleep { ring, at, key: None }
    }

    /// When it resolves.
    pub fn deadline(&self) -> Instant {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.key {
            Some(key) => match self.ring.timers.borrow_mut().poll(key, cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            },
            None if self.at <= now() => Poll::Ready(()),
            None => {
                let key = self.ring.timers.borrow_mut().insert(self.at, cx.waker().clone());
                self.key = Some(key);
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.ring.timers.borrow_mut().remove(key);
        }
    }
}

/// The time was over before the future was ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

/// A future with a deadline. Made by [`super::Ring::timeout`].
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    pub(super) inner: Pin<Box<F>>,
    pub(super) sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = self.inner.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(&mut self.sleep).poll(cx).map(|()| Err(Elapsed))
    }
}
