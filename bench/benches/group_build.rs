//! What does it cost to build a write group of the journal, frame by frame up to its seal?

use std::hint::black_box;

use batch::{BatchBuilder, Compression};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::frame::{FrameFields, FrameKind};
use engine::journal::{GroupBuilder, GroupContext};
use engine::limits::GROUP_BYTES;
use engine::memory::AlignedBuf;
use engine::{GroupSeq, JournalFileId, LeaderEpoch, LogId, Offset};

const SIZES: [(&str, usize); 3] =
    [("1KiB_batches", 1 << 10), ("16KiB_batches", 16 << 10), ("128KiB_batches", 128 << 10)];

const CONTEXT: GroupContext = GroupContext {
    file: JournalFileId(3 << 32),
    position: 4096,
    seq: GroupSeq(9),
    previous_seq: GroupSeq(8),
    previous_checksum: 7,
    durable_seq: GroupSeq(8),
};

/// A full group.
fn build(buf: &mut AlignedBuf, fields: &FrameFields, payload: &[u8]) -> usize {
    let mut builder = GroupBuilder::new(buf.len());
    while builder.push(buf, fields, payload).is_ok() {}
    builder.seal(buf, CONTEXT).len
}

fn group_build(criterion: &mut Criterion) {
    let mut buf = AlignedBuf::zeroed(GROUP_BYTES);
    let mut group = criterion.benchmark_group("group_build");
    for (name, size) in SIZES {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(0, None, Some(&vec![0x5a; size - 80]), &[]);
        let payload = builder.build();
        let fields = FrameFields {
            kind: FrameKind::Batch,
            log: LogId { topic: 7, partition: 3 },
            base_offset: Offset(1_000_000),
            last_offset: Offset(1_000_000),
            leader_epoch: LeaderEpoch(1),
            payload_len: payload.len() as u32,
            payload_crc: batch::check(&payload).expect("a sound batch").info.crc,
        };
        group.throughput(Throughput::Bytes(build(&mut buf, &fields, &payload) as u64));
        group.bench_function(name, |bencher| bencher.iter(|| build(&mut buf, &fields, black_box(&payload))));
    }
    group.finish();
}

criterion_group!(benches, group_build);
criterion_main!(benches);
