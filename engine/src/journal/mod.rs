//! The shard's journal: what makes an acknowledgement durable.
//!
//! All batches that reach a shard while the device is busy form one write group ([`group`]); groups form a chain ([`chain`]) that
//! runs through files which are zero-written once and then recycled ([`files`]); recovery ([`reader`]) walks the chain and
//! decides where the journal ends. All of it is pure: the shell owns buffers and files and carries out what is decided here.
//!
//! ```text
//!  files, by identity:   [ 3: needed ] [ 4: needed ] [ 5: current, groups so far | old content ] [ 6: spare, ready ]
//!  chain, by sequence:     17 18 19 20   21 22 23      24 25 26
//!                             ^ replay_from             ^ durable mark   ^ in flight
//! ```
#![forbid(unsafe_code)]

pub mod chain;
pub mod files;
pub mod group;
pub mod reader;

pub use chain::{Chain, ChainEnd, Predecessor};
pub use files::{FILE_HEADER_BYTES, FileHeader, FileHeaderError, FileRequest, FilesConfig, JournalFiles, KnownFile};
pub use group::{GROUP_HEADER_BYTES, GroupBuilder, GroupContext, GroupError, GroupFull, GroupHead, Sealed};
pub use reader::{CorruptReason, End, FileScan, Recovered, ReplayFrom, frames, recover, scan_file};
