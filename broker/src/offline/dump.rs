//! `ringmain log dump`: files decoded, one line a thing.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use batch::{BatchError, BatchView, DecompressLimit};
use engine::checkpoint::ProducerCheckpoint;
use engine::disk::layout::Layout;
use engine::frame::{FrameFields, FrameKind};
use engine::inspect::{self, JournalFile, SegmentReader, Step};
use engine::journal::GroupHead;
use serde_json::json;

use super::{LogError, Look};

/// What one batch's records may grow to.
const RECORDS_BYTES_MAX: DecompressLimit = DecompressLimit(64 << 20);

/// Journal files with headers, groups and, if asked for, frames.
pub(super) fn journal(look: &Look, frames: bool, out: &mut dyn Write) -> Result<(), LogError> {
    for &shard in &look.shards {
        let layout = Layout::new(&look.data, look.generation, shard);
        for id in inspect::journal_files(&layout)? {
            // One file in memory at a time. On a running node it may have been recycled since.
            if let Some(file) = inspect::read_journal_file(&layout, id)? {
                journal_file(look, &file, frames, out)?;
            }
        }
    }
    Ok(())
}

fn journal_file(look: &Look, file: &JournalFile, frames: bool, out: &mut dyn Write) -> Result<(), LogError> {
    let (path, groups, damaged) = (file.path.display().to_string(), file.scan.groups.len(), file.scan.bad.len());
    let (shard, file_bytes, error) = match &file.scan.header {
        Ok(header) => (Some(header.shard), Some(header.file_bytes), None),
        Err(error) => (None, None, Some(error.to_string())),
    };
    if look.json {
        let header = json!({"shard": shard, "file_bytes": file_bytes, "error": error});
        writeln!(
            out,
            "{}",
            json!({"kind": "file", "file": path, "header": header, "groups": groups, "damaged": damaged})
        )?;
    } else {
        let header = match error {
            Some(error) => format!("header: {error}"),
            None => format!("shard {} size {}", shard.unwrap_or_default(), file_bytes.unwrap_or_default()),
        };
        writeln!(out, "file {path}  {header}  groups {groups}  damaged {damaged}")?;
    }
    let sound = file.scan.groups.iter().map(|head| (head, None));
    let bad = file.scan.bad.iter().map(|(head, error)| (head, Some(error.to_string())));
    let mut all: Vec<_> = sound.chain(bad).collect();
    all.sort_by_key(|(head, _)| head.context.position);
    for (head, error) in all {
        group(look, head, error.as_deref(), out)?;
        if frames && error.is_none() {
            for frame in file.frames(head).flatten() {
                self::frame(look, &frame.fields(), out)?;
            }
        }
    }
    Ok(())
}

