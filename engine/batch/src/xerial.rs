//! Snappy as it is found in batches: one raw run, or the framing of xerial's snappy-java that Kafka's Java client and
//! kafka-python write.
//!
//! ```text
//!   0                8          12         16
//!   +----------------+----------+----------+---------------+--------------+---------------+-----
//!   | 82 'SNAPPY' 00 | version  | oldest   | block length  | raw snappy   | block length  | ...
//!   |                | i32 BE 1 | i32 BE 1 | i32 BE        |              |               |
//!   +----------------+----------+----------+---------------+--------------+---------------+-----
//! ```

use crate::layout::field;
use crate::{BatchError, DecompressLimit};

const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
const HEADER_BYTES: usize = MAGIC.len() + 4 + 4;
/// What xerial's own writer puts into one block.
const BLOCK_BYTES: usize = 32 * 1024;
/// A snappy copy makes at most 64 bytes out of 3, so a length above this multiple of the input is a lie.
const EXPANSION_MAX: usize = 22;

pub(crate) fn decompress(body: &[u8], limit: DecompressLimit) -> Result<Vec<u8>, BatchError> {
    let mut out = Vec::new();
    if !body.starts_with(&MAGIC) {
        append_block(body, &mut out, limit)?;
        return Ok(out);
    }
    let mut rest = body.get(HEADER_BYTES..).ok_or_else(|| malformed("the header is cut off"))?;
    while !rest.is_empty() {
        let (length, after) = rest.split_at_checked(4).ok_or_else(|| malformed("a block length is cut off"))?;
        let length = u32::from_be_bytes(field(length, 0)) as usize;
        let (block, after) = after.split_at_checked(length).ok_or_else(|| malformed("a block is cut off"))?;
        append_block(block, &mut out, limit)?;
        rest = after;
    }
    Ok(out)
}

pub(crate) fn compress(records: &[u8], mut out: Vec<u8>) -> Vec<u8> {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for chunk in records.chunks(BLOCK_BYTES) {
        let block = encoder.compress_vec(chunk).expect("snappy takes any 32 KiB");
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend_from_slice(&block);
    }
    out
}

fn append_block(block: &[u8], out: &mut Vec<u8>, limit: DecompressLimit) -> Result<(), BatchError> {
    let length = snap::raw::decompress_len(block).map_err(malformed)?;
    if length > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(malformed("a block claims more than snappy can pack"));
    }
    let start = out.len();
    if length > limit.0.saturating_sub(start) {
        return Err(BatchError::OverDecompressLimit(limit));
    }
    out.resize(start + length, 0);
    let written = snap::raw::Decoder::new().decompress(block, &mut out[start..]).map_err(malformed)?;
    out.truncate(start + written);
    Ok(())
}

fn malformed(reason: impl ToString) -> BatchError {
    BatchError::Decompress { codec: "snappy", reason: reason.to_string() }
}
