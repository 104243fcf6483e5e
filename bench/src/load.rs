//! A run of the load generator, as a process, and what it reported.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::clock::{Stopwatch, pause};
use crate::failure::Failure;
use crate::process::{self, Broker};

const NOTHING_SAID: &str = "it failed and its report does not say why";
const LOOK_EVERY: Duration = Duration::from_millis(10);

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

    /// Waits at most so long for its end; whether it came.
    pub fn ended_within(&mut self, time: Duration) -> bool {
        let watch = Stopwatch::start();
        while watch.elapsed() < time {
            if self.has_ended() {
                return true;
            }
            pause(LOOK_EVERY);
        }
        false
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
    /// Requests that were answered over the whole run, or over all of its runs.
    pub fn requests(&self) -> f64 {
        self.reports().filter_map(|report| report.pointer("/records/requests")?.as_f64()).sum()
    }

    /// The same per second of the measured time; of several runs there is no such figure.
    pub fn requests_per_s(&self) -> f64 {
        let sides = ["/produced/requests_per_s", "/consumed/requests_per_s"];
        sides.into_iter().filter_map(|side| self.report.pointer(side)?.as_f64()).sum()
    }

    fn reports(&self) -> impl Iterator<Item = &Value> {
        let parts = self.report.as_array().map(Vec::as_slice).unwrap_or_default();
        let one = parts.is_empty().then_some(&self.report);
        one.into_iter().chain(parts.iter().filter_map(|part| part.get("report")))
    }

    /// The number at `pointer` (RFC 6901) of the report.
    pub fn number(&self, pointer: &str) -> Result<f64, Failure> {
        self.report.pointer(pointer).and_then(Value::as_f64).ok_or_else(|| Failure::Loadgen {
            arguments: self.arguments.clone(),
            reason: format!("its report has no number at {pointer}"),
        })
    }
}

/// What the report says is wrong with the run, or with one of its runs.
fn complaints(report: &Value) -> String {
    if let Some(parts) = report.as_array() {
        let reports = parts.iter().filter_map(|part| part.get("report"));
        return reports.map(complaints).filter(|said| said != NOTHING_SAID).collect::<Vec<_>>().join("; ");
    }
    let invalid = report.pointer("/outcome/invalid").and_then(Value::as_array).into_iter().flatten();
    let invalid = invalid.filter_map(Value::as_str).map(str::to_owned);
    let errors = report.pointer("/outcome/errors").and_then(Value::as_object).into_iter().flatten();
    let errors = errors.map(|(name, count)| format!("{count} x {name}"));
    let all: Vec<String> = invalid.chain(errors).collect();
    if all.is_empty() { NOTHING_SAID.to_owned() } else { all.join("; ") }
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
