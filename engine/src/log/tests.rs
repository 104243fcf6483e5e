//! Tests of where a log's bytes lie: in memory, in files, and at the seams between the two.

use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};

use super::{Cut, DiskRead, FileWrite, Log, LogConfig, ReadPlan, ReadRequest, SparseIndex, cut};
use crate::ids::{GroupSeq, LogId, SegmentName};
use crate::limits::{BLOCK_BYTES, CHUNK_BYTES_MIN};
use crate::memory::{AlignedBuf, BufPool, Chunk, Joined, Leaving};

const ID: LogId = LogId { topic: 9, partition: 1 };
const BLOCK: u64 = BLOCK_BYTES as u64;

/// A log, and its one file as far as writes have arrived.
struct Written {
    log: Log,
    pool: BufPool,
    /// Every batch as it must be read: base offset, next offset, where it starts and ends in the segment.
    batches: Vec<(i64, i64, u64, u64)>,
    all: Vec<u8>,
    file: Vec<u8>,
}

impl Written {
    fn new(segment_bytes: u64) -> Written {
        let log = Log::new(ID, LogConfig { segment_bytes, ..LogConfig::default() });
        Written { log, pool: BufPool::new(1 << 20), batches: Vec::new(), all: Vec::new(), file: Vec::new() }
    }

    /// Appends one batch of `bytes` bytes and `records` records.
    fn append(&mut self, bytes: usize, records: usize) {
        let value_of = |value_bytes: usize| {
            let mut builder = BatchBuilder::new(Compression::None);
            let value = vec![self.batches.len() as u8; value_bytes];
            (0..records).for_each(|i| builder.append(i as i64, None, (i == 0).then_some(&value[..]), &[]));
            builder.build()
        };
        let mut batch = value_of(bytes - value_of(0).len());
        // Longer values have longer lengths in front of them.
        for shorter in 1..8 {
            if batch.len() <= bytes {
                break;
            }
            batch = value_of(bytes - value_of(0).len() - shorter);
        }
        assert_eq!(batch.len(), bytes, "choose another size");
        let checked = batch::check(&batch).expect("a sound batch");
        let start = self.all.len() as u64;
        let appended = self.log.append(&self.pool, &checked, LeaderEpoch(3), GroupSeq(1), 0);
        assert_eq!(appended.span.len(), bytes);
        self.all.extend_from_slice(&appended.span);
        self.batches.push((appended.base_offset.0, appended.next_offset.0, start, start + bytes as u64));
    }

    /// Carries out what the log wants written.
    fn write(&mut self, bytes_min: u64) -> usize {
        let mut writes = 0;
        while let Some(write) = self.log.next_write(bytes_min) {
            writes += 1;
            match write {
                FileWrite::Blocks(write) => {
                    assert_eq!(write.position, self.file.len() as u64, "each block is written once, in order");
                    for span in &write.spans {
                        assert!(span.len().is_multiple_of(BLOCK_BYTES) && !span.is_empty());
                        self.file.extend_from_slice(span);
                    }
                    self.log.on_blocks_written(write.segment, write.position, write.bytes());
                }
                FileWrite::Seal(write) => {
                    assert_eq!(write.position, self.file.len() as u64);
                    self.file.extend_from_slice(&write.partial_block);
                    assert_eq!(write.bytes, self.file.len() as u64);
                    self.log.on_sealed(write.segment);
                }
            }
        }
        writes
    }

    fn plan(&self, from: i64, until: i64, bytes_max: usize, at_least_one: bool) -> ReadPlan {
        self.log.plan_read(ReadRequest { from: Offset(from), until: Offset(until), bytes_max, at_least_one })
    }

