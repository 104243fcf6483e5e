//! TCP connections: receiving and connecting. Sending is in `send.rs`.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;

use io_uring::types::Fd;
use io_uring::{cqueue, opcode};

use super::Ring;
use super::address::{RawAddress, check, local_address, peer_address, set_option, tcp_socket};
use super::buffer_ring::{BufferRing, GROUP, RecvChunk};
use super::op::{Finished, Op};
use super::slab::{Completion, Held, Kind};
use super::stats::bump;

/// `ioprio` flag of a receive: wait for bytes first instead of trying in vain. The crate does not export it.
const RECVSEND_POLL_FIRST: u16 = 1;

/// A TCP connection of one shard. Clones share it, so that one task may receive while another sends; the descriptor is
/// closed when the last user, including operations in flight, is gone.
#[derive(Clone)]
pub struct Socket {
    pub(super) ring: Ring,
    pub(super) inner: Rc<SocketInner>,
}

pub(super) struct SocketInner {
    pub(super) fd: OwnedFd,
    /// The last receive left bytes behind, so the next one should try at once.
    readable: Cell<bool>,
}

/// A receive into a buffer that the kernel picks.
struct RecvPicked {
    _socket: Rc<SocketInner>,
    buffers: Rc<BufferRing>,
}

impl Held for RecvPicked {
    fn discard(&mut self, completion: Completion) {
        if let Some(buffer) = cqueue::buffer_select(completion.flags) {
            self.buffers.give_back(buffer);
        }
    }
}

/// A receive into the spare capacity of a vector.
struct RecvInto {
    _socket: Rc<SocketInner>,
    buf: Vec<u8>,
    filled: usize,
}

impl Held for RecvInto {}

struct Connecting {
    socket: Rc<SocketInner>,
    address: Box<RawAddress>,
}

impl Held for Connecting {}

impl Ring {
    /// Connects to `address`, with `TCP_NODELAY` set.
    pub async fn connect(&self, address: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::accepted(self, tcp_socket(address)?)?;
        let held = Connecting { socket: Rc::clone(&socket.inner), address: Box::new(RawAddress::new(address)) };
        let entry = |held: &mut Connecting| {
            let fd = Fd(held.socket.fd.as_raw_fd());
            opcode::Connect::new(fd, held.address.as_ptr(), held.address.len()).build()
        };
        Op::submit(&self.shared, Kind::Cancellable, held, entry).await.result?;
        Ok(socket)
    }
}

impl Socket {
    pub(super) fn accepted(ring: &Ring, fd: OwnedFd) -> io::Result<Socket> {
        set_option(fd.as_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY, 1)?;
        let inner = SocketInner { fd, readable: Cell::new(false) };
        Ok(Socket { ring: ring.clone(), inner: Rc::new(inner) })
    }

    pub(super) fn fd(&self) -> Fd {
        Fd(self.inner.fd.as_raw_fd())
    }

