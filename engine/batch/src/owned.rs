//! A checked batch that shares its bytes, for the way from the core that checked it to the core that owns its log.

use bytes::Bytes;

use crate::{BatchError, BatchInfo, Checked, check};

/// Like [`Checked`], and not tied to a buffer of its core.
///
/// Invariant: `info` is what [`check`] made of exactly `bytes`; shared bytes never change, so it stays so.
#[derive(Clone, Debug)]
pub struct CheckedBytes {
    bytes: Bytes,
    info: BatchInfo,
}

impl CheckedBytes {
    /// Checks that `bytes` are exactly one sound batch, as [`check`] does.
    pub fn check(bytes: Bytes) -> Result<Self, BatchError> {
        let info = check(&bytes)?.info;
        Ok(Self { bytes, info })
    }

    /// A batch whose header was changed and sealed again, with what it says now.
    pub(crate) fn resealed(bytes: Bytes, info: BatchInfo) -> Self {
        debug_assert_eq!(check(&bytes).map(|checked| checked.info), Ok(info));
        Self { bytes, info }
    }

    /// The batch for whoever takes a borrowed one. Nothing is checked again.
    pub fn as_checked(&self) -> Checked<'_> {
        Checked { bytes: &self.bytes, info: self.info }
    }

    /// The batch's header.
    pub fn info(&self) -> &BatchInfo {
        &self.info
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BatchBuilder, Compression};

    #[test]
    fn what_was_checked_once_is_the_same_batch_on_another_core() {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(7, Some(b"key"), Some(b"value"), &[]);
        let bytes = Bytes::from(builder.build());
        let owned = CheckedBytes::check(bytes.clone()).expect("a sound batch");
        let moved = std::thread::spawn(move || owned).join().expect("the thread ends");
        assert_eq!(moved.as_checked().bytes, &bytes[..]);
        assert_eq!(moved.info().record_count, 1);
        assert!(CheckedBytes::check(bytes.slice(1..)).is_err());
    }
}