    /// What a read from memory gives, as a range of the segment.
    fn memory(&self, from: i64, until: i64, bytes_max: usize, at_least_one: bool) -> Option<(u64, u64)> {
        let bytes: Vec<u8> = match self.plan(from, until, bytes_max, at_least_one) {
            ReadPlan::Empty => return None,
            ReadPlan::Memory(memory) => memory.spans.iter().flat_map(|span| span.to_vec()).collect(),
            plan => panic!("memory has it: {plan:?}"),
        };
        let start = self.batches.iter().find(|batch| batch.1 > from).expect("within the log").2;
        assert_eq!(bytes, self.all[start as usize..start as usize + bytes.len()]);
        Some((start, start + bytes.len() as u64))
    }

    fn end_of(&self, batch: usize) -> u64 {
        self.batches[batch].3
    }
}

/// Twenty batches of 1000 bytes with three records each: over one chunk.
fn twenty() -> Written {
    let mut written = Written::new(1 << 30);
    (0..20).for_each(|_| written.append(1000, 3));
    written
}

fn joined(bytes: &[u8]) -> Joined {
    let mut buf = AlignedBuf::zeroed(bytes.len());
    buf.copy_from_slice(bytes);
    Chunk::sealed(buf).slice(0..bytes.len()).expect("all of it").into()
}

#[test]
fn an_offset_in_the_middle_of_a_batch_gives_the_whole_batch() {
    let written = twenty();
    for from in [15, 16, 17] {
        assert_eq!(written.memory(from, 60, 1000, false), Some((5000, 6000)));
    }
    assert_eq!(written.memory(18, 60, 1000, false), Some((6000, 7000)));
    assert_eq!(written.memory(59, 60, 1000, false), Some((19_000, 20_000)));
    assert_eq!(written.memory(60, 60, 1000, true), None);
    assert!(matches!(written.plan(61, 70, 1000, true), ReadPlan::OutOfRange));
}

#[test]
fn a_limit_exactly_at_the_end_of_a_batch_takes_the_batch() {
    let written = twenty();
    assert_eq!(written.memory(0, 60, 3000, false), Some((0, 3000)));
    assert_eq!(written.memory(0, 60, 2999, false), Some((0, 2000)));
    assert_eq!(written.memory(0, 60, 3001, false), Some((0, 3000)));
    assert_eq!(written.memory(0, 60, 999, false), None);
    assert_eq!(written.memory(0, 60, 999, true), Some((0, 1000)));
    assert_eq!(written.memory(0, 60, 0, true), Some((0, 1000)));
    assert_eq!(written.memory(0, 60, usize::MAX, false), Some((0, 20_000)));
}

/// A read of at least one batch once gave the batch that reached past `until`.
#[test]
fn no_batch_reaches_past_until_not_even_the_first() {
    let written = twenty();
    assert_eq!(written.memory(0, 6, 1 << 20, true), Some((0, 2000)));
    assert_eq!(written.memory(0, 5, 1 << 20, true), Some((0, 1000)));
    assert_eq!(written.memory(0, 2, 1 << 20, true), None);
    assert_eq!(written.memory(4, 5, 0, true), None);
}

#[test]
fn each_block_is_written_once_and_the_rest_is_the_partial_block() {
    let mut written = Written::new(1 << 30);
    for size in [100, 4096, 9000, 300, 40_000, 61 + 20, 700, 5000, 90_000, 1234] {
        written.append(size, 1);
        written.write(1);
        let whole = written.all.len() / BLOCK_BYTES * BLOCK_BYTES;
        assert_eq!(written.file, written.all[..whole]);
        let picture = written.log.to_checkpoint();
        assert_eq!((picture.flushed_position, &picture.tail_block[..]), (whole as u64, &written.all[whole..]));
        assert!(written.log.has_reached(&picture));
        assert_eq!(written.log.unflushed_bytes(), (written.all.len() - whole) as u64);
    }
}

