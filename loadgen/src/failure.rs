//! Why a run could not be made. What went wrong with single requests during a run is counted in the report instead.

use std::path::PathBuf;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Options(String),
    #[error("cannot connect to {address}: {source}")]
    Connect { address: String, source: std::io::Error },
    #[error("the connection to the broker failed: {0}")]
    Connection(#[from] std::io::Error),
    #[error("the broker's {message} answer cannot be read: {source}")]
    Answer { message: &'static str, source: wire::DecodeError },
    #[error("the broker refuses {message}: {reason}")]
    Refused { message: &'static str, reason: String },
    #[error("the broker does not offer {message} in a version spoken here")]
    Version { message: &'static str },
    #[error("topic {topic} has no leader for every partition after {waited_s} s")]
    NoLeader { topic: String, waited_s: u64 },
    #[error("cannot start the embedded broker: {0}")]
    Embedded(String),
    #[error("cannot write {}: {source}", path.display())]
    Output { path: PathBuf, source: std::io::Error },
    #[error("another run that belongs to this one could not be prepared")]
    NotTogether,
    #[error("a worker thread ended early")]
    Worker,
}
