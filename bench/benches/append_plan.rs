//! What does it cost a log to take a batch: where it goes, the copy into the tail, and which blocks go to the file next?

use std::hint::black_box;

use batch::{BatchBuilder, Compression};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::limits::SEGMENT_WRITE_BYTES_MIN;
use engine::log::{FileWrite, Log, LogConfig};
use engine::memory::BufPool;
use engine::{GroupSeq, LeaderEpoch, LogId};

const SIZES: [(&str, usize); 3] = [("1KiB", 1 << 10), ("16KiB", 16 << 10), ("512KiB", 512 << 10)];

/// A log that is written to its file as it grows and keeps nothing that the file has.
struct Steady {
    log: Log,
    pool: BufPool,
    group: GroupSeq,
}

impl Steady {
    fn new() -> Steady {
        let log = Log::new(LogId { topic: 7, partition: 3 }, LogConfig::default());
        Steady { log, pool: BufPool::new(64 << 20), group: GroupSeq(1) }
    }

    fn take(&mut self, batch: &batch::Checked<'_>) -> usize {
        let appended = self.log.append(&self.pool, batch, LeaderEpoch(1), self.group, 0);
        self.log.on_durable(self.group);
        self.group = self.group.next();
        while let Some(write) = self.log.next_write(SEGMENT_WRITE_BYTES_MIN as u64) {
            match write {
                FileWrite::Blocks(write) => {
                    self.log.on_blocks_written(write.segment, write.position, write.bytes());
                }
                FileWrite::Seal(write) => self.log.on_sealed(write.segment),
            }
        }
        while self.log.evict_oldest().is_some() {}
        appended.span.len()
    }
}

fn append_plan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append_plan");
    for (name, size) in SIZES {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.append(0, None, Some(&vec![0x5a; size - 80]), &[]);
        let bytes = builder.build();
        let batch = batch::check(&bytes).expect("a sound batch");
        let mut steady = Steady::new();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| steady.take(black_box(&batch))));
    }
    group.finish();
}

criterion_group!(benches, append_plan);
criterion_main!(benches);
