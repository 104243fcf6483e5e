//! Segment files: opened when needed, written in whole blocks, made durable together with their directories.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use batch::Offset;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::compacted_file::CompactedFile;
use super::free_space::is_exhausted;
use super::index_files;
use super::journal_files::sync_dir;
use super::layout::Layout;
use super::next_files::NextFiles;
use super::quarantine::{Fate, Quarantine};
use super::recency::{Key, Recency};
use super::removal::Removal;
use crate::ids::{LogId, SegmentName};
use crate::limits::{
    BLOCK_BYTES, SEGMENT_PREALLOCATE_BYTES_MAX, SEGMENT_PREALLOCATE_BYTES_MIN, SEGMENT_PREALLOCATE_SHARE,
    SYNCS_IN_FLIGHT_MAX,
};
use crate::log::{BlockWrite, SealWrite};
use crate::memory::{AlignedBuf, BufPool};
use crate::ring::{DirectFile, Ring};
use crate::segment_index::SegmentIndex;

struct Open {
    file: DirectFile,
    /// Extents are reserved up to here.
    allocated: Cell<u64>,
}

/// One shard's segment files.
pub struct SegmentShelf {
    ring: Ring,
    layout: Layout,
    pool: BufPool,
    open: RefCell<BTreeMap<Key, Rc<Open>>>,
    recency: RefCell<Recency>,
    /// Files made or first written to since their directories were last synced.
    fresh: RefCell<BTreeSet<Key>>,
    /// Segments whose indexes were written since the last sync.
    unsynced_indexes: RefCell<BTreeSet<Key>>,
    /// Extents are reserved ahead in steps of at most this.
    step_bytes_max: Cell<u64>,
    /// Segments whose files are being removed. Who gets there late finds none.
    leaving: RefCell<BTreeSet<Key>>,
    removal: Removal,
    quarantine: Quarantine,
    next_files: NextFiles,
    /// Files kept open.
    open_max: usize,
}

impl SegmentShelf {
    pub fn new(ring: Ring, layout: Layout, pool: BufPool, open_max: usize) -> Self {
        let removal = Removal::new(ring.clone());
        let quarantine = Quarantine::new(ring.clone(), layout.clone());
        let next_files = NextFiles::new(ring.clone(), layout.clone());
        Self {
            ring,
            layout,
            pool,
            open: RefCell::default(),
            recency: RefCell::default(),
            fresh: RefCell::default(),
            unsynced_indexes: RefCell::default(),
            step_bytes_max: Cell::new(SEGMENT_PREALLOCATE_BYTES_MAX),
            leaving: RefCell::default(),
            removal,
            quarantine,
            next_files,
            open_max,
        }
    }

    /// So much is free in the file system.
    pub fn on_free_space(&self, free_bytes: u64) {
        let share = (free_bytes / SEGMENT_PREALLOCATE_SHARE).min(SEGMENT_PREALLOCATE_BYTES_MAX);
        // A power of two, so that a step is whole blocks.
        self.step_bytes_max.set(share.checked_ilog2().map_or(0, |log| 1 << log));
    }

    /// Closes the files that were not used since the last call: idle partitions have none open.
    pub fn close_unused(&self) {
        let unused = self.recency.borrow_mut().unused();
        unused.into_iter().for_each(|key| self.close(key));
    }

    fn close(&self, key: Key) {
        self.open.borrow_mut().remove(&key);
        self.recency.borrow_mut().on_closed(key);
    }

    fn opened(&self, key: Key) -> Option<Rc<Open>> {
        let open = self.open.borrow().get(&key).cloned()?;
        self.recency.borrow_mut().on_use(key);
        Some(open)
    }

