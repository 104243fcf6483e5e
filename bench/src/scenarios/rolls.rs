//! Segments that fill and stay while records come: half of the maximum on a topic with small segments, against the same on a topic
//! with large ones. Neither loses anything, so what differs is the ends of segments and the beginnings of others.

use super::Scenario;
use super::aim::Aim;
use super::beside::{self, Half, Pace, Topic};
use super::test_bed::TestBed;
use crate::device;
use crate::failure::Failure;
use crate::process::Broker;

const SEALED: &str = "segments sealed during the load, with";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "rolls",
    about: "produce latency while small segments fill and others begin, against large ones",
    knobs: &[],
    aims: &[beside::AIMS, &[Aim::higher(SEALED, "")]],
    notes: &[beside::LOAD_NOTE, "with: segment.bytes 4 MiB; without: segments of 1 GiB; all kept in both"],
    round: |bed| beside::round(bed, run_half),
};

fn run_half(bed: &mut TestBed, half: Half, pace: Pace) -> Result<(), Failure> {
    let options = bed.serve_options("half");
    let small: &[(&str, &str)] = match half {
        Half::Without => &[],
        Half::With => &[("segment.bytes", beside::SMALL_SEGMENT_BYTES)],
    };
    let topic = Topic::durable("rolling", &[&beside::ALL_KEPT, small].concat());
    let mut broker = Broker::start(&options)?;
    beside::note_latencies(bed, &broker, half, &topic, pace).map_err(|failure| broker.explain(failure))?;
    if half == Half::With {
        // A segment gets its index when it is sealed.
        let indexes = device::files(&options.data_dir.join("topics"), ".idx");
        let sealed = indexes.map_err(Failure::machine("counting the indexes"))?.count;
        bed.note(SEALED, sealed as f64);
        if sealed == 0 && !bed.is_smoke() {
            bed.remark("WRONG: no segment was sealed".to_owned());
        }
    }
    broker.stop()?;
    bed.remove(&options.data_dir)
}
