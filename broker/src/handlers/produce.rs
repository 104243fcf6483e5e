//! Produce: checks every batch here, where its bytes are in the cache, then hands each owner its batches in one message.

use std::rc::Rc;
use std::time::{Duration, Instant};

use batch::{BatchError, BatchInfo, CheckedBytes, Compression};
use bytes::Bytes;
use wire::produce::{
    BatchIndexAndErrorMessage, PartitionProduceData, PartitionProduceResponse, ProduceRequest, ProduceResponse,
    TopicProduceResponse,
};
use wire::{DecodeError, ErrorCode, Uuid};

use super::produce_intake::take_in;
use super::routes::Routes;
use super::topic_named::TopicNamed;
use super::{Request, error_codes, groups};
use crate::controller::Topic;
use crate::mesh::Call;
use crate::mesh::message::{self, Acks, Append, AppendBatch, AppendFault, AppendTimes, Placed};
use crate::metrics::{Stage, Timeline};
use crate::net::{Answer, Response};
use crate::partition::join::join_all;
use crate::partition::limits::PRODUCE_WAIT_MS_MAX;
use crate::partition::log_id;
use crate::shard::Context;

/// From this version on clients know zstd (KIP-110).
const ZSTD_SINCE_VERSION: i16 = 7;
/// From this version on topics are told by their ids (KIP-516).
const TOPIC_IDS_SINCE_VERSION: i16 = 13;
/// Offset of a partition that has none to tell.
const NO_OFFSET: i64 = -1;
/// Time of an append whose records keep their producer's.
const NO_TIMESTAMP: i64 = -1;

/// How much of a produce request is answered, and when.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// acks=0: the client does not read an answer.
    Nothing,
    /// acks=1.
    Stored,
    /// acks=-1: the same with one replica, unless the topic asks for more.
    StoredInSync,
    /// The client asked for something that does not exist.
    Invalid,
}

/// Why a batch was refused or lost, with a sentence for the client.
pub(super) struct Refused {
    pub(super) code: ErrorCode,
    pub(super) message: Option<String>,
    /// The records that are to blame, by their place in the batch, each with a sentence.
    pub(super) records: Vec<(i32, String)>,
}

/// What is answered for one partition.
struct PartitionAnswer {
    index: i32,
    /// None as long as the owner has not answered.
    result: Option<Result<Placed, Refused>>,
}

/// The answer in the making: partitions of all topics in one row, with the number of each topic.
#[derive(Default)]
struct Answers {
    topics: Vec<AnsweredTopic>,
    partitions: Vec<PartitionAnswer>,
}

/// A topic as the request names it, and how many of the partitions are its.
struct AnsweredTopic {
    name: String,
    topic_id: Uuid,
    partitions: usize,
}

pub(super) fn handle(ctx: &Rc<Context>, mut request: Request<'_>) -> Result<Answer, DecodeError> {
    let version = request.version();
    if version < 3 {
        // Advertised for the sake of old librdkafka (KAFKA-18659) and not spoken; Kafka closes here as well.
        return Ok(Answer::Close(format!("Produce version {version} is advertised for old clients only")));
    }
    let body = ProduceRequest::decode(version, &mut request.body)?;
    let wanted = match body.acks {
        0 => Wanted::Nothing,
        1 => Wanted::Stored,
        -1 => Wanted::StoredInSync,
        _ => Wanted::Invalid,
    };
    let (mut answers, routes) = judge_all(ctx, &request, &body, wanted);
    if wanted == Wanted::Nothing
        && let Some(refused) = answers.first_refused()
    {
        return Ok(close_for(refused));
    }
    let acks = match wanted {
        Wanted::Nothing => Acks::None,
        Wanted::Stored | Wanted::StoredInSync | Wanted::Invalid => {
            let wait_ms = body.timeout_ms.clamp(0, PRODUCE_WAIT_MS_MAX);
            Acks::Committed { deadline: request.received + Duration::from_millis(wait_ms as u64) }
        }
    };
    let mut places = Vec::with_capacity(routes.len());
    let mut calls = Vec::with_capacity(routes.len());
    for route in routes {
        let called = (route.owner != ctx.shard).then(|| ctx.clock.monotonic());
        places.push((route.places, called));
        calls.push(ctx.call(route.owner, message::Request::Append(Append { batches: route.items, acks })));
    }
    if wanted == Wanted::Nothing {
        return Ok(answer_nothing(calls, places, answers));
    }
    let reply_to = request.reply_to;
    if calls.is_empty() {
        return Ok(Answer::Ready(reply_to.whole(|version, out| answers.to_wire().encode(version, out))));
    }
    let (clock, mut timeline) = (ctx.clock, request.timeline);
    Ok(Answer::Later(Box::pin(async move {
        let mut slowest: Option<(Option<Instant>, AppendTimes)> = None;
        for ((places, called), reply) in places.into_iter().zip(join_all(calls).await) {
            let reply = reply.into_append();
            if slowest.is_none_or(|(_, times)| times.ended() < reply.times.ended()) {
                slowest = Some((called, reply.times));
            }
            answers.fill(places, reply.results);
        }
        if let Some((called, times)) = slowest {
            note_way(&mut timeline, called, times, clock.monotonic());
        }
        let response = reply_to.whole(|version, out| answers.to_wire().encode(version, out));
        Response { timeline: Some(timeline), ..response }
    })))
}

