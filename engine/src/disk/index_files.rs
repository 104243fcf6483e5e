//! The indexes of sealed segments on disk, each beside its segment's file. They are small and read whole, so they go through the page cache.

use std::io;

use super::layout::Layout;
use crate::ids::{LogId, SegmentName};
use crate::limits::INDEX_FILE_BYTES_MAX;
use crate::memory::AlignedBuf;
use crate::ring::Ring;
use crate::segment_index::{self, SegmentIndex};

/// Writes an index over whatever was there. A crash may leave it torn; then it is told from a whole one by its checksum.
pub async fn write(ring: &Ring, layout: &Layout, index: &SegmentIndex) -> io::Result<()> {
    let path = layout.segment_index(index.log, index.summary.name());
    let file = ring.open(&path, libc::O_WRONLY | libc::O_CREAT | libc::O_TRUNC, 0o644).await?;
    ring.write_all_at(&file, segment_index::encode(index), 0).await.0
}

/// Makes an index durable, but for its directory entry.
pub async fn sync(ring: &Ring, layout: &Layout, log: LogId, segment: SegmentName) -> io::Result<()> {
    match ring.open(&layout.segment_index(log, segment), libc::O_RDONLY, 0).await {
        Ok(file) => ring.fsync(&file).await,
        // The log may have been dropped since.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// All bytes of the file that should hold the index of a segment.
pub async fn read(ring: &Ring, layout: &Layout, log: LogId, segment: SegmentName) -> io::Result<Vec<u8>> {
    let path = layout.segment_index(log, segment);
    let file = ring.open(&path, libc::O_RDONLY, 0).await?;
    let len = usize::try_from(std::fs::metadata(&path)?.len()).unwrap_or(usize::MAX).min(INDEX_FILE_BYTES_MAX);
    let (result, buf) = ring.read_exact_at(&file, AlignedBuf::zeroed(len.max(1)), 0, len).await;
    let read = result?;
    Ok(buf[..read].to_vec())
}
