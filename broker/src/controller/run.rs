//! The controller at work: takes changes in order, makes them durable in the metadata log, lets every shard apply them, and
//! answers then. SHELL; it lives on [`ShardId::CONTROLLER`].
//!
//! The metadata log is an ordinary log of that shard, with [`TopicId::METADATA`] for its topic. It is never shortened in this
//! version: a node with many thousands of creations and deletions reads them all at its start.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use batch::{BatchBuilder, Batches, CheckedBytes, Compression, DecompressLimit, LeaderEpoch};
use engine::ring::sync::oneshot;
use engine::{LogConfig, LogId, Offset, Read, ReadError, StorageError, ring};

use super::defaults::TopicDefaults;
use super::group_keys::GroupBounds;
use super::image::Image;
use super::limits::{CHANGES_PER_BATCH_MAX, CHANGES_WAITING_MAX, METADATA_BATCH_BYTES_MAX, METADATA_READ_BYTES};
use super::producer_ids::ProducerIds;
use super::records::RecordError;
use super::{MetadataChange, MetadataRecord, Outcome, Refusal, TopicId, decide};
use crate::config::Config;
use crate::ids::{NodeId, ShardId};
use crate::mesh::message::{Acks, Append, AppendBatch, AppendFault, Reply, Request};
use crate::partition::Partition;
use crate::partition::join::join_all;
use crate::partition::run::Served;
use crate::shard::Context;

/// The log of the metadata.
pub const METADATA_LOG: LogId = LogId { topic: TopicId::METADATA.0, partition: 0 };

/// After this time the log is taken to have failed: it is far longer than any device that still answers.
const COMMIT_PATIENCE: Duration = Duration::from_secs(600);

/// Decides on changes of the metadata. One per node.
pub struct Controller {
    node: NodeId,
    groups: GroupBounds,
    state: RefCell<State>,
}

struct State {
    /// Runs ahead of the shards' images: it holds what has been decided, durable or not.
    image: Image,
    producer_ids: ProducerIds,
    waiting: VecDeque<(MetadataChange, oneshot::Sender<Reply>)>,
    is_working: bool,
    /// The log failed, so the image may hold what the log does not: nothing is decided any more.
    failed: bool,
}

/// Why the metadata cannot be used. It stops the start.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("reading the metadata log at offset {offset}: {source}")]
    Read { offset: Offset, source: ReadError },
    #[error("the metadata log is damaged at offset {offset}: {source}")]
    Batch { offset: Offset, source: batch::BatchError },
    #[error("offset {offset} of the metadata log: {source}")]
    Record { offset: Offset, source: RecordError },
    #[error("offset {offset} of the metadata log holds a record without a value")]
    NoValue { offset: Offset },
}

impl Controller {
    /// A controller that knows nothing yet; see [`recover`].
    pub fn new(config: &Config) -> Rc<Self> {
        let state = State {
            image: Image::new(TopicDefaults::of(config)),
            producer_ids: ProducerIds::default(),
            waiting: VecDeque::new(),
            is_working: false,
            failed: false,
        };
        Rc::new(Self { node: config.node_id, groups: config.groups.bounds(), state: RefCell::new(state) })
    }

    /// Takes a change on. It is decided after those before it.
    pub fn submit(self: &Rc<Self>, ctx: &Rc<Context>, change: MetadataChange) -> Served {
        let (answer, answered) = oneshot::channel();
        let queued = self.state.borrow_mut().queue(change, answer);
        match queued {
            Err(refusal) => return Served::Now(Reply::Change(Outcome::Refused(refusal))),
            Ok(Queued::Behind) => {}
            Ok(Queued::First) => drop(ring::spawn(work(Rc::clone(ctx), Rc::clone(self)))),
        }
        Served::Later(Box::pin(async move {
            match answered.await {
                Ok(reply) => reply,
                // The shard ends, and with it whoever polls this.
                Err(oneshot::Closed) => std::future::pending().await,
            }
        }))
    }

