//! What does encoding a fetch response of 16 partitions cost, when the batches are sent from where they are?

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wire::Records;
use wire::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};

const VERSION: i16 = 12;

fn wire_fetch_encode(criterion: &mut Criterion) {
    let partition = |index| PartitionData {
        partition_index: index,
        high_watermark: 1_000_000,
        last_stable_offset: 1_000_000,
        log_start_offset: 0,
        records: Records::OutOfLine(256 << 10),
        ..Default::default()
    };
    let topic = FetchableTopicResponse {
        topic: "orders".into(),
        partitions: (0..16).map(partition).collect(),
        ..Default::default()
    };
    let response = FetchResponse { responses: vec![topic], ..Default::default() };
    let mut out = Vec::new();
    criterion.bench_function("fetch_response_encode_16_partitions", |bencher| {
        bencher.iter(|| {
            out.clear();
            let gaps = black_box(&response).encode(VERSION, &mut out);
            assert_eq!(gaps.len(), 16);
        })
    });
}

criterion_group!(benches, wire_fetch_encode);
criterion_main!(benches);
