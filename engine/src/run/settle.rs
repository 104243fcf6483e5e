//! Bringing a shard to rest: opened as at any start, and closed with a checkpoint that says all there is to say about it.

use std::io;

use super::{Engine, EngineConfig, OpenError, StorageError};
use crate::disk::checkpoint_files;
use crate::disk::layout::Layout;
use crate::reshard::Settled;
use crate::ring::Ring;

/// Why a shard cannot be brought to rest. It is as sound as it was.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the disk is full, and the checkpoint of shard {shard} needs space")]
    NoSpace { shard: u16 },
    #[error("cannot read the checkpoint of shard {shard} that was just written: {error}")]
    Read { shard: u16, error: io::Error },
    #[error("the checkpoint of shard {shard} that was just written is not what is read back")]
    ReadBack { shard: u16 },
}

/// Recovers the shard, writes everything to its segments and a checkpoint, and reads that back. Nothing may use the shard besides.
pub async fn settle(ring: Ring, config: EngineConfig) -> Result<Settled, SettleError> {
    let shard = config.shard;
    let layout = Layout::new(&config.dir, config.generation, shard);
    let (engine, recovered) = Engine::open(ring, config).await?;
    tracing::info!(
        shard,
        logs = recovered.logs.len(),
        bytes_replayed = recovered.bytes_replayed,
        ms = recovered.ms,
        "storage opened, to be dealt out anew"
    );
    engine.shutdown().await?;
    let rest = engine.inner.store.borrow().rest().ok_or(SettleError::NoSpace { shard })?;
    let saved = checkpoint_files::read(&layout).map_err(|error| SettleError::Read { shard, error })?.newest;
    let checkpoint = saved.filter(|saved| saved.seq == rest.checkpoint_seq).ok_or(SettleError::ReadBack { shard })?;
    Ok(Settled { checkpoint, last_file: rest.last_file, last_group: rest.last_group })
}
