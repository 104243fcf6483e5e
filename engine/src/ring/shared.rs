//! What all handles and futures of one ring share: the io_uring itself, the slots, the timers, the counters.
//!
//! Nothing here awaits. No borrow is held while a waker is called or a foreign destructor runs, because both may come back.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::{Duration, Instant};

use io_uring::squeue::Entry;
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};

use super::buffer_ring::BufferRing;
use super::limits::{COMPLETION_ENTRIES, DROP_WAIT_MAX, REAP_BATCH, SLEEP_MAX};
use super::slab::{Completion, Reaped, Slab};
use super::stats::{Counters, bump};
use super::timer::{Timers, now};
use super::waker::WakeEvent;

/// `user_data` of operations whose completion nobody needs: cancellations and closes.
pub(super) const UNWATCHED: u64 = u64::MAX;

/// `user_data` of the poll on the wake event.
const WAKE: u64 = u64::MAX - 1;

/// Entries that must reach the kernel in one submission, since a link ends where a submission ends.
enum Queued {
    One(Entry),
    Linked([Entry; 2]),
}

/// The closures by which the shard's message queues take part in the driver's turn.
pub(super) struct Hooks {
    pub(super) inbox: Box<dyn FnMut() -> bool>,
    pub(super) before_sleep: Box<dyn FnMut(bool)>,
}

pub(super) struct Shared {
    uring: RefCell<IoUring>,
    /// What did not fit into the submission queue, in order.
    backlog: RefCell<VecDeque<Queued>>,
    pub(super) slab: RefCell<Slab>,
    pub(super) timers: RefCell<Timers>,
    pub(super) buffers: Rc<BufferRing>,
    pub(super) counters: Counters,
    pub(super) wake: WakeEvent,
    pub(super) hooks: RefCell<Option<Hooks>>,
    pub(super) poll_before_sleep: Duration,
    /// [`SLEEP_MAX`]; tests make it so long that a lost wake-up shows.
    pub(super) sleep_max: Cell<Duration>,
    pub(super) closing: Cell<bool>,
    no_iowait: bool,
}

/// The ring's set-up flags, in one place for the ring and for the probe.
///
/// SINGLE_ISSUER and DEFER_TASKRUN: completions are worked off when this thread asks, not by interrupting it. TASKRUN_FLAG:
/// the queue says when there is something to ask for, so that polling an idle ring costs no system call. SUBMIT_ALL: one
/// bad entry does not hold up those behind it.
pub(super) fn set_up(entries: u32) -> io::Result<IoUring> {
    IoUring::builder()
        .dontfork()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .setup_cqsize(COMPLETION_ENTRIES.max(entries.saturating_mul(2)))
        .build(entries)
}

impl Shared {
    pub(super) fn new(
        uring: IoUring,
        buffers: Rc<BufferRing>,
        wake: WakeEvent,
        poll_before_sleep: Duration,
    ) -> Rc<Shared> {
        let no_iowait = uring.params().is_feature_no_iowait();
        let shared = Rc::new(Shared {
            uring: RefCell::new(uring),
            backlog: RefCell::new(VecDeque::new()),
            slab: RefCell::new(Slab::new()),
            timers: RefCell::new(Timers::new()),
            buffers,
            counters: Counters::default(),
            wake,
            hooks: RefCell::new(None),
            poll_before_sleep,
            sleep_max: Cell::new(SLEEP_MAX),
            closing: Cell::new(false),
            no_iowait,
        });
        shared.arm_wake();
        shared
    }

    /// Queues one entry for the kernel. It is never lost: what does not fit waits in the backlog.
    pub(super) fn push(&self, entry: Entry) {
        self.queue(Queued::One(entry));
    }

    /// Queues two entries that the kernel runs one after the other; the first must carry the link flag.
    pub(super) fn push_linked(&self, entries: [Entry; 2]) {
        self.queue(Queued::Linked(entries));
    }

