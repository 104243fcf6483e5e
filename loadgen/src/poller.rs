//! SHELL: waits for sockets or for a point in time, to the microsecond. One per worker thread.

use std::net::TcpStream;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::clock::{SECOND_NS, now_ns};

const EVENTS_MAX: usize = 256;

/// Epoll, edge triggered: a socket that became ready is named once, so its owner reads and writes until it blocks.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

/// A socket that became ready, at least for writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) token: u64,
    pub(crate) readable: bool,
}

impl Poller {
    pub(crate) fn new() -> std::io::Result<Self> {
        // By default the kernel lets a thread's timers run 50 us late, which would be a lag of our own making.
        rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
        Ok(Poller { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(EVENTS_MAX) })
    }

    pub(crate) fn add(&self, stream: &TcpStream, token: u64) -> std::io::Result<()> {
        let flags = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(&self.epoll, stream, epoll::EventData::new_u64(token), flags)?)
    }

    /// Waits until a socket is ready or `wake_ns` has come, and appends what is ready to `ready`.
    pub(crate) fn wait(&mut self, wake_ns: u64, ready: &mut Vec<Ready>) -> std::io::Result<()> {
        let wait_ns = wake_ns.saturating_sub(now_ns());
        let timeout = Timespec { tv_sec: (wait_ns / SECOND_NS) as i64, tv_nsec: (wait_ns % SECOND_NS) as i64 };
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = epoll::EventFlags::HUP | epoll::EventFlags::ERR | epoll::EventFlags::RDHUP;
        ready.extend(self.events.iter().map(|&epoll::Event { flags, data }| Ready {
            token: data.u64(),
            readable: flags.intersects(epoll::EventFlags::IN | ended),
        }));
        Ok(())
    }
}
