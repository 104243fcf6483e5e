//! Scenarios of producers: how fast records are acknowledged, by their number, their size, their keys and their codec.

use super::Scenario;
use super::aim::Limit;
use super::loads::{self, Figure, Goal, Ratio, SECONDS, Step};

const P99: &str = "/latency/p99_ns";
const MAX: &[&str] = &["--rate", "max", "--acks", "all"];
const EIGHT: &[&str] = &["produce", "--producers", "8", "--partitions", "16", "--batch-bytes", "65536"];
const KIB: &[&str] = &["--size", "1024"];

const SHAPE_NOTE: &str = "1 KiB records, 64 KiB batches, 16 partitions, acks=all, rate max (a closed loop, capped by requests in \
                          flight) unless the row says otherwise; MB/s count keys and values, 10^6 bytes";
const TWICE_NOTE: &str = "a durable byte is written twice, to the journal and in the background to its segment";
const SHARED_NOTE: &str =
    "broker, load generator and ceilings share the same cores; each group of loads has an empty directory";

const fn step(case: &'static str, arguments: &'static [&'static [&'static str]], figures: &'static [Figure]) -> Step {
    Step { case, arguments, to_its_end: false, figures }
}

/// Durable acknowledgements with many producers, one, and small records.
pub const DURABLE: Scenario = Scenario {
    name: "produce-durable",
    about: "produce with durable acks: 8 producers, one producer, records of 100 bytes",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[SHAPE_NOTE, TWICE_NOTE, SHARED_NOTE],
    round: |bed| {
        const GROUPS: &[&[Step]] = &[
            &[step(
                "durable, 8 producers",
                &[EIGHT, KIB, MAX, loads::DURABLE],
                &[
                    Figure::produced(
                        Goal::higher("durable, 8 producers", "MB/s").within(Limit::DurableWrite).target(700.0),
                    ),
                    Figure::ms(Goal::lower("durable, 8 producers, p99", "ms"), P99),
                ],
            )],
            &[step(
                "durable, 1 producer",
                &[&["produce", "--producers", "1", "--partitions", "16"], KIB, MAX, loads::DURABLE],
                &[
                    Figure::produced(
                        Goal::higher("durable, 1 producer", "MB/s").within(Limit::DurableWrite).target(450.0),
                    ),
                    Figure::ms(Goal::lower("durable, 1 producer, p99", "ms"), P99),
                ],
            )],
            &[step(
                "durable, records of 100 B",
                &[EIGHT, &["--size", "100"], MAX, loads::DURABLE],
                &[
                    Figure::produced_records(Goal::higher("durable, records of 100 B", "records/s").target(3e6)),
                    Figure::produced(
                        Goal::higher("durable, records of 100 B: values", "MB/s").within(Limit::DurableWrite),
                    ),
                ],
            )],
        ];
        loads::round(bed, GROUPS, &[])
    },
};

/// Acknowledged from memory.
pub const RELAXED: Scenario = Scenario {
    name: "produce-relaxed",
    about: "produce with relaxed acks, which do not wait for the disk",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[SHAPE_NOTE, SHARED_NOTE],
    round: |bed| {
        const GROUPS: &[&[Step]] = &[&[step(
            "relaxed, 8 producers",
            &[EIGHT, KIB, MAX, &["--topic-config", "ringmain.durability=relaxed"]],
            &[
                Figure::produced(Goal::higher("relaxed, 8 producers", "MB/s").within(Limit::Loopback).target(900.0)),
                Figure::ms(Goal::lower("relaxed, 8 producers, p99", "ms"), P99),
            ],
        )]];
        loads::round(bed, GROUPS, &[])
    },
};

/// One record after the other, each durable before the next is sent.
pub const SINGLE: Scenario = Scenario {
    name: "single",
    about: "one producer with one record in flight: the rate of durable acknowledgements against that of the disk",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "one producer, one partition, a record of 1 KiB a request, one request in flight, no linger, acks=all, durable",
        "the ceiling is one durable write of 16 KiB after the other (O_DSYNC or a linked fdatasync, the faster), without a network",
        SHARED_NOTE,
    ],
    round: |bed| {
        const ONE: &[&str] = &["produce", "--producers", "1", "--partitions", "1", "--in-flight", "1"];
        const GROUPS: &[&[Step]] = &[&[step(
            "single",
            &[ONE, KIB, &["--batch-bytes", "1200", "--linger-ms", "0"], MAX, loads::DURABLE],
            &[
                Figure::produced_records(Goal::higher("single", "records/s").within(Limit::FlushRate)),
                Figure::us(Goal::lower("single, p50", "us").within(Limit::DurableRoundTrip), "/latency/p50_ns"),
                Figure::us(Goal::lower("single, p99", "us"), P99),
                Figure::us(Goal::lower("single, p99.9", "us"), "/latency/p999_ns"),
            ],
        )]];
        loads::round(bed, GROUPS, &[])
    },
};

