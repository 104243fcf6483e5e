//! Writes what the findings ask for, and puts it back. SHELL.
//!
//! The state is on disk before the first file is written: whenever this is killed, `revert` knows what was there.

use std::io;

use crate::plan::{Finding, Write};
use crate::root::Root;
use crate::state::{State, StateFile};

/// What became of one file.
#[derive(Debug)]
pub struct Outcome {
    /// What was done, or tried.
    pub line: String,
    pub result: io::Result<()>,
}

/// Why nothing was tried. Each message is a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("only root can change this machine: run it with sudo, or with --root on a copy")]
    NotRoot,
    #[error("nothing to revert: there is no state file {0}")]
    NoState(String),
    #[error("the state file {path} cannot be used: {source}")]
    State { path: String, source: io::Error },
    #[error("no tuner is called {0}; tuning check lists them")]
    UnknownTuner(String),
}

/// Refuses where it could only fail half-way.
pub fn require_root(root: &Root) -> Result<(), ApplyError> {
    if rustix::process::geteuid().is_root() || !root.is_live() { Ok(()) } else { Err(ApplyError::NotRoot) }
}

/// The findings of these tuners; of all if none is named.
pub fn chosen(findings: Vec<Finding>, only: &[String]) -> Result<Vec<Finding>, ApplyError> {
    if let Some(unknown) = only.iter().find(|name| findings.iter().all(|finding| &finding.tuner != *name)) {
        return Err(ApplyError::UnknownTuner(unknown.clone()));
    }
    Ok(findings.into_iter().filter(|finding| only.is_empty() || only.contains(&finding.tuner)).collect())
}

/// Writes all that `findings` ask for. One that fails does not keep the others from being written.
pub fn apply(root: &Root, findings: &[Finding], file: &StateFile) -> Result<Vec<Outcome>, ApplyError> {
    let state_error = |source| ApplyError::State { path: file.path().display().to_string(), source };
    let mut state = file.load().map_err(state_error)?.unwrap_or_default();
    let known = state.clone();
    let writes: Vec<&Write> = findings.iter().flat_map(Finding::writes).collect();
    let before: Vec<io::Result<String>> = writes.iter().map(|write| root.exact_text(&write.path)).collect();
    for (write, text) in writes.iter().zip(&before) {
        if let Ok(text) = text {
            state.remember(&write.path, text.clone());
        }
    }
    file.save(&state).map_err(state_error)?;
    let mut outcomes = Vec::new();
    for (write, text) in writes.iter().zip(before) {
        let result = text.and_then(|_| root.set(&write.path, &write.value));
        if result.is_err() && !known.has(&write.path) {
            state.forget(&write.path);
        }
        outcomes.push(Outcome { line: write.line(), result });
    }
    file.save(&state).map_err(state_error)?;
    Ok(outcomes)
}

/// Puts back what was there, the last change first. What cannot be put back stays in the state, for another try.
pub fn revert(root: &Root, file: &StateFile) -> Result<Vec<Outcome>, ApplyError> {
    let path = || file.path().display().to_string();
    let state_error = |source| ApplyError::State { path: path(), source };
    let state = file.load().map_err(state_error)?.ok_or_else(|| ApplyError::NoState(path()))?;
    let mut left = State::default();
    let mut outcomes = Vec::new();
    for change in state.changes.iter().rev() {
        let result = root.put_back(&change.path, &change.before);
        if result.is_err() {
            left.changes.insert(0, change.clone());
        }
        outcomes.push(Outcome { line: format!("{} is back to {}", change.path, change.before.trim_end()), result });
    }
    file.save(&left).map_err(state_error)?;
    Ok(outcomes)
}
