//! Scenarios of consumers and of connections: how soon records arrive, how fast they are read while they are in memory, how
//! many readers and connections there may be, and that nothing is lost over a long time.

use super::aim::{Aim, Limit};
use super::loads::{self, Figure, Goal, SECONDS, Step};
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::failure::Failure;
use crate::process::Broker;

const E2E: [&str; 3] = ["/end_to_end/p50_ns", "/end_to_end/p99_ns", "/end_to_end/p999_ns"];
const SHARED_NOTE: &str =
    "broker, load generator and ceilings share the same cores; each group of loads has an empty directory";
const KIB: &[&str] = &["--size", "1024"];

const fn step(case: &'static str, arguments: &'static [&'static [&'static str]], figures: &'static [Figure]) -> Step {
    Step { case, arguments, to_its_end: false, figures }
}

pub(super) const LATENCY_GROUPS: &[&[Step]] = &[
    &[step(
        "end to end, 20,000/s",
        &[
            &["e2e", "--producers", "1", "--consumers", "1", "--partitions", "1", "--linger-ms", "0"],
            &["--rate", "20000", "--acks", "all"],
            KIB,
            loads::DURABLE,
        ],
        &[
            Figure::us(Goal::lower("20,000/s, p50", "us").within(Limit::DurableRoundTrip).target(500.0), E2E[0]),
            Figure::us(Goal::lower("20,000/s, p99", "us").target(1500.0), E2E[1]),
            Figure::us(Goal::lower("20,000/s, p99.9", "us").target(5000.0), E2E[2]),
        ],
    )],
    &[step(
        "parts of the maximum",
        &[&["latency", "--ack-only", "--producers", "8", "--partitions", "16", "--acks", "all"], KIB, loads::DURABLE],
        &[
            Figure {
                goal: Goal::higher("maximum", "MB/s").within(Limit::DurableWrite),
                pointer: "/0/report/produced/mb_per_s",
                scale: 1.0,
            },
            Figure::ms(Goal::lower("half of the maximum, p50", "ms"), "/1/report/latency/p50_ns"),
            Figure::ms(Goal::lower("half of the maximum, p99", "ms"), "/1/report/latency/p99_ns"),
            Figure::ms(Goal::lower("half of the maximum, p99.9", "ms"), "/1/report/latency/p999_ns"),
            Figure::ms(Goal::lower("70 % of the maximum, p99", "ms"), "/2/report/latency/p99_ns"),
            Figure::ms(Goal::lower("90 % of the maximum, p99", "ms"), "/3/report/latency/p99_ns"),
        ],
    )],
];

/// How late records arrive at fixed rates.
pub const LATENCY: Scenario = Scenario {
    name: "latency",
    about: "end to end at 20,000 records/s, and to the acknowledgement at 50, 70 and 90 % of the measured maximum",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "end to end: one producer without linger, one consumer, one partition, from the record's due time to its arrival; the floor \
         is one loopback round trip of 1 KiB and one durable write of 16 KiB",
        "parts of the maximum: 1 KiB records, 8 producers, 16 partitions, 64 KiB batches, from the record's due time to its \
         acknowledgement",
        SHARED_NOTE,
    ],
    round: |bed| loads::round(bed, LATENCY_GROUPS, &[]),
};

/// Records that are read while they are in memory.
pub const TAIL_CONSUME: Scenario = Scenario {
    name: "tail-consume",
    about: "consume what was just produced, from memory, as fast as it goes",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "MB/s count record batches; 1 KiB records, 16 partitions, 2 consumers; what is read has been produced just before",
        SHARED_NOTE,
    ],
    round: |bed| {
        const FILL: Step = Step {
            case: "fill for the tail",
            arguments: &[
                &["produce", "--topic", "tail", "--producers", "8", "--partitions", "16", "--rate", "max"],
                &["--warm-up", "0", "--duration", "1.2"],
                KIB,
                loads::DURABLE,
            ],
            to_its_end: true,
            figures: &[],
        };
        const READ: Step = Step {
            case: "tail",
            arguments: &[&["consume", "--topic", "tail", "--until-end", "--warm-up", "0", "--duration", "60"]],
            to_its_end: true,
            figures: &[Figure::consumed(Goal::higher("tail", "MB/s").within(Limit::Loopback).target(1800.0))],
        };
        loads::round(bed, &[&[FILL, READ, READ, READ]], &[])
    },
};

/// One producer and readers that each read everything.
pub const FANOUT: Scenario = Scenario {
    name: "fanout",
    about: "one producer, 8 consumers that each read everything: latency at 20,000 records/s, and how much is delivered at most",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "1 KiB records, 16 partitions, acks=all, durable; what is delivered counts once for each reader",
        SHARED_NOTE,
    ],
    round: |bed| {
        const SHAPE: &[&str] = &["fanout", "--consumers", "8", "--partitions", "16", "--acks", "all"];
        const GROUPS: &[&[Step]] = &[
            &[step(
                "fanout, 20,000/s",
                &[SHAPE, KIB, &["--rate", "20000"], loads::DURABLE],
                &[
                    Figure::ms(Goal::lower("fanout, 20,000/s, p50", "ms"), E2E[0]),
                    Figure::ms(Goal::lower("fanout, 20,000/s, p99", "ms"), E2E[1]),
                    Figure::count(Goal::lower("fanout, 20,000/s: records lost", "").target(0.0), "/records/lost"),
                ],
            )],
            &[step(
                "fanout, rate max",
                &[SHAPE, KIB, &["--rate", "max", "--in-flight", "2"], loads::DURABLE],
                &[Figure::consumed(Goal::higher("fanout, rate max: delivered", "MB/s").within(Limit::Loopback))],
            )],
        ];
        loads::round(bed, GROUPS, &[])
    },
};

