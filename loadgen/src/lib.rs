//! The load generator: drives any broker that speaks Kafka's protocol and tells how it answered.
//!
//! At a fixed rate the loop is open: every record has a time at which it is due, set before the run, and its latency
//! counts from there, whether or not the broker kept the generator waiting. So a stall shows in every record that was
//! due during it (the omission that "coordinated omission" names is not there). At rate `max` the loop is closed by a
//! cap on requests in flight, and the report says so.
//!
//! ```text
//!  cli -> Options -> run: cluster (topic, leaders) -> worker threads ----------------------> report
//!                                                     one epoll each, over
//!                                                     producers: schedule (P) + payload (P) -> connection
//!                                                     consumers: positions                  -> connection
//! ```
//!
//! P = pure. A worker does its own socket calls, because the generator shares the machine with what it measures: a
//! batch is patched from a template, copied once into the request, and never touched record by record on its way out.
#![forbid(unsafe_code)]

mod arrival;
pub mod cli;
mod client;
mod clock;
mod cluster;
mod commands;
mod compare;
mod composer;
mod connection;
mod consumer;
mod embedded;
mod failure;
mod figures;
mod flags;
mod gate;
mod interval_log;
mod keys;
mod load;
mod maker;
mod options;
mod payload;
mod poller;
mod producer;
mod progress;
mod ranges;
mod report;
mod run;
mod schedule;
mod sequences;
mod sink;
mod sizes;
mod tally;
mod timeline;
mod wakes;
mod worker;
mod workloads;

pub use batch::Compression;
pub use failure::Failure;
pub use options::{Acks, Durability, EmbeddedOptions, From, Keys, Mode, Options, Rate, Until};
pub use report::{Broker, Lag, Latency, Outcome, Records, Report, Throughput, Workload};
pub use run::run;
pub use sizes::Sizes;
pub use timeline::Slice;
pub use workloads::guarantee::Guarantee;
