//! Timers, and waiting for other tasks.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{on_shard, poll_once, small};
use crate::ring::sync::{Notify, oneshot};
use crate::ring::timer::now;
use crate::ring::{spawn, yield_now};

fn elapsed(since: Instant) -> Duration {
    now().duration_since(since)
}

#[test]
fn timers_fire_in_the_order_of_their_deadlines() {
    on_shard(small(), |ring| async move {
        let fired = Rc::new(RefCell::new(Vec::new()));
        let start = now();
        // Equal deadlines fire in the order in which they were made.
        let tasks: Vec<_> = [(0, 30), (1, 10), (2, 20), (3, 10), (4, 0)]
            .into_iter()
            .map(|(name, ms)| {
                let (ring, fired) = (ring.clone(), Rc::clone(&fired));
                spawn(async move {
                    ring.sleep_until(start + Duration::from_millis(ms)).await;
                    assert!(elapsed(start) >= Duration::from_millis(ms), "timer {name} was early");
                    fired.borrow_mut().push(name);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(*fired.borrow(), [4, 1, 3, 2, 0]);
    });
}

#[test]
fn a_million_dropped_timers_leave_nothing_behind() {
    on_shard(small(), |ring| async move {
        for _ in 0..1000 {
            let mut sleeps: Vec<_> = (0..1000).map(|_| Box::pin(ring.sleep(Duration::from_secs(30)))).collect();
            for sleep in &mut sleeps {
                assert!(poll_once(sleep).await.is_none());
            }
        }
        assert!(ring.shared.timers.borrow().len() <= 4096, "dropped timers are swept out");
        let start = now();
        ring.sleep(Duration::from_millis(2)).await;
        assert!(elapsed(start) < Duration::from_secs(5));
    });
}

#[test]
fn a_timeout_is_over_in_time_and_not_before() {
    on_shard(small(), |ring| async move {
        let start = now();
        let late = ring.timeout(ring.sleep(Duration::from_secs(30)), Duration::from_millis(10)).await;
        assert!(late.is_err());
        assert!(elapsed(start) >= Duration::from_millis(10) && elapsed(start) < Duration::from_secs(5));
        let early = ring.timeout(async { 7 }, Duration::from_secs(30)).await;
        assert_eq!(early, Ok(7));
    });
}

#[test]
fn a_busy_task_that_yields_does_not_hold_up_timers() {
    on_shard(small(), |ring| async move {
        let done = Rc::new(std::cell::Cell::new(false));
        let busy = {
            let done = Rc::clone(&done);
            spawn(async move {
                while !done.get() {
                    yield_now().await;
                }
            })
        };
        let start = now();
        ring.sleep(Duration::from_millis(5)).await;
        done.set(true);
        busy.await;
        assert!(elapsed(start) < Duration::from_secs(5));
    });
}

#[test]
fn a_oneshot_delivers_or_says_that_it_will_not() {
    on_shard(small(), |_ring| async move {
        let (sender, receiver) = oneshot::channel();
        let waiting = spawn(receiver);
        yield_now().await;
        sender.send(5).expect("somebody waits");
        assert_eq!(waiting.await, Ok(5));

        let (sender, receiver) = oneshot::channel::<u8>();
        let waiting = spawn(receiver);
        yield_now().await;
        drop(sender);
        assert_eq!(waiting.await, Err(oneshot::Closed));

        let (sender, receiver) = oneshot::channel();
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(6), Err(6));
    });
}

#[test]
fn an_announcement_reaches_one_or_all_and_is_passed_on() {
    on_shard(small(), |_ring| async move {
        let notify = Notify::new();
        notify.notify_one();
        notify.notified().await;

        let mut first = Box::pin(notify.notified());
        let mut second = Box::pin(notify.notified());
        assert!(poll_once(&mut first).await.is_none());
        assert!(poll_once(&mut second).await.is_none());
        notify.notify_one();
        assert!(poll_once(&mut second).await.is_none(), "the first in the queue is meant");
        // Dropped after it was chosen and before it looked: the second must not be forgotten.
        drop(first);
        assert!(poll_once(&mut second).await.is_some());

        let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(notify.notified())).collect();
        for waiter in &mut waiters {
            assert!(poll_once(waiter).await.is_none());
        }
        notify.notify_waiters();
        for waiter in &mut waiters {
            assert!(poll_once(waiter).await.is_some());
        }
        let mut later = Box::pin(notify.notified());
        assert!(poll_once(&mut later).await.is_none(), "telling all who wait keeps nothing for later");
    });
}
