//! The files of a load: a journal of zeros, a segment file for each partition, and where writes in them go next.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Load, Way};
use crate::ceilings::disk::fill_with_zeros;

const MIB: u64 = 1 << 20;
/// The journal is written round and round.
pub const JOURNAL_BYTES: u64 = 256 * MIB;
/// A segment that was written before; it is written round and round as well.
const RECYCLED_BYTES: u64 = 64 * MIB;
/// No disk acknowledges more than this per second; extents of a load are reserved for that much.
const BYTES_PER_SECOND_MAX: f64 = 3e9;

/// A file that is removed when the load ends, however it ends.
pub struct ScratchFile {
    pub file: File,
    path: PathBuf,
}

impl ScratchFile {
    fn open(path: PathBuf) -> io::Result<ScratchFile> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_DIRECT)
            .open(&path)?;
        Ok(ScratchFile { file, path })
    }

    fn zeroed(path: PathBuf, bytes: u64) -> io::Result<ScratchFile> {
        fill_with_zeros(&path, bytes)?;
        ScratchFile::open(path)
    }

    fn reserved(path: PathBuf, bytes: u64) -> io::Result<ScratchFile> {
        let made = ScratchFile::open(path)?;
        let length = libc::off_t::try_from(bytes).expect("a file's size fits");
        // SAFETY: the call takes the descriptor of an open file and plain numbers.
        match unsafe { libc::fallocate(made.file.as_raw_fd(), 0, 0, length) } {
            0 => {
                made.file.sync_all()?;
                Ok(made)
            }
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl Drop for ScratchFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What was written before and serves many loads.
pub struct Stock {
    journal: Rc<ScratchFile>,
    recycled: Vec<Rc<ScratchFile>>,
}

impl Stock {
    /// Makes files in `dir` for loads of up to so many partitions.
    pub fn make(dir: &Path, partitions_max: usize) -> io::Result<Stock> {
        let zeroed = |name: String, bytes| ScratchFile::zeroed(dir.join(name), bytes).map(Rc::new);
        Ok(Stock {
            journal: zeroed("bypass-journal".to_owned(), JOURNAL_BYTES)?,
            recycled: (0..partitions_max)
                .map(|index| zeroed(format!("bypass-recycled-{index}"), RECYCLED_BYTES))
                .collect::<io::Result<_>>()?,
        })
    }
}

/// The files of one load.
pub struct Files {
    pub journal: Rc<ScratchFile>,
    pub segments: Vec<Rc<ScratchFile>>,
    pub segment_bytes: u64,
    /// Where zeros are written for segments to come, as many bytes as are acknowledged.
    pub next_segments: Option<ScratchFile>,
}

impl Files {
    pub fn make(dir: &Path, stock: &Stock, way: Way, load: Load) -> io::Result<Files> {
        let fresh_bytes = ((load.time.as_secs_f64() * BYTES_PER_SECOND_MAX) as u64).next_multiple_of(64 * MIB);
        let reserve = |name: String, bytes| ScratchFile::reserved(dir.join(name), bytes);
        let (segments, segment_bytes) = match way {
            Way::Journal | Way::DirectReserved => {
                let bytes = (fresh_bytes / load.partitions as u64).next_multiple_of(MIB);
                let make = |index| reserve(format!("bypass-fresh-{index}"), bytes).map(Rc::new);
                ((0..load.partitions).map(make).collect::<io::Result<_>>()?, bytes)
            }
            Way::DirectRecycled | Way::DirectZeroed => (stock.recycled[..load.partitions].to_vec(), RECYCLED_BYTES),
        };
        let next_segments = match way {
            Way::DirectZeroed => Some(reserve("bypass-next".to_owned(), fresh_bytes)?),
            Way::Journal | Way::DirectReserved | Way::DirectRecycled => None,
        };
        Ok(Files { journal: stock.journal.clone(), segments, segment_bytes, next_segments })
    }
}