#[test]
fn a_log_waits_for_enough_blocks_and_writes_those_of_several_chunks_at_once() {
    let mut written = Written::new(1 << 30);
    written.append(12_000, 1);
    assert_eq!(written.write(BLOCK * 3), 0, "two whole blocks are too few");
    (0..2).for_each(|_| written.append(3000, 1));
    const { assert!(18_000 > CHUNK_BYTES_MIN, "the last batch opens a chunk of its own") };
    assert_eq!(written.write(BLOCK * 5), 0, "four whole blocks are too few, although one chunk will never have more");
    assert_eq!(written.write(BLOCK * 4), 1, "both chunks go in one write");
    assert_eq!(written.file, written.all[..4 * BLOCK_BYTES]);
    assert_eq!(written.log.unwritten_bytes(), 0);
}

#[test]
fn a_sealed_segment_goes_to_its_file_however_little_is_left_of_it() {
    let mut written = Written::new(10_000);
    (0..11).for_each(|_| written.append(1000, 1));
    assert_eq!(written.write(BLOCK * 100), 2, "its blocks, and its end");
    assert_eq!(written.file, written.all[..10_000]);
}

#[test]
fn memory_is_given_up_only_when_the_file_has_it() {
    let mut written = twenty();
    let before = written.log.memory_bytes();
    assert_eq!(
        written.log.evict_oldest(),
        Some(CHUNK_BYTES_MIN),
        "the second chunk repeats the first one's only block"
    );
    assert_eq!(written.log.evict_oldest(), None, "nothing is in the file");
    written.write(1);
    assert!(written.log.evict_oldest().is_some_and(|freed| freed >= CHUNK_BYTES_MIN));
    assert!(written.log.memory_bytes() < before);
    assert_eq!(written.log.evict_oldest(), None, "the last chunk still takes batches");
    let ReadPlan::Disk(plan) = written.plan(0, 60, 5000, false) else { panic!("memory has given it up") };
    assert_eq!((plan.segment, plan.scan_from, plan.file_end), (SegmentName::appended(Offset(0)), 0, BLOCK * 4));
    assert_eq!(cut(&joined(&written.file), &plan), Cut::Whole { start: 0, end: 5000 });
    let start = written.batches[17].2;
    assert!(written.log.memory_spans(Offset(0), start, written.end_of(19)).is_some());
    assert!(written.log.memory_spans(Offset(0), BLOCK * 3 - 1, written.end_of(19)).is_none());
}

#[test]
fn a_closed_segment_leaves_memory_whole_and_is_read_from_its_file() {
    let mut written = Written::new(10_000);
    (0..10).for_each(|_| written.append(1000, 1));
    written.write(1);
    assert_eq!(written.log.segments().len(), 1);
    assert_eq!(
        written.log.evict_oldest(),
        Some(CHUNK_BYTES_MIN),
        "the second chunk repeats the first one's only block"
    );
    assert_eq!(written.log.evict_oldest(), None, "the segment's last block is not whole");
    let mut next = BatchBuilder::new(Compression::None);
    next.append(0, None, None, &[]);
    let next = next.build();
    written.log.append(&written.pool, &batch::check(&next).expect("sound"), LeaderEpoch(3), GroupSeq(1), 0);
    assert_eq!(written.log.segments().len(), 2);
    assert_eq!(written.log.evict_oldest(), None, "sealed, but not closed");
    written.write(1);
    assert_eq!(written.file, written.all, "exactly its batches");
    assert!(written.log.evict_oldest().is_some());
    assert!(matches!(written.plan(9, 10, 1000, false), ReadPlan::Index(_)), "and its index beside it");
    assert!(matches!(written.plan(10, 11, 1000, false), ReadPlan::Memory(_)));
}

/// A read that went on in memory once looked for `until` from an index entry that memory no longer held.
#[test]
fn a_read_goes_on_in_memory_behind_its_index_entry() {
    let mut written = twenty();
    written.write(1);
    for _ in 0..2 {
        written.log.evict_oldest().expect("the first chunks are in the file");
    }
    let start = written.batches[17].2;
    let request = ReadRequest { from: Offset(51), until: Offset(57), bytes_max: 1 << 20, at_least_one: false };
    let ReadPlan::Memory(memory) = written.log.plan_from_position(SegmentName::appended(Offset(0)), start, request)
    else {
        panic!("it is in memory")
    };
    let bytes: Vec<u8> = memory.spans.iter().flat_map(|span| span.to_vec()).collect();
    assert_eq!(bytes, written.all[start as usize..written.end_of(18) as usize]);
}

