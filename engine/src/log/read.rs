//! Which bytes answer a read: found in memory at once, or a stretch of a segment file to look through.

use batch::layout::HEADER_BYTES;
use batch::{BatchInfo, Offset};

use super::{Log, Segment, SparseIndex};
use crate::ids::SegmentName;
use crate::limits::COLD_READ_BYTES_MAX;
use crate::memory::{Joined, Span};

/// What a reader asks for: whole batches, the first of which holds `from`, none of which reaches past `until`.
#[derive(Debug, Clone, Copy)]
pub struct ReadRequest {
    pub from: Offset,
    pub until: Offset,
    pub bytes_max: usize,
    /// Answer with one batch even if it alone is larger than `bytes_max`.
    pub at_least_one: bool,
}

#[derive(Debug)]
pub enum ReadPlan {
    /// There is nothing to read now.
    Empty,
    Memory(MemoryRead),
    Disk(DiskRead),
    /// The segment's index has to be read first; then [`Log::plan_indexed`] says more.
    Index(IndexedRead),
    OutOfRange,
}

/// A read in a sealed segment whose index is not in memory.
#[derive(Debug, Clone, Copy)]
pub struct IndexedRead {
    pub segment: SegmentName,
    pub request: ReadRequest,
}

/// Where the search for a timestamp begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePlan {
    /// No record is that late.
    Nowhere,
    /// At the start of this batch.
    At(Offset),
    /// Somewhere in this segment; its index, which is not in memory, knows where.
    Within(SegmentName),
}

/// Back to back, the spans are the answer.
#[derive(Debug, Default)]
pub struct MemoryRead {
    pub spans: Vec<Span>,
}

/// A stretch of a segment file: a batch starts at `scan_from`, and the file holds every byte before `file_end`.
#[derive(Debug, Clone, Copy)]
pub struct DiskRead {
    pub segment: SegmentName,
    pub scan_from: u64,
    pub file_end: u64,
    /// How many bytes from `scan_from` on should be enough.
    pub bytes: usize,
    /// The offset of the batch at `scan_from`, or one before it if there are gaps; `None` where the plan does not know.
    pub expected: Option<Offset>,
    pub request: ReadRequest,
}

/// What looking through the bytes of a `DiskRead` came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Cut {
    /// The answer is this part of the bytes.
    Whole { start: usize, end: usize },
    /// The batch wanted starts at `start` and is `bytes` long, which is more than was read.
    Longer { start: usize, bytes: usize },
    /// The batch wanted starts past what was read, at this position of the segment or later.
    Past { position: u64 },
    /// There is nothing to read before `until`.
    Empty,
    /// These are not batches: the file is damaged at this position.
    Damaged { position: u64 },
}

impl Log {
    pub fn plan_read(&self, request: ReadRequest) -> ReadPlan {
        if request.from < self.start_offset || request.from > self.end_offset() {
            return ReadPlan::OutOfRange;
        }
        if request.from >= request.until {
            return ReadPlan::Empty;
        }
        let Some(segment) = self.segment_of(request.from) else { return ReadPlan::Empty };
        match segment.index.as_deref() {
            Some(index) => self.plan_from(segment, Some(index), index.position_before(request.from), request),
            None => ReadPlan::Index(IndexedRead { segment: segment.name(), request }),
        }
    }

    /// Plans a read now that the segment's index is known.
    pub fn plan_indexed(&self, read: IndexedRead, index: &SparseIndex) -> ReadPlan {
        let scan_from = index.position_before(read.request.from);
        match self.segment(read.segment) {
            Some(segment) => self.plan_from(segment, Some(index), scan_from, read.request),
            None => ReadPlan::OutOfRange,
        }
    }

    /// Plans a read whose first batch starts at or after `scan_from`, itself the start of a batch.
    pub fn plan_from_position(&self, name: SegmentName, scan_from: u64, request: ReadRequest) -> ReadPlan {
        match self.segment(name) {
            Some(segment) => self.plan_from(segment, segment.index.as_deref(), scan_from, request),
            None => ReadPlan::OutOfRange,
        }
    }

