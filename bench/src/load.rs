//! One run of the load generator, as a process, and what it reported.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::failure::Failure;
use crate::process::{self, Broker};

/// Where the load generator is and where its output goes.
#[derive(Clone, Debug)]
pub struct Loadgen {
    pub binary: PathBuf,
    /// A directory for its report; removed by the caller.
    pub scratch_dir: PathBuf,
    pub trace_path: PathBuf,
}

/// The report of a run, with the CPU time that it cost.
#[derive(Clone, Debug)]
pub struct Load {
    report: Value,
    pub loadgen_cpu_s: f64,
    pub broker_cpu_s: f64,
    /// Complaints of the generator: errors, or its own lateness. The figures stand, and this stands beside them.
    pub complaint: Option<String>,
    arguments: String,
}

impl Loadgen {
    /// Runs `loadgen ARGUMENTS` against `broker` to its end.
    pub fn run(&self, broker: &Broker, arguments: &[&str]) -> Result<Load, Failure> {
        let json_path = self.scratch_dir.join("loadgen.json");
        let _ = fs::remove_file(&json_path);
        let said = arguments.join(" ");
        let trace = OpenOptions::new().create(true).write(true).truncate(true).open(&self.trace_path);
        let trace = trace.map_err(Failure::machine(format!("opening {}", self.trace_path.display())))?;
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--bootstrap", &broker.kafka.to_string(), "--json"]).arg(&json_path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(trace);
        process::die_with_parent(&mut command);
        let (children_before_s, broker_before_s) = (process::children_cpu_seconds(), broker.cpu_seconds()?);
        let status = command.status().map_err(Failure::machine(format!("starting {}", self.binary.display())))?;
        let broker_cpu_s = broker.cpu_seconds()? - broker_before_s;
        let loadgen_cpu_s = process::children_cpu_seconds() - children_before_s;
        let failed = |reason: String| Failure::Loadgen { arguments: said.clone(), reason };
        let text = fs::read_to_string(&json_path)
            .map_err(|_| failed(format!("{status} and no report; {}", last_line(&self.trace_path))))?;
        let report: Value =
            serde_json::from_str(&text).map_err(|error| failed(format!("its report is no JSON: {error}")))?;
        let complaint = (!status.success()).then(|| format!("loadgen {said}: {}", complaints(&report)));
        Ok(Load { report, loadgen_cpu_s, broker_cpu_s, complaint, arguments: said })
    }
}

impl Load {
    /// The number at `pointer` (RFC 6901) of the report.
    pub fn number(&self, pointer: &str) -> Result<f64, Failure> {
        self.report.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| Failure::Loadgen {
            arguments: self.arguments.clone(),
            reason: format!("its report has no number at {pointer}"),
        })
    }
}

/// What the report says is wrong with the run.
fn complaints(report: &Value) -> String {
    let invalid = report.pointer("/outcome/invalid").and_then(Value::as_array).into_iter().flatten();
    let invalid = invalid.filter_map(Value::as_str).map(str::to_owned);
    let errors = report.pointer("/outcome/errors").and_then(Value::as_object).into_iter().flatten();
    let errors = errors.map(|(name, count)| format!("{count} x {name}"));
    let all: Vec<String> = invalid.chain(errors).collect();
    if all.is_empty() { "it failed and its report does not say why".to_owned() } else { all.join("; ") }
}

fn last_line(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_in_one_line() {
        let report = serde_json::json!({"outcome": {"invalid": ["it fell behind"], "errors": {"NOT_LEADER": 3}}});
        assert_eq!(complaints(&report), "it fell behind; 3 x NOT_LEADER");
        assert_eq!(complaints(&serde_json::json!({})), "it failed and its report does not say why");
    }
}
