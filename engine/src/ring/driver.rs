//! The driver: the one task of a shard that talks to the kernel. The module's text explains the loop and its proof.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use super::Ring;
use super::shared::{Hooks, Shared};
use super::timer::now;

thread_local! {
    /// Polls of counted tasks on this thread. The driver compares it across a yield.
    static RUNS: Cell<u64> = const { Cell::new(0) };
}

/// Runs a future as one that the driver sees running.
pub(super) async fn counted<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        RUNS.set(RUNS.get().wrapping_add(1));
        future.as_mut().poll(cx)
    })
    .await
}

/// Lets every other ready task of the shard, and the driver, run before the caller goes on.
///
/// A task that computes for long calls this every 50 us or so; nothing else gives the kernel's completions a chance.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| match std::mem::replace(&mut yielded, true) {
        true => Poll::Ready(()),
        false => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

impl Ring {
    /// Connects the shard's message queues to the driver; it replaces what was connected before.
    ///
    /// `inbox` drains the inbound queues and says whether it did any work. `before_sleep(true)` announces that the driver is
    /// about to sleep: the shard's sleeping flag must be set, with a sequentially consistent fence, before it returns, since
    /// `inbox` is then called once more. `before_sleep(false)` says that the driver is awake. Both must return quickly and
    /// must not call `attach_inbox`.
    pub fn attach_inbox(&self, inbox: impl FnMut() -> bool + 'static, before_sleep: impl FnMut(bool) + 'static) {
        let hooks = Hooks { inbox: Box::new(inbox), before_sleep: Box::new(before_sleep) };
        let replaced = self.shared.hooks.replace(Some(hooks));
        drop(replaced);
    }

    /// The driver, with its queues connected. It must run in the same glommio task queue as the tasks it serves.
    /// Resolves once [`Ring::shutdown`] was called and the kernel holds nothing more of ours.
    pub fn driver(
        &self,
        inbox: impl FnMut() -> bool + 'static,
        before_sleep: impl FnMut(bool) + 'static,
    ) -> impl Future<Output = ()> + 'static {
        self.attach_inbox(inbox, before_sleep);
        drive(Rc::clone(&self.shared))
    }
}

/// The loop. See the module's text.
pub(super) async fn drive(shared: Rc<Shared>) {
    // Since when nothing has happened; kept over a sleep that brought nothing, so that the polling is not begun anew.
    let mut idle_since: Option<Instant> = None;
    loop {
        let worked = shared.drain_inbox() | shared.turn();
        if shared.closing.get() && shared.is_quiet() {
            break;
        }
        let runs = RUNS.get();
        yield_now().await;
        if worked || RUNS.get() != runs {
            idle_since = None;
            continue;
        }
        let since = *idle_since.get_or_insert_with(now);
        if shared.may_poll(since) {
            std::hint::spin_loop();
            continue;
        }
        shared.tell_sleeping(true);
        let worked = shared.drain_inbox() || shared.sleep();
        shared.tell_sleeping(false);
        if worked {
            idle_since = None;
        }
    }
    // The hooks hold the shard's state, which holds rings.
    drop(shared.hooks.take());
}

impl Shared {
    fn drain_inbox(&self) -> bool {
        self.hooks.borrow_mut().as_mut().is_some_and(|hooks| (hooks.inbox)())
    }

    fn tell_sleeping(&self, sleeping: bool) {
        if let Some(hooks) = self.hooks.borrow_mut().as_mut() {
            (hooks.before_sleep)(sleeping);
        }
    }

    /// Whether to look again rather than sleep. Not while a write is on its way to stable storage: the kernel worker that
    /// completes it runs on this core and would wait for our time slice.
    fn may_poll(&self, idle_since: Instant) -> bool {
        let budget = self.poll_before_sleep;
        !budget.is_zero() && self.slab.borrow().durable_in_flight() == 0 && idle_since.elapsed() < budget
    }
}
