//! Reading old records from disk: everything once, as fast as it goes, beside what the disk gives to direct reads alone; and the same
//! records to several consumers at once, with the passes over the disk counted.
//!
//! ```text
//! a round:  ceilings -> fill, stop -> start, consume 16 partitions, stop
//!           -> start, consume one partition, stop -> start, several consume the same, stop
//! ```
//! Every reading is the first one of its process: nothing is in memory.

use super::aim::{Aim, Limit};
use super::filling::{self, GIB};
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::ceilings::disk;
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::process::{Broker, ServeOptions};

const MANY: &str = "cold read, 16 partitions, 2 consumers";
const MANY_RATIO: &str = "cold read, 16 partitions / direct reads";
const MANY_PASSES: &str = "cold read, 16 partitions: passes over the disk";
const SINGLE: &str = "cold read, one partition, one consumer";
const SINGLE_RATIO: &str = "cold read, one partition / direct reads";
const TOGETHER: &str = "cold read, several consumers of the same, together";
const TOGETHER_PASSES: &str = "cold read, several consumers of the same: passes over the disk";
const GIB_KNOB: &str = "gib";
const CONSUMERS: &str = "consumers";
const SPREAD: &str = "spread";
const ONE: &str = "one";
/// A consumer gives up on a slow broker after this many seconds.
const CONSUME_S_MAX: &str = "120";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "cold-read",
    about: "consume old records from disk after a restart, beside direct reads alone; several consumers of the same",
    knobs: &[
        Knob { name: GIB_KNOB, default: "3", smoke: "0.1", about: "size of the log of each of the two topics" },
        Knob { name: CONSUMERS, default: "4", smoke: "2", about: "consumers that each read all of the same topic" },
    ],
    aims: &[&[
        Aim::higher(MANY, "MB/s").within(Limit::DiskRead),
        Aim::higher(MANY_RATIO, "").target(0.8),
        Aim::lower(MANY_PASSES, ""),
        Aim::higher(SINGLE, "MB/s").within(Limit::DiskRead),
        Aim::higher(SINGLE_RATIO, "").target(0.8),
        Aim::higher(TOGETHER, "MB/s"),
        Aim::lower(TOGETHER_PASSES, "").target(1.3),
    ]],
    notes: &[
        "reads bypass the page cache (O_DIRECT) in the broker and in the ceiling; MB/s count record batches; the ratio is to the \
         best of the direct sequential reads of 1 MiB with 1, 4 and 8 at a time, in the same round",
        "passes: bytes that the disk has read for all processes, by the bytes of the log; several consumers are processes that \
         begin together and go their own ways",
        "broker, load generators and ceilings share the same cores",
    ],
    round,
};

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    bed.ceilings()?;
    let gib = bed.knob_numbers(GIB_KNOB)?[0];
    let options = bed.serve_options("data");
    let broker = Broker::start(&options)?;
    let mut client = Client::connect(broker.kafka)?;
    let kept = [("retention.ms", "-1"), ("retention.bytes", "-1"), ("ringmain.durability", "relaxed")];
    client.create_topic(SPREAD, 16, &kept)?;
    client.create_topic(ONE, 1, &kept)?;
    filling::fill(bed, &broker, &options, SPREAD, gib)?;
    broker.stop()?;
    let spread_bytes = filling::log_bytes(&options)?;
    let broker = Broker::start(&options)?;
    filling::fill(bed, &broker, &options, ONE, spread_bytes / GIB + gib)?;
    broker.stop()?;
    let ceiling = bed.newest_ceiling(disk::is_read_rate);
    let passes = consume(bed, &options, MANY, SPREAD, 1)? / spread_bytes;
    bed.note(MANY_PASSES, passes);
    bed.note(MANY_RATIO, bed.last(MANY) / ceiling);
    consume(bed, &options, SINGLE, ONE, 1)?;
    bed.note(SINGLE_RATIO, bed.last(SINGLE) / ceiling);
    let consumers = bed.knob_numbers(CONSUMERS)?[0] as usize;
    let passes = consume(bed, &options, TOGETHER, SPREAD, consumers)? / spread_bytes;
    bed.note(TOGETHER_PASSES, passes);
    bed.remove(&options.data_dir)
}

/// Starts a broker and lets so many processes read all of the topic. Gives what the disk has read for it, in bytes.
fn consume(
    bed: &mut TestBed,
    options: &ServeOptions,
    case: &'static str,
    topic: &str,
    processes: usize,
) -> Result<f64, Failure> {
    let mut broker = Broker::start(options)?;
    let arguments = ["consume", "--topic", topic, "--until-end", "--warm-up", "0", "--duration", CONSUME_S_MAX];
    let before = bed.device_counts();
    if processes == 1 {
        let load = bed.load(&broker, case, &arguments).map_err(|failure| broker.explain(failure))?;
        bed.note(case, load.number("/consumed/mb_per_s")?);
    } else {
        let watch = Stopwatch::start();
        let names: Vec<String> = (0..processes).map(|process| format!("reader-{process}")).collect();
        let loads: Result<Vec<_>, Failure> =
            names.iter().map(|name| bed.start_load(name, &broker, &arguments)).collect();
        let loads: Result<Vec<_>, Failure> = loads?.into_iter().map(|load| load.finish()).collect();
        let loads = loads.map_err(|failure| broker.explain(failure))?;
        let bytes: Result<Vec<f64>, Failure> = loads.iter().map(|load| load.number("/consumed/batch_bytes")).collect();
        bed.note(case, bytes?.iter().sum::<f64>() / 1e6 / watch.seconds());
    }
    let read = bed.device_counts().since(before).read_bytes;
    broker.stop()?;
    Ok(read as f64)
}
