//! Reads that need the segment file, and the searches by timestamp.

use std::rc::Rc;

use batch::{BatchView, DecompressLimit, Offset};

use super::Inner;
use crate::ids::LogId;
use crate::log::{Cut, DiskRead, ReadPlan, ReadRequest};
use crate::memory::{Chunk, Span};
use crate::store::ReadError;

/// Searching by timestamp decompresses one batch at a time, and none larger than this.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Batches looked at in one step of a search by timestamp.
const SEARCH_BYTES: usize = 1 << 20;

/// Reads from the segment file, looks for the batch wanted, and goes on where a batch reaches beyond what was read or
/// beyond what the file has.
pub(super) async fn from_disk(inner: Rc<Inner>, id: LogId, mut plan: DiskRead) -> Result<Vec<Span>, ReadError> {
    loop {
        let end = plan.file_end.min(plan.scan_from + plan.bytes as u64);
        if end <= plan.scan_from {
            // The batch is not in the file but in memory by now, or about to be.
            return from_memory(&inner, id, &plan, plan.scan_from).map(Option::unwrap_or_default);
        }
        let read = inner.segments.read(id, plan.segment, plan.scan_from, end).await;
        let (buf, start, filled) = read.map_err(|error| {
            tracing::error!(log = %id, segment = plan.segment.0, position = plan.scan_from, %error, "reading a segment failed");
            ReadError::Failed
        })?;
        inner.count(|stats| (stats.cold_reads, stats.cold_read_bytes) = (stats.cold_reads + 1, stats.cold_read_bytes + filled as u64));
        if filled <= start {
            return Err(corrupt(id, &plan, plan.scan_from));
        }
        let chunk = Chunk::sealed(buf);
        let bytes = chunk.slice(start..filled).expect("a sealed chunk is all published");
        match crate::log::cut(&bytes, &plan) {
            Cut::Empty => return Ok(Vec::new()),
            Cut::Damaged { position } => return Err(corrupt(id, &plan, position)),
            Cut::Whole { start, end } => return checked(id, &plan, bytes.slice(start..end).expect("the cut lies within")),
            Cut::Past { position } => {
                if let Some(spans) = from_memory(&inner, id, &plan, position)? {
                    return Ok(spans);
                }
                plan.scan_from = position;
            }
            Cut::Longer { start, bytes: batch_bytes } => {
                let batch_start = plan.scan_from + start as u64;
                if batch_start + batch_bytes as u64 > plan.file_end
                    && let Some(spans) = across(&inner, id, &plan, &bytes, start, batch_bytes)
                {
                    return Ok(spans);
                }
                plan.scan_from = batch_start;
                plan.bytes = batch_bytes;
            }
        }
        plan.file_end = flushed(&inner, id, plan.segment)?;
    }
}

/// A batch that begins in what was read from the file and ends in memory.
fn across(inner: &Inner, id: LogId, plan: &DiskRead, bytes: &Span, start: usize, batch_bytes: usize) -> Option<Vec<Span>> {
    let store = inner.store.borrow();
    let from = plan.scan_from + bytes.len() as u64;
    let to = plan.scan_from + (start + batch_bytes) as u64;
    let rest = store.log(id)?.memory_spans(plan.segment, from, to)?;
    let mut spans = vec![bytes.slice(start..bytes.len())?];
    spans.extend(rest);
    Some(spans)
}

fn from_memory(inner: &Inner, id: LogId, plan: &DiskRead, position: u64) -> Result<Option<Vec<Span>>, ReadError> {
    let store = inner.store.borrow();
    let log = store.log(id).ok_or(ReadError::UnknownLog)?;
    match log.plan_from_position(plan.segment, position, plan.request) {
        ReadPlan::Memory(memory) => Ok(Some(memory.spans)),
        ReadPlan::Disk(_) => Ok(None),
        ReadPlan::Empty => Ok(Some(Vec::new())),
        ReadPlan::OutOfRange => Err(ReadError::OutOfRange),
    }
}

fn flushed(inner: &Inner, id: LogId, segment: Offset) -> Result<u64, ReadError> {
    let store = inner.store.borrow();
    let log = store.log(id).ok_or(ReadError::UnknownLog)?;
    let segment = log.segments().iter().find(|known| known.base_offset == segment);
    segment.map(|segment| segment.flushed).ok_or(ReadError::OutOfRange)
}

