//! A shard tells its figures: a few at a time, so that no request waits for it. SHELL.

use std::collections::BTreeMap;
use std::rc::Rc;

use engine::ring;

use super::limits::{LOOKED_AT_ONCE, OFFSETS_TOLD_MAX};
use super::snapshot::STORAGE_FAILED;
use super::{Figure, GroupOffsets, Snapshot, TopicFigures};
use crate::controller::Topic;
use crate::group;
use crate::mesh::placement;
use crate::partition::logs_of;
use crate::shard::Context;

/// The figures of this shard. They are taken within some milliseconds, not at one moment.
pub async fn take(ctx: &Rc<Context>) -> Snapshot {
    let mut latencies = BTreeMap::new();
    let apis: Vec<i16> = ctx.metrics.latencies.borrow().keys().copied().collect();
    for api_key in apis {
        // One API at a moment: its stages belong together.
        let latency = ctx.metrics.latencies.borrow().get(&api_key).cloned();
        latencies.extend(latency.map(|latency| (api_key, latency)));
        ring::yield_now().await;
    }
    let journal = ctx.metrics.journal.borrow().clone();
    let topics = topics(ctx).await;
    let groups = groups(ctx).await;
    Snapshot { shard: ctx.shard, counters: counters(ctx), levels: levels(ctx), latencies, journal, topics, groups }
}

fn counters(ctx: &Context) -> Vec<Figure> {
    let (metrics, engine) = (&ctx.metrics, ctx.engine.stats());
    let figures: [(&str, &str, u64); 27] = [
        ("connections_accepted", "Connections that were accepted", metrics.connections_accepted.get()),
        (
            "connections_refused",
            "Connections that were closed as they came, above a limit",
            metrics.connections_refused.get(),
        ),
        ("connections_closed", "Connections that have ended", metrics.connections_closed.get()),
        (
            "connections_violated",
            "Connections closed because of what the peer sent",
            metrics.connections_violated.get(),
        ),
        ("connections_expired", "Connections closed because a deadline passed", metrics.connections_expired.get()),
        ("requests", "Requests that were received", metrics.requests.get()),
        ("request_bytes", "Bytes received from clients", metrics.request_bytes.get()),
        (
            "copied_bytes",
            "Bytes copied in memory: from receive buffers, into the tails of logs, into write groups",
            metrics.receive_copied_bytes.get() + engine.copied_bytes,
        ),
        ("response_bytes", "Bytes sent to clients", metrics.response_bytes.get()),
        ("sends", "Sends of one or more answers", metrics.sends.get()),
        ("throttled", "Requests whose clients were throttled by a quota", metrics.throttled.get()),
        ("mesh_calls", "Requests sent to other shards", metrics.mesh_calls.get()),
        ("mesh_served", "Requests of other shards that were served", metrics.mesh_served.get()),
        ("journal_groups", "Write groups that were made durable", engine.groups_written),
        ("journal_written_bytes", "Bytes written to the journal", engine.group_bytes),
        ("segment_writes", "Writes to segment files", engine.segment_writes),
        ("segment_written_bytes", "Bytes written to segment files", engine.segment_bytes),
        ("checkpoints", "Checkpoints that were taken", engine.checkpoints),
        ("cold_reads", "Reads from segment files", engine.cold_reads),
        ("cold_read_bytes", "Bytes read from segment files", engine.cold_read_bytes),
        ("compactions", "Rounds of compaction that came to their end", engine.compactions),
        ("compacted_before_bytes", "Bytes of segments that compaction has replaced", engine.compacted_bytes_before),
        ("compacted_after_bytes", "Bytes of the segments that took their place", engine.compacted_bytes_after),
        ("scrubbed_bytes", "Bytes of sealed segments that were verified", engine.scrubbed_bytes),
        ("scrub_passes", "Passes over all sealed segments", engine.scrub_passes),
        ("damaged_segments", "Segments found not to be as they were written", metrics.damaged_segments.get()),
        ("answered_requests", "Requests whose answers were sent", answered(ctx)),
    ];
    to_figures(figures)
}

fn answered(ctx: &Context) -> u64 {
    ctx.metrics.latencies.borrow().values().map(|latency| latency.total.count()).sum()
}

