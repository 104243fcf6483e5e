//! The end of a log in memory: chunks that mirror the blocks of its segment files. They are written to the files from here,
//! and serve the readers that follow close behind.
//!
//! ```text
//!   segment file:  |block|block|block|bl..            (position = k * 4096)
//!   chunk n:             |prefix..batch|batch|
//!   chunk n+1:                         |..batch|batch|......    its prefix repeats the block that chunk n left partly filled
//! ```
//! A batch never straddles two chunks, and every block is written to the file from one chunk, whole, exactly once.

#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::ops::Range;

use batch::{LeaderEpoch, Offset};

use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, SEGMENT_WRITE_BYTES_MAX};
use crate::memory::{BufPool, Chunk, ChunkWriter, Leaving, Span};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// The start of the block that `position` lies in.
pub fn block_start(position: u64) -> u64 {
    position - position % BLOCK
}

/// One chunk. `position <= flushed <= written <= end`; `position` and `written` are block boundaries.
struct TailChunk {
    segment: Offset,
    position: u64,
    end: u64,
    /// Blocks before this are in the file or on their way; those before `flushed` have arrived.
    written: u64,
    flushed: u64,
    writer: Option<ChunkWriter>,
    chunk: Chunk,
    capacity: usize,
}

impl TailChunk {
    fn range(&self, from: u64, to: u64) -> Range<usize> {
        (from - self.position) as usize..(to - self.position) as usize
    }

    fn span(&self, from: u64, to: u64) -> Span {
        self.chunk.slice(self.range(from, to)).expect("the tail spans only what it has appended")
    }

    /// Every whole block is in the file.
    fn is_flushed(&self) -> bool {
        self.flushed >= block_start(self.end)
    }
}

/// Whole blocks that may go to the segment file in one write: back to back there, in one piece for each chunk here.
#[derive(Debug, Clone)]
pub struct BlockWrite {
    pub segment: Offset,
    pub position: u64,
    /// At least one; each starts and ends at blocks.
    pub spans: Vec<Span>,
}

impl BlockWrite {
    /// Bytes of all pieces.
    pub fn bytes(&self) -> u64 {
        self.spans.iter().map(|span| span.len() as u64).sum()
    }
}

/// The chunks of one log, oldest first. Only the last may have a writer.
pub struct Tail {
    chunks: VecDeque<TailChunk>,
    /// So many chunks from the front are finished and their blocks all on their way or in the file.
    handed_out: usize,
    bytes: usize,
    next_chunk_bytes: usize,
    /// Chunks grow up to this.
    chunk_bytes_max: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            handed_out: 0,
            bytes: 0,
            next_chunk_bytes: CHUNK_BYTES_MIN,
            chunk_bytes_max: CHUNK_BYTES_MAX,
        }
    }
}

