//! What lies in a directory, to compare it with what lay there before.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Every file below the directory with all its bytes. On a running node some may go meanwhile: they are left out.
pub fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let Some(entries) = there(fs::read_dir(directory)) else { return files };
    for entry in entries {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(content(&path));
        } else if let Some(bytes) = there(fs::read(&path)) {
            files.insert(path, bytes);
        }
    }
    files
}

fn there<T>(read: io::Result<T>) -> Option<T> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => Some(read.expect("what is there can be read")),
    }
}
