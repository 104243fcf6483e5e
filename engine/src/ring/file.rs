//! Files: reading, writing and syncing through the ring.
//!
//! A disk operation is never cancelled: once queued it runs to its end, also when its future is dropped. What then happened
//! to the file is unknown to the caller, so a write that was given up must be treated as possibly done.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::{Rc, Weak};

use io_uring::opcode;
use io_uring::types::{Fd, FsyncFlags};

use super::Ring;
use super::buf::IoBuf;
use super::limits::{DISK_BYTES_MAX, WRITE_SPANS_MAX};
use super::op::{Finished, Op};
use super::shared::{Shared, UNWATCHED};
use super::slab::{Held, Kind};
use crate::memory::{AlignedBuf, Span};

/// Reads shorter than this granularity end a file opened for direct I/O: every logical block size is a multiple of it.
const SECTOR_BYTES: usize = 512;

/// An open file (or directory) of one shard. Clones share the descriptor, which is closed through the ring when the last
/// user, including operations in flight, is gone.
#[derive(Clone)]
pub struct DirectFile {
    inner: Rc<FileInner>,
}

struct FileInner {
    /// Present until `drop`.
    fd: Option<OwnedFd>,
    /// Weak, because operations in the ring's own slots hold files.
    ring: Weak<Shared>,
}

/// How a write becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMethod {
    /// One write with `RWF_DSYNC`. Cheapest on a core that sleeps between completions.
    Dsync,
    /// A write and an `fdatasync` linked to it. Better on a core that is always busy, where the kernel worker that
    /// completes a `RWF_DSYNC` write waits for its time slice.
    LinkedFsync,
}

/// A write in flight: the file and the buffer.
struct Transfer<B> {
    file: DirectFile,
    buf: B,
}

impl<B: IoBuf> Held for Transfer<B> {}

/// A write in flight of what lies in several places. The vectors point at the bufs' bytes.
struct Gather {
    file: DirectFile,
    bufs: Vec<Span>,
    vectors: Vec<libc::iovec>,
}

impl Held for Gather {}

/// A read in flight. `filled` bytes are already there.
struct Fill {
    file: DirectFile,
    buf: AlignedBuf,
    filled: usize,
}

impl Held for Fill {}

/// An operation on a file without a buffer.
impl Held for DirectFile {}

impl DirectFile {
    pub(super) fn new(ring: &Ring, fd: OwnedFd) -> DirectFile {
        DirectFile { inner: Rc::new(FileInner { fd: Some(fd), ring: Rc::downgrade(&ring.shared) }) }
    }

    fn fd(&self) -> Fd {
        Fd(self.as_raw_fd())
    }

    /// Size in bytes. The kernel knows it of an open file: the call waits for nothing.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.stat()?.st_size as u64)
    }

    /// How many names the file has: none when it was removed, more than one when somebody has made another.
    pub fn names(&self) -> io::Result<u64> {
        Ok(self.stat()?.st_nlink)
    }

    fn stat(&self) -> io::Result<libc::stat> {
        let mut stat = std::mem::MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the descriptor is open for as long as `self` is, and `stat` has room for the answer.
        if unsafe { libc::fstat(self.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: all zero bytes are a valid `stat`, and the kernel has filled it.
        Ok(unsafe { stat.assume_init() })
    }
}

impl AsRawFd for DirectFile {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.fd.as_ref().expect("the descriptor leaves only in drop").as_raw_fd()
    }
}

impl fmt::Debug for DirectFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirectFile").field(&self.as_raw_fd()).finish()
    }
}

impl Drop for FileInner {
    fn drop(&mut self) {
        let fd = self.fd.take().expect("drop runs once");
        if let Some(ring) = self.ring.upgrade() {
            // Closing an unlinked file frees its blocks, which can take milliseconds: not on this thread.
            let fd = std::os::fd::IntoRawFd::into_raw_fd(fd);
            ring.push(opcode::Close::new(Fd(fd)).build().user_data(UNWATCHED));
        }
    }
}

impl Ring {
    /// Makes a file of a descriptor opened elsewhere.
    pub fn adopt_file(&self, fd: OwnedFd) -> DirectFile {
        DirectFile::new(self, fd)
    }

