//! Tests of the wire format as a whole.

mod against_kafka_protocol;
mod arbitrary_bytes;
mod debug_tree;
mod layouts;
mod messages;
mod round_trip;
mod sample;
mod sample_structs;
mod throttle_times;