impl Tail {
    /// Memory held, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.bytes
    }

    /// New chunks have at most so many bytes, unless a batch needs more.
    pub fn limit_chunks(&mut self, bytes_max: usize) {
        self.chunk_bytes_max = bytes_max;
    }

    /// Appends a batch that belongs at `position` of `segment`, stamped with its base offset and leader epoch, and returns
    /// where it lies.
    pub fn append(
        &mut self,
        pool: &BufPool,
        segment: Offset,
        position: u64,
        base_offset: Offset,
        leader_epoch: LeaderEpoch,
        batch: &[u8],
    ) -> Span {
        let fits = self.chunks.back().is_some_and(|last| {
            last.segment == segment && last.writer.as_ref().is_some_and(|writer| writer.remaining() >= batch.len())
        });
        if !fits {
            self.open_chunk(pool, segment, position, &[], batch.len());
        }
        let last = self.chunks.back_mut().expect("a chunk was opened");
        assert_eq!(last.end, position, "batches lie back to back");
        let writer = last.writer.as_mut().expect("the last chunk has its writer");
        let range = writer.append_with(batch.len(), |target| {
            target.copy_from_slice(batch);
            batch::stamp(target, base_offset, leader_epoch);
            batch.len()
        });
        last.end += batch.len() as u64;
        writer.span(range)
    }

    /// Puts back the partly filled block that a checkpoint kept, so that the next append goes on behind it.
    pub fn restore(&mut self, pool: &BufPool, segment: Offset, position: u64, tail_block: &[u8]) {
        assert!(self.chunks.is_empty() && tail_block.len() < BLOCK_BYTES);
        if !tail_block.is_empty() {
            assert_eq!(block_start(position), position);
            self.open_chunk(pool, segment, position, tail_block, 0);
        }
    }

    /// Opens a chunk whose first block begins with what the file's block at `position` already holds: `prefix`, or what the
    /// last chunk of the same segment has of it.
    fn open_chunk(&mut self, pool: &BufPool, segment: Offset, position: u64, prefix: &[u8], batch_bytes: usize) {
        let start = block_start(position);
        let bytes_max = self.chunk_bytes_max.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        let wanted = self.next_chunk_bytes.clamp(CHUNK_BYTES_MIN, bytes_max);
        let needed = (position - start) as usize + batch_bytes;
        // A chunk that has room for one batch of this size and not for another has no more than this one needs.
        let fitting = if wanted >= 2 * needed { wanted } else { needed.next_multiple_of(BLOCK_BYTES) };
        let mut buf = pool.take(fitting);
        // The pool may have given more than was asked for, and all of it is taken.
        let capacity = buf.capacity();
        buf.set_len(capacity);
        self.next_chunk_bytes = wanted * 4;
        let mut writer = ChunkWriter::new(buf);
        if let Some(last) = self.chunks.back_mut() {
            last.writer = None;
            if last.segment == segment {
                assert_eq!(last.end, position);
                let from = start.max(last.position);
                writer.append(&last.span(from, position));
            }
        }
        if !prefix.is_empty() {
            writer.append(prefix);
        }
        let written_prefix = writer.len() as u64;
        let chunk = writer.share();
        self.bytes += capacity;
        self.chunks.push_back(TailChunk {
            segment,
            position: start,
            end: start + written_prefix,
            written: start,
            flushed: start,
            writer: Some(writer),
            chunk,
            capacity,
        });
    }

    /// The oldest segment that memory holds something of.
    pub fn first_segment(&self) -> Option<Offset> {
        self.chunks.front().map(|chunk| chunk.segment)
    }

    /// The oldest position of `segment` from which on everything appended to it is in memory.
    pub fn start_of(&self, segment: Offset) -> Option<u64> {
        let first = self.chunks.partition_point(|chunk| chunk.segment < segment);
        self.chunks.get(first).filter(|chunk| chunk.segment == segment).map(|chunk| chunk.position)
    }

    /// What memory holds of `segment` between `position`, which is at or past [`Tail::start_of`], and `end`, chunk by chunk.
    pub fn spans(&self, segment: Offset, position: u64, end: u64) -> impl Iterator<Item = Span> + '_ {
        let first = self.chunks.partition_point(|chunk| (chunk.segment, chunk.end) <= (segment, position));
        let mut from = position;
        self.chunks.iter().skip(first).take_while(move |chunk| chunk.segment == segment).map_while(move |chunk| {
            let to = chunk.end.min(end);
            (from < to).then(|| chunk.span(std::mem::replace(&mut from, to), to))
        })
    }

    /// The next run of whole blocks that is not on its way to the file yet, if it has at least `bytes_min`, or is all that its
    /// segment will ever have.
    pub fn next_write(&mut self, bytes_min: u64) -> Option<BlockWrite> {
        while self
            .chunks
            .get(self.handed_out)
            .is_some_and(|chunk| chunk.writer.is_none() && chunk.written >= block_start(chunk.end))
        {
            self.handed_out += 1;
        }
        let (segment, position) = self.chunks.get(self.handed_out).map(|first| (first.segment, first.written))?;
        let run = self.chunks.range(self.handed_out..).take_while(|chunk| chunk.segment == segment);
        let ready: u64 = run.map(|chunk| block_start(chunk.end) - chunk.written).sum();
        let grows = self.chunks.back().is_some_and(|last| last.segment == segment && last.writer.is_some());
        if ready == 0 || (grows && ready < bytes_min) {
            return None;
        }
        let mut left = ready.min(SEGMENT_WRITE_BYTES_MAX as u64);
        let mut spans = Vec::new();
        for chunk in self.chunks.range_mut(self.handed_out..) {
            let to = block_start(chunk.end).min(chunk.written + left);
            if left > 0 && to > chunk.written {
                spans.push(chunk.span(chunk.written, to));
                left -= to - chunk.written;
                chunk.written = to;
            }
        }
        Some(BlockWrite { segment, position, spans })
    }

    /// Bytes in whole blocks that are not on their way to the file.
    pub fn unwritten_bytes(&self) -> u64 {
        self.chunks.range(self.handed_out..).map(|chunk| block_start(chunk.end) - chunk.written).sum()
    }

    /// A write has arrived. A log has one under way at a time, so they arrive in order.
    pub fn on_written(&mut self, segment: Offset, position: u64, len: u64) {
        let (mut reached, end) = (position, position + len);
        // A chunk's blocks begin where those of the one before it end, so both grow from chunk to chunk.
        let first = self.chunks.partition_point(|chunk| (chunk.segment, chunk.flushed) < (segment, position));
        for chunk in self.chunks.range_mut(first..).take_while(|chunk| chunk.segment == segment) {
            if chunk.flushed == reached {
                chunk.flushed = chunk.written.min(end);
                reached = chunk.flushed;
            }
        }
        assert_eq!(reached, end, "the chunks stay until their blocks have arrived");
    }

    /// The bytes of the partly filled block at the end of `segment`, which ends at `end`.
    pub fn partial_block(&self, segment: Offset, end: u64) -> Vec<u8> {
        let start = block_start(end);
        let last = self.chunks.iter().rev().find(|chunk| chunk.segment == segment && chunk.position <= start);
        match last {
            Some(chunk) if end > start => chunk.span(start, end).to_vec(),
            _ => Vec::new(),
        }
    }

    /// The segment that the last chunk belongs to is sealed: nothing is appended to the chunk any more.
    pub fn finish(&mut self) {
        if let Some(last) = self.chunks.back_mut() {
            last.writer = None;
        }
    }

    /// Gives up all memory but the partly filled block at the end of `segment`, which ends at `end`: that goes on in the smallest
    /// chunk. Returns the memory freed.
    pub fn rest(&mut self, pool: &BufPool, segment: Offset, end: u64, leaving: &mut Leaving) -> usize {
        assert!(self.chunks.iter().all(TailChunk::is_flushed), "the files have what memory gives up");
        let tail_block = self.partial_block(segment, end);
        let before = self.bytes;
        let resting = Tail { chunk_bytes_max: self.chunk_bytes_max, ..Tail::default() };
        std::mem::replace(self, resting).leave(leaving);
        self.restore(pool, segment, block_start(end), &tail_block);
        before - self.bytes
    }

    /// Gives up everything.
    pub fn leave(self, leaving: &mut Leaving) {
        self.chunks.into_iter().for_each(|chunk| leaving.push(chunk.capacity, chunk.chunk));
    }

    /// Gives up the chunks of segments before `first`, which are whole in their files.
    pub fn forget_before(&mut self, first: Offset, leaving: &mut Leaving) {
        while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.segment < first) {
            assert!(chunk.writer.is_none() && chunk.is_flushed());
            self.handed_out = self.handed_out.saturating_sub(1);
            self.bytes -= chunk.capacity;
            leaving.push(chunk.capacity, chunk.chunk);
        }
    }

    /// Gives up the chunks of a segment that is whole in its file, and that another has replaced.
    pub fn forget(&mut self, segment: Offset, leaving: &mut Leaving) {
        let first = self.chunks.partition_point(|chunk| chunk.segment < segment);
        while let Some(chunk) = self.chunks.get(first).filter(|chunk| chunk.segment == segment) {
            assert!(chunk.writer.is_none() && chunk.is_flushed());
            self.bytes -= chunk.capacity;
            self.handed_out -= usize::from(first < self.handed_out);
            let gone = self.chunks.remove(first);
            gone.into_iter().for_each(|chunk| leaving.push(chunk.capacity, chunk.chunk));
        }
    }

    /// Gives up the oldest chunk if the file holds all that readers may want of it. Returns the memory freed.
    pub fn evict_oldest(&mut self, is_closed: impl Fn(Offset) -> bool) -> Option<usize> {
        let oldest = self.chunks.front()?;
        if oldest.writer.is_some() || !oldest.is_flushed() {
            return None;
        }
        let last_of_segment = self.chunks.get(1).is_none_or(|next| next.segment != oldest.segment);
        if last_of_segment && !is_closed(oldest.segment) {
            return None;
        }
        let freed = oldest.capacity;
        self.chunks.pop_front();
        self.handed_out = self.handed_out.saturating_sub(1);
        self.bytes -= freed;
        Some(freed)
    }
}
