//! What does recovery pay for a frame of the journal: its header's checksum, its batch's, and that the two say the same?

use std::hint::black_box;

use batch::{BatchBuilder, Compression};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::frame::{self, FRAME_HEADER_BYTES, FrameFields, FrameKind, FrameView, frame_bytes};
use engine::memory::AlignedBuf;
use engine::{LeaderEpoch, LogId, Offset};

const SIZES: [(&str, usize); 3] = [("1KiB", 1 << 10), ("16KiB", 16 << 10), ("128KiB", 128 << 10)];

fn framed(size: usize) -> AlignedBuf {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(0, None, Some(&vec![0x5a; size - 80]), &[]);
    let mut payload = builder.build();
    batch::stamp(&mut payload, Offset(1_000_000), LeaderEpoch(1));
    let fields = FrameFields {
        kind: FrameKind::Batch,
        log: LogId { topic: 7, partition: 3 },
        base_offset: Offset(1_000_000),
        last_offset: Offset(1_000_000),
        leader_epoch: LeaderEpoch(1),
        payload_len: payload.len() as u32,
        payload_crc: batch::check(&payload).expect("a sound batch").info.crc,
    };
    let mut buf = AlignedBuf::zeroed(frame_bytes(payload.len()));
    let (header, rest) = buf.split_at_mut(FRAME_HEADER_BYTES);
    frame::encode(&fields, header);
    rest[..payload.len()].copy_from_slice(&payload);
    buf
}

fn frame_check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame_check");
    for (name, size) in SIZES {
        let frame = framed(size);
        group.throughput(Throughput::Bytes(frame.len() as u64));
        group.bench_function(name, |bencher| {
            bencher
                .iter(|| FrameView::parse(black_box(&frame)).and_then(|frame| frame.verify_payload()).expect("sound"))
        });
    }
    group.finish();
}

criterion_group!(benches, frame_check);
criterion_main!(benches);
