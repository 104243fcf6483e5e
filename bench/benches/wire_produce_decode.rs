//! What does decoding a produce request of 16 partitions cost? The batches are borrowed, so their size must not matter.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wire::Reader;
use wire::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};

const VERSION: i16 = 9;

fn wire_produce_decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("produce_request_decode_16_partitions");
    for batch_bytes in [1 << 10, 64 << 10] {
        let records = vec![0x5a; batch_bytes];
        let partition = |index| PartitionProduceData { index, records: Some(&records) };
        let topic =
            TopicProduceData { name: "orders", partition_data: (0..16).map(partition).collect(), ..Default::default() };
        let request = ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![topic], ..Default::default() };
        let mut bytes = Vec::new();
        request.encode(VERSION, &mut bytes);
        group.bench_function(format!("{}KiB_batches", batch_bytes >> 10), |bencher| {
            bencher.iter(|| {
                let request = ProduceRequest::decode(VERSION, &mut Reader::new(black_box(&bytes))).expect("a request");
                request.topic_data[0].partition_data.len()
            })
        });
    }
    group.finish();
}

criterion_group!(benches, wire_produce_decode);
criterion_main!(benches);
