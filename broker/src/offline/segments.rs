//! `ringmain log segments`: every log and its segments, as recovery would find them.

use std::io::Write;

use engine::inspect::{DamagedSegment, LogPicture, SegmentPicture, ShardPicture, Verdict};
use serde_json::json;

use super::{LogError, Look};
use crate::admin::table::table;

const HEAD: [&str; 10] = ["SHARD", "LOG", "START", "END", "BASE", "NEXT", "BYTES", "FILE BYTES", "MAX TIME", "STATE"];

pub(super) fn segments(look: &Look, out: &mut dyn Write) -> Result<(), LogError> {
    let mut rows = Vec::new();
    for &shard in &look.shards {
        let picture = ShardPicture::read(&look.data, look.generation, shard)?;
        if !matches!(picture.verdict, Verdict::Sound(_)) {
            eprintln!(
                "ringmain: warning: shard {shard} by its checkpoint alone, its journal is damaged; see `log verify`"
            );
        }
        for log in picture.logs.iter().filter(|log| look.selection.has(log.log)) {
            for segment in &log.segments {
                if look.json {
                    writeln!(out, "{}", as_json(look, shard, log, segment))?;
                } else {
                    rows.push(as_row(look, shard, log, segment));
                }
            }
            for kept in log.damaged.iter().filter(|segment| segment.is_quarantined) {
                if look.json {
                    writeln!(out, "{}", quarantined_json(look, shard, log, kept))?;
                } else {
                    rows.push(quarantined_row(look, shard, log, kept));
                }
            }
        }
    }
    if look.json {
        return Ok(());
    }
    out.write_all(table(HEAD, &rows).as_bytes())?;
    Ok(())
}

fn as_row(look: &Look, shard: u16, log: &LogPicture, segment: &SegmentPicture) -> [String; 10] {
    [
        shard.to_string(),
        look.names.log(log.log),
        log.start.to_string(),
        log.end.to_string(),
        segment.base_offset.to_string(),
        segment.next_offset.to_string(),
        segment.bytes.to_string(),
        segment.file_bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
        segment.max_timestamp.to_string(),
        match (segment.sealed, damage(log, segment)) {
            (true, None) => "sealed".to_owned(),
            (true, Some(_)) => "sealed, damaged".to_owned(),
            (false, None) => "active".to_owned(),
            (false, Some(_)) => "active, damaged".to_owned(),
        },
    ]
}

/// What is known of damage to a segment.
fn damage<'a>(log: &'a LogPicture, segment: &SegmentPicture) -> Option<&'a DamagedSegment> {
    log.damaged.iter().find(|damaged| damaged.path == segment.path)
}

fn quarantined_row(look: &Look, shard: u16, log: &LogPicture, kept: &DamagedSegment) -> [String; 10] {
    let [none, file_bytes] = ["-".to_owned(), file_bytes(kept).map_or("-".to_owned(), |bytes| bytes.to_string())];
    [
        shard.to_string(),
        look.names.log(log.log),
        none.clone(),
        none.clone(),
        kept.name.base.to_string(),
        none.clone(),
        none.clone(),
        file_bytes,
        none,
        "quarantined".to_owned(),
    ]
}

fn quarantined_json(look: &Look, shard: u16, log: &LogPicture, kept: &DamagedSegment) -> serde_json::Value {
    json!({
        "shard": shard,
        "topic": look.names.topic(log.log.topic),
        "topic_id": format!("{:032x}", log.log.topic),
        "partition": log.log.partition,
        "file": kept.path,
        "base_offset": kept.name.base.0,
        "file_bytes": file_bytes(kept),
        "quarantined": true,
        "damage": kept.what,
    })
}

fn file_bytes(kept: &DamagedSegment) -> Option<u64> {
    std::fs::metadata(&kept.path).ok().map(|metadata| metadata.len())
}

fn as_json(look: &Look, shard: u16, log: &LogPicture, segment: &SegmentPicture) -> serde_json::Value {
    json!({
        "shard": shard,
        "topic": look.names.topic(log.log.topic),
        "topic_id": format!("{:032x}", log.log.topic),
        "partition": log.log.partition,
        "directory": log.dir,
        "start_offset": log.start.0,
        "end_offset": log.end.0,
        "file": segment.path,
        "base_offset": segment.base_offset.0,
        "next_offset": segment.next_offset.0,
        "bytes": segment.bytes,
        "file_bytes": segment.file_bytes,
        "max_timestamp_ms": segment.max_timestamp,
        "sealed": segment.sealed,
        "damage": damage(log, segment).map(|damage| &damage.what),
    })
}
