//! How fast CPUs run and how deep they sleep.

use super::Rule;
use crate::plan::{Finding, Remedy, Severity, Write};
use crate::power::{GUEST_HALT_POLL, PowerFacts};

/// A wake-up that takes longer shows in the latency of a quiet broker.
const EXIT_US_MAX: u64 = 20;

/// The kernel's own default (`Documentation/virt/guest-halt-polling.rst`): longer than a flush of a good disk or a round trip.
const GUEST_HALT_POLL_NS: u64 = 200_000;

pub(super) fn findings(facts: &PowerFacts) -> Vec<Finding> {
    vec![governor(facts), idle_states(facts), guest_halt_poll(facts)]
}

fn governor(facts: &PowerFacts) -> Finding {
    let rule = Rule {
        tuner: "cpu-governor",
        wanted: "performance",
        says: "rpk",
        why: "Other governors wait for load before they raise the clock, which shows in the tail of latency.",
    };
    if facts.governors.is_empty() {
        return rule.good("the system does not choose the frequency");
    }
    let mut names: Vec<&str> = facts.governors.iter().map(|(_, name)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let slow = facts.governors.iter().filter(|(_, name)| name != "performance");
    let writes: Vec<Write> = slow.map(|(path, _)| Write::new(path, "performance")).collect();
    rule.judged(names.join(", "), writes.is_empty(), Severity::Warning, Remedy::Write(writes))
}

fn idle_states(facts: &PowerFacts) -> Finding {
    let rule = Rule {
        tuner: "c-states",
        wanted: "none that takes more than 20 us to leave",
        says: "rpk",
        why: "A request that finds its CPU in a deep sleep waits for it to come back; a broker that is not busy then \
              answers slower than a busy one. It costs power.",
    };
    if facts.idle_states.is_empty() {
        return rule.good("the system does not choose the sleep");
    }
    let deep = facts.idle_states.iter().filter(|state| state.exit_us > EXIT_US_MAX && !state.is_disabled);
    let deep: Vec<_> = deep.collect();
    let mut names: Vec<String> = deep.iter().map(|state| format!("{} ({} us)", state.name, state.exit_us)).collect();
    names.sort_unstable();
    names.dedup();
    let now = if names.is_empty() { "deep ones are off".to_owned() } else { names.join(", ") };
    let writes = deep.iter().map(|state| Write::new(format!("{}/disable", state.directory), 1)).collect();
    rule.judged(now, names.is_empty(), Severity::Warning, Remedy::Write(writes))
}

fn guest_halt_poll(facts: &PowerFacts) -> Finding {
    let rule = Rule {
        tuner: "halt-poll",
        wanted: "200 us or more",
        says: "the kernel",
        why: "A CPU of a guest that has nothing to do gives itself up to the host, and takes tens of microseconds to come back. \
              One that looks for work a little longer finds the answer of its disk or of another core. It costs CPU of the host.",
    };
    let Some(poll_ns) = facts.guest_halt_poll_ns else { return rule.good("the system does not choose it") };
    let now = if poll_ns == 0 { "off".to_owned() } else { format!("{} us", poll_ns / 1_000) };
    let remedy = Remedy::write(GUEST_HALT_POLL, GUEST_HALT_POLL_NS);
    rule.judged(now, poll_ns >= GUEST_HALT_POLL_NS, Severity::Warning, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::IdleState;

    #[test]
    fn a_guest_whose_cpus_give_themselves_up_at_once_is_told_to_look_a_little_longer() {
        let finding = |guest_halt_poll_ns| guest_halt_poll(&PowerFacts { guest_halt_poll_ns, ..Default::default() });
        assert_eq!([None, Some(200_000)].map(|ns| finding(ns).severity), [Severity::Ok; 2]);
        assert_eq!((finding(Some(0)).now.as_str(), finding(Some(50_000)).now.as_str()), ("off", "50 us"));
        assert_eq!(finding(Some(0)).writes(), [Write::new(GUEST_HALT_POLL, 200_000)]);
    }

    #[test]
    fn only_states_that_are_slow_to_leave_and_not_off_are_turned_off() {
        let state = |name: &str, exit_us, is_disabled| IdleState {
            directory: format!("/{name}"),
            name: name.to_owned(),
            exit_us,
            is_disabled,
        };
        let idle_states = vec![state("C1", 2, false), state("C6", 133, false), state("C8", 300, true)];
        let finding = idle_states_of(idle_states);
        assert_eq!(finding.now, "C6 (133 us)");
        assert_eq!(finding.writes(), [Write::new("/C6/disable", 1)]);
        assert_eq!(idle_states_of(vec![state("C1", 2, false)]).severity, Severity::Ok);
    }

    fn idle_states_of(idle_states: Vec<IdleState>) -> Finding {
        super::idle_states(&PowerFacts { idle_states, ..Default::default() })
    }
}
