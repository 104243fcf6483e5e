//! A run of the load generator, as a process, and what it reported.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::failure::Failure;
use crate::process::{self, Broker};

/// Where the load generator is and where its output goes.
#[derive(Clone, Debug)]
pub struct Loadgen {
    pub binary: PathBuf,
    /// A directory for its reports; removed by the caller.
    pub scratch_dir: PathBuf,
    pub trace_path: PathBuf,
}

/// A load that runs. Dropping it kills it.
pub struct RunningLoad {
    child: Child,
    json_path: PathBuf,
    trace_path: PathBuf,
    arguments: String,
}

/// The report of a run, with the CPU time that it cost.
#[derive(Clone, Debug)]
pub struct Load {
    report: Value,
    pub loadgen_cpu_s: f64,
    /// Complaints of the generator: errors, or its own lateness. The figures stand, and this stands beside them.
    pub complaint: Option<String>,
    arguments: String,
}

impl Loadgen {
    /// Starts `loadgen ARGUMENTS` against `broker`. Loads that run at the same time need different names.
    pub fn start(&self, name: &str, broker: &Broker, arguments: &[&str]) -> Result<RunningLoad, Failure> {
        let json_path = self.scratch_dir.join(format!("loadgen-{name}.json"));
        let _ = fs::remove_file(&json_path);
        let trace_path = self.trace_path.with_extension(format!("{name}.log"));
        let trace = OpenOptions::new().create(true).write(true).truncate(true).open(&trace_path);
        let trace = trace.map_err(Failure::machine(format!("opening {}", trace_path.display())))?;
        let mut command = Command::new(&self.binary);
        command.args(arguments).args(["--bootstrap", &broker.kafka.to_string(), "--json"]).arg(&json_path);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(trace);
        process::die_with_parent(&mut command);
        let child = command.spawn().map_err(Failure::machine(format!("starting {}", self.binary.display())))?;
        Ok(RunningLoad { child, json_path, trace_path, arguments: arguments.join(" ") })
    }
}

impl RunningLoad {
    /// Whether it has come to its end by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits for its end and reads its report.
    pub fn finish(mut self) -> Result<Load, Failure> {
        let failed = |reason: String| Failure::Loadgen { arguments: self.arguments.clone(), reason };
        // Only this child is waited for in between, so the difference is its own.
        let children_before_s = process::children_cpu_seconds();
        let status = self.child.wait().map_err(Failure::machine("waiting for the load generator"))?;
        let loadgen_cpu_s = process::children_cpu_seconds() - children_before_s;
        let text = fs::read_to_string(&self.json_path)
            .map_err(|_| failed(format!("{status} and no report; {}", last_line(&self.trace_path))))?;
        let report: Value =
            serde_json::from_str(&text).map_err(|error| failed(format!("its report is no JSON: {error}")))?;
        let complaint = (!status.success()).then(|| format!("loadgen {}: {}", self.arguments, complaints(&report)));
        Ok(Load { report, loadgen_cpu_s, complaint, arguments: self.arguments.clone() })
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        // After `finish` both calls find nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
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