fn levels(ctx: &Context) -> Vec<Figure> {
    let engine = ctx.engine.levels();
    let [blocked, parked, watching] = ctx.partitions.borrow().waiting();
    let memory = &ctx.request_memory;
    let figures: [(&str, &str, u64); 28] = [
        ("connections_open", "Connections that are open", ctx.connections.open_count() as u64),
        ("requests_unanswered", "Requests that wait for their answers", ctx.connections.unanswered() as u64),
        ("request_memory_small_bytes", "Memory held by requests that came whole", memory.small.used_bytes() as u64),
        ("request_memory_small_limit_bytes", "What they may hold", memory.small.limit_bytes() as u64),
        (
            "request_memory_large_bytes",
            "Memory held by requests that take several receives",
            memory.large.used_bytes() as u64,
        ),
        ("request_memory_large_limit_bytes", "What they may hold", memory.large.limit_bytes() as u64),
        ("fetch_memory_bytes", "Memory of what was read and not yet sent", ctx.fetch_memory.used_bytes() as u64),
        ("fetch_memory_limit_bytes", "What fetches may hold", ctx.fetch_memory.limit_bytes() as u64),
        ("fetch_sessions", "Incremental fetch sessions", ctx.fetch_sessions.borrow().len() as u64),
        ("mesh_calls_open", "Requests at other shards that are not answered yet", ctx.mesh.open_calls() as u64),
        ("mesh_overflow", "Messages that wait because a queue between shards is full", ctx.mesh.overflowing() as u64),
        ("appends_blocked", "Appends that wait until the storage has room", blocked as u64),
        ("appends_waiting", "Appends that wait until they are durable", parked as u64),
        ("fetches_waiting", "Watches of fetches that wait for records", watching as u64),
        ("logs", "Logs of the shard", engine.logs as u64),
        ("tail_bytes", "Memory of the logs' tails, which serve consumers close behind", engine.tail_bytes as u64),
        ("tail_limit_bytes", "What the tails may take before the oldest is let go", engine.tail_bytes_max as u64),
        ("unflushed_bytes", "Bytes appended and not yet in a segment file", engine.unflushed_bytes),
        ("journal_bytes", "Bytes of the journal that a recovery would read", engine.journal_bytes),
        ("journal_limit_bytes", "The bound on the journal", engine.journal_bytes_max),
        ("journal_groups_waiting", "Write groups that are full and wait for the device", engine.groups_waiting as u64),
        ("journal_groups_in_flight", "Write groups that the device has", engine.groups_in_flight as u64),
        ("segment_writes_in_flight", "Segment writes that the device has", engine.segment_writes_in_flight as u64),
        ("producers", "Idempotent producers remembered, once for each partition", engine.producers as u64),
        ("groups", "Consumer groups", group::run::figures(ctx).groups as u64),
        ("groups_bytes", "Memory of groups and offsets, roughly", group::run::figures(ctx).bytes as u64),
        ("disk_full", "1 while appends are refused as the disk is full", u64::from(engine.is_disk_full)),
        (STORAGE_FAILED, "1 once the storage has failed and takes nothing more", u64::from(engine.has_failed)),
    ];
    to_figures(figures)
}

fn to_figures<const N: usize>(figures: [(&'static str, &'static str, u64); N]) -> Vec<Figure> {
    figures.into_iter().map(|(name, meaning, value)| Figure { name, meaning, value }).collect()
}

async fn topics(ctx: &Rc<Context>) -> Vec<TopicFigures> {
    let topics: Vec<Rc<Topic>> = ctx.image.borrow().topics().cloned().collect();
    let mut figures = Vec::with_capacity(topics.len());
    let (mut looked_at, mut told) = (0, 0);
    for topic in topics {
        let traffic = ctx.metrics.traffic(topic.id.0);
        let mut row =
            TopicFigures { id: topic.id.0, name: topic.name.clone(), traffic, log_bytes: 0, ends: Vec::new() };
        for log in logs_of(&topic) {
            looked_at += 1;
            if looked_at % LOOKED_AT_ONCE == 0 {
                ring::yield_now().await;
            }
            if placement::owner(log.topic, log.partition, ctx.shard_count) != ctx.shard {
                continue;
            }
            let Some(view) = ctx.engine.log(log) else { continue };
            row.log_bytes += view.bytes;
            if told < OFFSETS_TOLD_MAX {
                row.ends.push((log.partition, view.committed_end.0));
                told += 1;
            }
        }
        figures.push(row);
    }
    figures
}

async fn groups(ctx: &Rc<Context>) -> Vec<GroupOffsets> {
    let mut groups = Vec::new();
    let mut left = OFFSETS_TOLD_MAX;
    for partition in group::run::hosted_partitions(ctx) {
        let told = group::run::committed(ctx, partition, left);
        left -= told.iter().map(|row| row.offsets.len()).sum::<usize>();
        groups.extend(told);
        ring::yield_now().await;
    }
    groups
}
