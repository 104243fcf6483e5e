//! The disk as one file of a FUSE file system, in a process of its own: were it in the process of the test, a thread that waits
//! for the disk could keep the process from ending, and the process that does not end could keep the disk from answering.

use super::medium::{CutReport, Fate, Medium};
use super::orders::{Order, report_line};
use crate::clock::Stopwatch;
use crate::random::Random;
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, KernelConfig, LockOwner,
    OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, WriteFlags,
};
use std::ffi::OsStr;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// The file's name in the file system.
pub const FILE_NAME: &str = "disk";
const FILE: INodeNo = INodeNo(2);
/// Nobody but us changes anything, so the kernel may remember it.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Requests that the disk works on side by side; the others queue, as they do before a device.
const THREADS: usize = 4;
/// The kernel's default would cut writes of the loop device into pieces of 128 KiB.
const WRITE_BYTES_MAX: u32 = 1 << 20;

/// Serves an empty disk of so many bytes at `mount`, keeping its content in `dir`, until standard input ends. Orders come as lines,
/// and each is answered by a line.
pub fn serve(dir: &Path, mount: &Path, bytes: u64, sector_bytes: u64) -> io::Result<()> {
    let shared = Arc::new(Shared {
        disk: Mutex::new(Disk { medium: Medium::create(dir, bytes, sector_bytes)?, faults: Faults::default() }),
        changed: Condvar::new(),
    });
    let mut config = fuser::Config::default();
    config.n_threads = Some(THREADS);
    let session = fuser::spawn_mount(DiskFile { shared: shared.clone() }, mount, &config)?;
    println!("serving");
    for line in io::stdin().lock().lines() {
        let line = line?;
        let order = Order::from_line(&line).ok_or_else(|| io::Error::other(format!("what is `{line}`?")))?;
        println!("{}", shared.obey(order)?);
        io::stdout().flush()?;
    }
    session.umount_and_join()
}

struct Shared {
    disk: Mutex<Disk>,
    /// Wakes those who are kept waiting when they need not wait any longer.
    changed: Condvar,
}

struct Disk {
    medium: Medium,
    faults: Faults,
}

#[derive(Default)]
struct Faults {
    is_off: bool,
    /// How often power was cut. Who opened the disk before the last time never gets through to it again.
    cuts: u64,
    lies: bool,
    fails_writes: bool,
    fails_syncs: bool,
    fails_one_sync: bool,
    delay: Duration,
    stall: Option<(Stopwatch, Duration)>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn obey(&self, order: Order) -> io::Result<String> {
        let mut disk = self.lock();
        let mut report = CutReport::default();
        match order {
            Order::Cut(fate, seed) => report = disk.cut(fate, seed)?,
            Order::PowerOn => disk.faults = Faults { cuts: disk.faults.cuts, ..Faults::default() },
            Order::Lie => disk.faults.lies = true,
            Order::FailWrites => disk.faults.fails_writes = true,
            Order::FailSyncs => disk.faults.fails_syncs = true,
            Order::FailOneSync => disk.faults.fails_one_sync = true,
            Order::Delay(delay) => disk.faults.delay = delay,
            Order::Stall(stall) => disk.faults.stall = Some((Stopwatch::start(), stall)),
        }
        self.changed.notify_all();
        Ok(report_line(report))
    }

    /// The disk for one request: when it does not stall, if power is on.
    fn take(&self, opened: FileHandle) -> Result<MutexGuard<'_, Disk>, Errno> {
        self.take_after(opened, |faults| {
            faults.stall.map_or(Duration::ZERO, |(since, length)| length.saturating_sub(since.elapsed()))
        })
    }

    /// The same when its delay is over as well.
    fn take_late(&self, opened: FileHandle) -> Result<MutexGuard<'_, Disk>, Errno> {
        let watch = Stopwatch::start();
        drop(self.take_after(opened, |faults| faults.delay.saturating_sub(watch.elapsed()))?);
        self.take(opened)
    }

    fn take_after(
        &self,
        opened: FileHandle,
        left: impl Fn(&Faults) -> Duration,
    ) -> Result<MutexGuard<'_, Disk>, Errno> {
        let mut disk = self.lock();
        loop {
            if disk.faults.is_off || opened.0 < disk.faults.cuts {
                return Err(Errno::EIO);
            }
            let wait = left(&disk.faults);
            if wait.is_zero() {
                return Ok(disk);
            }
            disk = self.changed.wait_timeout(disk, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A write is in the cache at once, where a cut may find it; the answer takes its time.
    fn write(&self, opened: FileHandle, position: u64, data: &[u8]) -> Result<u32, Errno> {
        let written = self.take(opened)?.write(position, data)?;
        drop(self.take_late(opened)?);
        Ok(written)
    }

    /// A sync promises nothing about writes that come while it takes its time.
    fn sync(&self, opened: FileHandle) -> Result<(), Errno> {
        let writes = self.take(opened)?.medium.writes();
        self.take_late(opened)?.sync(writes)
    }
}

impl Disk {
    fn cut(&mut self, fate: Fate, seed: u64) -> io::Result<CutReport> {
        self.faults.is_off = true;
        self.faults.cuts += 1;
        self.medium.cut(fate, &mut Random::from_seed(seed))
    }

    fn write(&mut self, position: u64, data: &[u8]) -> Result<u32, Errno> {
        if self.faults.fails_writes || position + data.len() as u64 > self.medium.bytes() {
            return Err(Errno::EIO);
        }
        self.medium.write(position, data)?;
        u32::try_from(data.len()).map_err(|_| Errno::EIO)
    }

    fn sync(&mut self, writes: u64) -> Result<(), Errno> {
        if std::mem::take(&mut self.faults.fails_one_sync) || self.faults.fails_syncs {
            return Err(Errno::EIO);
        }
        if !self.faults.lies {
            self.medium.sync(writes)?;
        }
        Ok(())
    }
}

struct DiskFile {
    shared: Arc<Shared>,
}

impl DiskFile {
    fn attributes(&self, inode: INodeNo) -> FileAttr {
        let is_file = inode == FILE;
        let size = if is_file { self.shared.lock().medium.bytes() } else { 0 };
        FileAttr {
            ino: inode,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_file { FileType::RegularFile } else { FileType::Directory },
            perm: 0o700,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

impl Filesystem for DiskFile {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // A kernel that takes less says so, and gets less.
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        Ok(())
    }

    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match name.to_str() {
            Some(FILE_NAME) => reply.entry(&REMEMBERED, &self.attributes(FILE), Generation(0)),
            _ => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&REMEMBERED, &self.attributes(inode));
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let opened = FileHandle(self.shared.lock().faults.cuts);
        // The page cache of this file would be a second write cache, and one that no cut reaches.
        reply.opened(opened, FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        opened: FileHandle,
        position: u64,
        bytes: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let disk = self.shared.take(opened);
        match disk.and_then(|disk| Ok(disk.medium.read(position, bytes as usize)?)) {
            Ok(data) => reply.data(&data),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        opened: FileHandle,
        position: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.shared.write(opened, position, data) {
            Ok(bytes) => reply.written(bytes),
            Err(error) => reply.error(error),
        }
    }

    fn fsync(&self, _: &Request, _: INodeNo, opened: FileHandle, _: bool, reply: ReplyEmpty) {
        match self.shared.sync(opened) {
            Ok(()) => reply.ok(),
            Err(error) => reply.error(error),
        }
    }

    /// Closing makes nothing durable.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }
}
