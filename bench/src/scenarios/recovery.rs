//! How long a node is away after it was killed in the middle of a load, with logs of several sizes.
//!
//! ```text
//! start, fill to the first size -> load, kill -9, start, ask (some times) -> fill to the next size -> ...
//! ```
//! The log grows in one directory, so a run needs room for the largest size only.

use std::time::Duration;

use super::aim::Aim;
use super::filling::{self, GIB};
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::client::Client;
use crate::clock::pause;
use crate::failure::Failure;
use crate::process::{Broker, ServeOptions};
use crate::stats;

const RATIO: &str = "first ack, largest / smallest log";
const READ_RATIO: &str = "first old record, largest / smallest log";
const SIZES: &str = "sizes-gib";
const KILLS: &str = "kills";
/// What acknowledged records lie in; it is filled fast, without waiting for the disk.
const FILLED: &str = "filled";
/// What the load goes to that the kill cuts short.
const LOADED: &str = "loaded";
const LOAD_BEFORE_KILL: Duration = Duration::from_millis(700);
/// Beside the log itself: journals, and what the loads before the kills bring.
const ROOM_GIB: f64 = 4.0;

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "recovery",
    about: "kill -9 under load with logs of several sizes: time from exec to the first ack and the first old record",
    knobs: &[
        Knob {
            name: SIZES,
            default: "1,10,30",
            smoke: "0.1,0.3",
            about: "sizes of the log; those that the disk has no room for are left out",
        },
        Knob { name: KILLS, default: "5", smoke: "1", about: "kills and starts with each size, in each round" },
    ],
    aims: &[&[Aim::lower(RATIO, "").target(1.3), Aim::lower(READ_RATIO, "").target(1.3)]],
    notes: &[
        "times are from before the making of the process; a new connection each; the old record is the first one of a \
         partition, read from disk; sizes are those of the log's files before the first kill",
        "the load that a kill cuts short is durable and as fast as it goes, so the journal is as full as it gets",
    ],
    round,
};

/// What is measured with one size of the log.
struct Cases {
    ready: String,
    first_ack: String,
    old_record: String,
}

impl Cases {
    fn of(bed: &mut TestBed, gib: f64) -> Cases {
        let cases = Cases {
            ready: format!("{gib} GiB: ready"),
            first_ack: format!("{gib} GiB: first ack"),
            old_record: format!("{gib} GiB: first old record"),
        };
        bed.aim(Aim::lower("", "ms").named(cases.ready.clone()));
        bed.aim(Aim::lower("", "ms").named(cases.first_ack.clone()).target(1000.0));
        bed.aim(Aim::lower("", "ms").named(cases.old_record.clone()));
        cases
    }
}

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let sizes = sizes_that_fit(bed)?;
    let kills = bed.knob_numbers(KILLS)?[0] as usize;
    let options = bed.serve_options("data");
    let mut broker = Broker::start(&options)?;
    let mut client = Client::connect(broker.kafka)?;
    let kept = [("retention.ms", "-1"), ("retention.bytes", "-1")];
    client.create_topic(FILLED, 16, &[kept[0], kept[1], ("ringmain.durability", "relaxed")])?;
    client.create_topic(LOADED, 16, &[kept[0], kept[1], ("ringmain.durability", "durable")])?;
    let (mut acks, mut reads) = (Vec::new(), Vec::new());
    for &gib in &sizes {
        filling::fill(bed, &broker, &options, FILLED, gib)?;
        let cases = Cases::of(bed, gib);
        for _ in 0..kills {
            broker = kill_and_ask(bed, broker, &options, &cases)?;
        }
        acks.push(stats::median(bed.samples(&cases.first_ack)));
        reads.push(stats::median(bed.samples(&cases.old_record)));
    }
    broker.stop()?;
    bed.note(RATIO, acks[acks.len() - 1] / acks[0]);
    bed.note(READ_RATIO, reads[reads.len() - 1] / reads[0]);
    bed.remove(&options.data_dir)
}

/// Sizes in ascending order, without those that would fill the disk.
fn sizes_that_fit(bed: &mut TestBed) -> Result<Vec<f64>, Failure> {
    let mut sizes = bed.knob_numbers(SIZES)?;
    sizes.sort_by(f64::total_cmp);
    let free_gib = bed.free_bytes()? as f64 / GIB;
    let (fitting, left_out): (Vec<f64>, Vec<f64>) = sizes.into_iter().partition(|size| size + ROOM_GIB <= free_gib);
    if !left_out.is_empty() {
        bed.remark(format!("the disk has no room for {left_out:?} GiB: only {free_gib:.0} GiB may be used"));
    }
    if fitting.is_empty() { Err(Failure::NoRoom("the smallest log".to_owned())) } else { Ok(fitting) }
}

/// Kills the broker in the middle of a load, starts it, and asks it for what clients want first.
fn kill_and_ask(bed: &mut TestBed, broker: Broker, options: &ServeOptions, cases: &Cases) -> Result<Broker, Failure> {
    let shape = ["produce", "--topic", LOADED, "--size", "1024", "--producers", "8", "--batch-bytes", "65536"];
    let pace = ["--rate", "max", "--acks", "all", "--warm-up", "0", "--duration", "60"];
    let load = bed.start_load("cut-short", &broker, &[&shape[..], &pace[..]].concat())?;
    pause(LOAD_BEFORE_KILL);
    broker.kill()?;
    drop(load);
    let mut broker = Broker::start(options)?;
    bed.note(&cases.ready, broker.ready_ms);
    let asked = ask(&broker);
    let (first_ack_ms, old_record_ms) = asked.map_err(|failure| broker.explain(failure))?;
    bed.note(&cases.first_ack, first_ack_ms);
    bed.note(&cases.old_record, old_record_ms);
    Ok(broker)
}

fn ask(broker: &Broker) -> Result<(f64, f64), Failure> {
    let mut client = Client::connect(broker.kafka)?;
    client.produce_one(LOADED)?;
    let first_ack_ms = broker.since_spawn.ms();
    client.fetch_one(FILLED, 0, 0)?;
    Ok((first_ack_ms, broker.since_spawn.ms()))
}
