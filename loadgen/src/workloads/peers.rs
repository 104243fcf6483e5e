//! SHELL: the same workload on two brokers in turn, A B A B, so that a drift of the machine shows as spread and not as a
//! difference. Figures stand in one table, with a ratio, only where an acknowledgement means the same on both sides.

use serde::Serialize;

use super::guarantee::{self, Guarantee};
use super::parts::set;
use crate::report::Broker;
use crate::{Failure, Options, Report, figures};

/// One of the two.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    pub(crate) address: String,
    pub(crate) guarantee: Guarantee,
    /// One for each round.
    pub(crate) reports: Vec<Report>,
}

/// Both, in the order of the rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) sides: [Side; 2],
}

/// Runs so many rounds on both. `told` is what the user says of each side's acknowledgements.
pub(crate) fn run(
    addresses: [&str; 2],
    told: [Option<Guarantee>; 2],
    options: &Options,
    rounds: usize,
) -> Result<Comparison, Failure> {
    let side = |address: &str| Side { address: address.to_owned(), guarantee: Guarantee::Unknown, reports: Vec::new() };
    let mut sides = addresses.map(side);
    for round in 1..=rounds {
        for (name, (side, told)) in ["A", "B"].into_iter().zip(sides.iter_mut().zip(told)) {
            if options.progress {
                eprintln!("round {round} of {rounds}, {name} ({})", side.address);
            }
            let broker = Broker { address: side.address.clone(), embedded_in: None };
            let report = crate::run::on(&broker, options.clone())?;
            let stopped = report.was_stopped();
            side.reports.push(report);
            // The topic is there only after the first run.
            if round == 1 {
                side.guarantee = match told {
                    Some(told) => told,
                    None => guarantee::ask(&side.address, &options.topic, options.acks)?,
                };
            }
            if stopped {
                return Ok(Comparison { sides });
            }
        }
    }
    Ok(Comparison { sides })
}

/// A figure of a run, with what makes it better.
type Figure = (&'static str, fn(&Report) -> Option<f64>, fn(f64) -> String);

const FIGURES: [Figure; 6] = [
    ("MB/s", |report| Some(flow(report)?.mb_per_s), |value| format!("{value:.1}")),
    ("msg/s", |report| Some(flow(report)?.records_per_s), figures::count),
    ("p50", |report| Some(latency(report)?.p50_ns as f64), |value| figures::duration(value as u64)),
    ("p99", |report| Some(latency(report)?.p99_ns as f64), |value| figures::duration(value as u64)),
    ("p99.9", |report| Some(latency(report)?.p999_ns as f64), |value| figures::duration(value as u64)),
    ("max", |report| Some(latency(report)?.max_ns as f64), |value| figures::duration(value as u64)),
];

fn flow(report: &Report) -> Option<&crate::Throughput> {
    report.produced.as_ref().or(report.consumed.as_ref())
}

fn latency(report: &Report) -> Option<&crate::Latency> {
    report.end_to_end.as_ref().or(report.latency.as_ref())
}

impl Comparison {
    /// Whether both mean the same when they acknowledge, as far as anybody knows.
    fn is_comparable(&self) -> bool {
        let [a, b] = self.sides.each_ref().map(|side| side.guarantee);
        a == b && a != Guarantee::Unknown
    }

    /// Tables for people: one if both give the same guarantee, else one for each.
    pub(crate) fn text(&self) -> String {
        let names = ["A", "B"];
        let mut text = "medians of the rounds, smallest to largest in brackets\n".to_owned();
        if self.is_comparable() {
            let mut lines = vec![heads()];
            lines.extend(names.into_iter().zip(&self.sides).map(|(name, side)| side.line(name)));
            lines.push(self.ratios());
            return text + &set(&lines);
        }
        for (name, side) in names.into_iter().zip(&self.sides) {
            text += &format!("\n{}", set(&[heads(), side.line(name)]));
        }
        let [a, b] = self.sides.each_ref().map(|side| side.guarantee);
        text += &match [a, b].contains(&Guarantee::Unknown) {
            true => "\nno ratios: what an acknowledgement means is not known of both; say it with --durability-of and \
                     --peer-durability\n"
                .to_owned(),
            false => format!(
                "\nno ratios: an acknowledgement means {} on A and {} on B, so their figures answer different questions\n",
                a.name(),
                b.name(),
            ),
        };
        text
    }

    /// B by A round by round, as the median with its spread.
    fn ratios(&self) -> Vec<String> {
        let [a, b] = &self.sides;
        let mut line = ["B / A", "", "", ""].map(str::to_owned).to_vec();
        for (_, figure, _) in FIGURES {
            let pairs = a.reports.iter().zip(&b.reports);
            let ratios =
                pairs.filter_map(|(a, b)| Some(figure(b)? / figure(a)?)).filter(|ratio| ratio.is_finite()).collect();
            line.push(spread(ratios, |ratio| format!("{ratio:.2}")));
        }
        line
    }

    /// What is wrong with a run of either side.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let of = |(name, side): (&str, &Side)| -> Vec<String> {
            let rounds = side.reports.iter().enumerate();
            let all = rounds.flat_map(|(round, report)| {
                report.outcome.complaints().map(move |complaint| (round + 1, complaint)).collect::<Vec<_>>()
            });
            all.map(|(round, complaint)| format!("{name}, round {round}: {complaint}")).collect()
        };
        ["A", "B"].into_iter().zip(&self.sides).flat_map(of).collect()
    }
}

fn heads() -> Vec<String> {
    let first = ["", "broker", "durability", "rounds"].into_iter();
    first.chain(FIGURES.iter().map(|(name, ..)| *name)).map(str::to_owned).collect()
}

impl Side {
    fn line(&self, name: &str) -> Vec<String> {
        let guarantee = self.guarantee.name().to_owned();
        let mut line = vec![name.to_owned(), self.address.clone(), guarantee, self.reports.len().to_string()];
        for (_, figure, text) in FIGURES {
            line.push(spread(self.reports.iter().filter_map(figure).collect(), text));
        }
        line
    }
}

/// `median (smallest to largest)`, or a dash.
fn spread(mut values: Vec<f64>, text: impl Fn(f64) -> String) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(&first), Some(&last)) = (values.first(), values.last()) else { return "-".to_owned() };
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
    format!("{} ({} to {})", text(median), text(first), text(last))
}