    /// Decides on the changes that wait, as many as belong in one batch. None if nothing waits.
    fn decide_next(&self) -> Option<Decided> {
        let state = &mut *self.state.borrow_mut();
        let mut decided = Decided::default();
        let mut bytes = 0;
        while decided.answers.len() < CHANGES_PER_BATCH_MAX && bytes < METADATA_BATCH_BYTES_MAX {
            let Some((change, answer)) = state.waiting.pop_front() else { break };
            let (records, outcome) = decide(&state.image, &mut state.producer_ids, self.node, &self.groups, &change);
            for record in &records {
                state.image.replay(record);
            }
            let values: Vec<Vec<u8>> = records.iter().map(MetadataRecord::encode).collect();
            bytes += values.iter().map(Vec::len).sum::<usize>();
            decided.records.extend(records);
            decided.values.extend(values);
            decided.answers.push((answer, outcome));
        }
        state.is_working = !decided.answers.is_empty();
        state.is_working.then_some(decided)
    }

    /// Gives everything up that waits or was decided and is not durable.
    fn fail(&self, decided: Decided) {
        let waiting = {
            let state = &mut *self.state.borrow_mut();
            state.failed = true;
            state.is_working = false;
            std::mem::take(&mut state.waiting)
        };
        let answers = decided.answers.into_iter().map(|(answer, _)| answer);
        for answer in answers.chain(waiting.into_iter().map(|(_, answer)| answer)) {
            // Whoever asked may be gone.
            let _ = answer.send(Reply::Change(Outcome::Refused(Refusal::StorageFailed)));
        }
    }
}

/// Where a change came to stand.
enum Queued {
    /// Nobody works on the queue yet.
    First,
    Behind,
}

impl State {
    fn queue(&mut self, change: MetadataChange, answer: oneshot::Sender<Reply>) -> Result<Queued, Refusal> {
        if self.failed {
            return Err(Refusal::StorageFailed);
        }
        if self.waiting.len() >= CHANGES_WAITING_MAX {
            return Err(Refusal::Busy);
        }
        self.waiting.push_back((change, answer));
        Ok(if std::mem::replace(&mut self.is_working, true) { Queued::Behind } else { Queued::First })
    }
}

/// Changes that have been decided together.
#[derive(Default)]
struct Decided {
    records: Vec<MetadataRecord>,
    /// The records as the log has them.
    values: Vec<Vec<u8>>,
    answers: Vec<(oneshot::Sender<Reply>, Outcome)>,
}

/// Works the waiting changes off. Runs while there are any.
async fn work(ctx: Rc<Context>, controller: Rc<Controller>) {
    while let Some(mut decided) = controller.decide_next() {
        if !decided.records.is_empty() {
            let values = std::mem::take(&mut decided.values);
            if let Err(fault) = commit(&ctx, values).await {
                tracing::error!(%fault, "the metadata log failed; topics cannot be changed any more");
                controller.fail(decided);
                return;
            }
            broadcast(&ctx, std::mem::take(&mut decided.records)).await;
        }
        for (answer, outcome) in decided.answers {
            // Whoever asked may be gone; the change stands.
            let _ = answer.send(Reply::Change(outcome));
        }
    }
}

/// Appends records to the metadata log and waits until they are durable.
async fn commit(ctx: &Rc<Context>, values: Vec<Vec<u8>>) -> Result<(), AppendFault> {
    let now_ms = ctx.clock.now_ms();
    let mut batches = Vec::new();
    let mut builder = BatchBuilder::new(Compression::None);
    for value in values {
        if builder.record_count() > 0 && builder.bytes() + value.len() > METADATA_BATCH_BYTES_MAX {
            let full = std::mem::replace(&mut builder, BatchBuilder::new(Compression::None));
            batches.push(own_batch(full));
        }
        builder.append(now_ms, None, Some(&value), &[]);
    }
    batches.push(own_batch(builder));
    let deadline = ctx.clock.monotonic() + COMMIT_PATIENCE;
    let append = Append { batches, acks: Acks::Committed { deadline } };
    let reply = ctx.call(ctx.shard, Request::Append(append)).await.into_append();
    reply.results.into_iter().try_for_each(|result| result.map(|_placed| ()))
}

