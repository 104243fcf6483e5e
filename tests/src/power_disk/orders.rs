//! What a test orders the disk's process to do: a line in, a line back.

use super::medium::{CutReport, Fate};
use std::time::Duration;

/// One order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Cut the power: everything fails from now on, and what was not synced meets its fate.
    Cut(Fate, u64),
    /// Power is back for whoever opens the disk from now on.
    PowerOn,
    /// Say that syncs have worked, and do nothing.
    Lie,
    /// Fail every write from now on.
    FailWrites,
    /// Fail every sync from now on.
    FailSyncs,
    /// Fail the next sync only.
    FailOneSync,
    /// Take so long for each write and each sync.
    Delay(Duration),
    /// Do nothing at all for so long.
    Stall(Duration),
}

impl Order {
    /// The order as a line.
    pub fn to_line(self) -> String {
        match self {
            Order::Cut(fate, seed) => format!("cut {} {seed}", fate_word(fate)),
            Order::PowerOn => "power-on".to_owned(),
            Order::Lie => "lie".to_owned(),
            Order::FailWrites => "fail-writes".to_owned(),
            Order::FailSyncs => "fail-syncs".to_owned(),
            Order::FailOneSync => "fail-one-sync".to_owned(),
            Order::Delay(delay) => format!("delay {}", delay.as_millis()),
            Order::Stall(stall) => format!("stall {}", stall.as_millis()),
        }
    }

    /// The order that a line gives.
    pub fn from_line(line: &str) -> Option<Order> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let duration = |word: &str| word.parse().ok().map(Duration::from_millis);
        match words[..] {
            ["cut", fate, seed] => Some(Order::Cut(fate_from_word(fate)?, seed.parse().ok()?)),
            ["power-on"] => Some(Order::PowerOn),
            ["lie"] => Some(Order::Lie),
            ["fail-writes"] => Some(Order::FailWrites),
            ["fail-syncs"] => Some(Order::FailSyncs),
            ["fail-one-sync"] => Some(Order::FailOneSync),
            ["delay", ms] => duration(ms).map(Order::Delay),
            ["stall", ms] => duration(ms).map(Order::Stall),
            _ => None,
        }
    }
}

/// A report as the answer's line.
pub fn report_line(report: CutReport) -> String {
    format!("{} {} {}", report.kept, report.dropped, report.torn)
}

/// The report that an answer's line gives.
pub fn report_from_line(line: &str) -> Option<CutReport> {
    let numbers: Vec<u64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [kept, dropped, torn] = numbers[..] else { return None };
    Some(CutReport { kept, dropped, torn })
}

fn fate_word(fate: Fate) -> &'static str {
    match fate {
        Fate::Dropped => "dropped",
        Fate::Kept => "kept",
        Fate::Mixed => "mixed",
    }
}

fn fate_from_word(word: &str) -> Option<Fate> {
    [Fate::Dropped, Fate::Kept, Fate::Mixed].into_iter().find(|fate| fate_word(*fate) == word)
}
