//! SHELL: the files of one shard. What decides lives in `store`, `journal` and `log`; here it is carried out on the shard's
//! ring. Everything lives on the shard's core.

mod beside;
pub mod checkpoint_files;
pub mod compacted_file;
pub mod free_space;
pub mod generations;
pub mod index_files;
pub mod journal_files;
pub mod layout;
mod next_files;
pub mod quarantine;
mod recency;
mod removal;
pub mod segment_files;