    /// Asks the kernel to give up an operation. It still completes, with `ECANCELED` or with what it achieved.
    pub(super) fn cancel(&self, user_data: u64) {
        self.push(opcode::AsyncCancel::new(user_data).build().user_data(UNWATCHED));
    }

    /// One turn: hands over what is queued, lets the kernel finish deferred work, wakes who is due. True if anything happened.
    pub(super) fn turn(&self) -> bool {
        let moved = self.unload_backlog();
        if self.wants_enter() {
            self.enter(None);
        }
        let reaped = self.reap();
        let fired = self.fire_timers();
        moved || reaped || fired
    }

    /// Sleeps in the kernel until a completion arrives, a timer is due or [`SLEEP_MAX`] is over. True if anything happened.
    pub(super) fn sleep(&self) -> bool {
        self.unload_backlog();
        let due = self.timers.borrow().next_due();
        let longest = self.sleep_max.get();
        let wait = due.map_or(longest, |due| due.saturating_duration_since(now()).min(longest));
        let empty = self.uring.borrow_mut().completion().is_empty();
        if empty && !wait.is_zero() {
            bump(&self.counters.sleeps, 1);
            self.enter(Some(wait));
        }
        let reaped = self.reap();
        let fired = self.fire_timers();
        reaped || fired
    }

    /// Whether the kernel holds operations, or entries still wait to be handed over.
    pub(super) fn is_quiet(&self) -> bool {
        self.slab.borrow().in_flight() == 0
            && self.backlog.borrow().is_empty()
            && self.uring.borrow_mut().submission().is_empty()
    }

    /// Asks for the cancellation of everything that may be cancelled.
    pub(super) fn cancel_all(&self) {
        let all = self.slab.borrow().cancellable();
        for user_data in all {
            self.cancel(user_data);
        }
    }

    fn queue(&self, queued: Queued) {
        let mut backlog = self.backlog.borrow_mut();
        if !backlog.is_empty() || !self.hand_over(&queued) {
            backlog.push_back(queued);
        }
    }

    /// Moves the backlog into the submission queue as far as it fits. True if anything moved.
    fn unload_backlog(&self) -> bool {
        let mut backlog = self.backlog.borrow_mut();
        let mut moved = false;
        while let Some(queued) = backlog.pop_front() {
            if !self.hand_over(&queued) {
                backlog.push_front(queued);
                break;
            }
            moved = true;
        }
        moved
    }

    /// Puts entries into the submission queue, submitting what is there when it is full. False if there is still no room.
    fn hand_over(&self, queued: &Queued) -> bool {
        let entries = match queued {
            Queued::One(entry) => std::slice::from_ref(entry),
            Queued::Linked(entries) => entries.as_slice(),
        };
        for attempt in 0..2 {
            // SAFETY: everything an entry points at is owned by a `Held` value that stays alive, at a stable address, in the
            // operation's future or in the slab until the last completion has been seen (see `op.rs`).
            let pushed = unsafe { self.uring.borrow_mut().submission().push_multiple(entries) };
            if pushed.is_ok() {
                bump(&self.counters.sqes, entries.len() as u64);
                return true;
            }
            if attempt == 0 {
                self.enter(None);
            }
        }
        false
    }

    /// Whether the kernel has deferred work for this thread, overflowed completions, or entries to take.
    fn wants_enter(&self) -> bool {
        let mut uring = self.uring.borrow_mut();
        let submission = uring.submission();
        !submission.is_empty() || submission.taskrun() || submission.cq_overflow()
    }

