//! How fast is the CRC-32C of a 64 KiB batch, and is the implementation in use still the right one?

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const BATCH_BYTES: usize = 64 << 10;

fn crc(criterion: &mut Criterion) {
    let bytes: Vec<u8> = (0..BATCH_BYTES).map(|index| (index * 31) as u8).collect();
    let mut group = criterion.benchmark_group("crc32c_64KiB");
    group.throughput(Throughput::Bytes(BATCH_BYTES as u64));
    group.bench_function("in_use", |bencher| bencher.iter(|| batch::crc32c(black_box(&bytes))));
    group.bench_function("crate_crc32c", |bencher| bencher.iter(|| crc32c::crc32c(black_box(&bytes))));
    group.finish();
}

criterion_group!(benches, crc);
criterion_main!(benches);
