//! The owner's side of reads: batches and offsets. SHELL.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Instant;

use engine::log::producers::Producer;
use engine::memory::Span;
use engine::{Engine, LogId, LogView, Offset, Read, ReadError};

use super::Served;
use crate::clock::Clock;
use crate::mesh::message::{
    Fetch, FetchPartition, FetchReply, Fetched, FoundOffset, KnownProducer, LogSizes, OffsetQuery, OffsetWanted,
    ReadFault, Reply,
};
use crate::partition::Partition;
use crate::partition::fetch::{Budget, fault_of, judge, nothing};
use crate::partition::join::join_all;
use crate::shard::Context;

type Fetching = Pin<Box<dyn Future<Output = Result<Fetched, ReadFault>>>>;

/// What a partition's read has come to when every read has been started.
enum Started {
    Done(Result<Fetched, ReadFault>),
    Reading(Fetching),
}

/// Reads what is there now. Reads from disk run side by side.
pub fn fetch(ctx: &Rc<Context>, fetch: Fetch) -> Served {
    let arrived = ctx.clock.monotonic();
    let mut budget = Budget::new(fetch.bytes_max);
    let started: Vec<Started> = fetch.partitions.iter().map(|wanted| start(ctx, wanted, &mut budget)).collect();
    if started.iter().any(|started| matches!(started, Started::Reading(_))) {
        return Served::Later(Box::pin(finish(ctx.clock, started, arrived)));
    }
    let done = started.into_iter().map(|started| match started {
        Started::Done(result) => result,
        Started::Reading(_) => unreachable!("nothing is being read"),
    });
    let results = done.collect();
    Served::Now(Reply::Fetch(FetchReply { results, arrived, read: ctx.clock.monotonic() }))
}

fn start(ctx: &Rc<Context>, wanted: &FetchPartition, budget: &mut Budget) -> Started {
    let partitions = ctx.partitions.borrow();
    let view = ctx.engine.log(wanted.log);
    let wish = match judge(partitions.get(wanted.log), view.as_ref(), wanted, budget) {
        Err(fault) => return Started::Done(Err(fault)),
        Ok(wish) => wish,
    };
    let view = view.expect("a log that may be read is there");
    let Some(wish) = wish else { return Started::Done(Ok(nothing(&view))) };
    match ctx.engine.read(wanted.log, wish.from, wish.until, wish.bytes_max, wish.at_least_one) {
        Err(error) => Started::Done(Err(fault_of(error))),
        Ok(Read::Ready(spans)) => {
            let fetched = Fetched { spans, ..nothing(&view) };
            budget.take(fetched.byte_len());
            Started::Done(Ok(fetched))
        }
        Ok(Read::Disk(reading)) => {
            // How much comes is known when it has come; until then it counts as all it may be, and as something.
            budget.take(wish.bytes_max.max(1));
            Started::Reading(Box::pin(from_disk(view, reading)))
        }
    }
}

async fn from_disk(
    view: LogView,
    reading: Pin<Box<dyn Future<Output = Result<Vec<Span>, ReadError>>>>,
) -> Result<Fetched, ReadFault> {
    let spans = reading.await.map_err(fault_of)?;
    Ok(Fetched { spans, ..nothing(&view) })
}

async fn finish(clock: Clock, started: Vec<Started>, arrived: Instant) -> Reply {
    let futures = started.into_iter().map(|started| match started {
        Started::Done(result) => Box::pin(std::future::ready(result)) as Fetching,
        Started::Reading(reading) => reading,
    });
    let results = join_all(futures).await;
    Reply::Fetch(FetchReply { results, arrived, read: clock.monotonic() })
}