/// The stages between the handler and the end of its wait, as an owner tells them. `called` is when the owner was asked, if it is
/// another shard.
fn note_way(timeline: &mut Timeline, called: Option<Instant>, times: AppendTimes, back: Instant) {
    match called {
        Some(called) => {
            timeline.pass(Stage::Decode, called);
            timeline.pass(Stage::MeshOut, times.arrived);
        }
        None => timeline.pass(Stage::Decode, times.arrived),
    }
    if let Some(had_room) = times.had_room {
        timeline.pass(Stage::Room, had_room);
    }
    timeline.pass(Stage::Append, times.appended);
    if let Some(group) = times.group {
        timeline.pass(Stage::Group, group.submitted);
        timeline.pass(Stage::DeviceWrite, group.written);
        timeline.pass(Stage::DeviceSync, group.durable);
    }
    timeline.pass(Stage::MeshBack, back);
}

/// acks=0. While an owner has no room, the answer is a future of no bytes: it keeps the request's memory accounted and so
/// stops the connection from sending without end.
fn answer_nothing(mut calls: Vec<Call>, places: Vec<(Vec<usize>, Option<Instant>)>, mut answers: Answers) -> Answer {
    if calls.iter().any(|call| !matches!(call, Call::Now(_))) {
        return Answer::Later(Box::pin(async move {
            for reply in join_all(calls).await {
                for fault in reply.into_append().results.into_iter().filter_map(Result::err) {
                    // Too late to close the connection in its order; the client did not ask to know.
                    tracing::debug!(%fault, "records sent with acks=0 were not stored");
                }
            }
            Response::default()
        }));
    }
    for ((places, _), call) in places.into_iter().zip(&mut calls) {
        let Call::Now(reply) = call else { unreachable!("every call was found to be answered") };
        answers.fill(places, reply.take().expect("a call is taken once").into_append().results);
    }
    answers.first_refused().map_or(Answer::Silent, close_for)
}

/// Kafka's way to tell a client with acks=0 that something is wrong: it then asks for the metadata again.
fn close_for(refused: &Refused) -> Answer {
    Answer::Close(format!("a produce request with acks=0 failed with {}", refused.code))
}

fn judge_all(
    ctx: &Rc<Context>,
    request: &Request<'_>,
    body: &ProduceRequest<'_>,
    wanted: Wanted,
) -> (Answers, Routes<AppendBatch>) {
    let mut answers = Answers::default();
    let mut routes = Routes::new();
    let image = ctx.image.borrow();
    let now_ms = ctx.clock.now_ms();
    for topic_data in &body.topic_data {
        let named = TopicNamed::new(request.version() >= TOPIC_IDS_SINCE_VERSION, topic_data.name, topic_data.topic_id);
        let topic = named.find(&image);
        for partition_data in &topic_data.partition_data {
            let judged = judge(request, topic.map(Rc::as_ref), partition_data, wanted, now_ms);
            let judged = match wanted {
                Wanted::Invalid => judged.and(Err(Refused::plain(ErrorCode::INVALID_REQUIRED_ACKS))),
                Wanted::Nothing | Wanted::Stored | Wanted::StoredInSync => judged,
            };
            let result = match judged {
                Ok(batch) => {
                    routes.add(ctx, batch.log, answers.partitions.len(), batch);
                    None
                }
                Err(refused) => Some(Err(refused)),
            };
            answers.partitions.push(PartitionAnswer { index: partition_data.index, result });
        }
        let (name, topic_id) = (topic_data.name.to_owned(), topic_data.topic_id);
        answers.topics.push(AnsweredTopic { name, topic_id, partitions: topic_data.partition_data.len() });
    }
    (answers, routes)
}

