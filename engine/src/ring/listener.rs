//! Accepting connections: one multishot accept per listener.

use std::cell::Cell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use io_uring::opcode;
use io_uring::types::Fd;

use super::Ring;
use super::address::{RawAddress, check, local_address, set_option, tcp_socket};
use super::file::close_unseen;
use super::op::{abandon, busy, closed, outcome};
use super::slab::{Completion, Held, Key};
use super::socket::Socket;

/// A listening TCP socket. Dropping it stops accepting; connections that were accepted but not handed out are closed.
pub struct Listener {
    ring: Ring,
    fd: Rc<OwnedFd>,
    /// The multishot accept in flight, if any.
    accepting: Cell<Option<Key>>,
}

struct Accepting {
    _fd: Rc<OwnedFd>,
}

impl Held for Accepting {
    fn discard(&mut self, completion: Completion) {
        close_unseen(completion.result);
    }
}

impl Ring {
    /// Listens on `address` with `SO_REUSEPORT`, so that every shard may listen on the same port and the kernel spreads the
    /// connections, and `SO_REUSEADDR`. Port 0 lets the kernel choose; see [`Listener::local_addr`].
    pub fn listen(&self, address: SocketAddr, backlog: i32) -> io::Result<Listener> {
        let fd = tcp_socket(address)?;
        set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
        let raw = RawAddress::new(address);
        // SAFETY: `raw` outlives the call and `len` is its true length.
        check(unsafe { libc::bind(fd.as_raw_fd(), raw.as_ptr(), raw.len()) })?;
        // SAFETY: the call takes no pointers.
        check(unsafe { libc::listen(fd.as_raw_fd(), backlog) })?;
        Ok(Listener { ring: self.clone(), fd: Rc::new(fd), accepting: Cell::new(None) })
    }
}

impl Listener {
    /// The next connection, with `TCP_NODELAY` set.
    ///
    /// Errors such as `EMFILE` or `ECONNABORTED` concern one attempt; the next call tries again. After an error that lasts,
    /// such as `EMFILE`, the caller should wait a little. Ends with `ECANCELED` after [`Ring::shutdown`].
    /// Only one task at a time may wait here.
    pub async fn accept(&self) -> io::Result<Socket> {
        loop {
            let completion = poll_fn(|cx| self.poll_accept(cx)).await?;
            let Some(completion) = completion else { continue };
            let fd = outcome(completion.result)?;
            // SAFETY: the kernel has just created this descriptor, and only this future has seen it.
            let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
            return Socket::accepted(&self.ring, fd);
        }
    }

    /// The address it listens on, with the port the kernel chose.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_address(self.fd.as_fd())
    }

    /// `None`: the kernel has ended the multishot accept, and everything it accepted was taken.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Completion>>> {
        let key = match self.accepting.get() {
            Some(key) => key,
            None => self.arm()?,
        };
        let polled = self.ring.shared.slab.borrow_mut().poll_stream(key, cx.waker());
        if let Poll::Ready(None) = polled {
            self.accepting.set(None);
        }
        polled.map(Ok)
    }

    fn arm(&self) -> io::Result<Key> {
        let shared = &self.ring.shared;
        if shared.closing.get() {
            return Err(closed());
        }
        let key = shared.slab.borrow_mut().insert_stream().ok_or_else(busy)?;
        let accept = opcode::AcceptMulti::new(Fd(self.fd.as_raw_fd())).flags(libc::SOCK_CLOEXEC).build();
        shared.push(accept.user_data(key.user_data()));
        self.accepting.set(Some(key));
        Ok(key)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(key) = self.accepting.take() {
            abandon(&self.ring.shared, key, Accepting { _fd: Rc::clone(&self.fd) });
        }
    }
}
