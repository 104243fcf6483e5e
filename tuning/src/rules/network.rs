//! Taking connections.

use super::{Rule, sysctl};
use crate::network::NetworkFacts;
use crate::plan::{Finding, Severity};

const BACKLOG_WANTED: u64 = 4096;

pub(super) fn findings(facts: &NetworkFacts) -> Vec<Finding> {
    let accept = Rule {
        what: "net.core.somaxconn",
        wanted: ">= 4096",
        says: "rpk, perftune",
        why: "When all clients reconnect at once, connections wait here until a shard accepts them.",
    };
    let syn = Rule {
        what: "net.ipv4.tcp_max_syn_backlog",
        wanted: ">= 4096",
        says: "rpk, perftune",
        why: "Half-open connections beyond it are dropped and tried again a second later.",
    };
    [(accept, facts.somaxconn), (syn, facts.syn_backlog)].map(|(rule, value)| at_least(rule, value)).into()
}

fn at_least(rule: Rule, value: Option<u64>) -> Finding {
    let Some(value) = value else { return rule.unknown() };
    rule.judged(value.to_string(), value >= BACKLOG_WANTED, Severity::Warning, sysctl(rule.what, BACKLOG_WANTED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Remedy;

    #[test]
    fn a_short_backlog_gets_a_command() {
        let findings = findings(&NetworkFacts { somaxconn: Some(4096), syn_backlog: Some(2048) });
        assert_eq!(findings[0].severity, Severity::Ok);
        let Some(Remedy::Command(command)) = &findings[1].remedy else { panic!("no command") };
        assert!(command.starts_with("sysctl -w net.ipv4.tcp_max_syn_backlog=4096"), "{command}");
    }
}
