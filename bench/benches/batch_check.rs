//! What does it cost to check a 64 KiB batch of 1 KiB records before it is appended?

use std::hint::black_box;

use batch::{BatchBuilder, Compression};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn batch_check(criterion: &mut Criterion) {
    let mut builder = BatchBuilder::new(Compression::None);
    while builder.bytes() + 1100 < 64 << 10 {
        builder.append(0, None, Some(&[0x5a; 1024]), &[]);
    }
    let bytes = builder.build();
    let mut group = criterion.benchmark_group("batch_check");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("64KiB_of_1KiB_records", |bencher| {
        bencher.iter(|| batch::check(black_box(&bytes)).expect("a sound batch").info.record_count)
    });
    group.finish();
}

criterion_group!(benches, batch_check);
criterion_main!(benches);
