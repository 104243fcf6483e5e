//! The files that are measured, in a directory of their own that goes when it is dropped. SHELL.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};

use crate::aligned::{BLOCK_BYTES, Block, bytes_of};

/// One write of zeros.
const ZEROS_BLOCKS: usize = 256;

/// What a file is made of before it is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Nothing: writes make it longer.
    Appended,
    /// Space that was never written: a write has to change the extents.
    Preallocated,
    /// Zeros: a write changes nothing but data.
    ZeroWritten,
}

impl Layout {
    pub fn name(self) -> &'static str {
        match self {
            Layout::Appended => "appended",
            Layout::Preallocated => "preallocated",
            Layout::ZeroWritten => "zero-written",
        }
    }
}

/// A directory that is removed with all that is in it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it below `data`, which must exist.
    pub fn make(data: &Path) -> io::Result<Scratch> {
        let path = data.join(format!(".tuning-{}", std::process::id()));
        fs::create_dir(&path)?;
        Ok(Scratch(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes files for direct I/O, each as large as `span_bytes` unless they are appended to. They are synced.
    pub fn files(&self, count: usize, layout: Layout, span_bytes: u64, is_dsync: bool) -> io::Result<Vec<File>> {
        (0..count).map(|index| self.file(index, layout, span_bytes, is_dsync)).collect()
    }

    fn file(&self, index: usize, layout: Layout, span_bytes: u64, is_dsync: bool) -> io::Result<File> {
        let path = self.0.join(format!("file-{index}"));
        // A new inode each time: what the last load did to extents must not help this one.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let open = |flags| {
            OpenOptions::new().read(true).write(true).create(true).truncate(false).custom_flags(flags).open(&path)
        };
        let file = open(libc::O_DIRECT)?;
        match layout {
            Layout::Appended => {}
            Layout::Preallocated => fallocate(&file, FallocateFlags::empty(), 0, span_bytes)?,
            Layout::ZeroWritten => write_zeros(&file, span_bytes)?,
        }
        file.sync_all()?;
        if is_dsync { open(libc::O_DIRECT | libc::O_DSYNC) } else { Ok(file) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("tuning: cannot remove {}: {error}", self.0.display());
        }
    }
}

fn write_zeros(file: &File, span_bytes: u64) -> io::Result<()> {
    let zeros = vec![Block([0; BLOCK_BYTES]); ZEROS_BLOCKS];
    let zeros = bytes_of(&zeros);
    let mut position = 0;
    while position < span_bytes {
        let bytes = zeros.len().min((span_bytes - position) as usize);
        file.write_all_at(&zeros[..bytes], position)?;
        position += bytes as u64;
    }
    Ok(())
}
