//! Lists of free aligned blocks by size.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::aligned::AlignedBuf;
use super::block::{Block, Region};
use super::{POOLED_BYTES_MAX, POOLED_BYTES_MIN, REGION_BYTES};

/// Up to this size each class is twice the one before; above there are [`STEPS`] to each doubling: a batch of 64 KiB and a little
/// takes 80 KiB and not 128.
const DOUBLING_BYTES_MAX: usize = 16 << 10;
const DOUBLING_CLASSES: usize = (DOUBLING_BYTES_MAX / POOLED_BYTES_MIN).ilog2() as usize + 1;
const STEPS: usize = 4;
const CLASS_COUNT: usize = DOUBLING_CLASSES + STEPS * (POOLED_BYTES_MAX / DOUBLING_BYTES_MAX).ilog2() as usize;

/// So many blocks of another size make room for one that comes back, at most: each is a call to the kernel.
const COOLED_AT_ONCE_MAX: usize = 32;

/// A pool of [`AlignedBuf`]s. Clones are handles to the same pool; buffers may be taken and dropped on any core.
///
/// Size classes reach from 4 KiB to 4 MiB. A bigger buffer is a plain allocation that is counted while it is out and freed when dropped.
/// Of the unused memory the pool keeps `free_bytes_max` bytes at most; what exceeds it goes back to the kernel, from the class that
/// has most of it. Its address space stays and is used again, so blocks that come and go do not cut it into pieces.
#[derive(Clone)]
pub struct BufPool {
    shared: Arc<PoolShared>,
}

struct PoolShared {
    classes: [Class; CLASS_COUNT],
    free_bytes: AtomicUsize,
    free_bytes_max: usize,
    outstanding_bytes: AtomicUsize,
}

#[derive(Default)]
struct Class {
    free: Mutex<Free>,
    warm_bytes: AtomicUsize,
}

#[derive(Default)]
struct Free {
    /// Blocks with memory behind them.
    warm: Vec<Block>,
    /// Blocks whose memory the kernel has.
    cold: Vec<Block>,
    /// All blocks are cut from these; from the last one there may be more.
    regions: Vec<Region>,
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
            classes: std::array::from_fn(|_| Class::default()),
            free_bytes: AtomicUsize::new(0),
            free_bytes_max,
            outstanding_bytes: AtomicUsize::new(0),
        };
        BufPool { shared: Arc::new(shared) }
    }

    /// A buffer of `len` bytes. The contents are initialised but unspecified: zeros the first time, old bytes later.
    pub fn take(&self, len: usize) -> AlignedBuf {
        let class = class_of(len);
        let block = class.map_or_else(|| Block::zeroed(len), |class| self.shared.block(class));
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
    /// Takes a block back, or frees it when it is of no class.
    pub(super) fn give_back(self, block: Block) {
        self.shared.outstanding_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
        if let Some(class) = self.class {
            self.shared.keep(class, block);
        }
    }
}

impl PoolShared {
    fn block(&self, class: usize) -> Block {
        let Class { free, warm_bytes } = &self.classes[class];
        let mut free = lock(free);
        if let Some(block) = free.warm.pop() {
            warm_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
            self.free_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
            return block;
        }
        free.cold.pop().unwrap_or_else(|| free.cut(class_bytes(class)))
    }

    fn keep(&self, class: usize, mut block: Block) {
        let bytes = block.bytes();
        // The room is claimed before the block is listed, so that the bound holds however many cores return buffers at once.
        let is_kept = self.claim(bytes) || (self.cool_others(class, bytes) && self.claim(bytes));
        if !is_kept {
            block.cool();
        }
        let mut free = lock(&self.classes[class].free);
        if is_kept {
            self.classes[class].warm_bytes.fetch_add(bytes, Ordering::Relaxed);
            free.warm.push(block);
        } else {
            free.cold.push(block);
        }
    }

    fn claim(&self, bytes: usize) -> bool {
        let claimed = self.free_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            let wanted = free + bytes;
            (wanted <= self.free_bytes_max).then_some(wanted)
        });
        claimed.is_ok()
    }

    /// Gives memory of the class that has most of it back to the kernel, and says whether there may be room now. Not when that is the class
    /// that asks: what is used now stays warm, and what was used once does not take its place for ever.
    fn cool_others(&self, class: usize, bytes: usize) -> bool {
        let most = (0..CLASS_COUNT).max_by_key(|other| self.classes[*other].warm_bytes.load(Ordering::Relaxed));
        let Some(most) = most.filter(|most| *most != class) else { return false };
        let mut cooled_bytes = 0;
        for _ in 0..COOLED_AT_ONCE_MAX {
            if cooled_bytes >= bytes {
                break;
            }
            let Class { free, warm_bytes } = &self.classes[most];
            let mut free = lock(free);
            let Some(mut block) = free.warm.pop() else { break };
            block.cool();
            warm_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
            self.free_bytes.fetch_sub(block.bytes(), Ordering::Relaxed);
            cooled_bytes += block.bytes();
            free.cold.push(block);
        }
        cooled_bytes > 0
    }
}

