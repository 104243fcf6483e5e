//! The Kafka record batch (magic 2, KIP-98), the one structure that crosses every room.
//!
//! A batch is stored and sent as the client made it, so this package reads headers in place, checks a batch once
//! ([`check`] turns bytes into [`Checked`]), and patches only what lies outside the checksum ([`stamp`]). Records
//! are decoded ([`records`]) and batches are built ([`BatchBuilder`]) off the hot path: by tools, tests, the
//! controller's own log and compaction.
//!
//! Nothing here knows a clock, a file or a socket, and no input makes it panic or allocate more than its caller allows.
#![forbid(unsafe_code)]

mod builder;
mod check;
mod checksum;
mod compression;
mod error;
mod ids;
mod info;
mod intake;
pub mod layout;
mod owned;
mod record;
mod rewrite;
mod sequence;
mod template;
mod varint;
mod xerial;

pub use builder::{BatchBuilder, HeaderPair};
pub use check::{BatchView, Checked, check, check_first, stamp, verify_crc};
pub use checksum::{crc32c, crc32c_append};
pub use compression::{Compression, DecompressLimit};
pub use error::BatchError;
pub use ids::{LeaderEpoch, Offset};
pub use info::{BatchInfo, TimestampType};
pub use intake::{Codec, recompress};
pub use owned::CheckedBytes;
pub use record::{Headers, Record, RecordIter, Records, records};
pub use rewrite::{emptied, retain};
pub use sequence::Batches;
pub use template::{recount, reseal, restamp_producer, restamp_timestamps};
