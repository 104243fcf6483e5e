//! The Kafka wire protocol, both directions: a server decodes requests and encodes responses, a client the reverse.
//!
//! ```text
//! frame     length i32 | header | body                        length counts what follows it, big endian
//! request   key i16 | version i16 | correlation i32 | client id | [tagged fields] | body
//! response  correlation i32 | [tagged fields] | body
//! ```
//!
//! Every message lives in a module of its own and has `decode(version, &mut Reader)` and `encode(version, &mut Vec<u8>)`
//! for the body alone; [`RequestHeader`], [`encode_response_header`] and [`frame`] write what stands before it.
//! Decoded messages borrow their strings and record bytes from the frame. A field that a version lacks takes the
//! default of Kafka's schema on decode and is left out on encode, with one exception: a nullable string without a
//! default of its own is null here, where Kafka's generated code has the empty string.
//!
//! Bytes from the network are never trusted: a declared count is checked against the bytes that are left before anything
//! is allocated, and whatever does not fit the format is a [`DecodeError`], never a panic.
//!
//! Source of the layouts: the message schemas of Apache Kafka 4 (`clients/src/main/resources/common/message`).

#![forbid(unsafe_code)]

mod api_key;
mod decode_error;
mod error_code;
mod field;
mod float64;
pub mod frame;
mod header;
mod reader;
mod records;
mod schema;
mod throttle_time;
mod uuid;
mod writer;

pub mod alter_client_quotas;
pub mod alter_configs;
pub mod alter_partition_reassignments;
pub mod api_versions;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod create_acls;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_acls;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_acls;
pub mod describe_client_quotas;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_topic_partitions;
pub mod elect_leaders;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod sync_group;

pub use api_key::{ApiKey, ApiRange, SUPPORTED, supports};
pub use decode_error::{DecodeError, DecodeReason};
pub use error_code::ErrorCode;
pub use float64::Float64;
pub use header::{RequestHeader, decode_response_header, encode_response_header};
pub use reader::Reader;
pub use records::{Gap, Records};
pub use throttle_time::throttle_time_at;
pub use uuid::{Uuid, UuidParseError};
pub use writer::Writer;