    async fn file(&self, key: Key) -> io::Result<Rc<Open>> {
        if let Some(open) = self.opened(key) {
            return Ok(open);
        }
        let file = self.ring.open(&self.layout.segment(key.0, key.1), libc::O_RDWR | libc::O_DIRECT, 0).await?;
        // What is removed loses its content first, and nobody may take that for damage.
        if self.leaving.borrow().contains(&key) || file.names()? == 0 {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.keep(key, file)
    }

    /// Opens the file, and makes it where it is not there yet: of the one that was prepared as `next`.
    async fn file_to_write(&self, key: Key, next: Option<Offset>) -> io::Result<Rc<Open>> {
        if let Some(open) = self.opened(key) {
            return Ok(open);
        }
        if let Some(next) = next {
            self.next_files.take(key, next).await?;
        }
        let path = self.layout.segment(key.0, key.1);
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_DIRECT;
        let file = match self.ring.open(&path, flags, 0o644).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_log_dir(key.0).await?;
                self.ring.open(&path, flags, 0o644).await?
            }
            result => result?,
        };
        // Also where the file was there: a process before this one may have made it and died before its directory was synced.
        self.fresh.borrow_mut().insert(key);
        self.keep(key, file)
    }

    async fn make_log_dir(&self, log: LogId) -> io::Result<()> {
        let dirs = [self.layout.log_dir(log), self.layout.topic_dir(log), self.layout.topics_dir()];
        // Mostly only the innermost is missing.
        let mut missing = 0;
        while let Err(error) = self.ring.mkdir(&dirs[missing], 0o755).await {
            match error.kind() {
                io::ErrorKind::NotFound if missing + 1 < dirs.len() => missing += 1,
                io::ErrorKind::AlreadyExists => break,
                _ => return Err(error),
            }
        }
        for dir in dirs[..missing].iter().rev() {
            match self.ring.mkdir(dir, 0o755).await {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn keep(&self, key: Key, file: DirectFile) -> io::Result<Rc<Open>> {
        let allocated = Cell::new(file.bytes()?);
        // Another task may have opened it meanwhile; its file is the one that counts.
        let open = self.open.borrow_mut().entry(key).or_insert_with(|| Rc::new(Open { file, allocated })).clone();
        self.recency.borrow_mut().on_use(key);
        while self.recency.borrow().len() > self.open_max {
            let oldest = self.recency.borrow().oldest().expect("there are more than none");
            self.close(oldest);
        }
        Ok(open)
    }

    /// Writes whole blocks. They are durable after the next `sync`.
    pub async fn write_blocks(&self, log: LogId, write: BlockWrite, next: Option<Offset>) -> io::Result<()> {
        let open = self.file_to_write((log, SegmentName::appended(write.segment)), next).await?;
        self.reserve(&open, write.position + write.bytes()).await?;
        self.ring.write_spans_at(&open.file, write.spans, write.position).await
    }

    /// Reserves extents ahead of a growing segment: writes within the file's size need no change of it and run side by side.
    async fn reserve(&self, open: &Open, end: u64) -> io::Result<()> {
        let allocated = open.allocated.get();
        if end <= allocated {
            return Ok(());
        }
        let step = end.next_power_of_two().min(self.step_bytes_max.get());
        let reserved = if step < SEGMENT_PREALLOCATE_BYTES_MIN { end } else { end.next_multiple_of(step) };
        open.allocated.set(reserved);
        if reserved == end {
            return Ok(());
        }
        match self.ring.fallocate(&open.file, 0, allocated, reserved - allocated).await {
            // A file system that cannot reserve still grows the file as it is written. One that has no room for what is reserved
            // ahead may have some for what is written now; if not, the write finds out.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) || is_exhausted(&error) => {
                open.allocated.set(if is_exhausted(&error) { allocated } else { reserved });
                Ok(())
            }
            result => result,
        }
    }

    /// Writes the last block padded with zeros, then cuts the file to its exact size, then writes the index of a sealed one.
    pub async fn seal(&self, log: LogId, write: &SealWrite) -> io::Result<()> {
        let open = self.file_to_write((log, SegmentName::appended(write.segment)), None).await?;
        if !write.partial_block.is_empty() {
            let mut block = self.pool.take(BLOCK_BYTES);
            block.fill(0);
            block[..write.partial_block.len()].copy_from_slice(&write.partial_block);
            self.ring.write_all_at(&open.file, block, write.position).await.0?;
        }
        open.allocated.set(write.bytes);
        self.ring.ftruncate(&open.file, write.bytes).await?;
        match &write.index {
            Some(index) => self.write_index(index).await,
            None => Ok(()),
        }
    }

    /// Writes the index of a sealed segment beside its file. It is durable after the next `sync` of the segment.
    pub async fn write_index(&self, index: &SegmentIndex) -> io::Result<()> {
        index_files::write(&self.ring, &self.layout, index).await?;
        // Only now: a sync of the segment for a checkpoint may run beside the write, and would find half of it.
        self.unsynced_indexes.borrow_mut().insert((index.log, index.summary.name()));
        Ok(())
    }

    /// Writes the index of a segment that was sealed long ago; all of it is durable when this returns.
    pub async fn write_index_durably(&self, index: &SegmentIndex) -> io::Result<()> {
        index_files::write(&self.ring, &self.layout, index).await?;
        index_files::sync(&self.ring, &self.layout, index.log, index.summary.name()).await?;
        sync_dir(&self.ring, &self.layout.log_dir(index.log)).await
    }

    /// All bytes of the file that should hold the index of a segment.
    pub async fn read_index(&self, log: LogId, segment: SegmentName) -> io::Result<Vec<u8>> {
        index_files::read(&self.ring, &self.layout, log, segment).await
    }

    /// Makes the files durable, and the directories of those that are new. Many at a time: syncs that meet in the file system share
    /// its journal's commit and the device's sync.
    pub async fn sync(&self, keys: &[Key]) -> io::Result<()> {
        let files = stream::iter(keys.iter().copied().map(|key| self.sync_file(key)));
        let logs = files.buffer_unordered(SYNCS_IN_FLIGHT_MAX).try_collect::<Vec<_>>().await?;
        let fresh: BTreeSet<LogId> = logs.into_iter().flatten().collect();
        // A directory after all that lies in it.
        let log_dirs = fresh.iter().map(|log| self.layout.log_dir(*log)).collect();
        let topic_dirs = fresh.iter().map(|log| self.layout.topic_dir(*log)).collect();
        let topics_dir = fresh.iter().map(|_| self.layout.topics_dir()).collect();
        for dirs in [log_dirs, topic_dirs, topics_dir] {
            self.sync_dirs(&dirs).await?;
        }
        Ok(())
    }

    /// Makes a segment and its index durable. Returns the log if its directory has entries that are not.
    async fn sync_file(&self, key: Key) -> io::Result<Option<LogId>> {
        let open = match self.file(key).await {
            // The log may have been dropped since.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result?,
        };
        self.ring.fdatasync(&open.file).await?;
        // Taken out before the sync: an index that is written again meanwhile needs another one.
        let has_index = self.unsynced_indexes.borrow_mut().remove(&key);
        if has_index {
            index_files::sync(&self.ring, &self.layout, key.0, key.1).await?;
        }
        let is_fresh = self.fresh.borrow_mut().remove(&key);
        Ok((is_fresh || has_index).then_some(key.0))
    }

    async fn sync_dirs(&self, dirs: &BTreeSet<PathBuf>) -> io::Result<()> {
        let syncs = stream::iter(dirs.iter().map(|dir| async move {
            match sync_dir(&self.ring, dir).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        }));
        syncs.buffer_unordered(SYNCS_IN_FLIGHT_MAX).try_collect().await
    }

    /// Reads `[position, end)` of a segment, widened to whole blocks. Returns the buffer and where `position` is in it.
    pub async fn read(
        &self,
        log: LogId,
        segment: SegmentName,
        position: u64,
        end: u64,
    ) -> io::Result<(AlignedBuf, usize, usize)> {
        let open = self.file((log, segment)).await?;
        let start = position - position % BLOCK_BYTES as u64;
        let len = (end - start).next_multiple_of(BLOCK_BYTES as u64) as usize;
        let buf = self.pool.take(len);
        let (result, buf) = self.ring.read_exact_at(&open.file, buf, start, len).await;
        let filled = result?.min((end - start) as usize);
        Ok((buf, (position - start) as usize, filled))
    }

    /// Begins a file that compaction writes.
    pub async fn create_compacted(&self, log: LogId, segment: SegmentName) -> io::Result<CompactedFile> {
        CompactedFile::create(&self.ring, &self.layout, &self.pool, log, segment).await
    }

    /// What is known of damaged segments, and kept of them.
    pub fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// Removes a segment's index, and its file unless it is damaged. Reads of it that are under way have it open, and end as they would have.
    pub async fn remove_segment(&self, log: LogId, segment: SegmentName) -> io::Result<()> {
        self.let_go((log, segment), false).await.map(|_| ())
    }

    /// Removes a segment, but keeps its file for one to come. Returns whether it did: what is damaged, still read or has a second name
    /// goes like others.
    pub async fn recycle_segment(&self, log: LogId, segment: SegmentName) -> io::Result<bool> {
        self.let_go((log, segment), true).await
    }

    async fn let_go(&self, key: Key, is_kept: bool) -> io::Result<bool> {
        let is_read = self.open.borrow().get(&key).is_some_and(|open| Rc::strong_count(open) > 1);
        self.close(key);
        self.fresh.borrow_mut().remove(&key);
        self.unsynced_indexes.borrow_mut().remove(&key);
        self.leaving.borrow_mut().insert(key);
        let removed = self.remove_files(key, is_read, is_kept).await;
        self.leaving.borrow_mut().remove(&key);
        removed
    }

    async fn remove_files(&self, (log, segment): Key, is_read: bool, is_kept: bool) -> io::Result<bool> {
        let fate = self.quarantine.take(log, segment).await?;
        excuse_missing(self.removal.unlink(&self.layout.segment_index(log, segment)).await)?;
        let file = self.layout.segment(log, segment);
        if fate != Fate::Goes {
            return Ok(false);
        }
        if is_read {
            return excuse_missing(self.removal.unlink(&file).await).map(|()| false);
        }
        if is_kept && self.removal.keep_as(&file, &self.layout.next_file(log, segment.base)).await? {
            return Ok(true);
        }
        excuse_missing(self.removal.remove(&file).await).map(|()| false)
    }

    /// Makes a file for the log's next segment. Where it cannot be made nothing is left of it.
    pub async fn make_next(&self, log: LogId, name: Offset, bytes: u64) -> io::Result<()> {
        self.next_files.make(log, name, bytes.min(self.step_bytes_max.get())).await
    }

    /// The files for segments to come that these logs have.
    pub async fn found_next(&self, logs: Vec<LogId>) -> io::Result<Vec<(LogId, Offset)>> {
        self.next_files.found(logs).await
    }

    /// Removes a file for a segment to come: in pieces, or its name `at_once`.
    pub async fn remove_next(&self, log: LogId, name: Offset, at_once: bool) -> io::Result<()> {
        let file = self.layout.next_file(log, name);
        let removed = if at_once { self.removal.unlink(&file).await } else { self.removal.remove(&file).await };
        excuse_missing(removed)
    }

    /// The segments of which a log has files, by their names.
    pub fn found(&self, log: LogId) -> io::Result<BTreeSet<SegmentName>> {
        let entries = match std::fs::read_dir(self.layout.log_dir(log)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let mut segments = BTreeSet::new();
        for entry in entries {
            segments.extend(Layout::segment_name(&entry?.path()));
        }
        Ok(segments)
    }

    /// Removes everything of a log that was dropped.
    pub async fn remove(&self, log: LogId) -> io::Result<()> {
        let open: Vec<Key> = self.open.borrow().keys().copied().filter(|(id, _)| *id == log).collect();
        open.into_iter().for_each(|key| self.close(key));
        self.fresh.borrow_mut().retain(|(id, _)| *id != log);
        self.unsynced_indexes.borrow_mut().retain(|(id, _)| *id != log);
        self.quarantine.remove(log).await?;
        let dir = self.layout.log_dir(log);
        let entries = match std::fs::read_dir(&dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            excuse_missing(self.removal.remove(&entry?.path()).await)?;
        }
        self.ring.rmdir(&dir).await?;
        let topic = self.layout.topic_dir(log);
        // The other partitions of the topic may still be there, on this shard or another.
        match self.ring.rmdir(&topic).await {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => sync_dir(&self.ring, &topic).await,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.and(sync_dir(&self.ring, &self.layout.topics_dir()).await),
        }
    }
}

/// What is to be removed may be gone already.
fn excuse_missing(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