fn own_batch(builder: BatchBuilder) -> AppendBatch {
    let batch = CheckedBytes::check(builder.build().into()).expect("a batch that was just built is sound");
    AppendBatch { log: METADATA_LOG, batch }
}

/// Lets every shard apply records, and waits until all have.
async fn broadcast(ctx: &Rc<Context>, records: Vec<MetadataRecord>) {
    let records: Arc<[MetadataRecord]> = records.into();
    let calls = ShardId::all(ctx.shard_count).map(|shard| ctx.call(shard, Request::Apply(Arc::clone(&records))));
    join_all(calls).await;
}

/// Reads the metadata log and lets every shard apply what it says. Before that no shard may serve clients.
pub async fn recover(ctx: &Rc<Context>) -> Result<(), MetadataError> {
    let controller = ctx.controller.as_ref().expect("the controller's shard recovers the metadata");
    ctx.engine.create_log(METADATA_LOG, LogConfig::default())?;
    // On a full disk topics can still be deleted, which is what makes room again.
    ctx.engine.exempt_from_reserve(METADATA_LOG);
    let partition = Partition { leader_epoch: LeaderEpoch(0), is_relaxed: false, stamps_append_time: false };
    ctx.partitions.borrow_mut().insert(METADATA_LOG, partition);

    let mut deleted = BTreeSet::new();
    for record in read_log(ctx).await? {
        if let MetadataRecord::TopicDeleted { id } = &record {
            deleted.insert(*id);
        }
        controller.state.borrow_mut().image.replay(&record);
    }
    let mut records = controller.state.borrow().image.to_records();
    // Logs of these may still lie on disk, if the node stopped before they were removed.
    records.extend(deleted.into_iter().map(|id| MetadataRecord::TopicDeleted { id }));
    broadcast(ctx, records).await;
    Ok(())
}

async fn read_log(ctx: &Rc<Context>) -> Result<Vec<MetadataRecord>, MetadataError> {
    let mut records = Vec::new();
    let Some(view) = ctx.engine.log(METADATA_LOG) else { return Ok(records) };
    let mut offset = view.start;
    while offset < view.end {
        let bytes = read_at(ctx, offset, view.end).await.map_err(|source| MetadataError::Read { offset, source })?;
        let next = decode(&bytes, offset, &mut records)?;
        if next <= offset {
            return Err(MetadataError::Read { offset, source: ReadError::Corrupt });
        }
        offset = next;
    }
    Ok(records)
}

async fn read_at(ctx: &Rc<Context>, from: Offset, until: Offset) -> Result<Vec<u8>, ReadError> {
    let spans = match ctx.engine.read(METADATA_LOG, from, until, METADATA_READ_BYTES, true)? {
        Read::Ready(spans) => spans,
        Read::Disk(reading) => reading.await?,
    };
    // Batches may lie across spans; this is the start, where a copy costs nothing.
    Ok(spans.iter().flat_map(|span| span.iter().copied()).collect())
}

/// Decodes the records from `offset` on, and returns the offset after the last one.
fn decode(bytes: &[u8], offset: Offset, records: &mut Vec<MetadataRecord>) -> Result<Offset, MetadataError> {
    let mut next = offset;
    for view in Batches::new(bytes) {
        let view = view.map_err(|source| MetadataError::Batch { offset: next, source })?;
        let at = |source| MetadataError::Batch { offset: view.info.base_offset, source };
        let decompressed = view.records(DecompressLimit(METADATA_READ_BYTES)).map_err(at)?;
        for record in &decompressed {
            let record = record.map_err(at)?;
            if record.offset < offset {
                continue;
            }
            let value = record.value.ok_or(MetadataError::NoValue { offset: record.offset })?;
            let decoded = MetadataRecord::decode(value);
            records.push(decoded.map_err(|source| MetadataError::Record { offset: record.offset, source })?);
        }
        next = view.info.next_offset();
    }
    Ok(next)
}
