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

/// A file below `/sys` or `/proc` and what to write into it. The effect ends with the next boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Write {
    pub path: String,
    pub value: String,
}

impl Write {
    pub fn new(path: impl Into<String>, value: impl ToString) -> Write {
        Write { path: path.into(), value: value.to_string() }
    }

    /// The line for a root shell that does the same.
    pub fn line(&self) -> String {
        let Write { path, value } = self;
        let is_word = value.chars().all(|c| c.is_ascii_alphanumeric() || ",-_.".contains(c));
        if is_word { format!("echo {value} > {path}") } else { format!("echo '{value}' > {path}") }
    }
}

/// How to change something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remedy {
    /// What `apply` does.
    Write(Vec<Write>),
    /// What a person has to do.
    Advice(String),
}

impl Remedy {
    /// One file to write.
    pub fn write(path: impl Into<String>, value: impl ToString) -> Remedy {
        Remedy::Write(vec![Write::new(path, value)])
    }

    pub fn advice(text: impl Into<String>) -> Remedy {
        Remedy::Advice(text.into())
    }

    /// What `apply` would write; nothing for advice.
    pub fn writes(&self) -> &[Write] {
        match self {
            Remedy::Write(writes) => writes,
            Remedy::Advice(_) => &[],
        }
    }
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The tuner, a name of one word: what `--only` and `measure` take.
    pub tuner: String,
    pub now: String,
    pub wanted: String,
    pub severity: Severity,
    /// Who says so: rpk, perftune (Seastar), Kafka's operations guide, or the broker itself.
    pub says: &'static str,
    pub why: &'static str,
    /// None where nothing needs to change.
    pub remedy: Option<Remedy>,
}

impl Finding {
    /// What `apply` would write for it.
    pub fn writes(&self) -> &[Write] {
        self.remedy.as_ref().map_or(&[], Remedy::writes)
    }
}

/// The worst of all; of none it is as wanted.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
}

/// A shell script that does what `apply` would do and names the rest. It is text: nothing here runs it.
pub fn script(findings: &[Finding]) -> String {
    let mut text = String::from(
        "#!/bin/sh\n# What `tuning apply` would do. Run as root; the effect of each line ends with the next boot:\n\
         # what shall last goes to /etc/sysctl.d or a unit that runs `tuning apply`.\n",
    );
    for Finding { tuner, now, wanted, says, why, remedy, .. } in findings {
        let Some(remedy) = remedy else { continue };
        text.push_str(&format!("\n# {tuner}: {now}; wanted: {wanted} ({says})\n# {why}\n"));
        match remedy {
            Remedy::Write(writes) => writes.iter().for_each(|write| text.push_str(&(write.line() + "\n"))),
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
        let (tuner, now, wanted) = ("a-knob".to_owned(), "1".to_owned(), "2".to_owned());
        Finding { tuner, now, wanted, severity, says: "rpk", why: "It is better so.", remedy }
    }

    #[test]
    fn a_script_writes_and_only_mentions_advice() {
        let write = finding(Severity::Warning, Some(Remedy::write("/knob", "1 2")));
        let advice = finding(Severity::Warning, Some(Remedy::advice("buy another one")));
        let script = script(&[write, advice, finding(Severity::Ok, None)]);
        let run: Vec<&str> = script.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(run, ["echo '1 2' > /knob"]);
        assert!(script.contains("# by hand: buy another one"));
    }

    #[test]
    fn the_worst_finding_decides_and_no_finding_is_well() {
        assert_eq!(worst(&[]), Severity::Ok);
        assert_eq!(worst(&[finding(Severity::Fatal, None), finding(Severity::Info, None)]), Severity::Fatal);
        assert!(script(&[finding(Severity::Ok, None)]).contains("Nothing needs to change"));
    }
}
