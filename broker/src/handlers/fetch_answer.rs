//! What was read, as a Fetch response whose records are sent from where they lie.

use engine::memory::Span;
use wire::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
use wire::{ErrorCode, Records, Uuid};

use super::answer::ReplyTo;
use crate::mesh::message::{FetchPartition, Fetched};
use crate::net::Response;

/// Clients of this version and older do not know KAFKA_STORAGE_ERROR, and would not try again.
const STORAGE_ERROR_UNKNOWN_UNTIL_VERSION: i16 = 5;
/// Offset of a partition that has none to tell.
const NO_OFFSET: i64 = -1;

/// The partitions of a fetch in the order of the request: all topics in one row.
#[derive(Default)]
pub(super) struct Slots {
    /// Name or id of each topic, and how many partitions are its.
    pub(super) topics: Vec<(String, Uuid, usize)>,
    pub(super) partitions: Vec<Slot>,
}

/// One partition of a fetch.
pub(super) struct Slot {
    pub(super) index: i32,
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
pub(super) fn refuse(reply_to: ReplyTo, error_code: ErrorCode) -> Response {
    let response = FetchResponse { error_code, ..FetchResponse::default() };
    reply_to.with_records(|version, out| response.encode(version, out), Vec::new())
}

impl FetchAnswer {
    /// Encodes what was read. Owners were each given a part of the bytes and at least one batch, so together they may have
    /// brought too much: then what comes late in the request's order is left for the next one.
    pub(super) fn build(&self, slots: Slots) -> Response {
        let Slots { topics, partitions } = slots;
        let mut payloads = Vec::new();
        let mut bytes = 0;
        let mut encoded = partitions.into_iter().map(|slot| {
            let is_kept = bytes == 0 || bytes + slot.byte_len() <= self.bytes_max;
            let (data, spans) = self.partition(slot, is_kept);
            bytes += data.records.len();
            payloads.extend((!spans.is_empty()).then_some(spans));
            data
        });
        let responses = topics.into_iter().map(|(topic, topic_id, count)| FetchableTopicResponse {
            topic: topic.into(),
            topic_id,
            partitions: encoded.by_ref().take(count).collect(),
        });
        let response = FetchResponse { responses: responses.collect(), ..FetchResponse::default() };
        drop(encoded);
        self.reply_to.with_records(|version, out| response.encode(version, out), payloads)
    }

    fn partition(&self, slot: Slot, is_kept: bool) -> (PartitionData<'static>, Vec<Span>) {
        let data = PartitionData {
            partition_index: slot.index,
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
