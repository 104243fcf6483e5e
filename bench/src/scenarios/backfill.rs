//! What a consumer that reads old records from disk costs those who produce: half of the maximum beside it, against the same alone.
//!
//! ```text
//! a round:  fill, stop, start -> produce alone -> produce beside the backfill   (or the other way round)
//! ```

use std::time::Duration;

use super::aim::Aim;
use super::beside::{self, Half, Pace, Topic};
use super::filling;
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::client::Client;
use crate::clock::pause;
use crate::failure::Failure;
use crate::process::Broker;

const RATE: &str = "backfill beside the load";
const GIB: &str = "gib";
const OLD: &str = "old";
const SETTLE: Duration = Duration::from_secs(10);
/// Longer than any load.
const BACKFILL_S: &str = "120";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "backfill",
    about: "produce latency while a consumer reads old records from disk, against the same without",
    knobs: &[Knob { name: GIB, default: "8", smoke: "0.2", about: "size of the log that is read; it has to last" }],
    aims: &[beside::P99_AIMS, &[Aim::higher(RATE, "MB/s")]],
    notes: &[
        beside::LOAD_NOTE,
        "with: one consumer of 16 other partitions reads from the beginning, as fast as it goes, what was written before the broker \
         was started; both halves run on that broker, and share its two cores with the load generators",
    ],
    round,
};

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let pace = Pace::of(bed);
    if bed.round == 1 {
        beside::measure_maximum(bed, pace)?;
    }
    let gib = bed.knob_numbers(GIB)?[0];
    let options = bed.serve_options("old");
    let broker = Broker::start(&options)?;
    let [for_ever, whole] = beside::ALL_KEPT;
    let kept = [for_ever, whole, ("ringmain.durability", "relaxed")];
    Client::connect(broker.kafka)?.create_topic(OLD, 16, &kept)?;
    filling::fill(bed, &broker, &options, OLD, gib)?;
    broker.stop()?;
    let mut broker = Broker::start(&options)?;
    for half in Half::in_turn(bed.round) {
        // What was written before still goes through the caches below the disk, and would stall this half and not the other.
        pause(if bed.is_smoke() { Duration::ZERO } else { SETTLE });
        run_half(bed, &broker, half, pace).map_err(|failure| broker.explain(failure))?;
    }
    beside::note_ratios(bed);
    broker.stop()?;
    bed.remove(&options.data_dir)
}

fn run_half(bed: &mut TestBed, broker: &Broker, half: Half, pace: Pace) -> Result<(), Failure> {
    let name = if half == Half::With { "with" } else { "without" };
    let topic = Topic::durable(name, &beside::ALL_KEPT);
    if half == Half::Without {
        return beside::note_latencies(bed, broker, half, &topic, pace).map(drop);
    }
    let shape = ["consume", "--topic", OLD, "--consumers", "1", "--until-end", "--warm-up", "0"];
    let mut backfill = bed.start_load("backfill", broker, &[&shape[..], &["--duration", BACKFILL_S]].concat())?;
    beside::note_latencies(bed, broker, half, &topic, pace)?;
    if backfill.has_ended() && !bed.is_smoke() {
        bed.remark(
            "WRONG: the backfill had read everything before the load ended: backfill.gib is too little".to_owned(),
        );
    }
    let rate = backfill.finish()?.number("/consumed/mb_per_s")?;
    bed.note(RATE, rate);
    Ok(())
}
