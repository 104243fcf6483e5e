//! The records inside a batch.

use std::borrow::Cow;

use crate::{BatchError, BatchInfo, BatchView, DecompressLimit, Offset, TimestampType, compression, varint};

/// One record, borrowed from its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub offset: Offset,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// Opens a batch's records, decompressing them if need be, to at most `limit` bytes.
pub fn records<'a>(batch: impl Into<BatchView<'a>>, limit: DecompressLimit) -> Result<Records<'a>, BatchError> {
    let view = batch.into();
    let plain = compression::decompress(view.info.compression()?, view.body(), limit)?;
    Ok(Records { info: view.info, plain })
}

/// The uncompressed records of one batch.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    info: BatchInfo,
    plain: Cow<'a, [u8]>,
}

impl Records<'_> {
    /// Walks the records in order. An error is the last item.
    pub fn iter(&self) -> RecordIter<'_> {
        RecordIter { info: self.info, rest: &self.plain, index: 0, done: false }
    }

    /// The uncompressed bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.plain
    }
}

impl<'a> IntoIterator for &'a Records<'_> {
    type Item = Result<Record<'a>, BatchError>;
    type IntoIter = RecordIter<'a>;

    fn into_iter(self) -> RecordIter<'a> {
        self.iter()
    }
}

/// See [`Records::iter`].
#[derive(Clone, Debug)]
pub struct RecordIter<'a> {
    info: BatchInfo,
    rest: &'a [u8],
    index: i32,
    done: bool,
}

impl<'a> Iterator for RecordIter<'a> {
    type Item = Result<Record<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.index >= self.info.record_count {
            self.done = true;
            let bytes = self.rest.len();
            return (bytes > 0).then_some(Err(BatchError::BytesAfterRecords { bytes }));
        }
        let index = self.index;
        self.index += 1;
        match take_record(&mut self.rest, &self.info) {
            Some(record) => Some(Ok(record)),
            None => {
                self.done = true;
                Some(Err(BatchError::RecordMalformed { index }))
            }
        }
    }
}

/// A record's headers: names with values, in the order the producer gave them. They have been parsed once, so walking
/// them cannot fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    count: i32,
    bytes: &'a [u8],
}

impl<'a> Headers<'a> {
    pub fn len(&self) -> usize {
        self.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Names (UTF-8 by convention) and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.bytes;
        (0..self.count).map_while(move |_| take_header(&mut rest))
    }
}

fn take_record<'a>(rest: &mut &'a [u8], info: &BatchInfo) -> Option<Record<'a>> {
    let length = usize::try_from(varint::take_i32(rest)?).ok()?;
    let (mut record, after) = rest.split_at_checked(length)?;
    *rest = after;
    let (_attributes, fields) = record.split_first()?;
    record = fields;
    let timestamp_delta = varint::take_i64(&mut record)?;
    let offset_delta = varint::take_i32(&mut record)?;
    if !(0..=info.last_offset_delta).contains(&offset_delta) {
        return None;
    }
    let key = take_nullable(&mut record)?;
    let value = take_nullable(&mut record)?;
    let count = varint::take_i32(&mut record)?;
    // A header takes two bytes at least, so a count beyond what is left is refused before it is walked.
    if usize::try_from(count).ok()? > record.len() / 2 {
        return None;
    }
    let headers = Headers { count, bytes: record };
    for _ in 0..count {
        take_header(&mut record)?;
    }
    if !record.is_empty() {
        return None;
    }
    let timestamp = match info.timestamp_type() {
        TimestampType::CreateTime => info.base_timestamp.wrapping_add(timestamp_delta),
        TimestampType::LogAppendTime => info.max_timestamp,
    };
    let offset = info.base_offset.checked_plus(i64::from(offset_delta))?;
    Some(Record { offset, timestamp, key, value, headers })
}

fn take_header<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    Some((take_nullable(rest)??, take_nullable(rest)?))
}

/// The outer `None` is a malformed field, the inner one Kafka's null.
fn take_nullable<'a>(rest: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = varint::take_i32(rest)?;
    if length < 0 {
        return (length == -1).then_some(None);
    }
    let (field, after) = rest.split_at_checked(length as usize)?;
    *rest = after;
    Some(Some(field))
}
