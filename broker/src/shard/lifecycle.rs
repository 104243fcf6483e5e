//! What the shards of a node and the thread that started them agree on: when to serve, when to stop, when to report.
//!
//! ```text
//!   starting --metadata applied on every shard--> serving --stop asked for--> draining --all shards drained--> closing
//!       |                                                                                                       ^
//!       +----------------------- a shard failed to start, or stop asked for ------------------------------------+
//! ```
//! All of it happens a few times in a process's life. A change makes `changes` grow and wakes every shard; a shard looks
//! at that one number once a turn.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use engine::ring::RingWaker;

use crate::ids::ShardId;
use crate::metrics::Snapshot;

/// The part that all shards share. Lives on every core.
pub struct Lifecycle {
    wakers: Arc<[OnceLock<RingWaker>]>,
    changes: AtomicU64,
    serving: AtomicBool,
    stopping: AtomicBool,
    drained: AtomicU16,
    reports_asked: AtomicU64,
    reports: Mutex<Reports>,
    reported: Condvar,
}

#[derive(Default)]
struct Reports {
    round: u64,
    snapshots: Vec<Arc<Snapshot>>,
    /// Of earlier rounds: whoever collects lets go of them, so that no shard has to.
    outdated: Vec<Arc<Snapshot>>,
}

impl Lifecycle {
    /// `wakers` has one place per shard, filled by each shard before it first sleeps.
    pub fn new(wakers: Arc<[OnceLock<RingWaker>]>) -> Arc<Self> {
        Arc::new(Self {
            wakers,
            changes: AtomicU64::new(0),
            serving: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            drained: AtomicU16::new(0),
            reports_asked: AtomicU64::new(0),
            reports: Mutex::default(),
            reported: Condvar::new(),
        })
    }

    /// The metadata is applied on every shard: all may serve clients.
    pub fn serve(&self) {
        self.serving.store(true, Ordering::Release);
        self.announce();
    }

    /// Asks every shard to stop. Safe to call at any time and more than once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.announce();
    }

    /// The calling shard has no client left that it must answer.
    pub fn shard_drained(&self) {
        self.drained.fetch_add(1, Ordering::AcqRel);
        self.announce();
    }

    pub fn is_serving(&self) -> bool {
        self.serving.load(Ordering::Acquire)
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// No shard has a client any more, so no shard will be asked anything by another.
    pub fn all_drained(&self) -> bool {
        usize::from(self.drained.load(Ordering::Acquire)) >= self.wakers.len()
    }

    /// Reports asked for so far. A shard that sees the number grow hands in a snapshot.
    pub fn reports_asked(&self) -> u64 {
        self.reports_asked.load(Ordering::Acquire)
    }

    /// Asks every shard to hand in its figures; does not wait.
    fn ask_report(&self) -> u64 {
        let round = self.reports_asked.fetch_add(1, Ordering::AcqRel) + 1;
        self.announce();
        round
    }

    /// Asks every shard for its figures and waits for them, at most `wait`. What has not come by then is missing.
    pub fn collect_reports(&self, wait: Duration) -> Vec<Arc<Snapshot>> {
        let round = self.ask_report();
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let shards = self.wakers.len();
        let incomplete = |reports: &mut Reports| reports.round < round || reports.snapshots.len() < shards;
        let waited = self.reported.wait_timeout_while(reports, wait, incomplete);
        let (mut reports, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let outdated = std::mem::take(&mut reports.outdated);
        let snapshots = reports.snapshots.clone();
        drop(reports);
        drop(outdated);
        snapshots
    }

    /// Hands in one shard's figures for a round. Those of earlier rounds count no more.
    pub fn hand_in(&self, round: u64, snapshot: Snapshot) {
        let snapshot = Arc::new(snapshot);
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if round > reports.round {
            let before = std::mem::take(&mut reports.snapshots);
            reports.outdated.extend(before);
            reports.round = round;
        }
        if round == reports.round {
            reports.snapshots.push(snapshot);
            self.reported.notify_all();
        }
    }

    pub fn shard_count(&self) -> usize {
        self.wakers.len()
    }

    /// Makes a shard reachable. Called once by each shard, before it first sleeps.
    pub fn register(&self, shard: ShardId, waker: RingWaker) {
        let fresh = self.wakers[shard.index()].set(waker).is_ok();
        assert!(fresh, "shard {shard} started twice");
    }

    fn announce(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
        for waker in self.wakers.iter().filter_map(OnceLock::get) {
            waker.wake();
        }
    }
}

/// One shard's view: its tasks wait here for a change. Lives on one core.
pub struct Watch {
    shared: Arc<Lifecycle>,
    seen: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Watch {
    pub fn new(shared: Arc<Lifecycle>) -> Self {
        Self { shared, seen: Cell::new(0), waiting: RefCell::default() }
    }

    pub fn lifecycle(&self) -> &Lifecycle {
        &self.shared
    }

    /// Part of the driver's turn: wakes whoever waits if anything has changed. True if so.
    pub fn turn(&self) -> bool {
        let changes = self.shared.changes.load(Ordering::Acquire);
        if changes == self.seen.replace(changes) {
            return false;
        }
        let woken = self.waiting.take();
        woken.into_iter().for_each(Waker::wake);
        true
    }

    /// Waits until `condition` holds of what the shards share.
    pub async fn until(&self, condition: impl Fn(&Lifecycle) -> bool) {
        poll_fn(|cx| {
            if condition(&self.shared) {
                return Poll::Ready(());
            }
            // A change after the look above makes `changes` differ from `seen`, so the next turn wakes this task.
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}
