//! Making batches, off the hot path.

use crate::layout::{self, set_field};
use crate::{Compression, compression, reseal, varint};

/// A header's name and value.
pub type HeaderPair<'a> = (&'a str, Option<&'a [u8]>);

/// Collects records and makes one batch of them. The batch is not placed yet: base offset 0, leader epoch -1, as a
/// client sends it.
#[derive(Clone, Debug)]
pub struct BatchBuilder {
    compression: Compression,
    attributes: i16,
    producer: (i64, i16, i32),
    records: Vec<u8>,
    /// One record without its length, kept for its memory.
    scratch: Vec<u8>,
    record_count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
}

impl BatchBuilder {
    pub fn new(compression: Compression) -> Self {
        BatchBuilder {
            compression,
            attributes: 0,
            producer: (-1, -1, -1),
            records: Vec::new(),
            scratch: Vec::new(),
            record_count: 0,
            base_timestamp: -1,
            max_timestamp: -1,
        }
    }

    /// Makes it the batch of an idempotent producer.
    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Self {
        self.producer = (id, epoch, base_sequence);
        self
    }

    pub fn transactional(mut self) -> Self {
        self.attributes |= layout::TRANSACTIONAL_BIT;
        self
    }

    /// Makes it a control batch, whose records are transaction markers.
    pub fn control(mut self) -> Self {
        self.attributes |= layout::CONTROL_BIT;
        self
    }

    /// Appends a record; the timestamp is in milliseconds since the Unix epoch.
    pub fn append(&mut self, timestamp: i64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[HeaderPair<'_>]) {
        if self.record_count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let record = &mut self.scratch;
        record.clear();
        record.push(0);
        varint::put_i64(timestamp.wrapping_sub(self.base_timestamp), record);
        varint::put_i32(self.record_count, record);
        put_nullable(key, record);
        put_nullable(value, record);
        varint::put_i32(length_of(headers.len()), record);
        for (name, value) in headers {
            put_nullable(Some(name.as_bytes()), record);
            put_nullable(*value, record);
        }
        varint::put_i32(length_of(record.len()), &mut self.records);
        self.records.extend_from_slice(record);
        self.record_count += 1;
    }

    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// The size of the batch so far, before compression.
    pub fn bytes(&self) -> usize {
        layout::HEADER_BYTES + self.records.len()
    }

    /// Makes the batch. Panics without records, and if the batch would pass the 2 GiB that its length can say.
    pub fn build(self) -> Vec<u8> {
        assert!(self.record_count > 0, "a batch has at least one record");
        let mut header = Vec::with_capacity(self.bytes());
        header.resize(layout::HEADER_BYTES, 0);
        let mut batch = compression::compress(self.compression.into(), &self.records, header)
            .expect("writing to memory does not fail");
        let length = length_of(batch.len() - layout::PREFIX_BYTES);
        let attributes = self.attributes | i16::from(self.compression.code());
        let (producer_id, producer_epoch, base_sequence) = self.producer;
        set_field(&mut batch, layout::BATCH_LENGTH_AT, length.to_be_bytes());
        set_field(&mut batch, layout::LEADER_EPOCH_AT, (-1i32).to_be_bytes());
        set_field(&mut batch, layout::MAGIC_AT, layout::MAGIC.to_be_bytes());
        set_field(&mut batch, layout::ATTRIBUTES_AT, attributes.to_be_bytes());
        set_field(&mut batch, layout::LAST_OFFSET_DELTA_AT, (self.record_count - 1).to_be_bytes());
        set_field(&mut batch, layout::BASE_TIMESTAMP_AT, self.base_timestamp.to_be_bytes());
        set_field(&mut batch, layout::MAX_TIMESTAMP_AT, self.max_timestamp.to_be_bytes());
        set_field(&mut batch, layout::PRODUCER_ID_AT, producer_id.to_be_bytes());
        set_field(&mut batch, layout::PRODUCER_EPOCH_AT, producer_epoch.to_be_bytes());
        set_field(&mut batch, layout::BASE_SEQUENCE_AT, base_sequence.to_be_bytes());
        set_field(&mut batch, layout::RECORD_COUNT_AT, self.record_count.to_be_bytes());
        reseal(&mut batch);
        batch
    }
}

fn put_nullable(field: Option<&[u8]>, out: &mut Vec<u8>) {
    match field {
        Some(bytes) => {
            varint::put_i32(length_of(bytes.len()), out);
            out.extend_from_slice(bytes);
        }
        None => varint::put_i32(-1, out),
    }
}

fn length_of(length: usize) -> i32 {
    i32::try_from(length).expect("Kafka's lengths end at 2 GiB")
}
