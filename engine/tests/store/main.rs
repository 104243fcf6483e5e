//! The whole store on a simulated disk: appends, reads, deletions, checkpoints, recycling, eviction, failures, clean stops and crashes
//! at any moment, in an order that a seed decides. What was acknowledged must be there, at its offset, with its bytes.
//!
//! `cargo sim` runs it as built for release: `--seeds 20000` sets how many seeds, `--first 5000` where they begin, `--seed 17` runs that one
//! alone. The tests take the same from `RINGMAIN_SIM_SEEDS`, `RINGMAIN_SIM_FIRST` and `RINGMAIN_SIM_SEED`.

#[path = "../journal/random.rs"]
mod random;

mod canary;
mod disk;
mod model;
mod scenarios;
mod shell;
mod simulation;

use shell::Planted;
use simulation::Counts;

const SEEDS_DEFAULT: u64 = 100;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Names the seed when the thread leaves with a panic.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {0} failed; run it again with `cargo sim --seed {0}`", self.0);
        }
    }
}

fn run(seed: u64) -> Counts {
    let _named = Seed(seed);
    simulation::run(seed, Planted::Nothing)
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_gets_stuck_whatever_happens() {
    if let Some(seed) = number("RINGMAIN_SIM_SEED") {
        println!("{:#?}", run(seed));
        return;
    }
    let first = number("RINGMAIN_SIM_FIRST").unwrap_or(0);
    let seeds = number("RINGMAIN_SIM_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let mut counts = Counts::default();
    (first..first + seeds).for_each(|seed| counts.add(run(seed)));
    println!("{:>10} segments in which batches of others pass for their own", counts.lies_unseen);
    for (what, count) in counts.each() {
        println!("{count:>10} {what}");
        assert!(*count > 0 || seeds < SEEDS_DEFAULT, "{seeds} seeds, and nothing was seen of: {what}");
    }
}
