//! The memory that requests of one shard may hold: admitted in order of asking, given back when the answer is ready.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bytes that may be admitted at once. Lives on one shard.
///
/// Invariant: `used <= limit`, and whoever waits is served in order of asking, so a large request is not starved.
pub struct Budget {
    limit: usize,
    used: Cell<usize>,
    turns_given: Cell<u64>,
    queue: RefCell<VecDeque<Waiter>>,
}

struct Waiter {
    turn: u64,
    waker: Waker,
}

/// Bytes that are admitted until this is dropped.
pub struct Permit {
    budget: Rc<Budget>,
    bytes: usize,
}

/// Waits until its bytes fit.
pub struct Admission {
    budget: Rc<Budget>,
    bytes: usize,
    turn: Option<u64>,
}

impl Budget {
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { limit, used: Cell::new(0), turns_given: Cell::new(0), queue: RefCell::default() })
    }

    /// Bytes admitted now.
    pub fn used_bytes(&self) -> usize {
        self.used.get()
    }

    /// Admits `bytes` at once, unless they do not fit or others wait already.
    pub fn try_admit(self: &Rc<Self>, bytes: usize) -> Option<Permit> {
        if !self.queue.borrow().is_empty() { None } else { self.take(bytes) }
    }

    /// Admits `bytes` when they fit and everybody who asked before has been served. `bytes` is at most the limit.
    pub fn admit(self: &Rc<Self>, bytes: usize) -> Admission {
        assert!(bytes <= self.limit, "{bytes} bytes never fit into a budget of {}", self.limit);
        Admission { budget: self.clone(), bytes, turn: None }
    }

    fn take(self: &Rc<Self>, bytes: usize) -> Option<Permit> {
        let used = self.used.get() + bytes;
        if used > self.limit {
            return None;
        }
        self.used.set(used);
        Some(Permit { budget: self.clone(), bytes })
    }

    fn wake_first(&self) {
        // The waker is cloned so that no borrow is held while foreign code runs.
        let first = self.queue.borrow().front().map(|waiter| waiter.waker.clone());
        if let Some(waker) = first {
            waker.wake();
        }
    }

    fn leave_queue(&self, turn: u64) {
        self.queue.borrow_mut().retain(|waiter| waiter.turn != turn);
        self.wake_first();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.set(self.budget.used.get() - self.bytes);
        self.budget.wake_first();
    }
}

impl Future for Admission {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let budget = self.budget.clone();
        let Some(turn) = self.turn else {
            if let Some(permit) = budget.try_admit(self.bytes) {
                return Poll::Ready(permit);
            }
            let turn = budget.turns_given.get();
            budget.turns_given.set(turn + 1);
            budget.queue.borrow_mut().push_back(Waiter { turn, waker: cx.waker().clone() });
            self.turn = Some(turn);
            return Poll::Pending;
        };
        let is_first = budget.queue.borrow().front().is_some_and(|waiter| waiter.turn == turn);
        if is_first && let Some(permit) = budget.take(self.bytes) {
            self.turn = None;
            budget.leave_queue(turn);
            return Poll::Ready(permit);
        }
        if let Some(waiter) = budget.queue.borrow_mut().iter_mut().find(|waiter| waiter.turn == turn) {
            waiter.waker.clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.budget.leave_queue(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(admission: &mut Admission) -> Option<Permit> {
        match Pin::new(admission).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        }
    }

    #[test]
    fn waiting_requests_are_admitted_in_order_even_if_a_later_one_would_fit() {
        let budget = Budget::new(100);
        let held = budget.try_admit(60).expect("fits");
        let (mut large, mut small) = (budget.admit(80), budget.admit(10));
        assert!(poll(&mut large).is_none());
        assert!(poll(&mut small).is_none(), "the large one asked first");
        assert!(budget.try_admit(1).is_none(), "nobody overtakes those who wait");
        drop(held);
        let large = poll(&mut large).expect("fits now");
        assert_eq!(budget.used_bytes(), 80);
        let small = poll(&mut small).expect("fits beside it");
        drop((large, small));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_waiter_that_gives_up_lets_the_next_one_through() {
        let budget = Budget::new(100);
        let _held = budget.try_admit(50).expect("fits");
        let (mut large, mut small) = (budget.admit(100), budget.admit(50));
        assert!(poll(&mut large).is_none() && poll(&mut small).is_none());
        drop(large);
        assert!(poll(&mut small).is_some());
    }
}
