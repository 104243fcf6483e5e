//! Files for segments to come, in their logs' directories, under names that are no segments'. What they hold counts for nothing.

use std::io;

use batch::Offset;

use super::beside;
use super::layout::Layout;
use super::recency::Key;
use crate::ids::LogId;
use crate::ring::Ring;

/// The files that the logs of one shard have ahead.
pub struct NextFiles {
    ring: Ring,
    layout: Layout,
}

impl NextFiles {
    pub fn new(ring: Ring, layout: Layout) -> NextFiles {
        NextFiles { ring, layout }
    }

    /// Makes a file with extents for so many bytes, or leaves nothing. It is not synced: a segment's file and directory are, once it is one.
    pub async fn make(&self, log: LogId, name: Offset, bytes: u64) -> io::Result<()> {
        let made = self.make_whole(log, name, bytes).await;
        if made.is_err() {
            // The directory may be gone with its log, and then so is the file.
            let _unlinked = self.ring.unlink(&self.layout.next_file(log, name)).await;
        }
        made
    }

    async fn make_whole(&self, log: LogId, name: Offset, bytes: u64) -> io::Result<()> {
        let path = self.layout.next_file(log, name);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_DIRECT;
        let file = match self.ring.open(&path, flags, 0o644).await {
            // Left by a process before this one. It is not written over: nobody knows who has it open.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.ring.unlink(&path).await?;
                self.ring.open(&path, flags, 0o644).await?
            }
            result => result?,
        };
        match self.ring.fallocate(&file, 0, 0, bytes).await {
            // It still spares making a file.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
            result => result,
        }
    }

    /// Gives the file the name of a segment that has none yet. There may be no such file: then the segment's is made as any other.
    pub async fn take(&self, (log, segment): Key, name: Offset) -> io::Result<()> {
        match self.ring.rename(&self.layout.next_file(log, name), &self.layout.segment(log, segment)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Those that these logs have. The directories of all logs may have to come from the disk, which the shard does not wait for.
    pub async fn found(&self, logs: Vec<LogId>) -> io::Result<Vec<(LogId, Offset)>> {
        let layout = self.layout.clone();
        let found = move || logs.into_iter().flat_map(|log| names(&layout, log)).collect();
        beside::compute(&self.ring, found).await
    }
}

/// Of a directory that cannot be read nothing is known, nor is anything removed.
fn names(layout: &Layout, log: LogId) -> Vec<(LogId, Offset)> {
    let entries = std::fs::read_dir(layout.log_dir(log)).into_iter().flatten().flatten();
    entries.filter_map(|entry| Layout::next_file_name(&entry.path())).map(|name| (log, name)).collect()
}
