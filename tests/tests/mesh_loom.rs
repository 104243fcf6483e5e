//! The mesh's queue and bell under every interleaving and every memory ordering that loom can think of.
//!
//! It compiles the very file that the broker runs, against loom's atomics. Two claims are proven: messages come out once,
//! whole and in order, and a receiver that goes to sleep is woken for a message that it has not seen.

// The bell's `Default` and the like are not needed here, but they belong to the file.
#[path = "../../broker/src/mesh/queue.rs"]
mod queue;

/// What `queue.rs` is written against, by loom.
mod sync {
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

    /// loom's cell finds accesses that are not ordered; in the broker it is a plain one.
    pub(super) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::cell::UnsafeCell::new(value))
        }

        pub(super) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(access)
        }
    }
}

use std::sync::atomic::{AtomicUsize, Ordering};

use loom::sync::Arc;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use queue::{Bell, queue};

/// Interleavings with at most so many forced switches: complete for the handful of steps that these models have, and
/// what loom's authors recommend where an exhaustive search would not end.
fn model(body: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(body);
}

#[test]
fn messages_come_out_once_whole_and_in_order() {
    model(|| {
        let (mut sender, mut receiver) = queue::<Box<usize>>(2);
        let sending = thread::spawn(move || {
            for number in 0..3 {
                let mut message = Box::new(number);
                while let Err(unsent) = sender.push(message) {
                    message = unsent;
                    thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < 3 {
            match receiver.pop() {
                Some(message) => {
                    assert_eq!(*message, expected);
                    expected += 1;
                }
                None => thread::yield_now(),
            }
        }
        sending.join().expect("the sender ends");
        assert!(!receiver.has_message());
    });
}

#[test]
fn messages_that_nobody_takes_are_dropped_once() {
    /// Counts its own end, in a counter that loom does not watch.
    struct Counted(&'static AtomicUsize);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    model(|| {
        DROPPED.store(0, Ordering::Relaxed);
        let (mut sender, mut receiver) = queue(2);
        let sending = thread::spawn(move || {
            assert!(sender.push(Counted(&DROPPED)).is_ok());
            assert!(sender.push(Counted(&DROPPED)).is_ok());
        });
        drop(receiver.pop());
        drop(receiver);
        sending.join().expect("the sender ends");
        assert_eq!(DROPPED.load(Ordering::Relaxed), 2);
    });
}

/// What a ring's eventfd is to a shard: a wake-up that is kept until the sleeper looks.
struct Waker {
    woken: Mutex<bool>,
    told: Condvar,
}

impl Waker {
    fn new() -> Self {
        Self { woken: Mutex::new(false), told: Condvar::new() }
    }

    fn wake(&self) {
        *self.woken.lock().expect("not poisoned") = true;
        self.told.notify_one();
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().expect("not poisoned");
        while !*woken {
            woken = self.told.wait(woken).expect("not poisoned");
        }
        *woken = false;
    }
}

#[test]
fn a_sleeping_receiver_is_woken_for_every_message_it_has_not_seen() {
    // A lost wake-up leaves the receiver asleep for ever, which loom reports as a deadlock.
    model(|| {
        let (mut sender, mut receiver) = queue(2);
        let bell = Arc::new(Bell::new());
        let waker = Arc::new(Waker::new());
        let sending = thread::spawn({
            let (bell, waker) = (bell.clone(), waker.clone());
            move || {
                for number in 0..2 {
                    assert!(sender.push(number).is_ok(), "the queue holds them all");
                    if bell.must_wake() {
                        waker.wake();
                    }
                }
            }
        });
        let mut received = 0;
        while received < 2 {
            // The driver's loop: drain; announce; drain once more; sleep only if both found nothing.
            let mut found = false;
            while let Some(number) = receiver.pop() {
                assert_eq!(number, received);
                received += 1;
                found = true;
            }
            if found {
                continue;
            }
            bell.announce_sleep();
            if !receiver.has_message() {
                waker.sleep();
            }
            bell.announce_awake();
        }
        sending.join().expect("the sender ends");
    });
}

#[test]
fn of_two_senders_that_find_a_shard_asleep_at_least_one_wakes_it() {
    model(|| {
        let bell = Arc::new(Bell::new());
        let waker = Arc::new(Waker::new());
        let (mut first, mut from_first) = queue(1);
        let (mut second, mut from_second) = queue(1);
        let spawn = |mut send: Box<dyn FnMut() + Send>| {
            let (bell, waker) = (bell.clone(), waker.clone());
            thread::spawn(move || {
                send();
                if bell.must_wake() {
                    waker.wake();
                }
            })
        };
        let one = spawn(Box::new(move || assert!(first.push(1).is_ok())));
        let other = spawn(Box::new(move || assert!(second.push(2).is_ok())));
        let mut received = 0;
        while received < 3 {
            let found = from_first.pop().unwrap_or(0) + from_second.pop().unwrap_or(0);
            received += found;
            if found > 0 {
                continue;
            }
            bell.announce_sleep();
            if !from_first.has_message() && !from_second.has_message() {
                waker.sleep();
            }
            bell.announce_awake();
        }
        one.join().expect("the first sender ends");
        other.join().expect("the second sender ends");
    });
}
