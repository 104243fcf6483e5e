//! A 4096-aligned owned buffer.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::block::Block;
use super::pool::PoolHome;

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
        self.block().address()
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