/// A batch that fails its checksum is never served.
fn checked(id: LogId, plan: &DiskRead, span: Span) -> Result<Vec<Span>, ReadError> {
    let mut rest: &[u8] = &span;
    while let Ok(Some((view, after))) = BatchView::first(rest) {
        if batch::verify_crc(view.bytes).is_err() {
            return Err(corrupt(id, plan, plan.scan_from));
        }
        rest = after;
    }
    Ok(vec![span])
}

fn corrupt(id: LogId, plan: &DiskRead, position: u64) -> ReadError {
    tracing::error!(log = %id, segment = plan.segment.0, position, "the segment file does not hold what was written to it");
    ReadError::Corrupt
}

pub(super) async fn offset_for_timestamp(inner: &Rc<Inner>, id: LogId, timestamp_ms: i64) -> Result<Option<(Offset, i64)>, ReadError> {
    let (mut from, until) = {
        let store = inner.store.borrow();
        let log = store.log(id).ok_or(ReadError::UnknownLog)?;
        (log.offset_before_timestamp(timestamp_ms), log.committed_end())
    };
    while let Some(offset) = from.filter(|offset| *offset < until) {
        let bytes = read_some(inner, id, offset, until).await?;
        let mut next = None;
        for view in batches(&bytes) {
            let last = Offset(view.info.base_offset.0 + i64::from(view.info.last_offset_delta));
            next = Some(Offset(last.0 + 1));
            if view.info.max_timestamp >= timestamp_ms
                && let Some(found) = first_record(&view, |timestamp| timestamp >= timestamp_ms)
            {
                return Ok(Some(found));
            }
        }
        from = next;
    }
    Ok(None)
}

pub(super) async fn max_timestamp(inner: &Rc<Inner>, id: LogId) -> Result<Option<(Offset, i64)>, ReadError> {
    let (newest, until) = {
        let store = inner.store.borrow();
        let log = store.log(id).ok_or(ReadError::UnknownLog)?;
        (log.max_timestamp_batch(), log.committed_end())
    };
    let Some((offset, timestamp_ms)) = newest.filter(|(offset, _)| *offset < until) else { return Ok(None) };
    let bytes = read_some(inner, id, offset, until).await?;
    let Some(view) = batches(&bytes).next() else { return Ok(None) };
    Ok(Some(first_record(&view, |timestamp| timestamp == timestamp_ms).unwrap_or((offset, timestamp_ms))))
}

/// Whole batches from `from` on, put together: a search is rare and its bytes are few.
async fn read_some(inner: &Rc<Inner>, id: LogId, from: Offset, until: Offset) -> Result<Vec<u8>, ReadError> {
    let request = ReadRequest { from, until, bytes_max: SEARCH_BYTES, at_least_one: true };
    let plan = inner.store.borrow().plan_read(id, request)?;
    let spans = match plan {
        ReadPlan::Empty => Vec::new(),
        ReadPlan::OutOfRange => return Err(ReadError::OutOfRange),
        ReadPlan::Memory(memory) => memory.spans,
        ReadPlan::Disk(plan) => from_disk(inner.clone(), id, plan).await?,
    };
    Ok(spans.iter().flat_map(|span| span.iter().copied()).collect())
}

fn batches(mut bytes: &[u8]) -> impl Iterator<Item = BatchView<'_>> {
    std::iter::from_fn(move || {
        let (view, rest) = BatchView::first(bytes).ok()??;
        bytes = rest;
        Some(view)
    })
}

/// The first record whose timestamp is wanted. A batch whose records cannot be read answers with its own offset and time.
fn first_record(view: &BatchView<'_>, wanted: impl Fn(i64) -> bool) -> Option<(Offset, i64)> {
    let whole = (view.info.base_offset, view.info.max_timestamp);
    let Ok(records) = view.records(DecompressLimit(DECOMPRESSED_BYTES_MAX)) else { return Some(whole) };
    let mut found = None;
    for record in records.iter() {
        match record {
            Ok(record) if wanted(record.timestamp) => {
                found = Some((record.offset, record.timestamp));
                break;
            }
            Ok(_) => {}
            Err(_) => return Some(whole),
        }
    }
    found
}