fn group(look: &Look, head: &GroupHead, error: Option<&str>, out: &mut dyn Write) -> Result<(), LogError> {
    let context = &head.context;
    if look.json {
        let line = json!({
            "kind": "group",
            "seq": context.seq.0,
            "position": context.position,
            "previous_seq": context.previous_seq.0,
            "durable_seq": context.durable_seq.0,
            "frames": head.frame_count,
            "used_bytes": head.used_bytes,
            "group_bytes": head.group_bytes,
            "checksum": head.checksum,
            "error": error,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let damage = error.map(|error| format!("  DAMAGED: {error}")).unwrap_or_default();
    writeln!(
        out,
        "  group {:<10} at {:<9} after {:<10} durable mark {:<10} frames {:<6} bytes {} in {}{damage}",
        context.seq.0,
        context.position,
        context.previous_seq.0,
        context.durable_seq.0,
        head.frame_count,
        head.used_bytes,
        head.group_bytes,
    )?;
    Ok(())
}

fn frame(look: &Look, fields: &FrameFields, out: &mut dyn Write) -> Result<(), LogError> {
    if !look.selection.has(fields.log) {
        return Ok(());
    }
    // Other kinds than batches have nothing but their name.
    let kind = if fields.kind == FrameKind::Batch { "batch".to_owned() } else { format!("{:?}", fields.kind) };
    if look.json {
        let line = json!({
            "kind": "frame",
            "frame": kind,
            "topic": look.names.topic(fields.log.topic),
            "topic_id": format!("{:032x}", fields.log.topic),
            "partition": fields.log.partition,
            "base_offset": fields.base_offset.0,
            "last_offset": fields.last_offset.0,
            "leader_epoch": fields.leader_epoch.0,
            "payload_bytes": fields.payload_len,
            "payload_crc": fields.payload_crc,
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let (log, first, last) = (look.names.log(fields.log), fields.base_offset, fields.last_offset);
    let (epoch, bytes) = (fields.leader_epoch, fields.payload_len);
    writeln!(out, "    frame {kind}  {log}  offsets {first} to {last}  epoch {epoch}  bytes {bytes}")?;
    Ok(())
}

/// Checkpoints, oldest first, with their logs.
pub(super) fn checkpoint(look: &Look, out: &mut dyn Write) -> Result<(), LogError> {
    for &shard in &look.shards {
        for found in inspect::checkpoints(&Layout::new(&look.data, look.generation, shard))? {
            let path = found.path.display().to_string();
            let kind = if found.is_copy { "copy" } else { "checkpoint" };
            let saved = match &found.content {
                Ok(saved) => saved,
                Err(error) if look.json => {
                    writeln!(out, "{}", json!({"kind": kind, "file": path, "error": error.to_string()}))?;
                    continue;
                }
                Err(error) => {
                    writeln!(out, "{kind} {path}  DAMAGED: {error}")?;
                    continue;
                }
            };
            let (seq, from, mark) = (saved.seq, saved.replay_from.0, saved.durable_seq.0);
            let (last_file, logs) = (saved.last_file.to_string(), saved.logs.len());
            if look.json {
                let line = json!({
                    "kind": kind, "file": path, "file_bytes": found.file_bytes, "shard": saved.shard, "seq": seq,
                    "replay_from": from, "durable_seq": mark, "last_file": last_file, "logs": logs, "error": null,
                });
                writeln!(out, "{line}")?;
            } else {
                writeln!(
                    out,
                    "{kind} {path}  seq {seq}  replay from {from}  durable mark {mark}  last file {last_file}  logs {logs}"
                )?;
            }
            // A copy says of its logs what the checkpoint says.
            if found.is_copy {
                continue;
            }
            for log in saved.logs.iter().filter(|log| look.selection.has(log.log)) {
                checkpoint_log(look, log, out)?;
            }
        }
    }
    Ok(())
}

fn producer(producer: &ProducerCheckpoint) -> serde_json::Value {
    let last = producer.batches.last();
    json!({
        "producer_id": producer.producer_id, "epoch": producer.epoch, "batches": producer.batches.len(),
        "last_sequence": last.map(|last| last.last_sequence), "last_offset": last.map(|last| last.last_offset.0),
    })
}

fn checkpoint_log(look: &Look, log: &engine::checkpoint::LogCheckpoint, out: &mut dyn Write) -> Result<(), LogError> {
    let epochs: Vec<_> = log.leader_epochs.iter().map(|(epoch, first)| [i64::from(epoch.0), first.0]).collect();
    if look.json {
        let segments: Vec<_> = log
            .segments
            .iter()
            .map(|segment| {
                json!({
                    "base_offset": segment.base_offset.0, "revision": segment.revision, "next_offset": segment.next_offset.0, "bytes": segment.bytes,
                    "max_timestamp_ms": segment.max_timestamp, "sealed": segment.sealed,
                })
            })
            .collect();
        let line = json!({
            "kind": "log", "topic": look.names.topic(log.log.topic), "topic_id": format!("{:032x}", log.log.topic),
            "partition": log.log.partition, "start_offset": log.log_start_offset.0, "end_offset": log.next_offset.0,
            "flushed_position": log.flushed_position, "tail_bytes": log.tail_block.len(), "leader_epochs": epochs,
            "active_index_entries": log.active_index.len(), "segments": segments,
            "producers": log.producers.iter().map(producer).collect::<Vec<_>>(),
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let (start, end, flushed, tail) =
        (log.log_start_offset, log.next_offset, log.flushed_position, log.tail_block.len());
    let (name, index) = (look.names.log(log.log), log.active_index.len());
    writeln!(
        out,
        "  log {name}  offsets {start} to {end}  in file to {flushed}  last block {tail} bytes  epochs {epochs:?}  \
         index entries {index}  producers {}",
        log.producers.len()
    )?;
    for segment in &log.segments {
        let state = if segment.sealed { "sealed" } else { "active" };
        let (base, next, bytes) = (segment.base_offset, segment.next_offset, segment.bytes);
        let time = segment.max_timestamp;
        writeln!(out, "    segment {base} to {next}  bytes {bytes}  max time {time}  {state}")?;
    }
    Ok(())
}

/// The batches of a segment file. What lies behind the end of the log, which the file does not know, is shown as well.
pub(super) fn segment(path: &Path, records: bool, json: bool, out: &mut dyn Write) -> Result<(), LogError> {
    let failed = |source| LogError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(failed)?;
    let file_bytes = file.metadata().map_err(failed)?.len();
    let mut reader = SegmentReader::new(Some(file), file_bytes, Vec::new());
    loop {
        let position = match reader.next_step() {
            None => return Ok(()),
            Some(Step::Batch { position, batch, crc }) => {
                self::batch(position, &batch, &crc, json, out)?;
                if records {
                    self::records(&batch, json, out)?;
                }
                continue;
            }
            Some(Step::Broken { position, what }) => (position, what),
        };
        let (position, what) = position;
        reader.seek(position);
        let left = file_bytes - position;
        let what = match reader.is_zero_to_the_end() {
            Ok(true) => format!("{left} bytes of zeros: reserved, or the padding of the last block"),
            _ => what,
        };
        if json {
            writeln!(out, "{}", json!({"kind": "rest", "position": position, "bytes": left, "what": what}))?;
        } else {
            writeln!(out, "rest at {position}  {what}")?;
        }
        return Ok(());
    }
}

fn batch(
    position: u64,
    batch: &BatchView<'_>,
    crc: &Result<(), BatchError>,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), LogError> {
    let info = &batch.info;
    let codec = info.compression().map_or_else(|error| error.to_string(), |codec| codec.name().to_owned());
    if json {
        let line = json!({
            "kind": "batch", "position": position, "bytes": info.length, "base_offset": info.base_offset.0,
            "last_offset": info.last_offset().0, "records": info.record_count, "codec": codec,
            "base_timestamp_ms": info.base_timestamp, "max_timestamp_ms": info.max_timestamp,
            "leader_epoch": info.leader_epoch.0, "producer_id": info.producer_id, "producer_epoch": info.producer_epoch,
            "base_sequence": info.base_sequence, "transactional": info.is_transactional(), "control": info.is_control(),
            "crc": info.crc, "crc_ok": crc.is_ok(),
        });
        writeln!(out, "{line}")?;
        return Ok(());
    }
    let (first, last, bytes, count) = (info.base_offset, info.last_offset(), info.length, info.record_count);
    let (from, to, epoch) = (info.base_timestamp, info.max_timestamp, info.leader_epoch);
    let producer = match info.has_producer() {
        true => format!("  producer {}/{} from {}", info.producer_id, info.producer_epoch, info.base_sequence),
        false => String::new(),
    };
    let marks = [(info.is_transactional(), "  transactional"), (info.is_control(), "  control")];
    let marks: String = marks.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    let crc = crc.as_ref().map_or_else(|error| format!("CRC WRONG: {error}"), |()| "crc ok".to_owned());
    writeln!(
        out,
        "batch at {position:<10}  offsets {first} to {last}  records {count}  bytes {bytes}  {codec}  \
         time {from} to {to}  epoch {epoch}{producer}{marks}  {crc}"
    )?;
    Ok(())
}

fn records(batch: &BatchView<'_>, json: bool, out: &mut dyn Write) -> Result<(), LogError> {
    let decoded = match batch.records(RECORDS_BYTES_MAX) {
        Ok(decoded) => decoded,
        Err(error) => return undecodable(&error, json, out),
    };
    for record in &decoded {
        let record = match record {
            Ok(record) => record,
            Err(error) => return undecodable(&error, json, out),
        };
        let (offset, time) = (record.offset.0, record.timestamp);
        let headers: Vec<_> = record.headers.iter().map(|(name, value)| (text(Some(name)), text(value))).collect();
        let (key, value) = (text(record.key), text(record.value));
        if json {
            let line = json!({
                "kind": "record", "offset": offset, "timestamp_ms": time, "key": key, "value": value, "headers": headers,
            });
            writeln!(out, "{line}")?;
        } else {
            let plain = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
            let headers: String =
                headers.iter().map(|(name, value)| format!("  {}: {}", plain(name), plain(value))).collect();
            writeln!(out, "  record {offset}  time {time}  key {}  value {}{headers}", plain(&key), plain(&value))?;
        }
    }
    Ok(())
}

fn undecodable(error: &BatchError, json: bool, out: &mut dyn Write) -> Result<(), LogError> {
    if json {
        writeln!(out, "{}", json!({"kind": "record", "error": error.to_string()}))?;
    } else {
        writeln!(out, "  records cannot be decoded: {error}")?;
    }
    Ok(())
}

/// Printable ASCII as it is, every other byte escaped, so that no record can speak to the terminal.
fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| bytes.escape_ascii().to_string())
}
