//! What `apply` has changed, kept so that `revert` can put it back. SHELL: it keeps a file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the state of this machine is kept. Like the settings it ends with the next boot.
pub const PATH: &str = "/run/ringmain-tuning.json";

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub path: String,
    /// The whole text before the first change.
    pub before: String,
}

/// All that was changed and not yet put back, in the order of the changes; no path twice.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub changes: Vec<Change>,
}

impl State {
    /// Remembers what a file held. What was remembered first stays: later texts are ours.
    pub fn remember(&mut self, path: &str, before: String) {
        if !self.has(path) {
            self.changes.push(Change { path: path.to_owned(), before });
        }
    }

    pub fn forget(&mut self, path: &str) {
        self.changes.retain(|change| change.path != path);
    }

    pub fn has(&self, path: &str) -> bool {
        self.changes.iter().any(|change| change.path == path)
    }
}

/// The file of a [`State`]; there is none while nothing is changed.
#[derive(Clone, Debug)]
pub struct StateFile(PathBuf);

impl StateFile {
    pub fn new(path: impl Into<PathBuf>) -> StateFile {
        StateFile(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// None if there is no file.
    pub fn load(&self) -> io::Result<Option<State>> {
        match fs::read_to_string(&self.0) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file in one step, so that a crash leaves the old one or the new one. An empty state has no file.
    pub fn save(&self, state: &State) -> io::Result<()> {
        if state.changes.is_empty() {
            return match fs::remove_file(&self.0) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut name = self.0.clone().into_os_string();
        name.push(".new");
        let mut file = File::create(&name)?;
        file.write_all((serde_json::to_string_pretty(state).map_err(io::Error::from)? + "\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&name, &self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_first_is_what_is_remembered() {
        let mut state = State::default();
        state.remember("/knob", "60\n".to_owned());
        state.remember("/knob", "1\n".to_owned());
        assert_eq!(state.changes, [Change { path: "/knob".to_owned(), before: "60\n".to_owned() }]);
    }

    #[test]
    fn an_empty_state_has_no_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = StateFile::new(directory.path().join("state.json"));
        let mut state = State::default();
        file.save(&state).expect("nothing to remove");
        assert_eq!(file.load().expect("readable"), None);
        state.remember("/knob", "a \"b\"\t\n".to_owned());
        file.save(&state).expect("writable");
        assert_eq!(file.load().expect("readable").as_ref(), Some(&state));
        state.forget("/knob");
        file.save(&state).expect("removable");
        assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 0);
    }
}
