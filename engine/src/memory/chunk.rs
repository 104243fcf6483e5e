//! Append-only shared memory: one writer, many readers on any core.
//!
//! ```text
//!   0                    published                 capacity
//!   +---------------------+---------------------------+
//!   | spans read here     | only the writer is here   |
//!   +---------------------+---------------------------+
//! ```
//!
//! Invariants, on which every `unsafe` block of this file rests:
//! 1. There is at most one [`ChunkWriter`] for a chunk, and writing needs `&mut` to it.
//! 2. The writer writes only at positions `>= published`, and then moves `published` up (Release). It never moves down.
//! 3. A [`Span`] covers only positions `< published` as loaded (Acquire) when it was made, so the bytes it reads were written
//!    before and are never written again. Reads and writes are therefore always of disjoint ranges.
//! 4. The memory is initialised from the start, is never reallocated, and lives as long as the last handle.

use std::fmt;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::AlignedBuf;

/// What writer and readers share. The memory is reached through `base` only, never through `_memory`.
struct ChunkShared {
    base: NonNull<u8>,
    capacity: usize,
    published: AtomicUsize,
    /// Owns what `base` points at; returns to its pool with the last handle.
    _memory: AlignedBuf,
}

// SAFETY: `base` points into `_memory`, which is `Send`; invariants 2 and 3 keep accesses from several threads disjoint.
unsafe impl Send for ChunkShared {}
// SAFETY: as above; through a shared reference only published bytes are read.
unsafe impl Sync for ChunkShared {}

/// The one writer of a chunk. It may move to another core, but it cannot be cloned.
pub struct ChunkWriter {
    shared: Arc<ChunkShared>,
    /// Equal to `published`; the writer's own copy needs no atomic load.
    len: usize,
}

/// A reader's handle to a chunk. Clones share the memory.
#[derive(Clone)]
pub struct Chunk {
    shared: Arc<ChunkShared>,
}

/// A range of published bytes of a chunk. It keeps the chunk's memory alive; cloning copies no bytes.
#[derive(Clone)]
pub struct Span {
    chunk: Arc<ChunkShared>,
    start: u32,
    len: u32,
}

impl ChunkWriter {
    /// Turns a buffer into an empty chunk of `buf.len()` bytes capacity. Positions are 32 bits, so that is at most 4 GiB - 1.
    pub fn new(buf: AlignedBuf) -> ChunkWriter {
        ChunkWriter { shared: Arc::new(ChunkShared::over(buf, 0)), len: 0 }
    }

    /// Copies `bytes` to the end and publishes them. Returns where they lie.
    ///
    /// # Panics
    /// When `bytes` is longer than [`ChunkWriter::remaining`]: the caller asks first and opens another chunk.
    pub fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        self.append_with(bytes.len(), |tail| {
            tail.copy_from_slice(bytes);
            bytes.len()
        })
    }

    /// Lets `write` fill up to `bytes_max` bytes at the end, in place, and publishes as many as it says it wrote.
    /// The slice it gets is initialised but holds arbitrary old bytes.
    ///
    /// # Panics
    /// When `bytes_max` exceeds [`ChunkWriter::remaining`], or `write` claims more than it was given.
    pub fn append_with(&mut self, bytes_max: usize, write: impl FnOnce(&mut [u8]) -> usize) -> Range<usize> {
        assert!(bytes_max <= self.remaining(), "{bytes_max} bytes do not fit in the {} left", self.remaining());
        let start = self.len;
        // SAFETY: `start + bytes_max <= capacity`, the memory is initialised (invariant 4), and nobody else reads or writes
        // at or above `published == start` (invariants 1 to 3).
        let tail = unsafe { std::slice::from_raw_parts_mut(self.shared.base.as_ptr().add(start), bytes_max) };
        let written = write(tail);
        assert!(written <= bytes_max, "{written} bytes written into {bytes_max}");
        self.len = start + written;
        self.shared.published.store(self.len, Ordering::Release);
        start..self.len
    }

    /// Bytes that fit in all.
    pub fn capacity(&self) -> usize {
        self.shared.capacity
    }

    /// Bytes published so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes that still fit.
    pub fn remaining(&self) -> usize {
        self.shared.capacity - self.len
    }

    /// A reader's handle.
    pub fn share(&self) -> Chunk {
        Chunk { shared: Arc::clone(&self.shared) }
    }

    /// A span of what was appended.
    ///
    /// # Panics
    /// When the range is not published: the writer knows what it wrote.
    pub fn span(&self, range: Range<usize>) -> Span {
        self.shared.span(range).expect("the range lies within what was appended")
    }
}

impl Chunk {
    /// A complete chunk: all of `buf` is published, and there is no writer.
    pub fn sealed(buf: AlignedBuf) -> Chunk {
        let len = buf.len();
        Chunk { shared: Arc::new(ChunkShared::over(buf, len)) }
    }

    /// Bytes published at this moment; it only grows.
    pub fn len(&self) -> usize {
        self.shared.published.load(Ordering::Acquire)
    }

    /// Whether nothing is published yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of `range`, or `None` when not all of them are published.
    pub fn slice(&self, range: Range<usize>) -> Option<Span> {
        self.shared.span(range)
    }
}

impl ChunkShared {
    fn over(memory: AlignedBuf, published: usize) -> ChunkShared {
        let capacity = memory.len();
        assert!(u32::try_from(capacity).is_ok(), "a chunk of {capacity} bytes exceeds 32-bit positions");
        ChunkShared { base: memory.address(), capacity, published: AtomicUsize::new(published), _memory: memory }
    }

    fn span(self: &Arc<Self>, range: Range<usize>) -> Option<Span> {
        let published = self.published.load(Ordering::Acquire);
        if range.start > range.end || range.end > published {
            return None;
        }
        // `published <= capacity < 2^32`, so both fit.
        Some(Span { chunk: Arc::clone(self), start: range.start as u32, len: (range.end - range.start) as u32 })
    }
}

impl Span {
    /// A part of this span, by positions within it; `None` when it reaches beyond.
    pub fn slice(&self, range: Range<usize>) -> Option<Span> {
        if range.start > range.end || range.end > self.len as usize {
            return None;
        }
        let start = self.start + range.start as u32;
        Some(Span { chunk: Arc::clone(&self.chunk), start, len: (range.end - range.start) as u32 })
    }

    /// Memory that the span keeps from being freed, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.chunk.capacity
    }

    /// Whether no other span or chunk keeps the same memory.
    pub fn is_alone(&self) -> bool {
        Arc::strong_count(&self.chunk) == 1
    }

    /// Where the span begins in its chunk, in bytes.
    pub fn start(&self) -> usize {
        self.start as usize
    }
}

impl Deref for Span {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the range was published when the span was made (invariant 3), so it is within the memory, initialised and
        // never written again; the Arc keeps it alive for the borrow.
        unsafe { std::slice::from_raw_parts(self.chunk.base.as_ptr().add(self.start as usize), self.len as usize) }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Span").field("start", &self.start).field("len", &self.len).finish_non_exhaustive()
    }
}
