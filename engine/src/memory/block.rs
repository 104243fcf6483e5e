//! Memory of whole pages, and where it comes from.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::{self, NonNull};

use super::BUF_ALIGN_BYTES;

/// Blocks of this size and more are mapped from the kernel instead of taken from the allocator, in bytes: mapped memory is
/// zero without being touched, so what is never used costs no memory and no page faults.
const MAPPED_BYTES_MIN: usize = 256 << 10;

/// A block of memory of whole 4096-byte pages. Its bytes are always initialised.
pub(super) struct Block {
    address: NonNull<u8>,
    bytes: usize,
    origin: Origin,
    /// Owns the memory of a block that is a mapping.
    _mapping: Option<Mapping>,
}

#[derive(PartialEq, Eq)]
enum Origin {
    Allocator,
    Mapping,
    /// Cut from a [`Region`], which outlives the block.
    Region,
}

// SAFETY: a block is the only owner of its memory, like a `Box<[u8]>`, and holds nothing tied to a thread.
unsafe impl Send for Block {}
// SAFETY: a shared reference to a block gives only its address and size.
unsafe impl Sync for Block {}

impl Block {
    /// A zeroed block of at least `bytes` bytes (at least one aligned block), which owns its memory.
    pub fn zeroed(bytes: usize) -> Block {
        let bytes = bytes.max(1).checked_next_multiple_of(BUF_ALIGN_BYTES).expect("a buffer size fits in memory");
        if bytes >= MAPPED_BYTES_MIN {
            let mapping = Mapping::new(bytes);
            return Block { address: mapping.address, bytes, origin: Origin::Mapping, _mapping: Some(mapping) };
        }
        let layout = Block::layout(bytes);
        // SAFETY: the layout's size is not zero, it is at least one aligned block.
        let Some(address) = NonNull::new(unsafe { alloc_zeroed(layout) }) else { handle_alloc_error(layout) };
        Block { address, bytes, origin: Origin::Allocator, _mapping: None }
    }

    pub fn address(&self) -> NonNull<u8> {
        self.address
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Gives the memory behind the block back to the kernel. The block stays: it reads as zero, and costs page faults again when it
    /// is written to.
    pub fn cool(&mut self) {
        // SAFETY: the range is the block's own memory, private and anonymous, and `&mut self` says that nobody uses it.
        let advised = unsafe { libc::madvise(self.address.as_ptr().cast(), self.bytes, libc::MADV_DONTNEED) };
        // Where that is refused, as for memory that is locked, the pages stay as they are, and are initialised all the same.
        debug_assert!(advised == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL));
    }

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, BUF_ALIGN_BYTES).expect("a buffer size fits in memory")
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.origin == Origin::Allocator {
            // SAFETY: such a block came from `alloc_zeroed` with this same layout and is freed once, here.
            unsafe { dealloc(self.address.as_ptr(), Block::layout(self.bytes)) }
        }
    }
}

/// Private pages that belong to nobody else, zero until written to.
struct Mapping {
    address: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping owns its pages and holds nothing tied to a thread.
unsafe impl Send for Mapping {}
// SAFETY: a shared reference to a mapping gives nothing but its address and size.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(bytes: usize) -> Mapping {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping touches no memory that is in use.
        let address = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        let address = NonNull::new(address.cast::<u8>()).filter(|_| address != libc::MAP_FAILED);
        let Some(address) = address else { handle_alloc_error(Block::layout(bytes)) };
        assert!(address.as_ptr().addr().is_multiple_of(BUF_ALIGN_BYTES), "pages are at least 4096 bytes");
        Mapping { address, bytes }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping came from `new` with this same length and is removed once, here.
        let unmapped = unsafe { libc::munmap(self.address.as_ptr().cast(), self.bytes) };
        assert_eq!(unmapped, 0, "a mapping of our own can be removed");
    }
}

/// Address space that blocks of one size are cut from, one behind the other. None of it is memory before it is written to.
pub(super) struct Region {
    mapping: Mapping,
    cut: usize,
}

impl Region {
    pub fn new(bytes: usize) -> Region {
        Region { mapping: Mapping::new(bytes), cut: 0 }
    }

    /// The next block, while there is room.
    ///
    /// # Safety
    /// The region must outlive the block.
    pub unsafe fn cut(&mut self, bytes: usize) -> Option<Block> {
        assert!(bytes.is_multiple_of(BUF_ALIGN_BYTES));
        let start = self.cut;
        self.cut = start.checked_add(bytes).filter(|end| *end <= self.mapping.bytes)?;
        // SAFETY: `start` lies within the mapping, by the line above.
        let address = unsafe { self.mapping.address.add(start) };
        Some(Block { address, bytes, origin: Origin::Region, _mapping: None })
    }
}