    /// Receives whatever is there next, into one of the shard's receive buffers. Empty: the peer has closed its side.
    ///
    /// Dropping the future may lose bytes that had arrived by then: after that the connection is good only to be closed.
    /// When all buffers are lent out this waits for one to come back: the socket then fills up and the peer slows down.
    pub async fn recv_provided(&self) -> io::Result<RecvChunk> {
        let shared = &self.ring.shared;
        loop {
            bump(&shared.counters.recvs, 1);
            let held = RecvPicked { _socket: Rc::clone(&self.inner), buffers: Rc::clone(&shared.buffers) };
            let patience = if self.inner.readable.get() { 0 } else { RECVSEND_POLL_FIRST };
            let fd = self.fd();
            let entry = |_: &mut RecvPicked| {
                let recv = opcode::Recv::new(fd, std::ptr::null_mut(), 0).buf_group(GROUP).ioprio(patience).build();
                recv.flags(io_uring::squeue::Flags::BUFFER_SELECT)
            };
            let finished = Op::submit(shared, Kind::Cancellable, held, entry).await;
            self.inner.readable.set(cqueue::sock_nonempty(finished.flags));
            match picked(finished) {
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    bump(&shared.counters.recv_buffer_waits, 1);
                    shared.buffers.available().await;
                }
                received => return received,
            }
        }
    }

    /// Appends exactly `want` bytes to `buf`, straight into its spare capacity, without clearing it first. Returns how many
    /// came: fewer than `want` only when the peer closed. Dropping the future may lose bytes, as above.
    ///
    /// # Panics
    /// When `buf` has less than `want` bytes of spare capacity: growing it here would copy what it holds.
    pub async fn recv_exact_into(&self, buf: Vec<u8>, want: usize) -> (io::Result<usize>, Vec<u8>) {
        assert!(buf.capacity() - buf.len() >= want, "{want} bytes do not fit the buffer's spare capacity");
        let mut held = RecvInto { _socket: Rc::clone(&self.inner), buf, filled: 0 };
        let fd = self.fd();
        while held.filled < want {
            bump(&self.ring.shared.counters.recvs, 1);
            let entry = |held: &mut RecvInto| {
                let rest = (want - held.filled).min(super::limits::SEND_BYTES_MAX) as u32;
                opcode::Recv::new(fd, held.buf.spare_capacity_mut().as_mut_ptr().cast(), rest)
                    .flags(libc::MSG_WAITALL)
                    .build()
            };
            let finished = Op::submit(&self.ring.shared, Kind::Cancellable, held, entry).await;
            held = finished.held;
            self.inner.readable.set(cqueue::sock_nonempty(finished.flags));
            match finished.result {
                Err(error) => return (Err(error), held.buf),
                Ok(0) => break,
                Ok(count) => {
                    let len = held.buf.len() + count as usize;
                    assert!(len <= held.buf.capacity());
                    // SAFETY: the kernel has initialised `count` bytes from the old end on, within the capacity.
                    unsafe { held.buf.set_len(len) };
                    held.filled += count as usize;
                }
            }
        }
        (Ok(held.filled), held.buf)
    }

    /// Ends the connection in both directions: receives in flight end as if the peer had closed, sends fail. Never blocks.
    pub fn shutdown(&self) {
        self.shut(libc::SHUT_RDWR);
    }

    /// Says that nothing more will be sent; receiving goes on.
    pub fn shutdown_write(&self) {
        self.shut(libc::SHUT_WR);
    }

    /// Ends the connection and gives up this handle. Other handles see the end of the stream.
    pub fn close(self) {
        self.shutdown();
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        peer_address(self.inner.fd.as_fd())
    }

    /// Our own address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        local_address(self.inner.fd.as_fd())
    }

    /// Sets the kernel's buffer sizes for this connection, in bytes. The kernel doubles and bounds them.
    pub fn set_buffer_bytes(&self, send_bytes: Option<u32>, recv_bytes: Option<u32>) -> io::Result<()> {
        for (name, bytes) in [(libc::SO_SNDBUF, send_bytes), (libc::SO_RCVBUF, recv_bytes)] {
            if let Some(bytes) = bytes {
                set_option(self.inner.fd.as_fd(), libc::SOL_SOCKET, name, bytes.min(i32::MAX as u32) as i32)?;
            }
        }
        Ok(())
    }

    fn shut(&self, how: i32) {
        // SAFETY: the call takes no pointers, and the descriptor is open while `self` lives.
        let result = check(unsafe { libc::shutdown(self.inner.fd.as_raw_fd(), how) });
        if let Err(error) = result {
            // The peer was faster: there is nothing left to end.
            tracing::trace!(%error, "shutdown of a socket that is not connected");
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.inner.fd.as_raw_fd()).finish()
    }
}

/// The chunk that a receive has filled. A buffer that was picked for nothing goes back at once.
fn picked(finished: Finished<RecvPicked>) -> io::Result<RecvChunk> {
    let Finished { result, flags, held } = finished;
    let len = *result.as_ref().unwrap_or(&0) as usize;
    let chunk = match cqueue::buffer_select(flags) {
        Some(buffer) => RecvChunk::new(held.buffers, buffer, len),
        None => {
            assert!(len == 0, "{len} bytes received into no buffer");
            RecvChunk::end()
        }
    };
    result.map(|_| chunk)
}
