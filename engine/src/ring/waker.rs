//! Waking a sleeping shard from any thread.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// An eventfd that the shard's ring polls.
#[derive(Clone)]
pub(super) struct WakeEvent {
    event: Arc<File>,
}

impl WakeEvent {
    pub(super) fn new() -> io::Result<WakeEvent> {
        // SAFETY: the call takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `fd` is a fresh descriptor that nobody else owns.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(WakeEvent { event: Arc::new(File::from(owned)) })
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.event.as_raw_fd()
    }
}

/// Wakes one shard. Lives on any core; clones wake the same shard.
///
/// Each call is a system call, so the sender first looks at the sleeping flag that the receiver sets in its `before_sleep`.
#[derive(Clone)]
pub struct RingWaker {
    event: WakeEvent,
}

impl RingWaker {
    pub(super) fn new(event: WakeEvent) -> RingWaker {
        RingWaker { event }
    }

    /// Makes the shard's driver take a turn, whether it sleeps or not. Never blocks and never fails: the counter that it
    /// adds to would take centuries to fill, and a full one means that the wake-up is already there.
    pub fn wake(&self) {
        let written = (&*self.event.event).write(&1_u64.to_ne_bytes());
        if let Err(error) = written {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "an eventfd refused a wake-up: {error}");
        }
    }
}