    /// Calls `io_uring_enter`; with `wait` it blocks for at least one completion or that long.
    ///
    /// Every error here is one to come back from: interruption, time-out, and "busy" until completions have been taken. The
    /// queued entries stay queued in each case, and the driver comes round again.
    fn enter(&self, wait: Option<Duration>) {
        bump(&self.counters.enters, 1);
        let mut uring = self.uring.borrow_mut();
        let to_submit = uring.submission().len() as u32;
        let submitter = uring.submitter();
        let entered = match wait {
            // SAFETY: no argument is passed, which the kernel allows without EXT_ARG.
            None => unsafe { submitter.enter::<libc::sigset_t>(to_submit, 0, EnterFlags::GETEVENTS.bits(), None) },
            Some(wait) => {
                let timespec = Timespec::new().sec(wait.as_secs()).nsec(wait.subsec_nanos());
                let args = SubmitArgs::new().timespec(&timespec);
                let mut flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
                if self.no_iowait {
                    flags |= EnterFlags::NO_IOWAIT;
                }
                // SAFETY: with EXT_ARG the argument is an `io_uring_getevents_arg`, which `SubmitArgs` wraps transparently in
                // memory (the crate's own `submit_with_args` passes it the same way); `timespec` outlives the call.
                unsafe { submitter.enter(to_submit, 1, flags.bits(), Some(&args)) }
            }
        };
        let Err(error) = entered else { return };
        match error.raw_os_error() {
            Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => {}
            _ => panic!("io_uring_enter failed in a way that leaves the ring unusable: {error}"),
        }
    }

    /// Takes all completions and wakes their tasks. True if there was any.
    fn reap(&self) -> bool {
        let mut any = false;
        loop {
            let mut space = [const { MaybeUninit::<cqueue::Entry>::uninit() }; REAP_BATCH];
            let entries = self.uring.borrow_mut().completion().fill(&mut space);
            bump(&self.counters.cqes, entries.len() as u64);
            for entry in entries.iter() {
                self.file(entry);
            }
            any |= !entries.is_empty();
            if entries.len() < REAP_BATCH {
                return any;
            }
        }
    }

    fn file(&self, entry: &cqueue::Entry) {
        let last = !cqueue::more(entry.flags());
        match entry.user_data() {
            UNWATCHED => {}
            WAKE if last => self.arm_wake(),
            WAKE => {}
            user_data => {
                let completion = Completion { result: entry.result(), flags: entry.flags() };
                if cqueue::buffer_select(completion.flags).is_some() {
                    self.buffers.note_lent();
                }
                let reaped = self.slab.borrow_mut().complete(user_data, completion, last);
                match reaped {
                    Reaped::Nothing => {}
                    Reaped::Wake(waker) => waker.wake(),
                    Reaped::Discard(mut held, completion) => held.discard(completion),
                }
            }
        }
    }

    fn fire_timers(&self) -> bool {
        let Some(due) = self.timers.borrow().next_due() else { return false };
        let now = now();
        if due > now {
            return false;
        }
        loop {
            let waker = self.timers.borrow_mut().pop_due(now);
            match waker {
                Some(waker) => waker.wake(),
                None => return true,
            }
        }
    }

    /// A multishot poll: each write of the event gives one completion, and the event is never read. The kernel reports a
    /// level that is already high when the poll is armed, so nothing is missed between two polls.
    fn arm_wake(&self) {
        let poll = opcode::PollAdd::new(Fd(self.wake.raw_fd()), libc::POLLIN as u32).multi(true).build();
        self.push(poll.user_data(WAKE));
    }
}

impl Drop for Shared {
    /// No future is left here, but the kernel may still use what abandoned futures left in the slab.
    fn drop(&mut self) {
        self.cancel_all();
        let start: Instant = now();
        while !self.is_quiet() && start.elapsed() < DROP_WAIT_MAX {
            self.unload_backlog();
            self.enter(Some(Duration::from_millis(1)));
            self.reap();
        }
        if self.slab.borrow().in_flight() > 0 {
            let held = std::mem::replace(&mut *self.slab.borrow_mut(), Slab::new());
            std::mem::forget(held);
            self.buffers.leak();
        }
    }
}
