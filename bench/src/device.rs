//! What the kernel counts for the disk that holds the data: it counts for all processes, so others show in it.

use std::ffi::CString;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

const SECTOR_BYTES: u64 = 512;

/// The disk below a directory.
#[derive(Clone, Debug)]
pub struct Device {
    /// `stat` of the whole disk; none where the file system is not on one disk.
    stat_path: Option<PathBuf>,
}

/// Counts since the machine started, or between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
    /// Requests that empty the device's cache; what an fdatasync comes to.
    pub syncs: u64,
}

impl Device {
    /// The disk that `dir` lies on. Of a partition it is the whole disk, because syncs are counted only there.
    pub fn below(dir: &Path) -> Device {
        let find = || {
            let number = fs::metadata(dir).ok()?.dev();
            let own = format!("/sys/dev/block/{}:{}", libc::major(number), libc::minor(number));
            let own = fs::canonicalize(own).ok()?;
            let disk = if own.join("partition").exists() { own.parent()?.to_path_buf() } else { own };
            Some(disk.join("stat"))
        };
        Device { stat_path: find() }
    }

    /// The counts of now; zeros where the kernel has none.
    pub fn counts(&self) -> Counts {
        let text = self.stat_path.as_ref().and_then(|path| fs::read_to_string(path).ok());
        text.and_then(|text| parse(&text)).unwrap_or_default()
    }
}

impl Counts {
    /// What was added after `earlier`.
    pub fn since(self, earlier: Counts) -> Counts {
        Counts {
            reads: self.reads.saturating_sub(earlier.reads),
            read_bytes: self.read_bytes.saturating_sub(earlier.read_bytes),
            writes: self.writes.saturating_sub(earlier.writes),
            written_bytes: self.written_bytes.saturating_sub(earlier.written_bytes),
            syncs: self.syncs.saturating_sub(earlier.syncs),
        }
    }

    /// Both together.
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            reads: self.reads + other.reads,
            read_bytes: self.read_bytes + other.read_bytes,
            writes: self.writes + other.writes,
            written_bytes: self.written_bytes + other.written_bytes,
            syncs: self.syncs + other.syncs,
        }
    }
}

/// What the file system of `dir` has free for programs without privileges.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let path = CString::new(dir.as_os_str().as_bytes())?;
    let mut found = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the path ends with a zero byte, and the pointer is to a statvfs that this call fills.
    let code = unsafe { libc::statvfs(path.as_ptr(), found.as_mut_ptr()) };
    if code != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeros is a value of statvfs, and the call has succeeded besides.
    let found = unsafe { found.assume_init() };
    Ok(found.f_bavail * found.f_frsize)
}

/// Files by number and size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub count: u64,
    pub bytes: u64,
}

/// All files below `dir` whose names end with `suffix`; none if there is no such directory.
pub fn files(dir: &Path, suffix: &str) -> io::Result<Files> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::default()),
        entries => entries?,
    };
    let mut found = Files::default();
    for entry in entries {
        let (path, metadata) = match entry.and_then(|entry| Ok((entry.path(), entry.metadata()?))) {
            Ok(found) => found,
            // A broker at work removes files while they are counted.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        if metadata.is_dir() {
            let below = files(&path, suffix)?;
            (found.count, found.bytes) = (found.count + below.count, found.bytes + below.bytes);
        } else if path.to_str().is_some_and(|path| path.ends_with(suffix)) {
            (found.count, found.bytes) = (found.count + 1, found.bytes + metadata.len());
        }
    }
    Ok(found)
}

/// Columns of `stat` (Documentation/block/stat.rst): reads, merges, sectors, ms; the same for writes; in flight, two of
/// time; four of discards; syncs, ms.
fn parse(stat: &str) -> Option<Counts> {
    let columns: Vec<u64> = stat.split_whitespace().map_while(|text| text.parse().ok()).collect();
    let column = |index: usize| columns.get(index).copied();
    Some(Counts {
        reads: column(0)?,
        read_bytes: column(2)? * SECTOR_BYTES,
        writes: column(4)?,
        written_bytes: column(6)? * SECTOR_BYTES,
        syncs: column(15).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_a_disk_are_told_apart() {
        let stat = " 27 10 51 4 188 40 249 42 0 13 89 24 1 17 19 78 37\n";
        let counts = parse(stat).expect("a disk's line");
        let expected = Counts { reads: 27, read_bytes: 51 * 512, writes: 188, written_bytes: 249 * 512, syncs: 78 };
        assert_eq!(counts, expected);
        assert_eq!(counts.since(Counts { writes: 100, ..counts }).writes, 88);
        assert_eq!(parse("27 10"), None);
    }
}
