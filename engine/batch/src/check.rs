//! From bytes to a batch that is known to be sound.

use crate::layout::{self, field, set_field};
use crate::{BatchError, BatchInfo, Compression, DecompressLimit, LeaderEpoch, Offset, Records, crc32c, varint};

/// A whole batch whose header has been read, and nothing more: what stands in a segment or in a fetch answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BatchView<'a> {
    /// Exactly the batch.
    pub bytes: &'a [u8],
    pub info: BatchInfo,
}

impl<'a> BatchView<'a> {
    /// Takes the first whole batch off `bytes`; `None` while it is incomplete.
    pub fn first(bytes: &'a [u8]) -> Result<Option<(BatchView<'a>, &'a [u8])>, BatchError> {
        let Some(info) = BatchInfo::peek(bytes)? else { return Ok(None) };
        match bytes.split_at_checked(info.length) {
            Some((batch, rest)) => Ok(Some((BatchView { bytes: batch, info }, rest))),
            None => Ok(None),
        }
    }

    /// The records as they lie, compressed or not.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[layout::HEADER_BYTES..]
    }

    /// Decompresses where needed; see [`crate::records`].
    pub fn records(&self, limit: DecompressLimit) -> Result<Records<'a>, BatchError> {
        crate::records(*self, limit)
    }
}

/// Exactly one batch of which checksum, counts and framing have been checked. Only [`check`] and [`check_first`]
/// make one, so a function that takes it need not ask again.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Checked<'a> {
    /// Exactly the batch.
    pub bytes: &'a [u8],
    pub info: BatchInfo,
}

impl<'a> Checked<'a> {
    pub fn view(&self) -> BatchView<'a> {
        BatchView { bytes: self.bytes, info: self.info }
    }

    /// Decompresses where needed; see [`crate::records`].
    pub fn records(&self, limit: DecompressLimit) -> Result<Records<'a>, BatchError> {
        crate::records(*self, limit)
    }
}

impl<'a> From<Checked<'a>> for BatchView<'a> {
    fn from(checked: Checked<'a>) -> Self {
        checked.view()
    }
}

/// Checks that `bytes` are exactly one sound batch.
///
/// Compressed records are taken as the producer sent them; of uncompressed ones the framing is walked: every length
/// stays inside the batch and the count is the claimed one.
pub fn check(bytes: &[u8]) -> Result<Checked<'_>, BatchError> {
    let (checked, rest) = check_first(bytes)?;
    if !rest.is_empty() {
        return Err(BatchError::TrailingBytes { bytes: rest.len() });
    }
    Ok(checked)
}

/// Like [`check`] for the first of several batches in a row; gives back what follows it.
pub fn check_first(bytes: &[u8]) -> Result<(Checked<'_>, &[u8]), BatchError> {
    let Some((view, rest)) = BatchView::first(bytes)? else {
        let needed = BatchInfo::peek(bytes)?.map_or(layout::HEADER_BYTES, |info| info.length);
        return Err(BatchError::Truncated { needed, have: bytes.len() });
    };
    let info = view.info;
    check_crc(view.bytes, &info)?;
    let compression = info.compression()?;
    if info.record_count < 1 {
        return Err(BatchError::RecordCountInvalid(info.record_count));
    }
    if info.last_offset_delta != info.record_count - 1 {
        let BatchInfo { record_count, last_offset_delta, .. } = info;
        return Err(BatchError::CountMismatch { record_count, last_offset_delta });
    }
    if compression == Compression::None {
        check_framing(view.body(), info.record_count)?;
    }
    Ok((Checked { bytes: view.bytes, info }, rest))
}

/// Checks the checksum alone, of the batch that `batch` exactly is.
pub fn verify_crc(batch: &[u8]) -> Result<(), BatchError> {
    let info = BatchInfo::peek(batch)?
        .filter(|info| info.length == batch.len())
        .ok_or(BatchError::Truncated { needed: layout::HEADER_BYTES, have: batch.len() })?;
    check_crc(batch, &info)
}

/// Writes the place of a batch in its log into its header. Both fields lie outside the checksum.
///
/// Panics if `batch` is shorter than a header: only a checked batch has a place in a log.
#[inline]
pub fn stamp(batch: &mut [u8], base_offset: Offset, leader_epoch: LeaderEpoch) {
    set_field(batch, layout::BASE_OFFSET_AT, base_offset.0.to_be_bytes());
    set_field(batch, layout::LEADER_EPOCH_AT, leader_epoch.0.to_be_bytes());
}

fn check_crc(batch: &[u8], info: &BatchInfo) -> Result<(), BatchError> {
    let computed = crc32c(&batch[layout::CRC_COVERS_FROM..]);
    let stored = u32::from_be_bytes(field(batch, layout::CRC_AT));
    debug_assert_eq!(stored, info.crc);
    if stored == computed { Ok(()) } else { Err(BatchError::CrcMismatch { stored, computed }) }
}

fn check_framing(mut body: &[u8], record_count: i32) -> Result<(), BatchError> {
    for index in 0..record_count {
        let malformed = BatchError::RecordMalformed { index };
        let Some(length) = varint::take_i32(&mut body) else { return Err(malformed) };
        if length < layout::RECORD_BYTES_MIN as i32 - 1 || length as usize > body.len() {
            return Err(malformed);
        }
        body = &body[length as usize..];
    }
    if body.is_empty() { Ok(()) } else { Err(BatchError::BytesAfterRecords { bytes: body.len() }) }
}
