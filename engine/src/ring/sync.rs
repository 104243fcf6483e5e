//! Waiting for another task of the same core. Nothing here is atomic, and nothing leaves its thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Lets tasks wait for an event that other tasks announce.
///
/// [`Notify::notify_one`] wakes one waiter, or lets the next one through if nobody waits: one announcement at most is kept.
/// [`Notify::notify_waiters`] wakes those who wait now.
#[derive(Default)]
pub struct Notify {
    permit: Cell<bool>,
    waiters: RefCell<VecDeque<Rc<Waiter>>>,
}

#[derive(Default)]
struct Waiter {
    waker: RefCell<Option<Waker>>,
    told: Cell<Told>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Told {
    #[default]
    Nothing,
    One,
    All,
}

impl Notify {
    /// Nobody waits, nothing was announced.
    pub fn new() -> Notify {
        Notify::default()
    }

    /// Wakes the one who has waited longest, or lets the next waiter through.
    pub fn notify_one(&self) {
        let waiter = self.waiters.borrow_mut().pop_front();
        match waiter {
            Some(waiter) => waiter.tell(Told::One),
            None => self.permit.set(true),
        }
    }

    /// Wakes everybody who waits now.
    pub fn notify_waiters(&self) {
        if self.waiters.borrow().is_empty() {
            return;
        }
        let waiters = std::mem::take(&mut *self.waiters.borrow_mut());
        waiters.iter().for_each(|waiter| waiter.tell(Told::All));
    }

    /// Waits for an announcement. The place in the queue is taken at the first poll.
    pub fn notified(&self) -> Notified<'_> {
        Notified { notify: self, waiter: None }
    }
}

impl Waiter {
    fn tell(&self, told: Told) {
        self.told.set(told);
        let waker = self.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Resolves with the next announcement. Made by [`Notify::notified`].
#[must_use = "futures do nothing unless awaited"]
pub struct Notified<'a> {
    notify: &'a Notify,
    waiter: Option<Rc<Waiter>>,
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waiter = match &self.waiter {
            Some(waiter) => Rc::clone(waiter),
            None if self.notify.permit.replace(false) => return Poll::Ready(()),
            None => {
                let waiter = Rc::new(Waiter::default());
                self.notify.waiters.borrow_mut().push_back(Rc::clone(&waiter));
                self.waiter = Some(Rc::clone(&waiter));
                waiter
            }
        };
        if waiter.told.get() != Told::Nothing {
            // From here on there is nothing to pass on when this future is dropped.
            self.waiter = None;
            return Poll::Ready(());
        }
        *waiter.waker.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Notified<'_> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        match waiter.told.get() {
            Told::Nothing => self.notify.waiters.borrow_mut().retain(|other| !Rc::ptr_eq(other, &waiter)),
            // It was woken alone and never came to look: the announcement belongs to the next.
            Told::One => self.notify.notify_one(),
            Told::All => {}
        }
    }
}

/// A value sent once from one task to another of the same core.
pub mod oneshot {
    use super::{Cell, Context, Future, Pin, Poll, Rc, RefCell, Waker};

    /// The sender was dropped without sending.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
    #[error("the sender is gone")]
    pub struct Closed;

    struct Slot<T> {
        value: Cell<Option<T>>,
        waker: RefCell<Option<Waker>>,
        sender_gone: Cell<bool>,
    }

    /// Sends the value.
    pub struct Sender<T> {
        slot: Rc<Slot<T>>,
    }

    /// Resolves to the value.
    #[must_use = "futures do nothing unless awaited"]
    pub struct Receiver<T> {
        slot: Rc<Slot<T>>,
    }

    /// A connected pair.
    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let slot = Rc::new(Slot { value: Cell::new(None), waker: RefCell::new(None), sender_gone: Cell::new(false) });
        (Sender { slot: Rc::clone(&slot) }, Receiver { slot })
    }

    impl<T> Sender<T> {
        /// Hands the value over, or back when the receiver is gone.
        pub fn send(self, value: T) -> Result<(), T> {
            if self.is_closed() {
                return Err(value);
            }
            self.slot.value.set(Some(value));
            Ok(())
        }

        /// Whether nobody will receive.
        pub fn is_closed(&self) -> bool {
            Rc::strong_count(&self.slot) == 1
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            self.slot.sender_gone.set(true);
            let waker = self.slot.waker.borrow_mut().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    impl<T> Receiver<T> {
        /// The value, if it is there already.
        pub fn try_take(&mut self) -> Option<T> {
            self.slot.value.take()
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, Closed>;

        fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Closed>> {
            if let Some(value) = self.slot.value.take() {
                return Poll::Ready(Ok(value));
            }
            if self.slot.sender_gone.get() {
                return Poll::Ready(Err(Closed));
            }
            *self.slot.waker.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        }
    }
}
