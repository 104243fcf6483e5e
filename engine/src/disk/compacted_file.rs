//! The file that compaction writes: whole blocks one after the other, then cut to its size and made durable with its directory.
//! Nobody reads it before that.

use std::io;
use std::path::PathBuf;

use super::journal_files::sync_dir;
use super::layout::Layout;
use crate::ids::{LogId, SegmentName};
use crate::limits::BLOCK_BYTES;
use crate::memory::BufPool;
use crate::ring::{DirectFile, Ring};

/// A file that is being written.
pub struct CompactedFile {
    ring: Ring,
    pool: BufPool,
    file: DirectFile,
    path: PathBuf,
}

impl CompactedFile {
    /// Makes the file, or empties one of that name that a process before this one has left. The log's directory is there, unless the
    /// log has been dropped.
    pub async fn create(
        ring: &Ring,
        layout: &Layout,
        pool: &BufPool,
        log: LogId,
        segment: SegmentName,
    ) -> io::Result<Self> {
        let path = layout.segment(log, segment);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC | libc::O_DIRECT;
        let file = ring.open(&path, flags, 0o644).await?;
        Ok(Self { ring: ring.clone(), pool: pool.clone(), file, path })
    }

    /// Writes a piece; its last block is padded with zeros.
    pub async fn write(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut buf = self.pool.take(bytes.len().next_multiple_of(BLOCK_BYTES));
        buf.set_len(bytes.len().next_multiple_of(BLOCK_BYTES));
        buf[..bytes.len()].copy_from_slice(bytes);
        buf[bytes.len()..].fill(0);
        self.ring.write_all_at(&self.file, buf, position).await.0
    }

    /// Cuts the file to its size and makes it durable.
    pub async fn finish(self, bytes: u64) -> io::Result<()> {
        self.ring.ftruncate(&self.file, bytes).await?;
        self.ring.fdatasync(&self.file).await?;
        let dir = self.path.parent().expect("a segment lies in its log's directory");
        sync_dir(&self.ring, dir).await
    }
}
