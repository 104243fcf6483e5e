//! Many partitions: the same load spread over more and more of them, and what one costs that nobody uses.
//!
//! ```text
//! a round:  for each number of partitions, on an empty directory:
//!             create the topic -> a fixed rate, whose first records make the partitions' files -> as fast as it goes
//!           then the most partitions again: a few KiB each -> wait -> memory and open files
//! ```

use std::ops::Range;
use std::time::Duration;

use super::aim::Aim;
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::client::Client;
use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;
use crate::load::Load;
use crate::process::Broker;

/// What the others are compared with.
const FEW: u32 = 16;
const TOPIC: &str = "dense";
const DURABLE: (&str, &str) = ("ringmain.durability", "durable");
const RECORD_BYTES: f64 = 1024.0;

/// Partitions that one request of the idle part carries records for.
const PARTITIONS_A_REQUEST: u32 = 500;
const IDLE_VALUE_BYTES: usize = 3000;

const FIXED: &str = "fixed rate";
const MAX: &str = "rate max";

const CREATE: &str = "CreateTopics";
const RESIDENT: &str = "resident memory after both loads";
const THROUGHPUT: &str = "rate max: throughput";
const P50: &str = "fixed rate: p50";
const P99: &str = "fixed rate: p99";
const P999: &str = "fixed rate: p99.9";
const WRITES: &str = "device writes";
const SYNCS: &str = "device syncs";
const AMPLIFICATION: &str = "bytes written for a byte of records";

const THROUGHPUT_RATIO: &str = "throughput, most partitions / 16";
const P99_RATIO: &str = "p99 at the fixed rate, most partitions / 16";
const WRITES_RATIO: &str = "device writes at the fixed rate, most partitions / 16";
const IDLE_MEMORY: &str = "memory of an idle partition";
const IDLE_FILES: &str = "segment files open for idle partitions";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "density",
    about: "the same durable load on 1 to 10,000 partitions: throughput, latency, device writes; memory of idle ones",
    knobs: &[
        Knob {
            name: "partitions",
            default: "1,16,100,1000,10000",
            smoke: "16,300",
            about: "how many, one after the other",
        },
        Knob { name: "rate", default: "40000", smoke: "4000", about: "records per second of the fixed rate" },
        Knob { name: "fixed-s", default: "15", smoke: "1", about: "seconds of the fixed rate" },
        Knob { name: "max-s", default: "8", smoke: "1", about: "seconds as fast as it goes" },
        Knob {
            name: "idle-s",
            default: "30",
            smoke: "3",
            about: "seconds from the last record to the look at the memory",
        },
    ],
    aims: &[&[
        Aim::higher(THROUGHPUT_RATIO, "").target(0.5),
        Aim::lower(P99_RATIO, "").target(3.0),
        Aim::lower(WRITES_RATIO, "").target(1.0),
        Aim::lower(IDLE_MEMORY, "KiB").target(16.0),
        Aim::lower(IDLE_FILES, "").target(0.0),
    ]],
    notes: &[
        "load: 1 KiB records, 8 producers, batches of at most 64 KiB that go to the partitions in turn, acks=all, durable; the fixed \
         rate has a linger of 1 ms and begins on partitions that have no files yet",
        "device writes and syncs are those of the whole device, the file system's own journal and other processes included; bytes \
         written are the broker's (/proc/PID/io)",
        "files that were removed within the last minutes slow down an ext4 without a journal that makes thousands of others; this scenario \
         removes its own at the end",
        "an idle partition has had one record of 3,000 bytes; its memory is what the process has grown by since before the topic was made",
    ],
    round,
};

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let counts: Vec<u32> = bed.knob_numbers("partitions")?.into_iter().map(|count| count as u32).collect();
    for &partitions in &counts {
        let round = bed.samples(&with(CREATE, partitions)).len();
        with_broker(bed, &format!("{partitions}-{round}"), |bed, broker| loads(bed, broker, partitions))?;
    }
    let most = counts.iter().copied().max().unwrap_or(FEW);
    let writes = of_load(FIXED, WRITES);
    for (ratio, case) in [(THROUGHPUT_RATIO, THROUGHPUT), (P99_RATIO, P99), (WRITES_RATIO, &writes)] {
        let value = bed.last(&with(case, most)) / bed.last(&with(case, FEW));
        // Without the 16 there is nothing to compare with.
        if value.is_finite() {
            bed.note(ratio, value);
        }
    }
    let round = bed.samples(IDLE_MEMORY).len();
    with_broker(bed, &format!("idle-{round}"), |bed, broker| idle(bed, broker, most))
}