    /// Writes all of `buf` at `position`. A short write is an error of kind `WriteZero` that says how much was written; it is
    /// never continued, because the rest of a direct write would not be aligned and a torn write is the caller's business.
    ///
    /// Not durable by itself: see [`Ring::write_at_durable`] and [`Ring::fdatasync`].
    pub async fn write_all_at<B: IoBuf>(&self, file: &DirectFile, buf: B, position: u64) -> (io::Result<()>, B) {
        if let Err(error) = check_bytes(buf.byte_len()) {
            return (Err(error), buf);
        }
        let held = Transfer { file: file.clone(), buf };
        let finished = Op::submit(&self.shared, Kind::Disk, held, |held| write_entry(held, position, 0)).await;
        let want = finished.held.buf.byte_len();
        (whole(finished.result, want), finished.held.buf)
    }

    /// Writes all of `spans` from `position` on, back to back, in one operation. Else as [`Ring::write_all_at`]; for direct I/O each of
    /// them is aligned.
    pub async fn write_spans_at(&self, file: &DirectFile, spans: Vec<Span>, position: u64) -> io::Result<()> {
        let want = spans.iter().map(|span| span.len()).sum();
        check_bytes(want)?;
        if spans.len() > WRITE_SPANS_MAX {
            return Err(invalid(format!("{} buffers in one write, at most {WRITE_SPANS_MAX}", spans.len())));
        }
        let vectors = spans
            .iter()
            .map(|span| libc::iovec { iov_base: span.address().cast_mut().cast(), iov_len: span.byte_len() });
        let held = Gather { file: file.clone(), vectors: vectors.collect(), bufs: spans };
        whole(Op::submit(&self.shared, Kind::Disk, held, |held| gather_entry(held, position)).await.result, want)
    }

    /// Writes all of `buf` at `position` and makes it durable. The file must be open for direct I/O if the buffer is to bypass
    /// the page cache; durability holds either way.
    ///
    /// Any error means that nothing is known about the range: the caller must stop using the file until it has verified it,
    /// since a later sync may succeed although the data is lost.
    pub async fn write_at_durable<B: IoBuf>(
        &self,
        file: &DirectFile,
        buf: B,
        position: u64,
        method: SyncMethod,
    ) -> (io::Result<()>, B) {
        self.write_at_durable_telling(file, buf, position, method, || ()).await
    }

    /// The same, and calls `on_written` between the write and the sync, where these are two operations.
    pub async fn write_at_durable_telling<B: IoBuf>(
        &self,
        file: &DirectFile,
        buf: B,
        position: u64,
        method: SyncMethod,
        on_written: impl FnOnce(),
    ) -> (io::Result<()>, B) {
        if let Err(error) = check_bytes(buf.byte_len()) {
            return (Err(error), buf);
        }
        let held = Transfer { file: file.clone(), buf };
        match method {
            SyncMethod::Dsync => {
                let write = |held: &mut Transfer<B>| write_entry(held, position, libc::RWF_DSYNC);
                let finished = Op::submit(&self.shared, Kind::DurableDisk, held, write).await;
                let want = finished.held.buf.byte_len();
                (whole(finished.result, want), finished.held.buf)
            }
            SyncMethod::LinkedFsync => self.write_then_sync(held, position, on_written).await,
        }
    }

    /// The kernel starts the sync only after a full write: a short or failed one breaks the link, and the sync ends with
    /// `ECANCELED`. Both ends are awaited and checked.
    async fn write_then_sync<B: IoBuf>(
        &self,
        held: Transfer<B>,
        position: u64,
        on_written: impl FnOnce(),
    ) -> (io::Result<()>, B) {
        let file = held.file.clone();
        let write = (held, |held: &mut Transfer<B>| write_entry(held, position, 0));
        let sync = (file, |file: &mut DirectFile| sync_entry(file, FsyncFlags::DATASYNC));
        let (write, sync) = Op::submit_linked(&self.shared, Kind::DurableDisk, write, sync);
        let Finished { result: written, held: Transfer { buf, .. }, .. } = write.await;
        on_written();
        let synced = sync.await.result;
        let written = whole(written, buf.byte_len());
        (written.and_then(|()| synced.map(drop)), buf)
    }

    /// Reads up to `len` bytes at `position` into the start of `buf`. Returns how many there were: less than `len` only at the
    /// end of the file. For direct I/O `len` and `position` are multiples of the logical block.
    pub async fn read_exact_at(
        &self,
        file: &DirectFile,
        buf: AlignedBuf,
        position: u64,
        len: usize,
    ) -> (io::Result<usize>, AlignedBuf) {
        let checked = check_bytes(len).and_then(|()| match len <= buf.len() {
            true => Ok(()),
            false => Err(invalid(format!("reading {len} bytes into a buffer of {}", buf.len()))),
        });
        if let Err(error) = checked {
            return (Err(error), buf);
        }
        let mut held = Fill { file: file.clone(), buf, filled: 0 };
        while held.filled < len {
            let finished = Op::submit(&self.shared, Kind::Disk, held, |held| read_entry(held, position, len)).await;
            held = finished.held;
            let count = match finished.result {
                Ok(count) => count as usize,
                Err(error) => return (Err(error), held.buf),
            };
            held.filled += count;
            // A read that ends within a sector has met the end of the file, and could not go on with direct I/O anyway.
            if count == 0 || !count.is_multiple_of(SECTOR_BYTES) {
                break;
            }
        }
        (Ok(held.filled), held.buf)
    }

