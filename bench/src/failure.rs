//! Why a scenario could not be run. A target that was missed is a result, not a failure.

use std::path::PathBuf;

/// Says who is to blame.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{what}: {source}")]
    Machine { what: String, source: std::io::Error },
    #[error("there is no scenario {0}; see bench list")]
    UnknownScenario(String),
    #[error("{0}: a knob is set as SCENARIO.KNOB=VALUE; bench list names them")]
    UnknownKnob(String),
    #[error("the knob {name} cannot be {value}")]
    BadKnob { name: &'static str, value: String },
    #[error("{path}: no report of this program: {reason}")]
    Report { path: String, reason: String },
    #[error("the disk has no room for {0}")]
    NoRoom(String),
    #[error("the package {package} did not build")]
    Build { package: &'static str },
    #[error("the broker {reason}; the end of its trace ({}):\n{trace}", trace_path.display())]
    Broker { reason: String, trace_path: PathBuf, trace: String },
    #[error("the broker's answer: {0}")]
    Answer(String),
    #[error("loadgen {arguments}: {reason}")]
    Loadgen { arguments: String, reason: String },
}

impl Failure {
    /// For `map_err`: what was being done when the operating system refused.
    pub fn machine(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
        let what = what.into();
        move |source| Failure::Machine { what, source }
    }
}