fn with_broker(
    bed: &mut TestBed,
    name: &str,
    work: impl FnOnce(&mut TestBed, &Broker) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let options = bed.serve_options(name);
    let mut broker = Broker::start(&options)?;
    work(bed, &broker).map_err(|failure| broker.explain(failure))?;
    broker.stop()?;
    bed.hollow_out(&options.data_dir)
}

fn with(case: &str, partitions: u32) -> String {
    format!("{case}, {partitions} partitions")
}

fn of_load(load: &str, case: &str) -> String {
    format!("{load}: {case}")
}

/// A figure of one number of partitions.
fn note(bed: &mut TestBed, aim: Aim, partitions: u32, value: f64) {
    let case = with(&aim.case, partitions);
    bed.aim(aim.named(case.clone()));
    bed.note(&case, value);
}

fn loads(bed: &mut TestBed, broker: &Broker, partitions: u32) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    Client::connect(broker.kafka)?.create_topic(TOPIC, partitions as i32, &[DURABLE])?;
    note(bed, Aim::lower(CREATE, "ms"), partitions, watch.ms());

    let (rate, fixed_s, max_s) = (bed.knob("rate"), bed.knob("fixed-s"), bed.knob("max-s"));
    let fixed = load(bed, broker, partitions, FIXED, (rate, fixed_s))?;
    for (case, pointer) in [(P50, "/latency/p50_ns"), (P99, "/latency/p99_ns"), (P999, "/latency/p999_ns")] {
        note(bed, Aim::lower(case, "ms"), partitions, fixed.number(pointer)? / 1e6);
    }
    let max = load(bed, broker, partitions, MAX, ("max", max_s))?;
    note(bed, Aim::higher(THROUGHPUT, "MB/s"), partitions, max.number("/produced/mb_per_s")?);
    note(bed, Aim::lower(RESIDENT, "MiB"), partitions, broker.resident_mib()?);
    Ok(())
}

/// Produces, and notes what that was to the device.
fn load(
    bed: &mut TestBed,
    broker: &Broker,
    partitions: u32,
    name: &'static str,
    (rate, duration_s): (&str, &str),
) -> Result<Load, Failure> {
    let shape = ["produce", "--topic", TOPIC, "--size", "1024", "--producers", "8", "--batch-bytes", "65536"];
    let pace = ["--acks", "all", "--rate", rate, "--warm-up", "1", "--duration", duration_s];
    let arguments: Vec<&str> = shape.into_iter().chain(pace).collect();
    let (before, written_before) = (bed.device_counts(), broker.written_bytes()?);
    let watch = Stopwatch::start();
    let load = bed.load(broker, &with(name, partitions), &arguments)?;
    let wall_s = watch.seconds();
    let device = bed.device_counts().since(before);
    let produced = load.number("/records/acked")? * RECORD_BYTES;
    let written = broker.written_bytes()? - written_before;
    for (case, unit, value) in [
        (WRITES, "/s", device.writes as f64 / wall_s),
        (SYNCS, "/s", device.syncs as f64 / wall_s),
        (AMPLIFICATION, "", written / produced),
    ] {
        note(bed, Aim::lower(case, unit).named(of_load(name, case)), partitions, value);
    }
    Ok(load)
}

/// A record for each partition, and then nothing.
fn idle(bed: &mut TestBed, broker: &Broker, partitions: u32) -> Result<(), Failure> {
    let before_mib = broker.resident_mib()?;
    let mut client = Client::connect(broker.kafka)?;
    client.create_topic(TOPIC, partitions as i32, &[DURABLE])?;
    for some in requests(partitions) {
        client.produce_to_each(TOPIC, some, IDLE_VALUE_BYTES)?;
    }
    let idle_s = bed.knob_numbers("idle-s")?.first().copied().unwrap_or_default();
    pause(Duration::from_secs_f64(idle_s));
    let grown_mib = broker.resident_mib()? - before_mib;
    bed.note(IDLE_MEMORY, grown_mib * 1024.0 / f64::from(partitions));
    bed.note(IDLE_FILES, broker.open_segments()?);
    Ok(())
}

/// The partitions of each request.
fn requests(partitions: u32) -> impl Iterator<Item = Range<i32>> {
    let starts = (0..partitions).step_by(PARTITIONS_A_REQUEST as usize);
    starts.map(move |start| start as i32..(start + PARTITIONS_A_REQUEST).min(partitions) as i32)
}
