//! `ringmain log rebuild`: takes back shards of which every checkpoint is damaged, from their segment files and journals. The one
//! command here that writes, and only when it is told that what cannot be found may be lost.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use engine::LogId;
use engine::rebuild::run::{Rebuild, RebuildError};
use engine::rebuild::{Continuation, LogReport};
use serde_json::json;

use super::names::Names;
use super::{LogError, is_served};
use crate::shard::directory::{self, Identity};
use crate::shard::reshard;

/// Shards would be rebuilt, and were not.
const EXIT_NOT_DONE: u8 = 1;

/// What the command line asks for.
pub(super) struct Wanted<'a> {
    pub data: &'a Path,
    /// All shards that need it, if absent.
    pub shard: Option<u16>,
    pub accept_loss: bool,
    pub json: bool,
}

pub(super) fn rebuild(wanted: &Wanted<'_>, out: &mut dyn Write) -> Result<ExitCode, LogError> {
    let data = wanted.data;
    let identity = Identity::read(data)?.ok_or_else(|| LogError::UnknownGeneration { dir: data.to_path_buf() })?;
    let _lock = match wanted.accept_loss {
        true => Some(directory::lock(data)?),
        false if is_served(data) => return Err(LogError::Served { dir: data.to_path_buf() }),
        false => None,
    };
    let shards: Vec<u16> = wanted.shard.map_or_else(|| (0..identity.shard_count).collect(), |shard| vec![shard]);
    let (mut plans, mut last_refusal) = (Vec::new(), None);
    for shard in shards {
        let is_own = |log: LogId| reshard::owner(log, identity.shard_count).0 == shard;
        match Rebuild::look(data, identity.generation(), shard, &is_own) {
            Ok(plan) => plans.push((shard, plan)),
            Err(error @ RebuildError::NotNeeded(_)) => last_refusal = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    if let (true, Some(error)) = (plans.is_empty(), last_refusal) {
        return Err(error.into());
    }
    // A damaged controller's shard has no names to give.
    let names = Names::read(data, identity.generation());
    for (shard, plan) in &plans {
        show(wanted, *shard, plan, &names, out)?;
    }
    if !wanted.accept_loss {
        eprintln!(
            "ringmain: nothing was changed. With --accept-loss the damaged checkpoints are set aside and this is what starts"
        );
        return Ok(ExitCode::from(EXIT_NOT_DONE));
    }
    for (shard, plan) in &plans {
        plan.carry_out()?;
        eprintln!("ringmain: shard {shard} is rebuilt; nothing was removed. The next start replays its journal");
    }
    Ok(ExitCode::SUCCESS)
}

fn show(wanted: &Wanted<'_>, shard: u16, plan: &Rebuild, names: &Names, out: &mut dyn Write) -> Result<(), LogError> {
    if !wanted.json {
        let (damaged, groups) = (plan.damaged().len(), plan.groups());
        writeln!(out, "shard {shard}: {damaged} damaged checkpoints, {groups} groups of the journal to replay")?;
    }
    for report in plan.reports() {
        let line = if wanted.json { as_json(shard, report, names).to_string() } else { as_text(report, names) };
        writeln!(out, "{line}")?;
    }
    if !wanted.json {
        writeln!(
            out,
            "  Logs that are not named here and never filled 4096 bytes had no file: their records are gone."
        )?;
    }
    Ok(())
}

fn as_text(report: &LogReport, names: &Names) -> String {
    let mut text = format!("  log {}: from offset {}", names.log(report.log), report.start);
    let end = report.end;
    text += &match report.continuation {
        Continuation::Proven => ", nothing is missing at its end".to_owned(),
        Continuation::Adjoins => format!(", the last records before {end} may be others than were acknowledged"),
        Continuation::Behind => {
            ", the last records before what is missing may be others than were acknowledged".to_owned()
        }
        Continuation::Nothing => {
            format!(", records may be missing from {end} on, and the last before may be others than were acknowledged")
        }
    };
    for (from, to) in &report.gaps {
        text += &format!("; missing: {from} to {to}");
    }
    for (segment, what) in &report.set_aside {
        text += &format!("; segment {segment} is set aside: {what}");
    }
    text
}

fn as_json(shard: u16, report: &LogReport, names: &Names) -> serde_json::Value {
    let gaps: Vec<_> = report.gaps.iter().map(|(from, to)| [from.0, to.0]).collect();
    let damaged: Vec<_> = report.set_aside.iter().map(|(segment, what)| [segment.to_string(), what.clone()]).collect();
    json!({
        "kind": "log",
        "shard": shard,
        "topic": names.topic(report.log.topic),
        "topic_id": format!("{:032x}", report.log.topic),
        "partition": report.log.partition,
        "start_offset": report.start.0,
        "is_proven": report.continuation == Continuation::Proven && report.gaps.is_empty(),
        "files_end": report.end.0,
        "missing_from": report.missing_from().map(|offset| offset.0),
        "missing": gaps,
        "damaged_segments": damaged,
    })
}
