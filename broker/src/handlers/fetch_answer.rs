//! What was read, as a Fetch response whose records are sent from where they lie.

use engine::memory::Span;
use wire::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use wire::{ErrorCode, Records};

use super::answer::ReplyTo;
use super::fetch_session::Concluded;
use crate::mesh::message::{FetchPartition, Fetched};
use crate::metrics::Metrics;
use crate::net::Response;
use crate::partition::fetch_sessions::{PartitionKey, Told, TopicKey, Wanted};

/// Clients of this version and older do not know KAFKA_STORAGE_ERROR, and would not try again.
const STORAGE_ERROR_UNKNOWN_UNTIL_VERSION: i16 = 5;
/// Offset of a partition that has none to tell.
const NO_OFFSET: i64 = -1;

/// One partition of a fetch.
pub(super) struct Slot {
    pub(super) key: PartitionKey,
    pub(super) wanted: Wanted,
    pub(super) error_code: ErrorCode,
    /// What to read; none where the partition is not known.
    pub(super) wish: Option<FetchPartition>,
    /// What was read last.
    pub(super) fetched: Option<Fetched>,
}

impl Slot {
    pub(super) fn byte_len(&self) -> usize {
        self.fetched.as_ref().map_or(0, Fetched::byte_len)
    }

    /// What the client's session has to know of the answer.
    pub(super) fn told(&self) -> (PartitionKey, Wanted, Told) {
        let fetched = self.fetched.as_ref().filter(|_| self.error_code.is_none());
        let told = Told {
            high_watermark: fetched.map_or(NO_OFFSET, |fetched| fetched.committed_end.0),
            log_start: fetched.map_or(NO_OFFSET, |fetched| fetched.log_start.0),
            has_records: self.byte_len() > 0,
            has_error: self.error_code.is_error(),
        };
        (self.key.clone(), self.wanted, told)
    }
}

/// How a fetch is answered.
#[derive(Clone, Copy)]
pub(super) struct FetchAnswer {
    pub(super) reply_to: ReplyTo,
    /// The client reads committed transactions only.
    pub(super) is_committed_only: bool,
    pub(super) bytes_max: usize,
}

/// An answer without partitions.
pub(super) fn refuse(reply_to: ReplyTo, session_id: i32, error_code: ErrorCode) -> Response {
    let response = FetchResponse { error_code, session_id, ..FetchResponse::default() };
    reply_to.with_records(|version, out| response.encode(version, out), Vec::new())
}

impl FetchAnswer {
    /// Encodes what was read. Owners were each given a part of the bytes and at least one batch, so together they may have
    /// brought too much: then what comes late in the order is left for the next request.
    pub(super) fn build(&self, concluded: Concluded, slots: Vec<Slot>, metrics: &Metrics) -> Response {
        let mut responses: Vec<FetchableTopicResponse<'_>> = Vec::new();
        let mut last: Option<TopicKey> = None;
        let mut payloads = Vec::new();
        let mut bytes = 0;
        for (place, slot) in slots.into_iter().enumerate() {
            if concluded.is_told.as_ref().is_some_and(|is_told| !is_told[place]) {
                continue;
            }
            if last.as_ref() != Some(&slot.key.topic) {
                responses.push(topic_response(&slot.key.topic));
                last = Some(slot.key.topic.clone());
            }
            let is_kept = bytes == 0 || bytes + slot.byte_len() <= self.bytes_max;
            let topic = slot.wish.map(|wish| wish.log.topic);
            let (data, spans) = self.partition(slot, is_kept);
            bytes += data.records.len();
            if let Some(topic) = topic.filter(|_| !spans.is_empty()) {
                metrics.consumed(topic, data.records.len());
            }
            payloads.extend((!spans.is_empty()).then_some(spans));
            responses.last_mut().expect("a topic was just pushed").partitions.push(data);
        }
        let response = FetchResponse { session_id: concluded.session_id, responses, ..FetchResponse::default() };
        self.reply_to.with_records(|version, out| response.encode(version, out), payloads)
    }

    fn partition(&self, slot: Slot, is_kept: bool) -> (PartitionData<'static>, Vec<Span>) {
        let data = PartitionData {
            partition_index: slot.key.index,
            error_code: self.known(slot.error_code),
            high_watermark: NO_OFFSET,
            aborted_transactions: self.is_committed_only.then(Vec::new),
            // Kafka sends an empty set of records, not a null, where there are none.
            records: Records::Bytes(&[]),
            ..PartitionData::default()
        };
        let Some(fetched) = slot.fetched.filter(|_| slot.error_code.is_none()) else { return (data, Vec::new()) };
        let bytes = fetched.byte_len();
        let is_sent = is_kept && bytes > 0;
        let data = PartitionData {
            high_watermark: fetched.committed_end.0,
            last_stable_offset: fetched.committed_end.0,
            log_start_offset: fetched.log_start.0,
            records: if is_sent { Records::OutOfLine(bytes) } else { data.records },
            ..data
        };
        (data, if is_sent { fetched.spans } else { Vec::new() })
    }

    fn known(&self, error_code: ErrorCode) -> ErrorCode {
        if error_code == ErrorCode::KAFKA_STORAGE_ERROR && self.reply_to.version <= STORAGE_ERROR_UNKNOWN_UNTIL_VERSION
        {
            ErrorCode::NOT_LEADER_OR_FOLLOWER
        } else {
            error_code
        }
    }
}

fn topic_response(topic: &TopicKey) -> FetchableTopicResponse<'static> {
    match topic {
        TopicKey::Name(name) => FetchableTopicResponse { topic: name.to_string().into(), ..Default::default() },
        TopicKey::Id(id) => FetchableTopicResponse { topic_id: *id, ..Default::default() },
    }
}
