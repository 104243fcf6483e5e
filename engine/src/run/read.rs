//! Reads that need the segment file, and the searches by timestamp.

use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use batch::{BatchView, DecompressLimit, Offset};

use super::{Inner, damage, index};
use crate::ids::LogId;
use crate::log::{ReadPlan, ReadRequest, TimePlan};
use crate::memory::{Chunk, Joined, Span};
use crate::store::{ColdRead, PieceKey, PieceRead, ReadError, Sought, Wanted};

/// Searching by timestamp decompresses one batch at a time, and none larger than this.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;

/// Batches looked at in one step of a search by timestamp.
const SEARCH_BYTES: usize = 1 << 20;

/// Reads from the segment file, stretch by stretch as `read` wants them.
pub(super) async fn from_disk(inner: Rc<Inner>, mut read: ColdRead) -> Result<Vec<Span>, ReadError> {
    loop {
        let (log, segment) = (read.log(), read.segment());
        let wanted = match read.wanted() {
            Wanted::Bytes(range) => range,
            Wanted::Index => {
                let index = index::read(&inner, log, segment).await;
                let store = inner.store.borrow();
                read.check(&store)?;
                // The index of a segment that compaction has replaced meanwhile may be gone with it.
                let found = match read.is_replaced(&store) {
                    true => read.replan(&store)?,
                    false => read.on_index(&store, &*index?)?,
                };
                match found {
                    Some(spans) => return Ok(spans),
                    None => continue,
                }
            }
        };
        let Some(bytes) = bytes(&inner, &mut read, wanted).await? else {
            match read.replan(&inner.store.borrow())? {
                Some(spans) => return Ok(spans),
                None => continue,
            }
        };
        let answer = read.on_bytes(&inner.store.borrow(), &bytes);
        if matches!(answer, Err(ReadError::Corrupt)) {
            inner.store.borrow_mut().on_corrupt(&read);
            if inner.told_damage.borrow_mut().is_news(log, segment) {
                let (file, position) = (inner.layout.segment(log, segment), read.damaged_at());
                tracing::error!(%log, file = %file.display(), position, "a segment is damaged; the records there are answered as corrupt");
                damage::mark(&inner, log, segment, format!("a read met damage at {position}"));
            }
        }
        if let Some(spans) = answer? {
            inner.store.borrow_mut().on_answered(&read);
            return Ok(spans);
        }
    }
}

/// The bytes that a read wants, or the first of them: pieces that others may share, or read for it alone. `None` when the segment has
/// been replaced meanwhile, so that the read has to begin anew.
async fn bytes(inner: &Rc<Inner>, read: &mut ColdRead, wanted: Range<u64>) -> Result<Option<Joined>, ReadError> {
    loop {
        let sought = inner.store.borrow_mut().seek(read, inner.now_ms());
        inner.work.notify_one();
        match sought {
            Sought::Here(bytes) => return Ok(Some(bytes)),
            Sought::Coming => inner.pieces.notified().await,
            Sought::Alone => return alone(inner, read, wanted).await,
        }
        read.check(&inner.store.borrow())?;
    }
}

async fn alone(inner: &Rc<Inner>, read: &ColdRead, wanted: Range<u64>) -> Result<Option<Joined>, ReadError> {
    let (log, segment, position) = (read.log(), read.segment(), wanted.start);
    let result = inner.segments.read(log, segment, wanted.start, wanted.end).await;
    // The file of a segment that has gone meanwhile may be gone too.
    read.check(&inner.store.borrow())?;
    if result.is_err() && read.is_replaced(&inner.store.borrow()) {
        return Ok(None);
    }
    let (buf, start, filled) = result.map_err(|error| {
        tracing::error!(%log, %segment, position, %error, "reading a segment failed");
        ReadError::Failed
    })?;
    count(inner, filled);
    // A file that ends before `position` gives no bytes at all.
    Ok(Some(Chunk::sealed(buf).slice(start..filled).map(Joined::from).unwrap_or_default()))
}

/// Reads a piece and lets those know who wait for it. Where that fails each of them reads alone, and meets the error itself.
pub(super) async fn piece(inner: &Rc<Inner>, piece: PieceRead) {
    let PieceKey { log, segment, position } = piece.key;
    let begun = super::now();
    let result = inner.segments.read(log, segment, position, piece.end).await;
    let bytes = result.ok().and_then(|(buf, start, filled)| {
        count(inner, filled);
        Chunk::sealed(buf).slice(start..filled)
    });
    let took_us = begun.elapsed().as_micros() as u64;
    let rest_us = inner.store.borrow_mut().on_piece_read(&piece, bytes, took_us, inner.now_ms());
    inner.pieces.notify_waiters();
    if rest_us > 0 {
        inner.ring.sleep(Duration::from_micros(rest_us)).await;
    }
    inner.store.borrow_mut().on_piece_rested();
}