/// Checks all that can be checked of one partition's records before they go to its owner, in Kafka's order.
fn judge(
    request: &Request<'_>,
    topic: Result<&Topic, ErrorCode>,
    data: &PartitionProduceData<'_>,
    wanted: Wanted,
    now_ms: i64,
) -> Result<AppendBatch, Refused> {
    let topic = topic.map_err(Refused::plain)?;
    if groups::is_read_only(&topic.name) {
        let message = format!("Cannot append to internal topic {}", topic.name);
        return Err(Refused::new(ErrorCode::INVALID_TOPIC_EXCEPTION, message));
    }
    let partition = topic.partition(data.index);
    let partition = partition.ok_or_else(|| Refused::plain(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
    if wanted == Wanted::StoredInSync {
        judge_replicas(topic, partition)?;
    }
    let records = data.records.unwrap_or_default();
    let info = BatchInfo::peek(records).map_err(of_batch)?;
    let Some(info) = info else {
        let message = format!("Produce version {} takes exactly one record batch per partition", request.version());
        return Err(Refused::new(ErrorCode::INVALID_RECORD, message));
    };
    if request.version() < ZSTD_SINCE_VERSION && info.compression() == Ok(Compression::Zstd) {
        return Err(Refused::plain(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE));
    }
    // The size comes before the checksum: what is too large is not worth reading.
    let limit = topic.settings.message_bytes_max;
    if info.length == records.len() && records.len() > limit as usize {
        let message = format!("The batch has {} bytes, more than the {limit} that the topic takes", records.len());
        return Err(Refused::new(ErrorCode::MESSAGE_TOO_LARGE, message));
    }
    let batch = CheckedBytes::check(share(request.frame, records)).map_err(of_batch)?;
    judge_header(batch.info())?;
    let batch = take_in(batch, &topic.settings, now_ms)?;
    Ok(AppendBatch { log: log_id(topic.id, partition), batch })
}

/// What a client may not say in a batch that is sound (`LogValidator.validateBatch`, `UnifiedLog`).
fn judge_header(info: &BatchInfo) -> Result<(), Refused> {
    if info.is_transactional() {
        // There are no transactions yet. InitProducerId has refused the transactional id with this code before.
        return Err(Refused::plain(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED));
    }
    let reason = if info.is_control() {
        "Clients are not allowed to write control records"
    } else if info.base_offset.0 != 0 {
        "The base offset of a record batch that is sent should be 0"
    } else if info.has_producer() && info.base_sequence < 0 {
        "A batch with a producer id has a sequence number from 0 on"
    } else {
        return Ok(());
    };
    Err(Refused::new(ErrorCode::INVALID_RECORD, reason.to_owned()))
}

/// There is one replica, which is in sync. A topic that wants more for acks=all cannot be written to so.
fn judge_replicas(topic: &Topic, partition: u32) -> Result<(), Refused> {
    let wanted = topic.settings.intake.insync_replicas_min;
    if wanted <= 1 {
        return Ok(());
    }
    let message = format!(
        "The size of the current ISR 1 is insufficient to satisfy the min.isr requirement of {wanted} for partition {}-{partition}",
        topic.name
    );
    Err(Refused::new(ErrorCode::NOT_ENOUGH_REPLICAS, message))
}

pub(super) fn of_batch(error: BatchError) -> Refused {
    Refused::new(error_codes::of_batch(&error), error.to_string())
}

/// The records as a share of the frame they stand in: nothing is copied.
fn share(frame: &Bytes, records: &[u8]) -> Bytes {
    frame.slice_ref(records)
}

impl Refused {
    pub(super) fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message: Some(message), records: Vec::new() }
    }

    fn plain(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new() }
    }
}

impl From<AppendFault> for Refused {
    fn from(fault: AppendFault) -> Self {
        Self::new(error_codes::of_append(fault), fault.to_string())
    }
}

impl Answers {
    fn fill(&mut self, places: Vec<usize>, results: Vec<Result<Placed, AppendFault>>) {
        assert_eq!(places.len(), results.len(), "an owner answers for each batch");
        for (place, result) in places.into_iter().zip(results) {
            self.partitions[place].result = Some(result.map_err(Refused::from));
        }
    }

    fn first_refused(&self) -> Option<&Refused> {
        self.partitions.iter().find_map(|partition| partition.result.as_ref()?.as_ref().err())
    }

    fn to_wire(&self) -> ProduceResponse<'_> {
        let mut partitions = self.partitions.iter().map(PartitionAnswer::to_wire);
        let responses = self.topics.iter().map(|topic| TopicProduceResponse {
            name: topic.name.as_str().into(),
            topic_id: topic.topic_id,
            partition_responses: partitions.by_ref().take(topic.partitions).collect(),
        });
        ProduceResponse { responses: responses.collect(), ..ProduceResponse::default() }
    }
}

impl PartitionAnswer {
    fn to_wire(&self) -> PartitionProduceResponse<'_> {
        match self.result.as_ref().expect("every owner has answered") {
            Ok(placed) => PartitionProduceResponse {
                index: self.index,
                base_offset: placed.base_offset.0,
                log_append_time_ms: placed.append_time_ms.unwrap_or(NO_TIMESTAMP),
                log_start_offset: placed.log_start.0,
                ..PartitionProduceResponse::default()
            },
            Err(refused) => PartitionProduceResponse {
                index: self.index,
                error_code: refused.code,
                base_offset: NO_OFFSET,
                record_errors: refused.records.iter().map(record_error).collect(),
                error_message: refused.message.as_deref().map(Into::into),
                ..PartitionProduceResponse::default()
            },
        }
    }
}

fn record_error((batch_index, reason): &(i32, String)) -> BatchIndexAndErrorMessage<'_> {
    BatchIndexAndErrorMessage { batch_index: *batch_index, batch_index_error_message: Some(reason.into()) }
}
