//! Counters of one ring.

use std::cell::Cell;

/// What one ring has done since it was made. Plain sums; the caller takes differences.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RingStats {
    /// Calls of `io_uring_enter`.
    pub enters: u64,
    /// Operations handed to the kernel.
    pub sqes: u64,
    /// Completions taken from it.
    pub cqes: u64,
    /// Times the shard went to sleep in the kernel.
    pub sleeps: u64,
    /// Socket sends started.
    pub sends: u64,
    /// Socket receives started.
    pub recvs: u64,
    /// Receives that found every provided buffer lent out and had to wait.
    pub recv_buffer_waits: u64,
    /// Operations the kernel holds now.
    pub in_flight: u64,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) enters: Cell<u64>,
    pub(super) sqes: Cell<u64>,
    pub(super) cqes: Cell<u64>,
    pub(super) sleeps: Cell<u64>,
    pub(super) sends: Cell<u64>,
    pub(super) recvs: Cell<u64>,
    pub(super) recv_buffer_waits: Cell<u64>,
}

impl Counters {
    pub(super) fn snapshot(&self, in_flight: usize) -> RingStats {
        RingStats {
            enters: self.enters.get(),
            sqes: self.sqes.get(),
            cqes: self.cqes.get(),
            sleeps: self.sleeps.get(),
            sends: self.sends.get(),
            recvs: self.recvs.get(),
            recv_buffer_waits: self.recv_buffer_waits.get(),
            in_flight: in_flight as u64,
        }
    }
}

pub(super) fn bump(counter: &Cell<u64>, by: u64) {
    counter.set(counter.get() + by);
}