/// Looks offsets up. Those that need no record are there at once.
pub fn list_offsets(ctx: &Rc<Context>, queries: Vec<OffsetQuery>) -> Served {
    let known: Vec<_> = queries.iter().map(|query| look_up(ctx, query)).collect();
    if known.iter().all(|known| !matches!(known, Ok(Lookup::Search { .. }))) {
        let found = known.into_iter().map(|known| {
            known.map(|lookup| match lookup {
                Lookup::Found(found) => found,
                Lookup::Search { .. } => unreachable!("nothing is to be searched"),
            })
        });
        return Served::Now(Reply::ListOffsets(found.collect()));
    }
    let engine = ctx.engine.clone();
    Served::Later(Box::pin(async move {
        let mut results = Vec::with_capacity(queries.len());
        // One after the other: a search reads a batch or two, and many at once would take many buffers.
        for (query, known) in queries.iter().zip(known) {
            results.push(match known {
                Err(fault) => Err(fault),
                Ok(Lookup::Found(found)) => Ok(found),
                Ok(Lookup::Search { partition, committed_end }) => {
                    search(&engine, query, partition, committed_end).await
                }
            });
        }
        Reply::ListOffsets(results)
    }))
}

enum Lookup {
    Found(FoundOffset),
    /// A record has to be found.
    Search {
        partition: Partition,
        committed_end: Offset,
    },
}

fn look_up(ctx: &Rc<Context>, query: &OffsetQuery) -> Result<Lookup, ReadFault> {
    let partitions = ctx.partitions.borrow();
    let partition = *partitions.get(query.log).ok_or(ReadFault::UnknownPartition)?;
    partition.fence(query.leader_epoch)?;
    let view = ctx.engine.log(query.log).ok_or(ReadFault::StorageFailed)?;
    let offset = match query.what {
        OffsetWanted::Earliest => view.start,
        OffsetWanted::Latest => view.committed_end,
        OffsetWanted::LogEnd => view.end,
        OffsetWanted::MaxTimestamp | OffsetWanted::AtTimestamp(_) => {
            return Ok(Lookup::Search { partition, committed_end: view.committed_end });
        }
    };
    Ok(Lookup::Found(FoundOffset { offset: Some(offset), timestamp_ms: None, leader_epoch: partition.leader_epoch }))
}

async fn search(
    engine: &Engine,
    query: &OffsetQuery,
    partition: Partition,
    committed_end: Offset,
) -> Result<FoundOffset, ReadFault> {
    let found = match query.what {
        OffsetWanted::AtTimestamp(timestamp_ms) => engine.offset_for_timestamp(query.log, timestamp_ms).await,
        _ => engine.max_timestamp(query.log).await,
    };
    // A record that is not committed yet is not there for clients.
    let found = found.map_err(fault_of)?.filter(|&(offset, _)| offset < committed_end);
    Ok(FoundOffset {
        offset: found.map(|(offset, _)| offset),
        timestamp_ms: found.map(|(_, timestamp_ms)| timestamp_ms),
        leader_epoch: partition.leader_epoch,
    })
}

/// What the logs know of their producers.
pub fn producers(ctx: &Context, logs: &[LogId]) -> Reply {
    let of_log = |log: &LogId| {
        ctx.partitions.borrow().get(*log).ok_or(ReadFault::UnknownPartition)?;
        ctx.engine.producers(*log, known_producer).ok_or(ReadFault::StorageFailed)
    };
    Reply::Producers(logs.iter().map(of_log).collect())
}

fn known_producer(producer_id: i64, producer: &Producer) -> KnownProducer {
    let last = producer.batches().last();
    KnownProducer {
        producer_id,
        epoch: producer.epoch,
        last_sequence: last.map(|last| last.last_sequence),
        last_timestamp_ms: last.map(|last| last.max_timestamp),
        transaction_start: producer.transaction_start,
    }
}

/// How large logs are, and whether this shard still stores.
pub(super) fn log_sizes(ctx: &Context, logs: &[LogId]) -> LogSizes {
    let bytes = logs.iter().map(|&log| Some(ctx.engine.log(log)?.bytes)).collect();
    LogSizes { bytes, has_failed: ctx.engine.failed() }
}
