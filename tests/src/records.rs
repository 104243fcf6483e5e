//! Record batches built and read by the kafka-protocol crate's codec.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::records::{
    BatchDecodeInfo, Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Record,
    RecordBatchDecoder, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

/// Bytes of a version 2 batch before its records.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Where the batch's CRC stands.
pub const BATCH_CRC_POSITION: usize = 17;
/// Where the magic byte stands, in every message format.
pub const MAGIC_POSITION: usize = 16;

/// A record without a key, at its place in a batch. A producer without idempotence sends the base sequence -1.
pub fn record(index: usize, timestamp_ms: i64, value: impl Into<Bytes>) -> Record {
    let offset = i64::try_from(index).expect("an index fits");
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: i32::try_from(offset - 1).expect("a batch's index fits"),
        timestamp: timestamp_ms,
        key: None,
        value: Some(value.into()),
        headers: IndexMap::new(),
    }
}

/// One batch of these values, all with one timestamp.
pub fn batch_of<V: AsRef<[u8]>>(timestamp_ms: i64, values: &[V]) -> Bytes {
    let records: Vec<Record> = values
        .iter()
        .enumerate()
        .map(|(index, value)| record(index, timestamp_ms, Bytes::copy_from_slice(value.as_ref())))
        .collect();
    encode(&records, Compression::None)
}

/// One batch of these records.
pub fn encode(records: &[Record], compression: Compression) -> Bytes {
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression };
    RecordBatchEncoder::encode(&mut bytes, records, &options).expect("records encode");
    bytes.freeze()
}

/// These batches without the one that may be cut off at the end.
pub fn whole(batches: &Bytes) -> Bytes {
    batches.slice(..whole_batches_len(batches))
}

/// All records of concatenated batches; a batch cut off at the end is left out, as every Kafka client does.
pub fn decode(batches: &Bytes) -> Vec<Record> {
    let sets = RecordBatchDecoder::decode_all(&mut whole(batches))
        .expect("the broker sends batches that are whole and unhurt");
    sets.into_iter().flat_map(|set| set.records).collect()
}

/// What the headers of concatenated batches say, without decompression.
pub fn headers(batches: &Bytes) -> Vec<BatchDecodeInfo> {
    RecordBatchDecoder::decode_batch_info(&mut whole(batches))
        .expect("the broker sends batches that are whole and unhurt")
}

/// The offset behind the last record of concatenated batches, or `None` if there is no whole batch.
pub fn next_offset(batches: &Bytes) -> Option<i64> {
    let mut next = None;
    let mut position = 0;
    let whole = whole_batches_len(batches);
    while position < whole {
        let base = i64::from_be_bytes(batches[position..position + 8].try_into().expect("8 bytes"));
        let last_delta = i32::from_be_bytes(batches[position + 23..position + 27].try_into().expect("4 bytes"));
        next = Some(base + i64::from(last_delta) + 1);
        position += batch_len(&batches[position..]);
    }
    next
}

fn whole_batches_len(batches: &[u8]) -> usize {
    let mut whole = 0;
    while batches.len() - whole >= BATCH_HEADER_BYTES {
        let length = batch_len(&batches[whole..]);
        if batches.len() - whole < length {
            break;
        }
        whole += length;
    }
    whole
}

/// The length of the first of these batches, with its base offset and length fields.
pub fn batch_len(batch: &[u8]) -> usize {
    let length = i32::from_be_bytes(batch[8..12].try_into().expect("4 bytes"));
    12 + usize::try_from(length).expect("a batch's length is not negative")
}

/// A message of the format before batches (magic 0 or 1), with a right CRC: what clients before 2017 produce.
pub fn old_message(magic: u8, value: &[u8]) -> Bytes {
    let mut body = vec![magic, 0];
    if magic == 1 {
        body.extend_from_slice(&crate::clock::wall_ms().to_be_bytes());
    }
    body.extend_from_slice(&(-1_i32).to_be_bytes());
    body.extend_from_slice(&i32::try_from(value.len()).expect("a short value").to_be_bytes());
    body.extend_from_slice(value);
    let mut message = Vec::new();
    message.extend_from_slice(&0_i64.to_be_bytes());
    message.extend_from_slice(&i32::try_from(body.len() + 4).expect("a short message").to_be_bytes());
    message.extend_from_slice(&crc32(&body).to_be_bytes());
    message.extend_from_slice(&body);
    Bytes::from(message)
}

/// The CRC-32 of zlib and gzip, which Python and the old message format use as well.
pub fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}
