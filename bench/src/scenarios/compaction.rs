//! What compaction costs those who produce to other topics: half of the maximum beside a keyed load whose topic is compacted,
//! against the same beside the same keyed load whose topic keeps everything.

use super::Scenario;
use super::aim::Aim;
use super::beside::{self, Half, Pace, Topic};
use super::test_bed::TestBed;
use crate::client::Client;
use crate::failure::Failure;
use crate::load::RunningLoad;
use crate::process::{Broker, ServeOptions};

const KEPT: [&str; 2] = [
    "keyed log on disk when the load ends, part of what was produced, without",
    "keyed log on disk when the load ends, part of what was produced, with",
];
/// With more than this on disk, the keyed topic has not been compacted.
const KEPT_SHARE_MAX: f64 = 0.7;
const KEYED: &str = "keyed";
/// Looked at so often that something is compacted within seconds.
const CONFIG: &str = "\"log.cleaner.backoff.ms\" = 500\n";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "compaction",
    about: "produce latency while another topic is compacted, against the same without compaction",
    knobs: &[],
    aims: &[beside::AIMS, &[Aim::lower(KEPT[0], ""), Aim::lower(KEPT[1], "").target(KEPT_SHARE_MAX)]],
    notes: &[
        beside::LOAD_NOTE,
        "beside it in both halves: 20,000 records/s of 1 KiB with 10,000 different keys to 4 partitions with segments of \
         4 MiB; with: cleanup.policy=compact, min.cleanable.dirty.ratio 0.1, looked at every 500 ms; without: \
         cleanup.policy=delete, all kept",
    ],
    round: |bed| beside::round(bed, run_half),
};

fn run_half(bed: &mut TestBed, half: Half, pace: Pace) -> Result<(), Failure> {
    let options = bed.serve_options_with("half", CONFIG)?;
    let mut broker = Broker::start(&options)?;
    load_beside_keys(bed, &broker, &options, half, pace).map_err(|failure| broker.explain(failure))?;
    broker.stop()?;
    bed.remove(&options.data_dir)
}

fn load_beside_keys(
    bed: &mut TestBed,
    broker: &Broker,
    options: &ServeOptions,
    half: Half,
    pace: Pace,
) -> Result<(), Failure> {
    let cleanup: &[(&str, &str)] = match half {
        Half::Without => &[&[("cleanup.policy", "delete")][..], &beside::ALL_KEPT].concat(),
        Half::With => &[("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.1")],
    };
    // Small in both halves, so that there is something to compact.
    let common = [("segment.bytes", beside::SMALL_SEGMENT_BYTES), ("ringmain.durability", "durable")];
    let configs = [&common, cleanup].concat();
    let keyed_id = Client::connect(broker.kafka)?.create_topic(KEYED, 4, &configs)?;
    let keyed_load = start_keyed_load(bed, broker, pace)?;
    let plain = Topic::durable("plain", &beside::ALL_KEPT);
    beside::note_latencies(bed, broker, half, &plain, pace)?;
    let keyed_load = keyed_load.finish()?;
    let keyed_dir = options.data_dir.join("topics").join(format!("{:032x}", u128::from_be_bytes(keyed_id.0)));
    let share = beside::kept_share(&keyed_dir, &keyed_load)?;
    bed.note(KEPT[usize::from(half == Half::With)], share);
    if half == Half::With && share > KEPT_SHARE_MAX && !bed.is_smoke() {
        bed.remark(format!("WRONG: {share:.2} of the keyed records were still there: nothing was compacted in time"));
    }
    Ok(())
}

/// Overwrites the same keys again and again for as long as the other load lasts.
fn start_keyed_load(bed: &TestBed, broker: &Broker, pace: Pace) -> Result<RunningLoad, Failure> {
    let shape = ["produce", "--topic", KEYED, "--size", "1024", "--keys", "10000", "--producers", "2"];
    let load = ["--rate", "20000", "--acks", "all", "--warm-up", pace.warm_up_s, "--duration", pace.seconds];
    bed.start_load(KEYED, broker, &[&shape[..], &load[..]].concat())
}
