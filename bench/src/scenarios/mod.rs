//! What can be run. A scenario is data: what it aims at, how its figures are to be read, what can be set, and the steps of
//! one round. [`run`] does the rest for all of them alike, so that each prints ours, the ceiling of the same run and the
//! ratio, what it cost, and on which machine.
//!
//! A new scenario is a `Scenario` constant and its line in [`ALL`]; one that only puts loads on brokers is a list of them for
//! [`loads::round`]. Its round gets a [`TestBed`]:
//! `bed.start_broker`, `bed.load` (which counts the cost), `bed.note(CASE, value)`. A comparison of two ways of doing
//! something (A B A B) is a case of its own whose samples are ratios within a round; its target stands in its [`Aim`].

mod aim;
mod backfill;
mod baseline;
mod beside;
mod bypass;
mod ceilings_alone;
mod cold_read;
mod compaction;
pub mod curves;
mod density;
mod filling;
mod groups;
mod idempotence;
mod loads;
mod produce;
mod recovery;
mod retention;
mod rolls;
mod run_dir;
mod serve;
mod test_bed;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::binaries::Binaries;
use crate::failure::Failure;
use crate::machine;
use crate::report::Report;
use aim::Aim;
use test_bed::TestBed;

/// What the command line says about a run.
#[derive(Clone, Debug)]
pub struct Settings {
    pub binaries: Binaries,
    /// Data of the run is made below it and removed again.
    pub data_dir: PathBuf,
    /// Cores of the broker, as its flag wants them.
    pub cores: String,
    /// Repetitions of everything.
    pub rounds: usize,
    /// Seconds only, and every path.
    pub smoke: bool,
    /// `SCENARIO.KNOB` to its value, as given on the command line.
    pub knobs: BTreeMap<String, String>,
}

/// Something of a scenario that `--set` changes.
#[derive(Clone, Copy, Debug)]
pub struct Knob {
    pub name: &'static str,
    /// Used when the command line says nothing.
    pub default: &'static str,
    /// Used instead of `default` in a smoke run.
    pub smoke: &'static str,
    pub about: &'static str,
}

/// A scenario by name.
#[derive(Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    pub about: &'static str,
    pub knobs: &'static [Knob],
    /// The rows of its table, in this order, in lists that scenarios may share; a round may add more.
    pub aims: &'static [&'static [Aim]],
    /// How to read the figures.
    pub notes: &'static [&'static str],
    /// One repetition.
    pub round: fn(&mut TestBed) -> Result<(), Failure>,
}

/// All of them.
pub const ALL: &[Scenario] = &[
    backfill::SCENARIO,
    baseline::SCENARIO,
    bypass::SCENARIO,
    ceilings_alone::SCENARIO,
    cold_read::SCENARIO,
    compaction::SCENARIO,
    produce::COMPRESSION,
    serve::CONNECTIONS,
    density::SCENARIO,
    serve::FANOUT,
    groups::SCENARIO,
    idempotence::SCENARIO,
    produce::KEYED,
    serve::LATENCY,
    produce::MESSAGE_SIZE,
    produce::DURABLE,
    produce::RELAXED,
    recovery::SCENARIO,
    retention::SCENARIO,
    rolls::SCENARIO,
    produce::SINGLE,
    produce::SMALL_PRODUCERS,
    serve::SOAK,
    serve::TAIL_CONSUME,
];

/// Runs all rounds of a scenario.
pub fn run(scenario: &Scenario, settings: &Settings) -> Result<Report, Failure> {
    let mut bed = TestBed::new(scenario, settings)?;
    let mut machine = machine::describe(bed.dir());
    let ticks = machine::cpu_ticks();
    for round in 1..=settings.rounds {
        eprintln!("{}: round {round} of {}", scenario.name, settings.rounds);
        bed.round = round;
        (scenario.round)(&mut bed)?;
    }
    machine.steal_percent = machine::steal_percent(ticks, machine::cpu_ticks());
    Ok(bed.report(machine))
}

/// Finds the scenarios of these names.
pub fn choose(names: &[String]) -> Result<Vec<&'static Scenario>, Failure> {
    let find = |name: &String| {
        let found = ALL.iter().find(|scenario| scenario.name == name);
        found.ok_or_else(|| Failure::UnknownScenario(name.clone()))
    };
    names.iter().map(find).collect()
}

/// Takes `SCENARIO.KNOB=VALUE` apart; a knob that no scenario has is refused, because a misspelt one would change nothing.
pub fn parse_knobs(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let parse = |text: &String| {
        let unknown = || Failure::UnknownKnob(text.clone());
        let (path, value) = text.split_once('=').ok_or_else(unknown)?;
        let (scenario, knob) = path.split_once('.').ok_or_else(unknown)?;
        let scenario = ALL.iter().find(|found| found.name == scenario).ok_or_else(unknown)?;
        scenario.knobs.iter().find(|found| found.name == knob).ok_or_else(unknown)?;
        Ok((path.to_owned(), value.to_owned()))
    };
    given.iter().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once() {
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
    }

    #[test]
    fn a_misspelt_knob_is_refused() {
        for text in ["baseline", "baseline.nothing=1", "nothing.size=1", "baseline=1"] {
            assert!(parse_knobs(&[text.to_owned()]).is_err(), "{text}");
        }
    }
}
