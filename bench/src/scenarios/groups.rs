//! What consumer groups cost that only beat, and how long it takes them to come together.
//!
//! ```text
//! a round:  1,000 groups of 10 members join (KIP-848) -> beats until nobody learns anything new -> each member beats once in 5 s
//! ```

use std::time::Duration;

use super::aim::Aim;
use super::test_bed::TestBed;
use super::{Knob, Scenario};
use crate::client::Client;
use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;
use crate::group_member::{Member, find_coordinator};
use crate::process::Broker;

const TOPIC: &str = "shared";
const MEMBERS_A_GROUP: usize = 10;
/// Connections that the members share, one request on its way on each.
const CONNECTIONS: usize = 100;
/// Kafka's interval of heartbeats.
const INTERVAL: Duration = Duration::from_secs(5);
/// Beats are spread evenly: so many go out together, then it is waited for the time that they are for.
const BEATS_TOGETHER: usize = 20;
/// A member learns of the next step with each beat; three come to rest after the last has joined.
const ROUNDS_MAX: usize = 20;

const CPU: &str = "CPU of a core for the heartbeats";
const BEAT: &str = "CPU a heartbeat";
const JOIN: &str = "joining, a member";
const REST: &str = "until each group has come to rest";
const RESIDENT: &str = "resident memory a member";

/// See the top of the file.
pub const SCENARIO: Scenario = Scenario {
    name: "groups",
    about: "many consumer groups that only beat: CPU and memory",
    knobs: &[Knob { name: "groups", default: "1000", smoke: "20", about: "groups of 10 members" }],
    aims: &[&[
        Aim::lower(CPU, "%").target(10.0),
        Aim::lower(BEAT, "us"),
        Aim::lower(JOIN, "ms"),
        Aim::lower(REST, "s"),
        Aim::lower(RESIDENT, "KiB"),
    ]],
    notes: &[
        "groups of the consumer protocol; every member beats once in 5 s, spread evenly; members share 100 connections; the broker's CPU, user and kernel, \
              all of its cores together",
    ],
    round,
};

fn round(bed: &mut TestBed) -> Result<(), Failure> {
    let options = bed.serve_options("data");
    let mut broker = Broker::start(&options)?;
    measure(bed, &broker).map_err(|failure| broker.explain(failure))?;
    broker.stop()?;
    bed.remove(&options.data_dir)
}

fn measure(bed: &mut TestBed, broker: &Broker) -> Result<(), Failure> {
    let groups = bed.knob_numbers("groups")?[0] as usize;
    let mut clients = (0..CONNECTIONS).map(|_| Client::connect(broker.kafka)).collect::<Result<Vec<_>, _>>()?;
    clients[0].create_topic(TOPIC, MEMBERS_A_GROUP as i32, &[])?;
    find_coordinator(&mut clients[0])?;
    let before_mib = broker.resident_mib()?;
    let member = |number: usize| {
        Member::new(format!("group-{}", number / MEMBERS_A_GROUP), format!("member-{}", number % MEMBERS_A_GROUP))
    };
    let mut members: Vec<Member> = (0..groups * MEMBERS_A_GROUP).map(member).collect();
    let watch = Stopwatch::start();
    for (number, member) in members.iter_mut().enumerate() {
        member.join(&mut clients[number % CONNECTIONS], TOPIC)?;
    }
    bed.note(JOIN, watch.ms() / members.len() as f64);
    let watch = Stopwatch::start();
    come_to_rest(&mut members, &mut clients)?;
    bed.note(REST, watch.seconds());
    bed.note(RESIDENT, (broker.resident_mib()? - before_mib) * 1024.0 / members.len() as f64);

    let seconds = if bed.is_smoke() { 1.0 } else { 20.0 };
    let (watch, cpu_before_s) = (Stopwatch::start(), broker.cpu_seconds()?);
    let mut beats = 0;
    while watch.seconds() < seconds {
        for _ in 0..BEATS_TOGETHER {
            members[beats % groups * MEMBERS_A_GROUP + beats / groups % MEMBERS_A_GROUP]
                .beat(&mut clients[beats % CONNECTIONS])?;
            beats += 1;
        }
        let due = INTERVAL.mul_f64(beats as f64 / members.len() as f64);
        pause(due.saturating_sub(watch.elapsed()));
    }
    let (cpu_s, wall_s) = (broker.cpu_seconds()? - cpu_before_s, watch.seconds());
    bed.note(CPU, 100.0 * cpu_s / wall_s);
    bed.note(BEAT, cpu_s / beats as f64 * 1e6);
    if wall_s > 1.05 * INTERVAL.as_secs_f64() * beats as f64 / members.len() as f64 {
        bed.remark("the members beat more slowly than they were to".to_owned());
    }
    Ok(())
}

fn come_to_rest(members: &mut [Member], clients: &mut [Client]) -> Result<(), Failure> {
    for _ in 0..ROUNDS_MAX {
        let mut has_news = false;
        for (number, member) in members.iter_mut().enumerate() {
            has_news |= member.beat(&mut clients[number % CONNECTIONS])?;
        }
        if !has_news {
            return Ok(());
        }
    }
    Err(Failure::Answer(format!("the groups have not come to rest within {ROUNDS_MAX} rounds of heartbeats")))
}