fn count(inner: &Inner, bytes: usize) {
    inner.count(|stats| {
        (stats.cold_reads, stats.cold_read_bytes) = (stats.cold_reads + 1, stats.cold_read_bytes + bytes as u64)
    });
}

pub(super) async fn offset_for_timestamp(
    inner: &Rc<Inner>,
    id: LogId,
    timestamp_ms: i64,
) -> Result<Option<(Offset, i64)>, ReadError> {
    let until = inner.store.borrow().log(id).ok_or(ReadError::UnknownLog)?.committed_end();
    let mut from = first_stretch(inner, id, timestamp_ms).await?;
    while let Some(offset) = from.filter(|offset| *offset < until) {
        let start = || inner.store.borrow().log(id).map(|log| log.start_offset()).ok_or(ReadError::UnknownLog);
        let bytes = match read_some(inner, id, offset, until).await {
            // The log starts further on by now, and so does the search.
            Err(ReadError::OutOfRange) if start()? > offset => {
                from = Some(start()?);
                continue;
            }
            result => result?,
        };
        let start = start()?;
        let mut next = None;
        for view in batches(&bytes) {
            let last = Offset(view.info.base_offset.0 + i64::from(view.info.last_offset_delta));
            next = Some(Offset(last.0 + 1));
            if view.info.max_timestamp >= timestamp_ms
                && let Some(found) =
                    first_record(&view, |offset, timestamp| offset >= start && timestamp >= timestamp_ms)
            {
                return Ok(Some(found));
            }
        }
        from = next;
    }
    Ok(None)
}

/// Where to begin the search for the first record at or after a time.
async fn first_stretch(inner: &Rc<Inner>, id: LogId, timestamp_ms: i64) -> Result<Option<Offset>, ReadError> {
    let mut plan = inner.store.borrow_mut().plan_timestamp(id, timestamp_ms)?;
    while let TimePlan::Within(segment) = plan {
        let index = index::read(inner, id, segment).await;
        let mut store = inner.store.borrow_mut();
        let log = store.log(id).ok_or(ReadError::UnknownLog)?;
        // The segment may have gone meanwhile; then the search begins anew.
        plan = match log.segment(segment) {
            Some(_) => log.plan_timestamp_indexed(&*index?, timestamp_ms),
            None => store.plan_timestamp(id, timestamp_ms)?,
        };
    }
    Ok(if let TimePlan::At(offset) = plan { Some(offset) } else { None })
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
    Ok(Some(first_record(&view, |_, timestamp| timestamp == timestamp_ms).unwrap_or((offset, timestamp_ms))))
}

/// Whole batches from `from` on, put together: a search is rare and its bytes are few.
async fn read_some(inner: &Rc<Inner>, id: LogId, from: Offset, until: Offset) -> Result<Vec<u8>, ReadError> {
    let request = ReadRequest { from, until, bytes_max: SEARCH_BYTES, at_least_one: true };
    let plan = inner.store.borrow_mut().plan_read(id, request)?;
    let spans = match plan {
        ReadPlan::Empty => Vec::new(),
        ReadPlan::OutOfRange => return Err(ReadError::OutOfRange),
        ReadPlan::Memory(memory) => memory.spans,
        ReadPlan::Disk(plan) => from_disk(inner.clone(), ColdRead::new(id, plan)).await?,
        ReadPlan::Index(read) => from_disk(inner.clone(), ColdRead::indexed(id, read)).await?,
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
fn first_record(view: &BatchView<'_>, wanted: impl Fn(Offset, i64) -> bool) -> Option<(Offset, i64)> {
    let whole = (view.info.base_offset, view.info.max_timestamp);
    let Ok(records) = view.records(DecompressLimit(DECOMPRESSED_BYTES_MAX)) else { return Some(whole) };
    let mut found = None;
    for record in records.iter() {
        match record {
            Ok(record) if wanted(record.offset, record.timestamp) => {
                found = Some((record.offset, record.timestamp));
                break;
            }
            Ok(_) => {}
            Err(_) => return Some(whole),
        }
    }
    found
}
