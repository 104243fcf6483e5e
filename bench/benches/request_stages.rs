//! What does it cost a produce request to be followed through its stages: clock, timeline, histograms, and all of it?

use std::hint::black_box;

use broker::clock::Clock;
use broker::metrics::{Metrics, Stage, Timeline};
use criterion::{Criterion, criterion_group, criterion_main};

const PRODUCE: i16 = 0;
/// The stages of a durable produce whose partition another shard owns.
const STAGES: [Stage; 10] = [
    Stage::Admit,
    Stage::Decode,
    Stage::MeshOut,
    Stage::Append,
    Stage::Group,
    Stage::DeviceWrite,
    Stage::DeviceSync,
    Stage::MeshBack,
    Stage::Queue,
    Stage::Send,
];

fn request_stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request_stages");
    group.bench_function("clock", |bencher| bencher.iter(|| black_box(Clock.monotonic())));
    group.bench_function("timeline", |bencher| {
        let begun = Clock.monotonic();
        bencher.iter(|| {
            let mut timeline = Timeline::new(black_box(begun));
            STAGES.iter().for_each(|&stage| timeline.pass(stage, black_box(begun)));
            timeline.total_ns()
        });
    });
    group.bench_function("record", |bencher| {
        let metrics = Metrics::default();
        let mut timeline = Timeline::new(Clock.monotonic());
        STAGES.iter().for_each(|&stage| timeline.pass(stage, Clock.monotonic()));
        bencher.iter(|| metrics.answered(PRODUCE, black_box(&timeline)));
    });
    group.bench_function("all", |bencher| {
        let metrics = Metrics::default();
        bencher.iter(|| {
            let mut timeline = Timeline::new(Clock.monotonic());
            STAGES.iter().for_each(|&stage| timeline.pass(stage, Clock.monotonic()));
            metrics.answered(PRODUCE, &timeline);
        });
    });
    group.finish();
}

criterion_group!(benches, request_stages);
criterion_main!(benches);
