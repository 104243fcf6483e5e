//! Memory for direct I/O.

/// What addresses, positions and lengths of direct I/O are aligned to.
pub const BLOCK_BYTES: usize = 4096;

#[repr(C, align(4096))]
#[derive(Clone)]
pub struct Block(pub [u8; BLOCK_BYTES]);

/// The bytes of blocks that stand one behind the other.
pub fn bytes_of(blocks: &[Block]) -> &[u8] {
    // SAFETY: blocks are plain bytes without gaps between them, because a block is as large as its alignment.
    unsafe { std::slice::from_raw_parts(blocks.as_ptr().cast::<u8>(), std::mem::size_of_val(blocks)) }
}
