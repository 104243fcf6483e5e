//! Free lists of aligned blocks by power-of-two size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::aligned::{AlignedBuf, Block};
use super::{POOLED_BYTES_MAX, POOLED_BYTES_MIN};

const CLASS_COUNT: usize = (POOLED_BYTES_MAX.trailing_zeros() - POOLED_BYTES_MIN.trailing_zeros() + 1) as usize;

/// A pool of [`AlignedBuf`]s. Clones are handles to the same pool; buffers may be taken and dropped on any core.
///
/// Size classes are powers of two from 4 KiB to 4 MiB. A bigger buffer is a plain allocation that is counted while it is
/// out and freed when dropped. The pool keeps at most `free_bytes_max` bytes of unused memory; what exceeds it is freed.
#[derive(Clone)]
pub struct BufPool {
    shared: Arc<PoolShared>,
}

struct PoolShared {
    classes: [Mutex<Vec<Block>>; CLASS_COUNT],
    free_bytes: AtomicUsize,
    free_bytes_max: usize,
    outstanding_bytes: AtomicUsize,
}

/// The way back of a buffer to its pool.
pub(super) struct PoolHome {
    shared: Arc<PoolShared>,
    class: Option<usize>,
}

impl BufPool {
    /// A pool that keeps at most `free_bytes_max` bytes of unused buffers.
    pub fn new(free_bytes_max: usize) -> BufPool {
        let shared = PoolShared {
            classes: std::array::from_fn(|_| Mutex::new(Vec::new())),
            free_bytes: AtomicUsize::new(0),
            free_bytes_max,
            outstanding_bytes: AtomicUsize::new(0),
        };
        BufPool { shared: Arc::new(shared) }
    }

    /// A buffer of `len` bytes. The contents are initialised but unspecified: zeros the first time, old bytes later.
    pub fn take(&self, len: usize) -> AlignedBuf {
        let class = class_of(len);
        let block = match class {
            Some(class) => self.shared.reuse(class).unwrap_or_else(|| Block::zeroed(class_bytes(class))),
            None => Block::zeroed(len),
        };
        self.shared.outstanding_bytes.fetch_add(block.bytes(), Ordering::Relaxed);
        AlignedBuf::pooled(block, len, PoolHome { shared: Arc::clone(&self.shared), class })
    }

    /// Bytes of memory behind the buffers that are out now, rounded up to their size classes.
    pub fn outstanding_bytes(&self) -> usize {
        self.shared.outstanding_bytes.load(Ordering::Relaxed)
    }

    /// Bytes of unused memory that the pool keeps now. Never more than the bound given to [`BufPool::new`].
    pub fn free_bytes(&self) -> usize {
        self.shared.free_bytes.load(Ordering::Relaxed)
    }
}

impl PoolHome {
    /// Takes a block back, or frees it when the pool is full or the block is of no class.
    pub(super) fn give_back(self, block: Block) {
        self.shared.outstanding_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
        let Some(class) = self.class else { return };
        let bytes = block.bytes();
        // The room is claimed before the block is listed, so that the bound holds however many cores return buffers at once.
        let claimed = self.shared.free_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            let wanted = free + bytes;
            (wanted <= self.shared.free_bytes_max).then_some(wanted)
        });
        if claimed.is_ok() {
            self.shared.lock(class).push(block);
        }
    }
}

impl PoolShared {
    fn reuse(&self, class: usize) -> Option<Block> {
        let block = self.lock(class).pop()?;
        self.free_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
        Some(block)
    }

    /// A poisoned list is still a list of free blocks: nothing between lock and unlock can leave it half changed.
    fn lock(&self, class: usize) -> MutexGuard<'_, Vec<Block>> {
        self.classes[class].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The smallest class that holds `len` bytes; none above the largest class.
fn class_of(len: usize) -> Option<usize> {
    if len > POOLED_BYTES_MAX {
        return None;
    }
    let bytes = len.max(POOLED_BYTES_MIN).next_power_of_two();
    Some((bytes.trailing_zeros() - POOLED_BYTES_MIN.trailing_zeros()) as usize)
}

fn class_bytes(class: usize) -> usize {
    POOLED_BYTES_MIN << class
}