    /// Makes the file's data, and what is needed to find it, durable.
    pub async fn fdatasync(&self, file: &DirectFile) -> io::Result<()> {
        self.sync_file(file, FsyncFlags::DATASYNC).await
    }

    /// Makes the file's data and metadata durable; of a directory, its entries.
    pub async fn fsync(&self, file: &DirectFile) -> io::Result<()> {
        self.sync_file(file, FsyncFlags::empty()).await
    }

    /// Allocates or frees space: `fallocate(2)` with its modes.
    pub async fn fallocate(&self, file: &DirectFile, mode: i32, position: u64, len: u64) -> io::Result<()> {
        let entry = |file: &mut DirectFile| opcode::Fallocate::new(file.fd(), len).offset(position).mode(mode).build();
        Op::submit(&self.shared, Kind::Disk, file.clone(), entry).await.result.map(drop)
    }

    /// Cuts or extends the file. What is cut off the file system may hand on to the device (mount option `discard`), which takes
    /// milliseconds where the device is busy: not on this thread, unless the kernel is older than 6.9 and has no such operation.
    pub async fn ftruncate(&self, file: &DirectFile, len: u64) -> io::Result<()> {
        let signed = i64::try_from(len).map_err(|_| invalid(format!("a file of {len} bytes")))?;
        let entry = |file: &mut DirectFile| opcode::Ftruncate::new(file.fd(), len).build();
        match Op::submit(&self.shared, Kind::Disk, file.clone(), entry).await.result {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => truncate_here(file, signed),
            result => result.map(drop),
        }
    }

    async fn sync_file(&self, file: &DirectFile, flags: FsyncFlags) -> io::Result<()> {
        let entry = |file: &mut DirectFile| sync_entry(file, flags);
        Op::submit(&self.shared, Kind::DurableDisk, file.clone(), entry).await.result.map(drop)
    }
}

fn truncate_here(file: &DirectFile, len: i64) -> io::Result<()> {
    // SAFETY: the call takes no pointers, and the descriptor is open while `file` lives.
    match unsafe { libc::ftruncate(file.as_raw_fd(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn write_entry<B: IoBuf>(held: &mut Transfer<B>, position: u64, rw_flags: i32) -> io_uring::squeue::Entry {
    let len = held.buf.byte_len() as u32;
    opcode::Write::new(held.file.fd(), held.buf.address(), len).offset(position).rw_flags(rw_flags).build()
}

fn gather_entry(held: &mut Gather, position: u64) -> io_uring::squeue::Entry {
    assert_eq!(held.bufs.len(), held.vectors.len());
    opcode::Writev::new(held.file.fd(), held.vectors.as_ptr(), held.vectors.len() as u32).offset(position).build()
}

fn read_entry(held: &mut Fill, position: u64, len: usize) -> io_uring::squeue::Entry {
    let rest = &mut held.buf[held.filled..len];
    let (address, rest_len) = (rest.as_mut_ptr(), rest.len() as u32);
    opcode::Read::new(held.file.fd(), address, rest_len).offset(position + held.filled as u64).build()
}

fn sync_entry(file: &mut DirectFile, flags: FsyncFlags) -> io_uring::squeue::Entry {
    opcode::Fsync::new(file.fd()).flags(flags).build()
}

/// A write is whole or it is an error.
fn whole(result: io::Result<u32>, want: usize) -> io::Result<()> {
    let count = result? as usize;
    match count == want {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::WriteZero, format!("short write: {count} of {want} bytes"))),
    }
}

fn check_bytes(len: usize) -> io::Result<()> {
    match len <= DISK_BYTES_MAX {
        true => Ok(()),
        false => Err(invalid(format!("{len} bytes in one disk operation, at most {DISK_BYTES_MAX}"))),
    }
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

/// The result of an open that nobody waits for any more is a descriptor to close.
pub(super) fn close_unseen(result: i32) {
    if result >= 0 {
        // SAFETY: the kernel has just created this descriptor for us, and nobody else has seen it.
        drop(unsafe { OwnedFd::from_raw_fd(result) });
    }
}
