//! Where the data of a run lies.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The directory of one run; it goes when the run ends. One that a killed run left behind goes with the next.
pub struct RunDir(pub PathBuf);

impl RunDir {
    /// Makes a directory in `parent`, and `parent` as well.
    pub fn create(parent: &Path) -> Result<RunDir, Failure> {
        let making = || -> std::io::Result<PathBuf> {
            fs::create_dir_all(parent)?;
            remove_leftovers(parent)?;
            let dir = parent.canonicalize()?.join(format!("run-{}", std::process::id()));
            fs::create_dir(&dir)?;
            Ok(dir)
        };
        Ok(RunDir(making().map_err(Failure::machine(format!("making a directory in {}", parent.display())))?))
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Directories named after processes that are gone.
fn remove_leftovers(parent: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("run-")).and_then(|pid| pid.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}
