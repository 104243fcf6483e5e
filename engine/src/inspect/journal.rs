//! The journal files of a shard, each read whole.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use super::{InspectError, cannot_read};
use crate::disk::layout::Layout;
use crate::frame::{FrameError, FrameView};
use crate::ids::JournalFileId;
use crate::journal::{self, FileScan, GroupHead};
use crate::limits::JOURNAL_FILE_BYTES;
use crate::memory::AlignedBuf;

/// One journal file with all that it holds.
pub struct JournalFile {
    pub id: JournalFileId,
    pub path: PathBuf,
    pub scan: FileScan,
    bytes: AlignedBuf,
}

impl JournalFile {
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The frames of a group that the scan found valid.
    pub fn frames<'a>(&'a self, group: &GroupHead) -> impl Iterator<Item = Result<FrameView<'a>, FrameError>> {
        journal::frames(&self.bytes, group)
    }
}

/// The identities of the shard's journal files, oldest first.
pub fn journal_files(layout: &Layout) -> Result<Vec<JournalFileId>, InspectError> {
    let dir = layout.journal_dir();
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(cannot_read(&dir))? {
        ids.extend(Layout::journal_file_id(&entry.map_err(cannot_read(&dir))?.path()));
    }
    ids.sort();
    Ok(ids)
}

/// Reads one file and finds its groups; `None` if it is gone, which on a running node means recycled.
pub fn read_journal_file(layout: &Layout, id: JournalFileId) -> Result<Option<JournalFile>, InspectError> {
    let path = layout.journal_file(id);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot_read(&path)(error)),
    };
    let bytes = read_aligned(file).map_err(cannot_read(&path))?;
    let scan = journal::scan_file(id, &bytes);
    Ok(Some(JournalFile { id, path, scan, bytes }))
}

/// The file's bytes where headers can be read in place. What lies behind the size of a journal file is none of ours.
fn read_aligned(mut file: File) -> io::Result<AlignedBuf> {
    let len = file.metadata()?.len().min(JOURNAL_FILE_BYTES) as usize;
    let mut buf = AlignedBuf::zeroed(len.max(1));
    let mut filled = 0;
    while filled < len {
        match file.read(&mut buf[filled..len])? {
            0 => break,
            read => filled += read,
        }
    }
    buf.set_len(filled);
    Ok(buf)
}