/// Many connections with small batches.
pub const SMALL_PRODUCERS: Scenario = Scenario {
    name: "small-producers",
    about: "500 producers with small batches: latency at 20,000 records/s, and the maximum with one request in flight each",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "500 connections, 1 KiB records, 16 partitions, acks=all, durable; at the fixed rate a batch waits 1 ms for more records and \
         mostly finds none; at rate max each request carries one batch of 4 KiB",
        SHARED_NOTE,
    ],
    round: |bed| {
        const MANY: &[&str] = &["produce", "--producers", "500", "--partitions", "16", "--batch-bytes", "4200"];
        const GROUPS: &[&[Step]] = &[
            &[step(
                "500 producers, 20,000/s",
                &[MANY, KIB, &["--rate", "20000", "--acks", "all"], loads::DURABLE],
                &[
                    Figure::ms(Goal::lower("500 producers, 20,000/s, p50", "ms"), "/latency/p50_ns"),
                    Figure::ms(Goal::lower("500 producers, 20,000/s, p99", "ms"), P99),
                    Figure::ms(Goal::lower("500 producers, 20,000/s, p99.9", "ms"), "/latency/p999_ns"),
                ],
            )],
            &[step(
                "500 producers, rate max",
                &[MANY, KIB, MAX, &["--in-flight", "1"], loads::DURABLE],
                &[
                    Figure::produced(Goal::higher("500 producers, rate max", "MB/s").within(Limit::DurableWrite)),
                    Figure::ms(Goal::lower("500 producers, rate max, p99", "ms"), P99),
                ],
            )],
        ];
        loads::round(bed, GROUPS, &[])
    },
};

const KEYED_FEW: &str = "keyed, 16 partitions, 8 producers";
const KEYED_FIFTY: &str = "keyed, 288 partitions, 50 producers";
const KEYED_MANY: &str = "keyed, 288 partitions, 200 producers";
const KEYS: &[&str] =
    &["--keys", "uniform:10000", "--batch-bytes", "16384", "--request-batches", "64", "--in-flight", "1"];

pub(super) const KEYED_GROUPS: &[&[Step]] = &[
    &[step(
        KEYED_FEW,
        &[&["produce", "--producers", "8", "--partitions", "16"], KIB, KEYS, MAX, loads::DURABLE],
        &[Figure::produced(Goal::higher(KEYED_FEW, "MB/s").within(Limit::DurableWrite))],
    )],
    &[step(
        KEYED_FIFTY,
        &[&["produce", "--producers", "50", "--partitions", "288"], KIB, KEYS, MAX, loads::DURABLE],
        &[Figure::produced(Goal::higher(KEYED_FIFTY, "MB/s").within(Limit::DurableWrite))],
    )],
    &[step(
        KEYED_MANY,
        &[&["produce", "--producers", "200", "--partitions", "288"], KIB, KEYS, MAX, loads::DURABLE],
        &[Figure::produced(Goal::higher(KEYED_MANY, "MB/s").within(Limit::DurableWrite))],
    )],
];
pub(super) const KEYED_RATIOS: &[Ratio] =
    &[Ratio { goal: Goal::higher("keyed, most / few", "").target(0.7), of: KEYED_MANY, by: KEYED_FEW }];

/// Keys that spread over many partitions.
pub const KEYED: Scenario = Scenario {
    name: "keyed",
    about: "records with keys: 16 partitions and 8 producers, against 288 partitions with 50 and 200 producers",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "1 KiB records with 10,000 keys, batches of 16 KiB and up to 64 of them in a request (Kafka's defaults come to the same), \
         one request in flight, acks=all, durable, rate max",
        SHARED_NOTE,
    ],
    round: |bed| loads::round(bed, KEYED_GROUPS, KEYED_RATIOS),
};

/// Records from tiny to as large as a broker takes.
pub const MESSAGE_SIZE: Scenario = Scenario {
    name: "message-size",
    about: "produce with durable acks: records of 100 bytes to 900 KB",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[SHAPE_NOTE, "a record larger than a batch travels alone in one", TWICE_NOTE, SHARED_NOTE],
    round: |bed| {
        macro_rules! size {
            ($bytes:literal, $name:literal) => {
                &[step(
                    $name,
                    &[EIGHT, &["--size", $bytes], MAX, loads::DURABLE],
                    &[
                        Figure::produced(Goal::higher($name, "MB/s").within(Limit::DurableWrite)),
                        Figure::produced_records(Goal::higher(concat!($name, ": number"), "records/s")),
                    ],
                )]
            };
        }
        const GROUPS: &[&[Step]] = &[
            size!("100", "records of 100 B"),
            size!("1024", "records of 1 KiB"),
            size!("10240", "records of 10 KiB"),
            size!("102400", "records of 100 KiB"),
            size!("900000", "records of 900 KB"),
        ];
        loads::round(bed, GROUPS, &[])
    },
};

/// Batches that the clients have compressed.
pub const COMPRESSION: Scenario = Scenario {
    name: "compression",
    about: "produce batches that the clients have compressed with each codec, at 50,000 records/s",
    knobs: &[SECONDS],
    aims: &[],
    notes: &[
        "1 KiB records of which a codec can make half smaller, 8 producers, 16 partitions, acks=all, durable; batches are stored as sent, \
         so what differs is mostly the generator's work and the bytes",
        SHARED_NOTE,
    ],
    round: |bed| {
        macro_rules! codec {
            ($codec:literal) => {
                &[step(
                    $codec,
                    &[
                        EIGHT,
                        KIB,
                        &["--compression", $codec, "--random-share", "0.5", "--rate", "50000", "--linger-ms", "5"],
                        &["--acks", "all"],
                        loads::DURABLE,
                    ],
                    &[
                        Figure::ms(Goal::lower(concat!($codec, ", p50"), "ms"), "/service/p50_ns"),
                        Figure::ms(Goal::lower(concat!($codec, ", p99"), "ms"), "/service/p99_ns"),
                        Figure {
                            goal: Goal::lower(concat!($codec, ": batches"), "MB"),
                            pointer: "/produced/batch_bytes",
                            scale: 1e-6,
                        },
                    ],
                )]
            };
        }
        const GROUPS: &[&[Step]] = &[codec!("none"), codec!("lz4"), codec!("snappy"), codec!("zstd"), codec!("gzip")];
        loads::round(bed, GROUPS, &[])
    },
};
