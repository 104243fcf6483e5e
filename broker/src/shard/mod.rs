//! What one core is. SHELL: a shard owns its partitions, its storage, its ring and its connections; nothing is shared.

mod context;
pub mod directory;
pub mod lifecycle;
mod open_files;
pub mod reshard;
mod run;

pub use context::{Context, NodeInfo};
pub use run::{News, Seed, ShardError, run};
