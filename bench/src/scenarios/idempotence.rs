//! What it costs to check the sequences of idempotent producers: the same load with and without them, on one broker, in turn.

use super::Scenario;
use super::aim::Aim;
use super::test_bed::TestBed;
use crate::failure::Failure;
use crate::process::Broker;

const PLAIN: &str = "produce, without producer ids";
const IDEMPOTENT: &str = "produce, idempotent";
const RATIO: &str = "idempotent / without";
const PLAIN_P99: &str = "produce, without producer ids, p99";
const IDEMPOTENT_P99: &str = "produce, idempotent, p99";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "idempotence",
    about: "produce with idempotent producers against the same without",
    knobs: &[],
    aims: &[&[
        Aim::higher(PLAIN, "MB/s"),
        Aim::higher(IDEMPOTENT, "MB/s"),
        Aim::higher(RATIO, "").target(0.95),
        Aim::lower(PLAIN_P99, "ms"),
        Aim::lower(IDEMPOTENT_P99, "ms"),
    ]],
    notes: &[
        "produce: 1 KiB records, 8 producers, 16 partitions, 16 KiB batches (Kafka's default), 4 in a request, acks=all, durable, \
              rate max",
    ],
    round,
};

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let options = bed.serve_options("data");
    let mut broker = Broker::start(&options)?;
    let halves = [(PLAIN, PLAIN_P99, None), (IDEMPOTENT, IDEMPOTENT_P99, Some("--idempotent"))];
    // Whatever goes first has the emptier disk.
    let in_turn = if bed.round.is_multiple_of(2) { [1, 0] } else { [0, 1] };
    for half in in_turn {
        let (case, p99, flag) = halves[half];
        produce(bed, &broker, case, p99, flag).map_err(|failure| broker.explain(failure))?;
    }
    let ratio = bed.last(IDEMPOTENT) / bed.last(PLAIN);
    bed.note(RATIO, ratio);
    broker.stop()?;
    bed.remove(&options.data_dir)
}

fn produce(
    bed: &mut TestBed,
    broker: &Broker,
    case: &'static str,
    p99: &'static str,
    flag: Option<&'static str>,
) -> Result<(), Failure> {
    let topic = if flag.is_some() { "idempotent" } else { "plain" };
    let (warm_up_s, seconds) = if bed.is_smoke() { ("0.5", "1") } else { ("1", "6") };
    let shape = ["produce", "--topic", topic, "--topic-config", "ringmain.durability=durable", "--partitions", "16"];
    let batches = ["--size", "1024", "--producers", "8", "--batch-bytes", "16384", "--request-batches", "4"];
    let pace = ["--rate", "max", "--acks", "all", "--warm-up", warm_up_s, "--duration", seconds];
    let mut arguments = [&shape[..], &batches[..], &pace[..]].concat();
    arguments.extend(flag);
    let load = bed.load(broker, case, &arguments)?;
    bed.note(p99, load.number("/latency/p99_ns")? / 1e6);
    bed.note(case, load.number("/produced/mb_per_s")?);
    Ok(())
}
