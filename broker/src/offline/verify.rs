//! `ringmain log verify`: one line per finding, a summary, and an exit code that says which it was.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use engine::inspect::{self, Finding, Severity, Summary, Verify};
use serde_json::json;

use super::{LogError, Look};

/// Between two lines of progress.
const PROGRESS_BYTES: u64 = 64 << 20;
/// Something is not as it was written.
const EXIT_PROBLEMS: u8 = 1;

pub(super) fn verify(look: &Look, out: &mut dyn Write) -> Result<ExitCode, LogError> {
    let mut written = Ok(());
    let mut progress = Progress { shown: io::stderr().is_terminal(), last_bytes: 0 };
    let mut check = Verify {
        data: &look.data,
        generation: look.generation,
        running: look.running,
        wants: &|log| look.selection.has(log),
        found: &mut |finding| {
            let line = line(look, &finding);
            written = std::mem::replace(&mut written, Ok(())).and_then(|()| writeln!(out, "{line}"));
        },
        progress: &mut |path, bytes| progress.on_bytes(path, bytes),
        summary: Summary::default(),
    };
    for &shard in &look.shards {
        inspect::verify_shard(&mut check, shard)?;
    }
    let summary = check.summary;
    progress.clear();
    written?;
    writeln!(out, "{}", if look.json { summary_json(&summary).to_string() } else { summary_text(&summary) })?;
    Ok(if summary.problems == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_PROBLEMS) })
}

fn line(look: &Look, finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Problem => "problem",
        Severity::Note => "note",
    };
    let log = finding.log.map(|log| look.names.log(log));
    if look.json {
        let (path, position, what) = (&finding.path, finding.position, &finding.what);
        return json!({"kind": severity, "file": path, "position": position, "log": log, "what": what}).to_string();
    }
    let position = finding.position.map(|position| format!(" at {position}")).unwrap_or_default();
    let log = log.map(|log| format!(" ({log})")).unwrap_or_default();
    format!("{severity}: {}{position}{log}: {}", finding.path.display(), finding.what)
}

fn summary_text(summary: &Summary) -> String {
    let verdict = if summary.problems == 0 { "sound".to_owned() } else { format!("{} problems", summary.problems) };
    format!(
        "{verdict}, {} notes: {} shards, {} checkpoints, {} journal files with {} groups that count, {} logs, {} segments, \
         {} batches, {} records, {} MiB read",
        summary.notes,
        summary.shards,
        summary.checkpoints,
        summary.journal_files,
        summary.groups,
        summary.logs,
        summary.segments,
        summary.batches,
        summary.records,
        summary.bytes >> 20,
    )
}

fn summary_json(summary: &Summary) -> serde_json::Value {
    json!({
        "kind": "summary",
        "problems": summary.problems,
        "notes": summary.notes,
        "shards": summary.shards,
        "checkpoints": summary.checkpoints,
        "journal_files": summary.journal_files,
        "groups": summary.groups,
        "logs": summary.logs,
        "segments": summary.segments,
        "batches": summary.batches,
        "records": summary.records,
        "bytes": summary.bytes,
    })
}

/// One line on the terminal that is written over and over.
struct Progress {
    shown: bool,
    last_bytes: u64,
}

impl Progress {
    fn on_bytes(&mut self, path: &Path, bytes: u64) {
        if self.shown && bytes >= self.last_bytes + PROGRESS_BYTES {
            self.last_bytes = bytes;
            eprint!("\r\x1b[K{} MiB read, {}", bytes >> 20, path.display());
        }
    }

    fn clear(&self) {
        if self.shown && self.last_bytes > 0 {
            eprint!("\r\x1b[K");
        }
    }
}
