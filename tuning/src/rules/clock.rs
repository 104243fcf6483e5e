//! Telling the time.

use super::Rule;
use crate::kernel::KernelFacts;
use crate::plan::{Finding, Remedy, Severity};

pub(super) fn findings(facts: &KernelFacts) -> Vec<Finding> {
    vec![clocksource(facts), synchronised(facts)]
}

fn clocksource(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "clocksource",
        wanted: "tsc, or kvm-clock in a guest",
        says: "rpk, perftune",
        why: "Other sources need a system call, or a slow device, to tell the time.",
    };
    let Some(current) = &facts.clocksource else { return rule.unknown() };
    let is_good = ["tsc", "kvm-clock", "arch_sys_counter"].contains(&current.as_str());
    let better =
        ["tsc", "kvm-clock"].iter().find(|name| facts.clocksources_available.iter().any(|found| found == *name));
    let remedy = match better {
        Some(name) => Remedy::write("/sys/devices/system/clocksource/clocksource0/current_clocksource", name),
        None => Remedy::advice("the machine offers no better one"),
    };
    rule.judged(current, is_good, Severity::Warning, remedy)
}

fn synchronised(facts: &KernelFacts) -> Finding {
    let rule = Rule {
        tuner: "ntp",
        wanted: "the clock is kept right",
        says: "rpk",
        why: "Retention and offsets by time compare the clocks of clients and broker.",
    };
    let remedy = Remedy::advice("run chrony or systemd-timesyncd");
    match facts.is_clock_synchronised {
        None => rule.unknown(),
        Some(is_synchronised) => {
            let now = if is_synchronised { "synchronised" } else { "nobody keeps it right" };
            rule.judged(now, is_synchronised, Severity::Warning, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_clocksource_is_proposed_only_where_there_is_one() {
        let remedy = |available: &[&str]| {
            let facts = KernelFacts {
                clocksource: Some("hpet".to_owned()),
                clocksources_available: available.iter().map(|&name| name.to_owned()).collect(),
                ..Default::default()
            };
            clocksource(&facts).remedy
        };
        assert!(matches!(remedy(&["hpet", "tsc"]), Some(Remedy::Write(_))));
        assert!(matches!(remedy(&["hpet"]), Some(Remedy::Advice(_))));
    }

    #[test]
    fn a_clock_that_nobody_keeps_right_is_a_warning_and_an_unknown_one_is_not() {
        let severity =
            |is_clock_synchronised| synchronised(&KernelFacts { is_clock_synchronised, ..Default::default() }).severity;
        assert_eq!([None, Some(true), Some(false)].map(severity), [Severity::Info, Severity::Ok, Severity::Warning]);
    }
}