impl Free {
    fn cut(&mut self, bytes: usize) -> Block {
        // SAFETY: a block is out with its `PoolHome`, which keeps the pool, or lies in a list of this class; and a class drops its
        // lists before its regions, from which nothing is ever removed.
        let cut = |region: &mut Region| unsafe { region.cut(bytes) };
        if let Some(block) = self.regions.last_mut().and_then(cut) {
            return block;
        }
        self.regions.push(Region::new(REGION_BYTES));
        self.regions.last_mut().and_then(cut).expect("a region has room for a block")
    }
}

/// A poisoned list is still a list of free blocks: nothing between lock and unlock can leave it half changed.
fn lock(free: &Mutex<Free>) -> MutexGuard<'_, Free> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The smallest class that holds `len` bytes; none above the largest class.
fn class_of(len: usize) -> Option<usize> {
    if len > POOLED_BYTES_MAX {
        return None;
    }
    if len <= DOUBLING_BYTES_MAX {
        let bytes = len.max(POOLED_BYTES_MIN).next_power_of_two();
        return Some((bytes / POOLED_BYTES_MIN).ilog2() as usize);
    }
    let doubling = (len - 1).ilog2();
    let step = (len - 1) / ((1 << doubling) / STEPS) - STEPS;
    Some(DOUBLING_CLASSES + STEPS * (doubling - DOUBLING_BYTES_MAX.ilog2()) as usize + step)
}

fn class_bytes(class: usize) -> usize {
    if class < DOUBLING_CLASSES {
        return POOLED_BYTES_MIN << class;
    }
    let (doubling, step) = ((class - DOUBLING_CLASSES) / STEPS, (class - DOUBLING_CLASSES) % STEPS);
    (DOUBLING_BYTES_MAX << doubling) / STEPS * (STEPS + step + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_smallest_class_that_holds_it() {
        let sizes: Vec<usize> = (0..CLASS_COUNT).map(class_bytes).collect();
        assert!(sizes.is_sorted() && sizes.last() == Some(&POOLED_BYTES_MAX));
        assert!(sizes.iter().all(|bytes| bytes.is_multiple_of(POOLED_BYTES_MIN)));
        for len in (0..=POOLED_BYTES_MAX).step_by(512).flat_map(|len| [len, len + 1, len.saturating_sub(1)]) {
            let smallest = sizes.iter().position(|bytes| *bytes >= len);
            assert_eq!(class_of(len), smallest, "{len}");
        }
        assert_eq!(class_of(64 << 10).map(class_bytes), Some(64 << 10));
        assert_eq!(class_of((64 << 10) + 1).map(class_bytes), Some(80 << 10));
    }

    #[test]
    fn what_is_used_now_takes_the_room_of_what_was_used_once() {
        let pool = BufPool::new(256 << 10);
        let small: Vec<_> = (0..64).map(|_| pool.take(4 << 10)).collect();
        drop(small);
        assert_eq!(pool.free_bytes(), 256 << 10);
        let mut large = pool.take(128 << 10);
        large[0] = 7;
        let address = large.as_ptr();
        drop(large);
        assert_eq!(pool.free_bytes(), 256 << 10);
        let large = pool.take(128 << 10);
        assert_eq!((large.as_ptr(), large[0]), (address, 7), "it is still warm");
        assert_eq!(pool.free_bytes(), 128 << 10);
    }

    #[test]
    fn a_block_whose_memory_went_back_reads_as_zero_and_is_taken_again() {
        let pool = BufPool::new(0);
        let mut buf = pool.take(8 << 10);
        buf.fill(7);
        let address = buf.as_ptr();
        drop(buf);
        let buf = pool.take(8 << 10);
        assert_eq!(buf.as_ptr(), address);
        assert!(buf.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn blocks_do_not_overlap() {
        let pool = BufPool::new(1 << 20);
        let bytes = 112 << 10;
        let mut bufs: Vec<_> = (0..3 * REGION_BYTES / bytes).map(|_| pool.take(bytes)).collect();
        for (i, buf) in bufs.iter_mut().enumerate() {
            buf.fill(i as u8);
        }
        assert!(bufs.iter().enumerate().all(|(i, buf)| buf.iter().all(|byte| *byte == i as u8)));
    }
}
