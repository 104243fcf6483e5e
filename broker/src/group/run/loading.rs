//! Reading groups and offsets back at the start, partition after partition, beside the shard's other work. SHELL.

use std::rc::Rc;

use batch::{BatchError, Batches, DecompressLimit};
use engine::{LogId, Offset, Read, ReadError, ring};

use super::hosted::Phase;
use crate::group::Coordinator;
use crate::group::limits::LOAD_READ_BYTES;
use crate::group::records::{GroupRecord, RecordError};
use crate::shard::Context;

/// Why a partition cannot be loaded. Its groups then have no coordinator until the next start.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("reading at offset {offset}: {source}")]
    Read { offset: Offset, source: ReadError },
    #[error("the batch at offset {offset} is damaged: {source}")]
    Batch { offset: Offset, source: BatchError },
    #[error("the record at offset {offset}: {source}")]
    Record { offset: Offset, source: RecordError },
}

/// Loads every partition that nobody has begun to load.
pub(super) async fn load_all(ctx: Rc<Context>) {
    let clock = ctx.clock;
    let began = clock.monotonic();
    let mut count = 0;
    while let Some((partition, log)) = next_new(&ctx) {
        match load(&ctx, log).await {
            Ok(coordinator) => super::begin_to_serve(&ctx, partition, coordinator),
            Err(error) => {
                tracing::error!(shard = %ctx.shard, %log, %error, "the groups of a partition cannot be loaded");
                if let Some(hosted) = ctx.groups.borrow_mut().hosted.get_mut(&partition) {
                    hosted.phase = Phase::Failed;
                }
            }
        }
        count += 1;
    }
    let ms = u64::try_from((clock.monotonic() - began).as_millis()).unwrap_or(u64::MAX);
    tracing::info!(shard = %ctx.shard, partitions = count, ms, "groups and offsets loaded");
}

fn next_new(ctx: &Context) -> Option<(u32, LogId)> {
    let groups = &mut *ctx.groups.borrow_mut();
    let (&partition, hosted) = groups.hosted.iter_mut().find(|(_, hosted)| matches!(hosted.phase, Phase::New))?;
    hosted.phase = Phase::Loading;
    Some((partition, hosted.log))
}

async fn load(ctx: &Rc<Context>, log: LogId) -> Result<Coordinator, LoadError> {
    let mut coordinator = Coordinator::new(ctx.config.groups);
    let Some(view) = ctx.engine.log(log) else { return Ok(coordinator) };
    let mut offset = view.start;
    while offset < view.end {
        let bytes = read_at(ctx, log, offset, view.end).await.map_err(|source| LoadError::Read { offset, source })?;
        let next = replay(&bytes, offset, &mut coordinator)?;
        if next <= offset {
            return Err(LoadError::Read { offset, source: ReadError::Corrupt });
        }
        offset = next;
        // What lies in memory is read without waiting, and others want the core too.
        ring::yield_now().await;
    }
    Ok(coordinator)
}

async fn read_at(ctx: &Rc<Context>, log: LogId, from: Offset, until: Offset) -> Result<Vec<u8>, ReadError> {
    let spans = match ctx.engine.read(log, from, until, LOAD_READ_BYTES, true)? {
        Read::Ready(spans) => spans,
        Read::Disk(reading) => reading.await?,
    };
    // Batches may lie across spans; this is the start, where a copy costs nothing.
    Ok(spans.iter().flat_map(|span| span.iter().copied()).collect())
}

/// Replays the records from `offset` on, and returns the offset after the last batch.
fn replay(bytes: &[u8], offset: Offset, coordinator: &mut Coordinator) -> Result<Offset, LoadError> {
    let mut next = offset;
    for view in Batches::new(bytes) {
        let view = view.map_err(|source| LoadError::Batch { offset: next, source })?;
        let at = |source| LoadError::Batch { offset: view.info.base_offset, source };
        next = view.info.next_offset();
        // There are no transactions, so whatever is part of one was never committed.
        if view.info.is_control() || view.info.is_transactional() {
            continue;
        }
        let records = view.records(DecompressLimit(engine::limits::BATCH_BYTES_MAX)).map_err(at)?;
        for record in &records {
            let record = record.map_err(at)?;
            if record.offset < offset {
                continue;
            }
            let decoded = GroupRecord::decode(record.key, record.value);
            match decoded.map_err(|source| LoadError::Record { offset: record.offset, source })? {
                Some(decoded) => coordinator.replay(decoded),
                None => tracing::warn!(offset = %record.offset, "a record of a kind that is not known is passed over"),
            }
        }
    }
    Ok(next)
}
