//! The memory that the requests of one shard may hold, from their first bytes to their answers.
//!
//! ```text
//!   small:  requests that came whole in one receive; each waits only for others like it, and those get answered
//!   large:  requests that take several receives; each takes memory step by step, ahead of the bytes it asks for
//! ```
//! The two are apart so that frames which were begun and never end keep nobody out who sends whole requests. Large frames
//! could wait for each other for ever, each holding what the other needs; so whoever has waited longest may overdraw, one
//! at a time: it finishes, or its deadline passes, and in either case gives everything back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The budgets of one shard.
pub struct RequestMemory {
    pub small: Rc<Budget>,
    pub large: Rc<Budget>,
}

/// Bytes that may be held at once. Lives on one shard.
///
/// Invariant: what is held without overdrawing is at most `limit`; at most one permit overdraws.
pub struct Budget {
    limit: usize,
    used: Cell<usize>,
    overdrawn: Cell<bool>,
    turns_given: Cell<u64>,
    queue: RefCell<VecDeque<Waiter>>,
}

struct Waiter {
    turn: u64,
    waker: Waker,
}

/// Bytes that are held until this is dropped.
pub struct Permit {
    budget: Rc<Budget>,
    bytes: usize,
    overdraws: bool,
}

/// Waits until a permit may hold more. Made by [`Permit::grow`].
#[must_use = "futures do nothing unless awaited"]
pub struct Growth<'a> {
    permit: &'a mut Permit,
    bytes: usize,
    turn: Option<u64>,
}

impl RequestMemory {
    /// Divides `bytes`: a quarter for small requests, the rest for large ones, among it the room to overdraw by one request
    /// of `request_bytes_max`, which is at most half of `bytes`.
    pub fn new(bytes: usize, request_bytes_max: usize) -> Self {
        let small = bytes / 4;
        assert!(request_bytes_max <= bytes / 2, "the configuration was checked");
        Self { small: Budget::new(small), large: Budget::new(bytes - small - request_bytes_max) }
    }
}

impl Budget {
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            limit,
            used: Cell::new(0),
            overdrawn: Cell::new(false),
            turns_given: Cell::new(0),
            queue: RefCell::default(),
        })
    }

    /// Bytes that may be held at once.
    pub fn limit_bytes(&self) -> usize {
        self.limit
    }

    /// Whether anybody waits for what others hold.
    pub fn is_contended(&self) -> bool {
        !self.queue.borrow().is_empty()
    }

    /// Bytes held now.
    pub fn used_bytes(&self) -> usize {
        self.used.get()
    }

    /// A permit that holds nothing yet.
    pub fn open(self: &Rc<Self>) -> Permit {
        Permit { budget: self.clone(), bytes: 0, overdraws: false }
    }

    fn fits(&self, bytes: usize) -> bool {
        self.used.get() + bytes <= self.limit
    }

    fn enqueue(&self, waker: Waker) -> u64 {
        let turn = self.turns_given.get();
        self.turns_given.set(turn + 1);
        self.queue.borrow_mut().push_back(Waiter { turn, waker });
        turn
    }

    fn is_first(&self, turn: u64) -> bool {
        self.queue.borrow().front().is_some_and(|waiter| waiter.turn == turn)
    }

    fn leave_queue(&self, turn: u64) {
        self.queue.borrow_mut().retain(|waiter| waiter.turn != turn);
        self.wake_first();
    }

    fn wake_first(&self) {
        // The waker is cloned so that no borrow is held while foreign code runs.
        let first = self.queue.borrow().front().map(|waiter| waiter.waker.clone());
        if let Some(waker) = first {
            waker.wake();
        }
    }
}

