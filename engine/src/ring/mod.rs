//! The one io_uring of a shard: disk, sockets, timers and wake-ups. SHELL: it owns the clock, the files and the sockets.
//!
//! A shard is one pinned thread. On it runs a glommio executor, which schedules the tasks, and this ring, through which
//! everything that a task can wait for arrives. One task, the *driver*, talks to the kernel; all others only queue entries and
//! wait for their completions.
//!
//! # The loop
//! ```text
//!   +-> drain the inbox (messages of other shards)
//!   |   hand queued entries to the kernel, run its deferred work, take completions, fire timers: wake tasks
//!   |   yield: every task that is ready runs once
//!   |   anything happened? -----------------------------------------------------------------yes--+
//!   |   within the polling budget, and no durable write in flight? ------------------------yes--+
//!   |   set the sleeping flag, drain the inbox once more; anything? -----------------------yes--+
//!   |   io_uring_enter: sleep until a completion, the earliest timer, or SLEEP_MAX              |
//!   +--------------------------------------------------------------------------------------------+
//! ```
//!
//! # Why no wake-up is lost
//! The driver sleeps in its *own* ring, not in glommio's reactor, so two things must hold before it does:
//! - **No task is ready.** All tasks, made by [`spawn`] or run by [`spawn_shard`], and the driver share one glommio task queue,
//!   which is first in, first out. When the driver yields it goes to the end, so all tasks that were ready run before it comes
//!   round again, and each of their polls moves a counter. If the counter stands still, the queue was empty. What the driver
//!   itself wakes afterwards counts as work, and it does not sleep.
//! - **Nothing can arrive unseen.** Completions, timers and wake-ups of other shards all arrive on this ring: a [`RingWaker`]
//!   writes an eventfd that the ring polls, and `io_uring_enter` returns at once if a completion is already there. A message
//!   that was queued just before the sleeping flag was seen is found by the second look into the inbox; one queued after it finds the
//!   flag set and writes the eventfd.
//!
//! glommio's own reactor is only looked at when its preempt timer fires (every 100 ms), so nothing may wait for it: no glommio
//! timers, files, sockets or channels on a shard. Two belts bound what should never happen: [`limits::SLEEP_MAX`] for a task that
//! became ready behind the counter's back, and a glommio timer of [`limits::EXECUTOR_HEARTBEAT`] against glommio 0.9's known
//! defect of parking with tasks ready when its preempt timer fires at one certain moment.
//!
//! # What it costs
//! Measured with `examples/ring_echo.rs` and `ring_sync.rs` (2 virtual cores, Linux 6.18, loopback, no polling before sleep):
//! 64 connections with one 1 KiB request in flight each: 220,000 requests a second on one core, p50 268 us, p99 443 us, 4.5 us CPU
//! a request with 0.14 system calls; one connection: 52,600 round trips a second, p50 18 us; an idle shard: 0.1 % of a core.
//! Sleeping through glommio's reactor instead had reached 153,600 and 6.35 us on the same kind of machine, since each sleep and
//! each poll there costs several system calls on three rings. A durable write of 16 KiB: p50 40 us, of 1 MiB: 350 us, by
//! either [`SyncMethod`].
//!
//! # What operations promise
//! - A future owns the buffers that the kernel uses. Dropping it leaves them with the ring until the kernel is done; socket
//!   operations are then cancelled, disk operations never are.
//! - Every count that the kernel returns is checked. A short write is an error.
//! - No operation is lost when the submission queue is full, and no completion when the completion queue is.

mod address;
mod buf;
mod buffer_ring;
mod driver;
mod file;
pub mod limits;
mod listener;
mod op;
mod path;
mod probe;
mod send;
mod shard;
mod shared;
mod slab;
mod socket;
mod stats;
pub mod sync;
mod timer;
mod waker;

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub use buf::IoBuf;
pub use buffer_ring::RecvChunk;
pub use driver::yield_now;
pub use file::{DirectFile, SyncMethod};
pub use listener::Listener;
pub use probe::{DirectIoAlignment, Features, ProbeError, check_direct_io, probe};
pub use send::Part;
pub use shard::{ShardHandle, Spawned, spawn, spawn_shard};
pub use socket::Socket;
pub use stats::RingStats;
pub use timer::{Elapsed, Sleep, Timeout};
pub use waker::RingWaker;

use buffer_ring::BufferRing;
use shared::Shared;
use waker::WakeEvent;

/// Sizes of a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingConfig {
    /// Entries of the submission queue, a power of two. A full queue is handed to the kernel early, nothing is lost.
    pub entries: u32,
    /// Receive buffers; rounded up to a power of two, at most [`limits::RECV_BUFFERS_MAX`].
    pub recv_buffers: u16,
    /// Size of each, in bytes. Together they should hold twice the bytes in flight.
    pub recv_buffer_bytes: u32,
    /// How long the driver keeps looking before it sleeps. It spares 30 to 50 us of waking up, and costs a busy core for as long
    /// after each burst. On two cores shared with clients, 20 us cost half as much CPU again at 20,000 records/s and gained nothing,
    /// so the default is zero.
    pub poll_before_sleep: Duration,
}

impl Default for RingConfig {
    fn default() -> RingConfig {
        RingConfig { entries: 1024, recv_buffers: 512, recv_buffer_bytes: 16 << 10, poll_before_sleep: Duration::ZERO }
    }
}

/// A handle to the ring of this shard. Clones share it; it does not leave its thread.
#[derive(Clone)]
pub struct Ring {
    shared: Rc<Shared>,
}

impl Ring {
    /// Makes the ring of this thread. Nothing moves until its driver runs: see [`spawn_shard`].
    ///
    /// Errors as the kernel gives them; [`probe`] explains them.
    pub fn new(config: RingConfig) -> io::Result<Ring> {
        let uring = shared::set_up(config.entries)?;
        let buffers = BufferRing::register(&uring, config.recv_buffers, config.recv_buffer_bytes)?;
        let shared = Shared::new(uring, Rc::new(buffers), WakeEvent::new()?, config.poll_before_sleep);
        Ok(Ring { shared })
    }

    /// Something that wakes this shard from any thread.
    pub fn waker(&self) -> RingWaker {
        RingWaker::new(self.shared.wake.clone())
    }

    /// Begins the end: socket operations in flight are cancelled and new ones refused with `ECANCELED`; disk operations go on.
    /// The driver ends when the kernel holds nothing more.
    pub fn shutdown(&self) {
        self.shared.closing.set(true);
        self.shared.cancel_all();
    }

    /// Resolves after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(timer::now() + duration)
    }

    /// Resolves at `deadline`, or at once when it has passed.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(Rc::clone(&self.shared), deadline)
    }

    /// Runs `future` for at most `duration`. A future that is too late is dropped; what that means for an operation in flight is
    /// said at the operation. Do not put a disk write in here.
    pub fn timeout<F: Future>(&self, future: F, duration: Duration) -> Timeout<F> {
        Timeout { inner: Box::pin(future), sleep: self.sleep(duration) }
    }

    /// What the ring has done so far.
    pub fn stats(&self) -> RingStats {
        self.shared.counters.snapshot(self.shared.slab.borrow().in_flight())
    }
}

#[cfg(test)]
mod tests;