#[test]
fn a_restored_log_goes_on_behind_its_partial_block() {
    let mut written = twenty();
    written.write(1);
    let picture = written.log.to_checkpoint();
    written.log = Log::restore(&picture, LogConfig::default(), &written.pool);
    assert_eq!((written.log.end_offset(), written.log.durable_end()), (Offset(60), Offset(60)));
    assert_eq!(written.log.unflushed_bytes(), 20_000 % BLOCK);
    for size in [700, 5000, 100_000] {
        written.append(size, 2);
        written.write(1);
    }
    let whole = written.all.len() / BLOCK_BYTES * BLOCK_BYTES;
    assert_eq!(written.file, written.all[..whole]);
    assert_eq!(written.log.to_checkpoint().tail_block, written.all[whole..]);
}

#[test]
fn looking_through_a_file_finds_the_batch_or_says_how_to_go_on() {
    let written = twenty();
    let plan = |from: i64, until: i64, bytes_max: usize, at_least_one: bool| DiskRead {
        segment: SegmentName::appended(Offset(0)),
        scan_from: 2000,
        file_end: 20_000,
        bytes: 0,
        expected: None,
        request: ReadRequest { from: Offset(from), until: Offset(until), bytes_max, at_least_one },
    };
    let from_2000 = &written.all[2000..];
    assert_eq!(cut(&joined(from_2000), &plan(10, 60, 2000, false)), Cut::Whole { start: 1000, end: 3000 });
    assert_eq!(cut(&joined(from_2000), &plan(10, 60, 1999, false)), Cut::Whole { start: 1000, end: 2000 });
    assert_eq!(cut(&joined(from_2000), &plan(10, 60, 999, false)), Cut::Empty);
    assert_eq!(cut(&joined(from_2000), &plan(10, 60, 999, true)), Cut::Whole { start: 1000, end: 2000 });
    assert_eq!(
        cut(&joined(from_2000), &plan(10, 11, 999, true)),
        Cut::Empty,
        "the batch reaches past the end asked for"
    );
    assert_eq!(cut(&joined(&from_2000[..1999]), &plan(10, 60, 5000, false)), Cut::Longer { start: 1000, bytes: 1000 });
    assert_eq!(cut(&joined(&from_2000[..2999]), &plan(10, 60, 5000, false)), Cut::Whole { start: 1000, end: 2000 });
    assert_eq!(
        cut(&joined(&from_2000[..1060]), &plan(10, 60, 5000, false)),
        Cut::Past { position: 3000 },
        "not even a header"
    );
    assert_eq!(cut(&joined(&from_2000[..999]), &plan(10, 60, 5000, false)), Cut::Past { position: 3000 });
    let mut damaged = from_2000.to_vec();
    damaged[1016] = 7;
    assert_eq!(cut(&joined(&damaged), &plan(10, 60, 5000, false)), Cut::Damaged { position: 3000 });
}

#[test]
fn a_log_that_rests_keeps_its_last_block_and_goes_on_behind_it() {
    let mut written = twenty();
    assert_eq!(written.log.rest(&written.pool, &mut Leaving::default()), None, "the file does not have its blocks");
    written.write(1);
    assert!(written.log.holds_spare_memory());
    let before = written.log.memory_bytes();
    assert_eq!(written.log.rest(&written.pool, &mut Leaving::default()), Some(before - CHUNK_BYTES_MIN));
    assert!(!written.log.holds_spare_memory() && written.log.rest(&written.pool, &mut Leaving::default()) == Some(0));
    assert!(matches!(written.plan(0, 60, 5000, false), ReadPlan::Disk(DiskRead { scan_from: 0, .. })));
    for size in [700, 5000, 100_000] {
        written.append(size, 2);
        written.write(1);
    }
    let whole = written.all.len() / BLOCK_BYTES * BLOCK_BYTES;
    assert_eq!(written.file, written.all[..whole]);
    assert_eq!(written.log.to_checkpoint().tail_block, written.all[whole..]);
}