impl Permit {
    /// Holds `bytes` more if that is possible at once, without overtaking anybody.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let possible = self.overdraws || (self.budget.queue.borrow().is_empty() && self.budget.fits(bytes));
        if possible {
            self.take(bytes);
        }
        possible
    }

    /// Holds `bytes` more once everybody who asked before has been served.
    pub fn grow(&mut self, bytes: usize) -> Growth<'_> {
        Growth { permit: self, bytes, turn: None }
    }

    /// Gives back all but `bytes`, which is no more than it holds.
    pub fn shrink_to(&mut self, bytes: usize) {
        assert!(bytes <= self.bytes, "a permit shrinks to no more than it holds");
        self.budget.used.set(self.budget.used.get() - (self.bytes - bytes));
        self.bytes = bytes;
        if self.overdraws && self.budget.fits(0) {
            self.overdraws = false;
            self.budget.overdrawn.set(false);
        }
        self.budget.wake_first();
    }

    /// Bytes it holds.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    fn take(&mut self, bytes: usize) {
        self.budget.used.set(self.budget.used.get() + bytes);
        self.bytes += bytes;
    }

    /// Takes `bytes` as the first of the queue.
    fn take_first(&mut self, bytes: usize) -> bool {
        if !self.budget.fits(bytes) {
            if self.budget.overdrawn.replace(true) {
                return false;
            }
            self.overdraws = true;
        }
        self.take(bytes);
        true
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("bytes", &self.bytes).field("overdraws", &self.overdraws).finish()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.used.set(self.budget.used.get() - self.bytes);
        if self.overdraws {
            self.budget.overdrawn.set(false);
        }
        self.budget.wake_first();
    }
}

impl Future for Growth<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let bytes = self.bytes;
        let budget = self.permit.budget.clone();
        let turn = if let Some(turn) = self.turn {
            turn
        } else if self.permit.try_grow(bytes) {
            return Poll::Ready(());
        } else {
            *self.turn.insert(budget.enqueue(cx.waker().clone()))
        };
        if budget.is_first(turn) && self.permit.take_first(bytes) {
            self.turn = None;
            budget.leave_queue(turn);
            return Poll::Ready(());
        }
        if let Some(waiter) = budget.queue.borrow_mut().iter_mut().find(|waiter| waiter.turn == turn) {
            waiter.waker.clone_from(cx.waker());
        }
        Poll::Pending
    }
}

impl Drop for Growth<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.permit.budget.leave_queue(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ready(growth: &mut Growth<'_>) -> bool {
        Pin::new(growth).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn who_waits_is_served_in_order_even_if_a_later_one_would_fit() {
        let budget = Budget::new(100);
        let (mut held, mut overdraft) = (budget.open(), budget.open());
        assert!(held.try_grow(60));
        assert!(is_ready(&mut overdraft.grow(80)), "the first to wait overdraws");
        let (mut large, mut small) = (budget.open(), budget.open());
        let (mut large, mut small) = (large.grow(80), small.grow(10));
        assert!(!is_ready(&mut large) && !is_ready(&mut small));
        assert!(!budget.open().try_grow(0), "nobody overtakes those who wait");
        drop(held);
        assert!(!is_ready(&mut small), "the large one asked first");
        drop(overdraft);
        assert!(is_ready(&mut large) && is_ready(&mut small));
        assert_eq!(budget.used_bytes(), 90);
    }

    #[test]
    fn what_is_given_back_early_lets_others_in() {
        let budget = Budget::new(100);
        let (mut held, mut other) = (budget.open(), budget.open());
        assert!(is_ready(&mut held.grow(150)), "the first to ask overdraws");
        assert!(!is_ready(&mut other.grow(60)));
        held.shrink_to(40);
        assert!(is_ready(&mut other.grow(60)));
        assert_eq!(budget.used_bytes(), 100);
        drop((held, other));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn frames_that_hold_what_the_others_need_finish_one_after_the_other() {
        let budget = Budget::new(100);
        let mut frames: Vec<Permit> = (0..4).map(|_| budget.open()).collect();
        assert!(frames.iter_mut().all(|frame| frame.try_grow(25)));
        // Each needs 25 more, and nobody has anything to give back.
        while let Some(mut first) = frames.pop() {
            let mut growth = first.grow(25);
            assert!(is_ready(&mut growth));
            drop(growth);
            assert!(first.try_grow(0) || frames.is_empty());
            assert!(budget.used_bytes() <= 125, "one frame overdraws at a time");
        }
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn a_waiter_that_gives_up_lets_the_next_one_through() {
        let budget = Budget::new(100);
        let mut overdraft = budget.open();
        assert!(is_ready(&mut overdraft.grow(150)));
        let (mut one, mut other) = (budget.open(), budget.open());
        let (mut one, mut other) = (one.grow(100), other.grow(50));
        assert!(!is_ready(&mut one) && !is_ready(&mut other));
        drop(overdraft);
        drop(one);
        assert!(is_ready(&mut other));
    }
}
