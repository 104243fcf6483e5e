//! Memory that the kernel and several cores touch: aligned buffers for direct I/O, their pool, and append-only shared chunks.
//!
//! Four types, from the bottom up:
//! - [`AlignedBuf`]: one owner, 4096-aligned, returns to its [`BufPool`] when dropped, on whatever core that happens.
//! - [`BufPool`]: free lists by size. Fresh memory costs page faults, so buffers are kept and reused.
//! - [`ChunkWriter`] / [`Chunk`] / [`Span`]: one core appends, any core reads what was published. No byte is copied to share it.
//! - [`Leaving`]: chunks that are needed no more, given back a few at a time.

mod aligned;
mod block;
mod chunk;
mod joined;
mod leaving;
mod pool;

pub use aligned::AlignedBuf;
pub use chunk::{Chunk, ChunkWriter, Span};
pub use joined::{Joined, thinned};
pub use leaving::Leaving;
pub use pool::BufPool;

/// Alignment of every buffer here, in bytes: the largest logical block that direct I/O asks for on the disks we know.
pub const BUF_ALIGN_BYTES: usize = 4096;

/// Smallest buffer that a pool hands out, in bytes.
pub const POOLED_BYTES_MIN: usize = 4 << 10;

/// Largest buffer that a pool keeps for reuse, in bytes. Bigger ones are plain allocations.
pub const POOLED_BYTES_MAX: usize = 4 << 20;

/// Address space that a pool takes from the kernel at once for buffers of one size, in bytes.
const REGION_BYTES: usize = 16 << 20;

const _: () = assert!(REGION_BYTES >= POOLED_BYTES_MAX);
const _: () = assert!(POOLED_BYTES_MIN.is_power_of_two() && POOLED_BYTES_MAX.is_power_of_two());
const _: () = assert!(POOLED_BYTES_MIN >= BUF_ALIGN_BYTES, "the smallest pooled buffer must hold one aligned block");

#[cfg(test)]
mod tests;