    /// Plans a read that goes on where an earlier one has ended: the first batch from `request.from` on starts at `position`. `None` if
    /// it does not lie there any more.
    pub fn plan_reading_on(&self, name: SegmentName, position: u64, request: ReadRequest) -> Option<ReadPlan> {
        let segment = self.segment(name)?;
        let is_there = request.from >= self.start_offset && request.from < segment.next_offset.min(request.until);
        let mut plan = is_there.then(|| self.plan_from(segment, None, position, request))?;
        if let ReadPlan::Disk(read) = &mut plan {
            read.expected = Some(request.from.max(segment.base_offset));
        }
        Some(plan)
    }

    /// How far a segment is read from its file: what memory holds is not.
    pub fn read_from_file_until(&self, segment: &Segment) -> u64 {
        self.tail.start_of(segment.base_offset).map_or(segment.flushed, |start| start.min(segment.flushed))
    }

    pub fn segment_after(&self, name: SegmentName) -> Option<&Segment> {
        let at = self.segments.partition_point(|segment| segment.base_offset <= name.base);
        self.segments.get(at)
    }

    /// Without an index, as when a read goes on at a batch that it has found, only more may be read than is needed, or less.
    fn plan_from(
        &self,
        segment: &Segment,
        index: Option<&SparseIndex>,
        scan_from: u64,
        request: ReadRequest,
    ) -> ReadPlan {
        // The last records before an empty segment may have gone.
        if segment.is_empty() {
            return ReadPlan::Empty;
        }
        if self.tail.start_of(segment.base_offset).is_some_and(|start| start <= scan_from) {
            return self.read_memory(segment, scan_from, request);
        }
        // One index interval more than asked for, because the batch wanted may start that far behind `scan_from`.
        let next_indexed = index.and_then(|index| index.batch_start_after(scan_from));
        let slack = next_indexed.map_or(0, |next| (next - scan_from) as usize);
        let bytes = request.bytes_max.saturating_add(slack).min(COLD_READ_BYTES_MAX);
        let file_end = segment.flushed;
        ReadPlan::Disk(DiskRead { segment: segment.name(), scan_from, file_end, bytes, expected: None, request })
    }

    /// The segment that holds `offset`, or the one after a gap before it.
    fn segment_of(&self, offset: Offset) -> Option<&Segment> {
        let at = self.segments.partition_point(|segment| segment.next_offset <= offset);
        self.segments.get(at)
    }

    /// Where to begin the search for the first record at or after a time.
    pub fn plan_timestamp(&self, timestamp_ms: i64) -> TimePlan {
        let mut live = self.segments.range(self.first_live()..);
        let Some(segment) = live.find(|segment| segment.max_timestamp >= timestamp_ms) else {
            return TimePlan::Nowhere;
        };
        match segment.index.as_deref() {
            Some(index) => self.plan_timestamp_indexed(index, timestamp_ms),
            None => TimePlan::Within(segment.name()),
        }
    }

    /// Where to begin in the segment that [`TimePlan::Within`] has named, now that its index is known.
    pub fn plan_timestamp_indexed(&self, index: &SparseIndex, timestamp_ms: i64) -> TimePlan {
        let found = index.offset_for_timestamp(timestamp_ms);
        found.map_or(TimePlan::Nowhere, |offset| TimePlan::At(offset.max(self.start_offset)))
    }

    /// The batch with the largest timestamp, and that timestamp. A segment whose largest lies before the log's start is left out.
    pub fn max_timestamp_batch(&self) -> Option<(Offset, i64)> {
        let newest = self
            .segments
            .iter()
            .filter(|segment| !segment.is_empty() && segment.max_timestamp_offset >= self.start_offset)
            // A compacted one may have no record at all.
            .filter(|segment| segment.revision == 0 || segment.max_timestamp >= 0)
            .rev()
            .max_by_key(|segment| segment.max_timestamp)?;
        Some((newest.max_timestamp_offset, newest.max_timestamp))
    }

    fn read_memory(&self, segment: &Segment, scan_from: u64, request: ReadRequest) -> ReadPlan {
        let Some((start, first)) = self.find(segment, scan_from, |info| last_offset(info) >= request.from) else {
            return ReadPlan::Empty;
        };
        if first.base_offset >= request.until {
            return ReadPlan::Empty;
        }
        let hard_end = self.end_before(segment, request.until, start);
        let limit = start.saturating_add(request.bytes_max as u64);
        let end = if hard_end <= limit {
            hard_end
        } else {
            let from = segment.index.as_ref().map_or(start, |index| index.batch_start_before(limit).max(start));
            let past = self.find_position(segment, from, |position, info| position + info.length as u64 > limit);
            past.unwrap_or(hard_end).min(hard_end)
        };
        let first_end = start + first.length as u64;
        let end = if end == start && request.at_least_one { first_end.min(hard_end) } else { end };
        if end <= start {
            return ReadPlan::Empty;
        }
        ReadPlan::Memory(MemoryRead { spans: self.tail.spans(segment.base_offset, start, end).collect() })
    }

