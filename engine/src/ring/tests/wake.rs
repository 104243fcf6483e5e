//! Wake-ups from other threads, by the protocol that message queues between shards use: put the message, then look at the
//! sleeping flag, and write the eventfd only if it is set. The shard sets the flag, and then looks for messages once more.
//!
//! The bound on the shard's sleep is taken away here, so that a single lost wake-up hangs the test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use std::time::Duration;

use super::{TEST_MAX, small};
use crate::ring::{RingConfig, spawn_shard};

const MESSAGES: u64 = 100_000;
const FOR_EVER: Duration = Duration::from_secs(1 << 20);

#[derive(Default)]
struct Mailbox {
    sent: AtomicU64,
    sleeping: AtomicBool,
    answered: AtomicU64,
    wakes: AtomicU64,
}

#[test]
fn no_wake_up_of_a_sleeping_shard_is_lost() {
    ping_a_shard(Duration::ZERO);
}

#[test]
fn no_wake_up_of_a_polling_shard_is_lost() {
    ping_a_shard(Duration::from_micros(5));
}

fn ping_a_shard(poll_before_sleep: Duration) {
    let mailbox = Arc::new(Mailbox::default());
    let config = RingConfig { poll_before_sleep, ..small() };
    let (sender, ended) = std::sync::mpsc::channel();
    let shard = {
        let mailbox = Arc::clone(&mailbox);
        spawn_shard("woken", None, config, move |ring| async move {
            ring.shared.sleep_max.set(FOR_EVER);
            let (done, wait_for_end) = crate::ring::sync::oneshot::channel();
            let mut done = Some(done);
            let (inbox, flag) = (Arc::clone(&mailbox), Arc::clone(&mailbox));
            let drain = move || {
                let sent = inbox.sent.load(Ordering::Acquire);
                let new = sent != inbox.answered.load(Ordering::Relaxed);
                inbox.answered.store(sent, Ordering::Release);
                if sent == MESSAGES
                    && let Some(done) = done.take()
                {
                    done.send(()).expect("main waits");
                }
                new
            };
            ring.attach_inbox(drain, move |sleeping| {
                flag.sleeping.store(sleeping, Ordering::Relaxed);
                fence(Ordering::SeqCst);
            });
            wait_for_end.await.expect("the inbox tells the end");
            ring.stats()
        })
        .expect("the shard starts")
    };
    let waker = shard.waker();
    std::thread::spawn(move || {
        for message in 1..=MESSAGES {
            mailbox.sent.store(message, Ordering::Release);
            fence(Ordering::SeqCst);
            if mailbox.sleeping.load(Ordering::Relaxed) {
                mailbox.wakes.fetch_add(1, Ordering::Relaxed);
                waker.wake();
            }
            // Some messages meet a shard fast asleep, some one that is falling asleep, some one that is awake.
            for _ in 0..message % 2000 {
                std::hint::spin_loop();
            }
            while message % 3 == 0 && mailbox.answered.load(Ordering::Acquire) != message {
                std::thread::yield_now();
            }
        }
        sender.send((shard.join(), mailbox.wakes.load(Ordering::Relaxed))).expect("the test waits");
    });
    let (stats, wakes) = ended.recv_timeout(TEST_MAX).expect("no wake-up was lost");
    let stats = stats.expect("the shard ends well");
    assert!(wakes > 0 && stats.sleeps > 0, "the test never met a sleeping shard: {wakes} wakes, {stats:?}");
}

/// The waker alone, without any flag, ends a sleep that nothing else would end.
#[test]
fn a_waker_ends_a_sleep() {
    let woken = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&woken);
    let shard = spawn_shard("woken", None, small(), move |ring| async move {
        ring.shared.sleep_max.set(FOR_EVER);
        let (done, wait_for_end) = crate::ring::sync::oneshot::channel();
        let mut done = Some(done);
        ring.attach_inbox(
            move || match counter.load(Ordering::SeqCst) {
                0 => false,
                _ => done.take().is_some_and(|done| done.send(()).is_ok()),
            },
            |_| {},
        );
        wait_for_end.await.expect("the inbox tells the end");
    })
    .expect("the shard starts");
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the test's own thread, and the shard must fall asleep first"
    )]
    std::thread::sleep(Duration::from_millis(50));
    woken.store(1, Ordering::SeqCst);
    let waker = shard.waker();
    waker.wake();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(shard.join()));
    ended.recv_timeout(TEST_MAX).expect("the wake-up arrived").expect("the shard ends well");
}
