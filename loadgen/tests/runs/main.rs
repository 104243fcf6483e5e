//! Whole runs of the load generator against a broker whose behaviour is known.

mod broker_in_memory;
mod compare_runs;
mod stalling_broker;
mod workloads;
