//! What the file system under the data directory has left, and the ballast: a file of no content that is thrown off when a write
//! finds no space, so that what is acknowledged gets to its segments and checkpoints even where others fill the file system.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::layout::Layout;
use crate::ring::Ring;

/// The size of a file system, and what of it an ordinary process may still take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystemSpace {
    pub total_bytes: u64,
    pub free_bytes: u64,
}

/// Asks the file system that `path` lies on.
pub fn look(path: &Path) -> io::Result<FileSystemSpace> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut answer = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path is a C string that outlives the call, and `answer` has room for the answer.
    if unsafe { libc::statvfs(path.as_ptr(), answer.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zero bytes are a valid `statvfs`, and the kernel has filled it.
    let answer = unsafe { answer.assume_init() };
    let unit_bytes = answer.f_frsize;
    Ok(FileSystemSpace {
        total_bytes: answer.f_blocks.saturating_mul(unit_bytes),
        free_bytes: answer.f_bavail.saturating_mul(unit_bytes),
    })
}

/// Whether a call failed because there was no space, or no more than a quota allows.
pub fn is_exhausted(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// Takes the ballast in. A file system that cannot reserve has none.
pub async fn take_ballast(ring: &Ring, layout: &Layout, bytes: u64) -> io::Result<()> {
    let file = ring.open(&layout.ballast(), libc::O_RDWR | libc::O_CREAT, 0o644).await?;
    match ring.fallocate(&file, 0, 0, bytes).await {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(()),
        result => result,
    }
}

/// Throws the ballast off.
pub async fn drop_ballast(ring: &Ring, layout: &Layout) -> io::Result<()> {
    match ring.unlink(&layout.ballast()).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_says_how_much_it_has() {
        let space = look(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("it is there");
        assert!(0 < space.free_bytes && space.free_bytes <= space.total_bytes, "{space:?}");
        assert!(look(Path::new("/there is no such path")).is_err());
    }
}
