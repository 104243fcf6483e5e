//! What is wanted, and why: from what was read to findings. Pure.
#![forbid(unsafe_code)]

mod clock;
mod cores;
mod disk;
mod interrupts;
mod kernel;
mod network;
mod power;

pub use cores::shard_cores;

use crate::facts::Facts;
use crate::plan::{Finding, Remedy, Severity};

/// Holds every fact against what is wanted, the ones that keep the broker from starting first.
pub fn evaluate(facts: &Facts) -> Vec<Finding> {
    let cores = cores::shard_cores(&facts.topology);
    let mut findings = kernel::findings(&facts.kernel);
    findings.extend(disk::findings(&facts.disk, &cores));
    findings.extend(network::findings(&facts.network, &cores));
    findings.extend(power::findings(&facts.power));
    findings.extend(clock::findings(&facts.kernel));
    findings.extend(cores::findings(&facts.topology));
    findings.extend(cores::placement(facts));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The parts of a finding that do not depend on the machine.
#[derive(Clone, Copy)]
struct Rule {
    /// A name of one word.
    tuner: &'static str,
    wanted: &'static str,
    says: &'static str,
    why: &'static str,
}

impl Rule {
    fn finding(self, now: impl Into<String>, severity: Severity, remedy: Option<Remedy>) -> Finding {
        let Rule { tuner, wanted, says, why } = self;
        Finding { tuner: tuner.to_owned(), now: now.into(), wanted: wanted.to_owned(), severity, says, why, remedy }
    }

    /// Everything is as it should be.
    fn good(self, now: impl Into<String>) -> Finding {
        self.finding(now, Severity::Ok, None)
    }

    /// Good, or not so good with a remedy.
    fn judged(self, now: impl Into<String>, is_good: bool, otherwise: Severity, remedy: Remedy) -> Finding {
        if is_good { self.good(now) } else { self.finding(now, otherwise, Some(remedy)) }
    }

    /// The kernel does not show it: nothing is known to be wrong.
    fn unknown(self) -> Finding {
        self.finding("unknown", Severity::Info, None)
    }
}

/// Sets a sysctl, given as its path below `/proc/sys`.
fn sysctl(path: &str, value: impl ToString) -> Remedy {
    Remedy::write(format!("/proc/sys/{path}"), value)
}

fn gib(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::KernelFacts;

    #[test]
    fn an_unreadable_machine_gives_findings_and_nothing_fatal() {
        let findings = evaluate(&Facts::default());
        assert!(crate::plan::worst(&findings) < Severity::Fatal, "{findings:?}");
        assert!(findings.len() >= 15);
    }

    #[test]
    fn the_worst_comes_first() {
        let kernel = KernelFacts { release: Some("5.15.0".to_owned()), ..Default::default() };
        let findings = evaluate(&Facts { kernel, ..Default::default() });
        assert_eq!(findings[0].tuner, "kernel");
        assert!(findings.is_sorted_by(|a, b| a.severity >= b.severity));
    }
}
