//! Another number of shards than last time: before the shards start, the logs of the old ones are dealt out to new ones.
//!
//! ```text
//!   settle every old shard   -->   deal   -->   write the new generation   -->   switch node.toml   -->   remove the old one
//!   (shards-2/0, shards-2/1)                    (shards-3/0)                         ^
//!                                                                                    '-- from here on the new one counts
//! ```
//! A crash anywhere leaves one generation that counts and is whole; what there is of others is removed at the next start. Runs on
//! the thread that starts the node; the old shards are spread over its cores, for as long as it takes to bring them to rest.

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use engine::disk::generations;
use engine::reshard::{DealError, Settled, deal};
use engine::ring::{self, RingConfig, ShardHandle};
use engine::{EngineConfig, Generation, LogId, SettleError, settle};

use super::directory::{Directory, DirectoryError};
use super::run::engine_config;
use crate::clock::Clock;
use crate::config::Config;
use crate::controller::run::METADATA_LOG;
use crate::ids::ShardId;
use crate::mesh::placement;

/// Why a directory cannot be served with another number of shards.
#[derive(Debug, thiserror::Error)]
pub enum ReshardError {
    #[error(
        "the data directory {} has {stored} shards and {asked} are asked for, but they cannot be dealt out anew: {source}. It is as sound \
         as it was, and can be served with {stored} cores (--cores)", dir.display()
    )]
    Refused { dir: PathBuf, stored: u16, asked: u16, source: StepError },
    /// Whether the old or the new generation counts is what `node.toml` says; both are whole.
    #[error(transparent)]
    Switch(#[from] DirectoryError),
}

/// Which step failed, all of them before the switch.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error(transparent)]
    Settle(#[from] SettleError),
    #[error("a thread for the old shards did not run: {0}")]
    Thread(io::Error),
    #[error(transparent)]
    Deal(#[from] DealError),
    #[error("cannot write the new shards: {0}")]
    Write(io::Error),
    #[error("cannot list the data directory: {0}")]
    List(io::Error),
}

type Settling = ShardHandle<Result<Vec<(u16, Settled)>, SettleError>>;

/// Makes the directory's shards as many as are configured, and removes what is left of other generations.
pub fn bring_in_line(config: &Config, directory: &mut Directory) -> Result<(), ReshardError> {
    let (stored, asked) = (directory.identity.shard_count, config.shard_count());
    if stored != asked {
        let began = Clock.monotonic();
        tracing::info!(stored, asked, "the number of shards has changed: their logs are dealt out anew");
        let refused = |source| ReshardError::Refused { dir: config.data_dir.clone(), stored, asked, source };
        let (generation, logs) = write_next(config, directory).map_err(refused)?;
        directory.switch(asked, generation)?;
        tracing::info!(shards = asked, %generation, logs, ms = elapsed_ms(began), "the logs are dealt out");
    }
    remove_others(config, directory);
    Ok(())
}

/// Writes the next generation beside the one that counts. Gives its number and how many logs it has.
fn write_next(config: &Config, directory: &Directory) -> Result<(Generation, usize), StepError> {
    let current = directory.identity.generation();
    let found = generations::found(&config.data_dir).map_err(StepError::List)?;
    // What is left of a generation that never counted may not be removable, so its number is not taken again.
    let generation = found.into_iter().fold(current, Generation::max).next();
    let settled = settle_all(config, directory)?;
    let asked = config.shard_count();
    let checkpoints = deal(settled, asked, |log| owner(log, asked).0)?;
    if let Err(error) = generations::write(&config.data_dir, generation, &checkpoints) {
        remove(config, generation);
        return Err(StepError::Write(error));
    }
    Ok((generation, checkpoints.iter().map(|checkpoint| checkpoint.logs.len()).sum()))
}

/// Brings every old shard to rest: side by side on the node's cores, and those of one core one after the other.
fn settle_all(config: &Config, directory: &Directory) -> Result<Vec<Settled>, StepError> {
    let (stored, generation) = (directory.identity.shard_count, directory.identity.generation());
    let stride = config.cores.len();
    let mut threads: Vec<io::Result<Settling>> = Vec::new();
    for (first, core) in config.cores.iter().enumerate().take(usize::from(stored)) {
        let shards = ShardId::all(stored).skip(first).step_by(stride);
        let configs: Vec<_> = shards.map(|shard| engine_config(config, generation, shard)).collect();
        let name = format!("settle-{first}");
        threads.push(ring::spawn_shard(&name, Some(core.0), RingConfig::default(), |ring| settle_each(ring, configs)));
    }
    // Every thread must have let go of its shards before anybody hears of a failure.
    let ended: Vec<_> = threads.into_iter().map(|thread| thread.and_then(ShardHandle::join)).collect();
    let mut settled = Vec::new();
    for shards in ended {
        settled.extend(shards.map_err(StepError::Thread)??);
    }
    settled.sort_by_key(|(shard, _)| *shard);
    Ok(settled.into_iter().map(|(_, settled)| settled).collect())
}

async fn settle_each(ring: ring::Ring, configs: Vec<EngineConfig>) -> Result<Vec<(u16, Settled)>, SettleError> {
    let mut settled = Vec::new();
    for config in configs {
        settled.push((config.shard, settle(ring.clone(), config).await?));
    }
    Ok(settled)
}

/// The metadata log stays with the controller, whatever the number of shards.
pub(crate) fn owner(log: LogId, shard_count: u16) -> ShardId {
    if log == METADATA_LOG {
        return ShardId::CONTROLLER;
    }
    placement::owner(log.topic, log.partition, shard_count)
}

/// Removes the generations that do not count, if the one that does is there: a directory of which half was lost is left alone.
fn remove_others(config: &Config, directory: &Directory) {
    let (data, current) = (&config.data_dir, directory.identity.generation());
    if !generations::has_all_shards(data, current, directory.identity.shard_count) {
        return;
    }
    match generations::found(data) {
        Ok(found) => found.into_iter().filter(|found| *found != current).for_each(|other| remove(config, other)),
        Err(error) => tracing::warn!(%error, "cannot look for shards that are not needed any more"),
    }
}

fn remove(config: &Config, generation: Generation) {
    match generations::remove(&config.data_dir, generation) {
        Ok(left) if left.is_empty() => tracing::info!(%generation, "shards that do not count any more are removed"),
        Ok(left) => {
            tracing::warn!(%generation, ?left, "of shards that do not count any more these files are left alone")
        }
        // They only take space, and the next start tries again.
        Err(error) => tracing::warn!(%generation, %error, "shards that do not count any more are left behind"),
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    (Clock.monotonic() - since).as_millis() as u64
}
