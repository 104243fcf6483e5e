//! Segments that fill and go while records come: half of the maximum on a topic with small segments and little to keep,
//! against the same on a topic that keeps all in large ones.
//!
//! Every half starts on an empty directory of its own, so that neither finds memory or files that the other has warmed.

use super::Scenario;
use super::aim::Aim;
use super::beside::{self, Half, Pace, Topic};
use super::test_bed::TestBed;
use crate::failure::Failure;
use crate::process::Broker;

const KEPT: &str = "log on disk when the load ends, part of what was produced";
/// With more than this on disk, retention has not been at work.
const KEPT_SHARE_MAX: f64 = 0.5;

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "retention",
    about: "produce latency while small segments roll and retention removes them, against neither",
    knobs: &[],
    aims: &[beside::AIMS, &[Aim::lower(KEPT, "")]],
    notes: &[
        beside::LOAD_NOTE,
        "with: segment.bytes 4 MiB, retention.bytes 8 MiB, looked at every 500 ms; without: segments of 1 GiB, all kept",
    ],
    round: |bed| beside::round(bed, run_half),
};

fn run_half(bed: &mut TestBed, half: Half, pace: Pace) -> Result<(), Failure> {
    let options = bed.serve_options_with("half", "\"log.retention.check.interval.ms\" = 500\n")?;
    let topic = match half {
        Half::Without => Topic::durable("kept", &beside::ALL_KEPT),
        Half::With => {
            Topic::durable("rolling", &[("segment.bytes", beside::SMALL_SEGMENT_BYTES), ("retention.bytes", "8388608")])
        }
    };
    let mut broker = Broker::start(&options)?;
    let load = beside::note_latencies(bed, &broker, half, &topic, pace).map_err(|failure| broker.explain(failure))?;
    if half == Half::With {
        let share = beside::kept_share(&options.data_dir.join("topics"), &load)?;
        bed.note(KEPT, share);
        if share > KEPT_SHARE_MAX && !bed.is_smoke() {
            bed.remark(format!("WRONG: {share:.2} of the records were still there: retention was not at work"));
        }
    }
    broker.stop()?;
    bed.remove(&options.data_dir)
}