#[test]
fn chunks_grow_no_larger_than_they_may() {
    let mut written = Written::new(1 << 30);
    written.log.limit_chunks(BLOCK_BYTES * 2);
    (0..40).for_each(|_| written.append(1000, 1));
    written.write(1);
    while let Some(freed) = written.log.evict_oldest() {
        assert!(freed <= BLOCK_BYTES * 2);
    }
    assert_eq!(written.log.memory_bytes(), BLOCK_BYTES * 2);
}

/// A sealed segment keeps its index only as long as memory holds something of the segment, and a restart reads none.
#[test]
fn the_index_of_a_closed_segment_leaves_memory_with_its_bytes() {
    let mut written = Written::new(10_000);
    (0..11).for_each(|_| written.append(1000, 1));
    assert!(written.log.segments()[0].index.is_some());
    let Some(FileWrite::Blocks(write)) = written.log.next_write(1) else { panic!("blocks come first") };
    written.log.on_blocks_written(write.segment, write.position, write.bytes());
    let Some(FileWrite::Seal(seal)) = written.log.next_write(1) else { panic!("then the end") };
    written.log.on_sealed(seal.segment);
    let index = seal.index.expect("a sealed segment has one");
    assert_eq!((index.log, index.summary), (ID, written.log.segments()[0].to_checkpoint()));
    assert!(written.log.segments()[0].index.is_some(), "reads from memory use it");
    while written.log.evict_oldest().is_some() {}
    assert!(written.log.segments()[0].index.is_none() && written.log.segments()[1].index.is_some());
    let ReadPlan::Index(read) = written.plan(7, 10, 1000, false) else { panic!("it has to be read") };
    let entries = SparseIndex::from_entries(index.entries);
    let ReadPlan::Disk(plan) = written.log.plan_indexed(read, &entries) else { panic!("it is in the file") };
    assert_eq!((plan.segment, plan.scan_from, plan.file_end), (SegmentName::appended(Offset(0)), 0, 10_000));
    let picture = written.log.to_checkpoint();
    let restored = Log::restore(&picture, LogConfig::default(), &written.pool);
    let has_index: Vec<bool> = restored.segments().iter().map(|segment| segment.index.is_some()).collect();
    assert_eq!(has_index, [false, true]);
}

#[test]
fn a_log_that_rests_gives_up_the_indexes_of_its_closed_segments() {
    let mut written = Written::new(10_000);
    (0..11).for_each(|_| written.append(1000, 1));
    written.write(1);
    assert!(written.log.segments()[0].index.is_some(), "reads from memory use it");
    written.log.rest(&written.pool, &mut Leaving::default()).expect("the files have its blocks");
    let has_index: Vec<bool> = written.log.segments().iter().map(|segment| segment.index.is_some()).collect();
    assert_eq!(has_index, [false, true]);
    assert!(matches!(written.plan(7, 10, 1000, false), ReadPlan::Index(_)));
}

/// A topic's durability can change while consumers read: what they have seen as committed must not vanish again.
#[test]
fn what_readers_of_a_relaxed_log_have_seen_stays_when_it_becomes_durable() {
    let mut written = Written::new(1 << 20);
    written.log.configure(LogConfig { relaxed: true, ..written.log.config() });
    written.append(200, 1);
    let seen = written.log.committed_end();
    assert!(seen > written.log.durable_end());
    written.log.configure(LogConfig { relaxed: false, ..written.log.config() });
    assert_eq!(written.log.committed_end(), seen);
    written.append(200, 1);
    assert_eq!(written.log.committed_end(), seen, "what comes now waits for stable storage");
}
