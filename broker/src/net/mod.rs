//! Kafka connections of one shard: bytes from the socket to whole requests, answers back in the order of the requests.
//!
//! SHELL. Everything here lives on the shard that accepted the connection; nothing of a connection crosses cores.

mod answers;
mod arrivals;
mod budget;
mod connection;
mod frame;
mod listener;
pub mod response;
mod table;

pub use answers::PendingResponse;
pub use arrivals::{ArrivalLimits, Arrivals};
pub use budget::{Budget, Permit, RequestMemory};
pub use listener::{accept, sweep};
pub use response::Response;
pub use table::{Connections, Order};

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;

use crate::metrics::Timeline;
use crate::quota::run::Tariff;

/// A whole request as it was received.
#[derive(Clone)]
pub struct RequestFrame {
    /// Everything after the frame's length.
    pub bytes: Bytes,
    /// When it was admitted.
    pub received: Instant,
    /// Its way up to then.
    pub timeline: Timeline,
    pub peer: SocketAddr,
    pub local: SocketAddr,
    /// One byte, which a request of the connection takes that may bring a large answer, so that they do so one by one.
    pub turn: Rc<Budget>,
    /// What its client is bound by, if quotas bind anybody.
    pub tariff: Option<Rc<Tariff>>,
}

/// What a handler makes of a request before it returns.
pub enum Answer {
    Ready(Response),
    /// Everything whose order matters has been done; the future only waits.
    Later(PendingResponse),
    /// The client wants no answer (acks=0).
    Silent,
    /// What was sent is no valid request: the connection is closed, the reason goes to the trace.
    Close(String),
}
