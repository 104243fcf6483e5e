//! What should be different and how to change it: from facts to findings, and from findings to a script. Pure.
#![forbid(unsafe_code)]

use serde::Serialize;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As wanted.
    Ok,
    /// Worth knowing; nothing is wrong.
    Info,
    /// The broker runs, slower or with worse tails.
    Warning,
    /// The broker does not start.
    Fatal,
}

/// How to change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// A line for a root shell; the effect ends with the next boot.
    Command(String),
    /// What a person has to do.
    Advice(String),
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub what: String,
    pub current: String,
    pub wanted: String,
    pub severity: Severity,
    /// Who says so: rpk, perftune (Seastar), Kafka's operations guide, or the broker itself.
    pub says: &'static str,
    pub why: &'static str,
    /// None where nothing needs to change.
    pub remedy: Option<Remedy>,
}

/// Whether the broker can start.
pub fn is_fatal(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Fatal)
}

/// A shell script that changes what a command can change and names the rest. It is text: nothing here runs it.
pub fn script(findings: &[Finding]) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# Changes what differs from what is wanted. Run as root; the effect of each line ends with the next boot.\nset -e\n",
    );
    for Finding { what, current, wanted, says, why, remedy, .. } in findings {
        let Some(remedy) = remedy else { continue };
        text.push_str(&format!("\n# {what}: {current}; wanted: {wanted} ({says})\n# {why}\n"));
        match remedy {
            Remedy::Command(command) => text.push_str(&format!("{command}\n")),
            Remedy::Advice(advice) => text.push_str(&format!("# by hand: {advice}\n")),
        }
    }
    if findings.iter().all(|finding| finding.remedy.is_none()) {
        text.push_str("\n# Nothing needs to change.\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(severity: Severity, remedy: Option<Remedy>) -> Finding {
        let (what, current, wanted) = ("a knob".to_owned(), "1".to_owned(), "2".to_owned());
        Finding { what, current, wanted, severity, says: "rpk", why: "It is better so.", remedy }
    }

    #[test]
    fn a_script_runs_commands_and_only_mentions_advice() {
        let command = finding(Severity::Warning, Some(Remedy::Command("echo 2 > /knob".to_owned())));
        let advice = finding(Severity::Warning, Some(Remedy::Advice("buy another one".to_owned())));
        let script = script(&[command, advice, finding(Severity::Ok, None)]);
        let run: Vec<&str> = script.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(run, ["set -e", "echo 2 > /knob"]);
        assert!(script.contains("# by hand: buy another one"));
    }

    #[test]
    fn only_a_fatal_finding_keeps_the_broker_from_starting() {
        assert!(!is_fatal(&[finding(Severity::Warning, None)]));
        assert!(is_fatal(&[finding(Severity::Ok, None), finding(Severity::Fatal, None)]));
        assert!(script(&[finding(Severity::Ok, None)]).contains("Nothing needs to change"));
    }
}
