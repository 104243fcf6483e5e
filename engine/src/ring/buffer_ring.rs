//! The receive buffers that the kernel picks from: one registered buffer ring per shard.
//!
//! ```text
//!   kernel picks a buffer --> lent (a RecvChunk, or a completion not yet looked at) --dropped--> back at the ring's tail
//! ```
//! An idle connection costs no buffer: one is picked only when bytes have arrived.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

use super::limits::RECV_BUFFERS_MAX;
use super::sync::Notify;
use crate::memory::AlignedBuf;

/// The one buffer group of a ring.
pub(super) const GROUP: u16 = 0;

pub(super) struct BufferRing {
    /// The entries the kernel reads, 16 bytes each; page-aligned as it demands.
    entries: ManuallyDrop<AlignedBuf>,
    /// All buffers back to back.
    memory: ManuallyDrop<AlignedBuf>,
    buffers: u16,
    buffer_bytes: u32,
    tail: Cell<u16>,
    lent: Cell<usize>,
    returned: Notify,
    leaked: Cell<bool>,
}

impl BufferRing {
    /// Allocates `buffers` (rounded up to a power of two) buffers and registers them.
    pub(super) fn register(uring: &IoUring, buffers: u16, buffer_bytes: u32) -> io::Result<BufferRing> {
        if buffers == 0 || buffers > RECV_BUFFERS_MAX || buffer_bytes == 0 {
            let message = format!("{buffers} receive buffers of {buffer_bytes} bytes: 1 to {RECV_BUFFERS_MAX} buffers");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let buffers = buffers.next_power_of_two();
        let entries = AlignedBuf::zeroed(usize::from(buffers) * size_of::<BufRingEntry>());
        let memory = AlignedBuf::zeroed(usize::from(buffers) * buffer_bytes as usize);
        let address = entries.address().as_ptr() as u64;
        // SAFETY: `entries` is page-aligned, holds `buffers` entries, and lives as long as the io_uring: it is freed by the
        // last owner of this `BufferRing`, after the ring that `Shared` owns has been closed, or leaked (see `leak`).
        unsafe { uring.submitter().register_buf_ring_with_flags(address, buffers, GROUP, 0)? };
        let ring = BufferRing {
            entries: ManuallyDrop::new(entries),
            memory: ManuallyDrop::new(memory),
            buffers,
            buffer_bytes,
            tail: Cell::new(0),
            lent: Cell::new(0),
            returned: Notify::new(),
            leaked: Cell::new(false),
        };
        (0..buffers).for_each(|buffer| ring.offer(buffer));
        Ok(ring)
    }

    pub(super) fn note_lent(&self) {
        self.lent.set(self.lent.get() + 1);
    }

    /// Buffers that are not with the kernel.
    #[cfg(test)]
    pub(super) fn lent(&self) -> usize {
        self.lent.get()
    }

    /// Waits until a buffer may be free. Returns at once when not all are lent.
    pub(super) async fn available(&self) {
        while self.lent.get() >= usize::from(self.buffers) {
            self.returned.notified().await;
        }
    }

    /// Gives a lent buffer back to the kernel.
    pub(super) fn give_back(&self, buffer: u16) {
        let lent = self.lent.get();
        assert!(lent > 0, "buffer {buffer} came back twice");
        self.offer(buffer);
        self.lent.set(lent - 1);
        self.returned.notify_waiters();
    }

    /// Never frees the memory: the kernel still holds a receive that may write into it.
    pub(super) fn leak(&self) {
        self.leaked.set(true);
    }

    fn buffer(&self, buffer: u16) -> *mut u8 {
        assert!(buffer < self.buffers);
        // SAFETY: `memory` holds `buffers * buffer_bytes` bytes and `buffer < buffers`.
        unsafe { self.memory.address().as_ptr().add(usize::from(buffer) * self.buffer_bytes as usize) }
    }

    /// Puts a buffer at the ring's tail.
    fn offer(&self, buffer: u16) {
        let tail = self.tail.get();
        let base = self.entries.address().as_ptr().cast::<BufRingEntry>();
        let slot = usize::from(tail & (self.buffers - 1));
        // SAFETY: `slot < buffers`, so the entry lies in `entries`; the kernel reads it only after the tail store below. The
        // three setters leave the tail alone, which shares the first entry's bytes.
        unsafe {
            let entry = &mut *base.add(slot);
            entry.set_addr(self.buffer(buffer) as u64);
            entry.set_len(self.buffer_bytes);
            entry.set_bid(buffer);
        }
        let tail = tail.wrapping_add(1);
        self.tail.set(tail);
        // SAFETY: `base` is the address of the registered ring's first entry; the tail is an aligned u16 within it that only
        // this thread writes and only the kernel reads besides.
        let shared_tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(base).cast_mut()) };
        shared_tail.store(tail, Ordering::Release);
    }
}

impl Drop for BufferRing {
    fn drop(&mut self) {
        if self.leaked.get() {
            return;
        }
        // SAFETY: the last owner is going, each of the two is dropped once, and no operation that uses them is in flight:
        // `Shared::drop` waits for the end of each or calls `leak`.
        unsafe {
            ManuallyDrop::drop(&mut self.entries);
            ManuallyDrop::drop(&mut self.memory);
        }
    }
}

/// Bytes received into one of the shard's buffers. Empty: the peer has closed. The buffer goes back to the kernel on drop,
/// so it should not be kept: copy out what is needed beyond the next await.
pub struct RecvChunk {
    buffers: Option<(Rc<BufferRing>, u16)>,
    len: usize,
}

impl RecvChunk {
    /// Nothing: the peer has closed its side.
    pub(super) fn end() -> RecvChunk {
        RecvChunk { buffers: None, len: 0 }
    }

    pub(super) fn new(buffers: Rc<BufferRing>, buffer: u16, len: usize) -> RecvChunk {
        assert!(len <= buffers.buffer_bytes as usize);
        RecvChunk { buffers: Some((buffers, buffer)), len }
    }
}

impl Deref for RecvChunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let Some((buffers, buffer)) = &self.buffers else { return &[] };
        // SAFETY: the kernel has filled the first `len` bytes of this buffer and leaves it alone until it is given back,
        // which happens when `self` is dropped.
        unsafe { std::slice::from_raw_parts(buffers.buffer(*buffer), self.len) }
    }
}

impl Drop for RecvChunk {
    fn drop(&mut self) {
        if let Some((buffers, buffer)) = self.buffers.take() {
            buffers.give_back(buffer);
        }
    }
}

impl fmt::Debug for RecvChunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvChunk").field("len", &self.len).finish_non_exhaustive()
    }
}
