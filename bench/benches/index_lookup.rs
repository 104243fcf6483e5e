//! What does it cost to find an offset or a time in the index of a sealed segment, and to read that index from its file's bytes?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::checkpoint::{IndexEntry, SegmentCheckpoint};
use engine::limits::SEALED_INDEX_INTERVAL_BYTES;
use engine::log::SparseIndex;
use engine::segment_index::{self, SegmentIndex};
use engine::{LogId, Offset};

const LOOKUPS: u64 = 1000;
const SEGMENT_BYTES: u64 = 1 << 30;
/// Of records of 1 KiB, one a millisecond.
const RECORDS: i64 = 1 << 20;

fn index() -> SegmentIndex {
    let summary = SegmentCheckpoint {
        base_offset: Offset(0),
        revision: 0,
        next_offset: Offset(RECORDS),
        bytes: SEGMENT_BYTES,
        first_timestamp: 0,
        max_timestamp: RECORDS - 1,
        max_timestamp_offset: Offset(RECORDS - 1),
        sealed: true,
    };
    let records_each = RECORDS / (SEGMENT_BYTES / SEALED_INDEX_INTERVAL_BYTES) as i64;
    let entries = (0..SEGMENT_BYTES / SEALED_INDEX_INTERVAL_BYTES).map(|i| {
        let offset = i as i64 * records_each;
        let position = (i * SEALED_INDEX_INTERVAL_BYTES) as u32;
        IndexEntry { offset, position, max_timestamp: offset + records_each - 1 }
    });
    SegmentIndex { log: LogId { topic: 7, partition: 3 }, summary, entries: entries.collect() }
}

/// Spread over the segment, so that no two of them meet in the same cache line by luck.
fn offsets() -> Vec<i64> {
    (0..LOOKUPS as i64).map(|i| i.wrapping_mul(0x9e37_79b9) % RECORDS).collect()
}

fn index_lookup(criterion: &mut Criterion) {
    let index = index();
    let sparse = SparseIndex::from_entries(index.entries.clone());
    let offsets = offsets();
    let mut group = criterion.benchmark_group("index_of_1GiB");
    group.throughput(Throughput::Elements(LOOKUPS));
    group.bench_function("by_offset", |bencher| {
        bencher.iter(|| offsets.iter().map(|offset| sparse.position_before(Offset(black_box(*offset)))).sum::<u64>())
    });
    group.bench_function("by_timestamp", |bencher| {
        bencher.iter(|| offsets.iter().filter_map(|time_ms| sparse.offset_for_timestamp(black_box(*time_ms))).count())
    });
    let bytes = segment_index::encode(&index);
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("read_from_bytes", |bencher| {
        bencher.iter(|| segment_index::decode(black_box(&bytes)).expect("an index").entries.len())
    });
    group.finish();
}

criterion_group!(benches, index_lookup);
criterion_main!(benches);
