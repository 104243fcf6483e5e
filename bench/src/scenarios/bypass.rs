//! Whether large batches should go straight to their segments: both ways on the bare disk, in turn.

use std::time::Duration;

use super::aim::Aim;
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::bypass::{self, Load, Stock, Way};
use crate::failure::Failure;
use crate::stats;

const BATCHES: &str = "batch-kib";
const PARTITIONS: &str = "partitions";
const IN_FLIGHT: &str = "in-flight";
const SECONDS: &str = "seconds";
/// The first is what the others are held against.
const WAYS: [(Way, &str); 4] = [
    (Way::Journal, "journal"),
    (Way::DirectReserved, "direct, reserved"),
    (Way::DirectRecycled, "direct, recycled"),
    (Way::DirectZeroed, "direct, zeroed"),
];

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "bypass",
    about: "large batches through the journal against straight to their segments, on the bare disk without a broker",
    knobs: &[
        Knob { name: BATCHES, default: "128,512,1024", smoke: "128", about: "sizes of the batches" },
        Knob { name: PARTITIONS, default: "1,4,16", smoke: "4", about: "partitions that they go to in turn" },
        Knob {
            name: IN_FLIGHT,
            default: "16",
            smoke: "16",
            about: "batches that are not acknowledged, at least one each",
        },
        Knob { name: SECONDS, default: "1", smoke: "0.1", about: "time of each load" },
    ],
    aims: &[],
    notes: &[
        "ratios are to the journal's way in the same round; syncs and writes are the device's, for all processes; MB are \
         of batches, 10^6 bytes",
        "reserved: extents without content, as of a new segment; recycled: blocks that were written before; zeroed: as \
         recycled, while zeros for the next segments are written beside, which is what new segments would need",
    ],
    round,
};

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let batches = bed.knob_numbers(BATCHES)?;
    let partitions: Vec<usize> = bed.knob_numbers(PARTITIONS)?.into_iter().map(|count| count as usize).collect();
    let in_flight = bed.knob_numbers(IN_FLIGHT)?[0] as usize;
    let time = Duration::from_secs_f64(bed.knob_numbers(SECONDS)?[0]);
    let partitions_max = partitions.iter().copied().max().unwrap_or(1);
    let stock = Stock::make(bed.dir(), partitions_max).map_err(Failure::machine("writing the files of the loads"))?;
    for kib in batches {
        for &partitions in &partitions {
            let batch_bytes = (kib * 1024.0) as u64;
            let load = Load { batch_bytes, partitions, in_flight: in_flight.max(partitions), time };
            run_all_ways(bed, &stock, load)?;
        }
    }
    Ok(())
}

fn run_all_ways(bed: &mut TestBed, stock: &Stock, load: Load) -> Result<(), Failure> {
    let shape = format!("{} KiB x {}", load.batch_bytes >> 10, load.partitions);
    let mut journal_rate = f64::NAN;
    for (way, name) in WAYS {
        let outcome = bypass::run(bed.dir(), stock, way, load).map_err(Failure::machine("a load on the disk"))?;
        let mb = outcome.bytes as f64 / 1e6;
        let mut acks_us = outcome.acks_us;
        let rate = mb / outcome.seconds;
        let mut note = |what: &str, aim: Aim, value: f64| {
            let case = format!("{shape}, {name}{what}");
            bed.aim(aim.named(case.clone()));
            bed.note(&case, value);
        };
        note("", Aim::higher("", "MB/s"), rate);
        if way == Way::Journal {
            journal_rate = rate;
        } else {
            note(": rate / journal", Aim::higher("", ""), rate / journal_rate);
        }
        note(": p50", Aim::lower("", "us"), stats::percentile(&mut acks_us, 0.5));
        note(": p99", Aim::lower("", "us"), stats::percentile(&mut acks_us, 0.99));
        note(": p99.9", Aim::lower("", "us"), stats::percentile(&mut acks_us, 0.999));
        note(": syncs", Aim::lower("", "/ MB"), outcome.device.syncs as f64 / mb);
        note(": written", Aim::lower("", "bytes / byte"), outcome.device.written_bytes as f64 / 1e6 / mb);
    }
    Ok(())
}
