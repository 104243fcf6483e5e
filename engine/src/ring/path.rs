//! Names in the file system: open, create, rename, remove, through the ring.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use io_uring::opcode;
use io_uring::types::Fd;

use super::Ring;
use super::file::{DirectFile, close_unseen};
use super::op::Op;
use super::slab::{Completion, Held, Kind};

/// Relative paths start at the working directory.
const CWD: Fd = Fd(libc::AT_FDCWD);

struct Opening(CString);

impl Held for Opening {
    fn discard(&mut self, completion: Completion) {
        close_unseen(completion.result);
    }
}

impl Held for CString {}
impl Held for (CString, CString) {}

impl Ring {
    /// Opens a file as `openat(2)` does, always with `O_CLOEXEC`. Data files want `O_DIRECT` in `flags`.
    pub async fn open(&self, path: &Path, flags: i32, mode: u32) -> io::Result<DirectFile> {
        let held = Opening(c_path(path)?);
        let flags = flags | libc::O_CLOEXEC;
        let entry = |held: &mut Opening| opcode::OpenAt::new(CWD, held.0.as_ptr()).flags(flags).mode(mode).build();
        let fd = Op::submit(&self.shared, Kind::Disk, held, entry).await.result?;
        // SAFETY: the kernel has just created this descriptor, and only this future has seen it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        Ok(DirectFile::new(self, fd))
    }

    /// Renames, replacing what was at `to`. Durable only after [`Ring::fsync`] of the directory.
    pub async fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let held = (c_path(from)?, c_path(to)?);
        let entry =
            |held: &mut (CString, CString)| opcode::RenameAt::new(CWD, held.0.as_ptr(), CWD, held.1.as_ptr()).build();
        Op::submit(&self.shared, Kind::Disk, held, entry).await.result.map(drop)
    }

    /// Removes a file's name.
    pub async fn unlink(&self, path: &Path) -> io::Result<()> {
        let entry = |held: &mut CString| opcode::UnlinkAt::new(CWD, held.as_ptr()).build();
        Op::submit(&self.shared, Kind::Disk, c_path(path)?, entry).await.result.map(drop)
    }

    /// Removes an empty directory.
    pub async fn rmdir(&self, path: &Path) -> io::Result<()> {
        let entry = |held: &mut CString| opcode::UnlinkAt::new(CWD, held.as_ptr()).flags(libc::AT_REMOVEDIR).build();
        Op::submit(&self.shared, Kind::Disk, c_path(path)?, entry).await.result.map(drop)
    }

    /// Makes a directory.
    pub async fn mkdir(&self, path: &Path, mode: u32) -> io::Result<()> {
        let entry = |held: &mut CString| opcode::MkDirAt::new(CWD, held.as_ptr()).mode(mode).build();
        Op::submit(&self.shared, Kind::Disk, c_path(path)?, entry).await.result.map(drop)
    }

    /// Gives up one handle of a file. The descriptor is closed with the last one; dropping the handle does the same.
    pub fn close(&self, file: DirectFile) {
        drop(file);
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("a zero byte in the path {}", path.display())))
}