    /// Where the batches end that lie wholly before `until`, from the one at `start` on: memory may begin there, behind the
    /// index entry.
    fn end_before(&self, segment: &Segment, until: Offset, start: u64) -> u64 {
        if until >= segment.next_offset {
            return segment.bytes;
        }
        let from = segment.index.as_ref().map_or(start, |index| index.position_before(until).max(start));
        self.find_position(segment, from, |_, info| last_offset(info) >= until).unwrap_or(segment.bytes)
    }

    fn find_position(&self, segment: &Segment, from: u64, stop: impl Fn(u64, &BatchInfo) -> bool) -> Option<u64> {
        self.walk(segment, from, stop).map(|(position, _)| position)
    }

    fn find(&self, segment: &Segment, from: u64, stop: impl Fn(&BatchInfo) -> bool) -> Option<(u64, BatchInfo)> {
        self.walk(segment, from, |_, info| stop(info))
    }

    /// Steps from batch to batch in memory, beginning with the one at `from`, until one satisfies `stop`.
    fn walk(&self, segment: &Segment, from: u64, stop: impl Fn(u64, &BatchInfo) -> bool) -> Option<(u64, BatchInfo)> {
        let mut position = from;
        for span in self.tail.spans(segment.base_offset, from, segment.bytes) {
            let mut rest: &[u8] = &span;
            while !rest.is_empty() {
                let info = peek(rest).expect("memory holds whole batches that were checked when they came");
                if stop(position, &info) {
                    return Some((position, info));
                }
                rest = &rest[info.length..];
                position += info.length as u64;
            }
        }
        None
    }

    /// The spans of memory for a stretch of a segment, if memory holds all of it.
    pub fn memory_spans(&self, base: Offset, from: u64, to: u64) -> Option<Vec<Span>> {
        let held = self.tail.start_of(base).is_some_and(|start| start <= from);
        let spans: Vec<Span> = if held { self.tail.spans(base, from, to).collect() } else { Vec::new() };
        (spans.iter().map(|span| span.len() as u64).sum::<u64>() == to - from).then_some(spans)
    }
}

/// Finds the answer to `read` in `bytes`, which were read from `read.scan_from` on.
pub fn cut(bytes: &Joined, read: &DiskRead) -> Cut {
    let request = &read.request;
    let mut position = 0;
    let mut start = None;
    loop {
        let Some(info) = peek_at(bytes, position) else {
            // What lies before the damage is served.
            if bytes.len() - position >= HEADER_BYTES && start.is_none() {
                return Cut::Damaged { position: read.scan_from + position as u64 };
            }
            return match start {
                Some(start) => whole(start, position),
                None => Cut::Past { position: read.scan_from + position as u64 },
            };
        };
        let next = position + info.length;
        let wanted = start.is_some() || last_offset(&info) >= request.from;
        if wanted {
            let first = *start.get_or_insert(position);
            let too_much = next - first > request.bytes_max && !(first == position && request.at_least_one);
            if last_offset(&info) >= request.until || too_much {
                return whole(first, position);
            }
            if next > bytes.len() {
                return if first == position {
                    Cut::Longer { start: first, bytes: info.length }
                } else {
                    whole(first, position)
                };
            }
        } else if next > bytes.len() {
            return Cut::Past { position: read.scan_from + next as u64 };
        }
        position = next;
    }
}

fn whole(start: usize, end: usize) -> Cut {
    if start == end { Cut::Empty } else { Cut::Whole { start, end } }
}

/// The header of the batch at `position`, if one is there.
pub fn peek_at(bytes: &Joined, position: usize) -> Option<BatchInfo> {
    peek(&bytes.bytes(position..position + HEADER_BYTES))
}

fn peek(bytes: &[u8]) -> Option<BatchInfo> {
    BatchInfo::peek(bytes).ok().flatten()
}

pub fn last_offset(info: &BatchInfo) -> Offset {
    Offset(info.base_offset.0 + i64::from(info.last_offset_delta))
}
