//! One core's storage engine: the shard journal that makes acknowledgements durable, the partition logs that serve reads,
//! and the io_uring that carries both. It knows no socket protocol, no topic name and no other core.
//!
//! `FORMAT.md` draws every byte that lies on disk.

mod archive;
pub mod checkpoint;
pub mod compaction;
pub mod disk;
pub mod frame;
pub mod ids;
pub mod inspect;
pub mod journal;
pub mod limits;
pub mod log;
pub mod memory;
pub mod rebuild;
pub mod reshard;
pub mod ring;
pub mod run;
pub mod segment_index;
pub mod store;

pub use batch::{LeaderEpoch, Offset};
pub use ids::{Generation, GroupSeq, JournalFileId, LogId, SegmentName};
pub use run::{
    Engine, EngineConfig, EngineStats, GroupTimes, OpenError, Read, Recovered, SettleError, StorageError, settle,
};
pub use store::{AppendError, Appended, CutError, Levels, LogConfig, LogView, ReadError, SequenceError};
