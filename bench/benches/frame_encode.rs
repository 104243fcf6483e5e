//! What does the frame header around a batch cost, to write and to read in place?

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use engine::frame::{self, FRAME_HEADER_BYTES, FrameFields, FrameKind, FrameView};
use engine::{LeaderEpoch, LogId, Offset};

/// Frames lie aligned in their write group.
#[repr(align(16))]
struct Aligned([u8; FRAME_HEADER_BYTES]);

fn frame_encode(criterion: &mut Criterion) {
    let fields = FrameFields {
        kind: FrameKind::Batch,
        log: LogId { topic: 0x1234_5678_9abc_def0, partition: 7 },
        base_offset: Offset(1_000_000),
        last_offset: Offset(1_000_062),
        leader_epoch: LeaderEpoch(3),
        payload_len: 0,
        payload_crc: 0x1234_5678,
    };
    let mut out = Aligned([0; FRAME_HEADER_BYTES]);
    let mut group = criterion.benchmark_group("frame");
    group.bench_function("encode", |bencher| bencher.iter(|| frame::encode(black_box(&fields), black_box(&mut out.0))));
    frame::encode(&fields, &mut out.0);
    group.bench_function("parse", |bencher| {
        bencher.iter(|| FrameView::parse(black_box(&out.0)).expect("a frame").fields().base_offset)
    });
    group.finish();
}

criterion_group!(benches, frame_encode);
criterion_main!(benches);
