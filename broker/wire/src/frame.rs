//! Length prefixes.
//!
//! ```text
//! 0  4  length   i32, big endian: bytes that follow, those sent out of line included
//! 4  .  header and body
//! ```

/// Where a frame that is being written starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a frame has to be finished"]
pub struct FrameStart(usize);

/// Leaves room for the length; header and body are appended next.
pub fn begin(out: &mut Vec<u8>) -> FrameStart {
    let start = FrameStart(out.len());
    out.extend_from_slice(&[0; 4]);
    start
}

/// Writes the length of the frame that ends at the end of `out`. `extra_len` is the number of payload bytes that are
/// sent from elsewhere: the sum of the gaps of a fetch response, otherwise 0.
///
/// # Panics
/// If the frame exceeds 2 GiB, or if `start` is not from [`begin`] on this buffer.
pub fn finish(out: &mut [u8], start: FrameStart, extra_len: usize) {
    let FrameStart(start) = start;
    let length = out.len() - start - 4 + extra_len;
    let length = i32::try_from(length).expect("a frame is smaller than 2 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
