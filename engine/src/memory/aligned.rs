//! A 4096-aligned owned buffer.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use super::BUF_ALIGN_BYTES;
use super::pool::PoolHome;

/// Blocks of this size and more are mapped from the kernel instead of taken from the allocator, in bytes: mapped memory is
/// zero without being touched, so what is never used costs no memory and no page faults.
const MAPPED_BYTES_MIN: usize = 256 << 10;

/// A block of memory of whole 4096-byte pages. Its bytes are always initialised.
pub(super) struct Block {
    address: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block is the only owner of its memory, like a `Box<[u8]>`, and holds nothing tied to a thread.
unsafe impl Send for Block {}
// SAFETY: a shared reference to a block gives only its address and size.
unsafe impl Sync for Block {}

impl Block {
    /// A zeroed block of at least `bytes` bytes (at least one aligned block).
    pub(super) fn zeroed(bytes: usize) -> Block {
        let bytes = bytes.max(1).checked_next_multiple_of(BUF_ALIGN_BYTES).expect("a buffer size fits in memory");
        let layout = Block::layout(bytes);
        let address = match bytes >= MAPPED_BYTES_MIN {
            true => map(bytes),
            // SAFETY: the layout's size is not zero, it is at least one aligned block.
            false => NonNull::new(unsafe { alloc_zeroed(layout) }),
        };
        let Some(address) = address else { handle_alloc_error(layout) };
        Block { address, bytes }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, BUF_ALIGN_BYTES).expect("a buffer size fits in memory")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.bytes >= MAPPED_BYTES_MIN {
            // SAFETY: a block of this size came from `map` with this same length and is unmapped once, here.
            let unmapped = unsafe { libc::munmap(self.address.as_ptr().cast(), self.bytes) };
            assert_eq!(unmapped, 0, "a block's own mapping can be removed");
        } else {
            // SAFETY: a block of this size came from `alloc_zeroed` with this same layout and is freed once, here.
            unsafe { dealloc(self.address.as_ptr(), Block::layout(self.bytes)) }
        }
    }
}

/// Fresh private pages, which read as zero.
fn map(bytes: usize) -> Option<NonNull<u8>> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new anonymous mapping touches no memory that is in use.
    let address =
        unsafe { libc::mmap(ptr::null_mut(), bytes, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if address == libc::MAP_FAILED {
        return None;
    }
    let address = NonNull::new(address.cast::<u8>())?;
    assert!(address.as_ptr().addr().is_multiple_of(BUF_ALIGN_BYTES), "pages are at least 4096 bytes");
    Some(address)
}

/// An owned buffer of fixed length whose address is a multiple of 4096 and stays the same for its life, also when moved.
///
/// `len` is what was asked for; `capacity` is what is behind it, a multiple of 4096. Dropping it gives the memory back to
/// the pool it came from, if any, on whichever core that happens.
pub struct AlignedBuf {
    /// Present until `drop` hands the block back to the pool.
    block: Option<Block>,
    len: usize,
    home: Option<PoolHome>,
}

impl AlignedBuf {
    /// A buffer of `len` zero bytes that belongs to no pool.
    pub fn zeroed(len: usize) -> AlignedBuf {
        AlignedBuf { block: Some(Block::zeroed(len)), len, home: None }
    }

    pub(super) fn pooled(block: Block, len: usize, home: PoolHome) -> AlignedBuf {
        assert!(len <= block.bytes());
        AlignedBuf { block: Some(block), len, home: Some(home) }
    }

    /// Bytes that can be read and written.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the buffer was made with length zero.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes behind the buffer, a multiple of 4096 and at least `len`.
    pub fn capacity(&self) -> usize {
        self.block().bytes()
    }

    /// Changes the length within the capacity. The bytes gained are initialised, but hold whatever was there before.
    pub fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity(), "length {len} exceeds the buffer's capacity {}", self.capacity());
        self.len = len;
    }

    /// The first byte. Valid for reads and writes of `capacity` bytes while the buffer lives.
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.block().address
    }

    fn block(&self) -> &Block {
        self.block.as_ref().expect("the block leaves only in drop")
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the block is initialised, at least `len` bytes long, and borrowed through `self`.
        unsafe { std::slice::from_raw_parts(self.address().as_ptr(), self.len) }
    }
}

impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes this the only access.
        unsafe { std::slice::from_raw_parts_mut(self.address().as_ptr(), self.len) }
    }
}

impl fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuf").field("len", &self.len).field("capacity", &self.capacity()).finish_non_exhaustive()
    }
}

impl Drop for AlignedBuf {
    fn drop(&mut self) {
        let block = self.block.take().expect("drop runs once");
        if let Some(home) = self.home.take() {
            home.give_back(block);
        }
    }
}