/// Connections that mostly rest.
pub const CONNECTIONS: Scenario = Scenario {
    name: "connections",
    about: "100, 1,000 and 5,000 connections that mostly rest, 1,000 records a second over all of them",
    knobs: &[SECONDS],
    aims: &[],
    notes: &["records of 100 bytes, each a request of its own, 16 partitions, acks=all, durable", SHARED_NOTE],
    round: |bed| {
        macro_rules! connections {
            ($count:literal, $name:literal) => {
                &[step(
                    $name,
                    &[
                        &[
                            "connections",
                            "--connections",
                            $count,
                            "--rate",
                            "1000",
                            "--size",
                            "100",
                            "--partitions",
                            "16",
                        ],
                        loads::DURABLE,
                    ],
                    &[
                        Figure::us(Goal::lower(concat!($name, ", p50"), "us"), "/latency/p50_ns"),
                        Figure::us(Goal::lower(concat!($name, ", p99"), "us"), "/latency/p99_ns"),
                    ],
                )]
            };
        }
        const GROUPS: &[&[Step]] = &[
            connections!("100", "100 connections"),
            connections!("1000", "1,000 connections"),
            connections!("5000", "5,000 connections"),
        ];
        loads::round(bed, GROUPS, &[])
    },
};

const MINUTES: &str = "minutes";
const GROWN: &str = "soak: resident memory at the end / after a tenth";

/// A long time under a moderate load.
pub const SOAK: Scenario = Scenario {
    name: "soak",
    about: "end to end at 20,000 records/s for a long time: nothing lost, repeated or out of order, and memory that does not grow",
    knobs: &[Knob { name: MINUTES, default: "10", smoke: "0.05", about: "how long" }],
    aims: &[&[
        Aim::lower("soak: records lost", "").target(0.0),
        Aim::lower("soak: records repeated", "").target(0.0),
        Aim::lower("soak: records out of order", "").target(0.0),
        Aim::lower("soak: records corrupt", "").target(0.0),
        Aim::lower("soak, p50", "ms"),
        Aim::lower("soak, p99", "ms"),
        Aim::lower("soak, p99.9", "ms"),
        Aim::lower("soak, max", "ms"),
        Aim::lower(GROWN, "").target(1.2),
    ]],
    notes: &[
        "1 KiB records, 8 producers, 2 consumers, 16 partitions with 64 MiB each, segments of 16 MiB, acks=all, durable",
        SHARED_NOTE,
    ],
    round: soak,
};

fn soak(bed: &mut TestBed) -> Result<(), Failure> {
    let seconds = bed.knob_numbers(MINUTES)?[0] * 60.0;
    let options = bed.serve_options_with("data", "\"log.retention.check.interval.ms\" = 2000\n")?;
    let mut broker = Broker::start(&options)?;
    let mut early_mib = 0.0;
    // A tenth first, so that memory is warm; then the rest, whose figures are shown.
    for (case, seconds) in [("soak, the first tenth", seconds / 10.0), ("soak", seconds * 0.9)] {
        let duration = format!("{seconds:.1}");
        let shape = ["e2e", "--producers", "8", "--consumers", "2", "--partitions", "16", "--size", "1024"];
        let kept = ["--topic-config", "retention.bytes=67108864", "--topic-config", "segment.bytes=16777216"];
        let pace = ["--rate", "20000", "--acks", "all", "--warm-up", "1", "--duration", &duration];
        let arguments = [&shape[..], &kept, loads::DURABLE, &pace].concat();
        let load = bed.load(&broker, case, &arguments).map_err(|failure| broker.explain(failure))?;
        if case != "soak" {
            early_mib = broker.resident_mib()?;
            continue;
        }
        for (case, pointer, scale) in [
            ("soak: records lost", "/records/lost", 1.0),
            ("soak: records repeated", "/records/repeated", 1.0),
            ("soak: records out of order", "/records/overtaken", 1.0),
            ("soak: records corrupt", "/records/corrupt", 1.0),
            ("soak, p50", E2E[0], 1e-6),
            ("soak, p99", E2E[1], 1e-6),
            ("soak, p99.9", E2E[2], 1e-6),
            ("soak, max", "/end_to_end/max_ns", 1e-6),
        ] {
            bed.note(case, load.number(pointer)? * scale);
        }
    }
    bed.note(GROWN, broker.resident_mib()? / early_mib);
    broker.stop()?;
    bed.remove(&options.data_dir)
}
