//! Segments of which a node knows that they are damaged, and what it keeps of them.

use std::io;
use std::path::PathBuf;

use super::{InspectError, cannot_read};
use crate::disk::layout::Layout;
use crate::ids::{LogId, SegmentName};

/// A segment that is marked as damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedSegment {
    pub name: SegmentName,
    /// Where its file is, or was.
    pub path: PathBuf,
    /// Nobody needs it any more, and its file lies in the quarantine.
    pub is_quarantined: bool,
    /// What was found, in words.
    pub what: String,
}

/// The segments of a log that are marked as damaged, by name.
pub fn damaged_segments(layout: &Layout, log: LogId) -> Result<Vec<DamagedSegment>, InspectError> {
    let dir = layout.quarantine_dir(log);
    let entries = match std::fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(cannot_read(&dir))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(cannot_read(&dir))?.path();
        let is_mark = path.extension().is_some_and(|extension| extension == "damaged");
        let Some(name) = Layout::segment_name(&path.with_extension("log")).filter(|_| is_mark) else { continue };
        let what = String::from_utf8_lossy(&std::fs::read(&path).map_err(cannot_read(&path))?).into_owned();
        let quarantined = layout.quarantined(log, name);
        let is_quarantined = quarantined.exists();
        let path = if is_quarantined { quarantined } else { layout.segment(log, name) };
        found.push(DamagedSegment { name, path, is_quarantined, what });
    }
    found.sort_by_key(|segment| segment.name);
    Ok(found)
}
