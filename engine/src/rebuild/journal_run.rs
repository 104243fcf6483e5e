//! The journal of a shard without checkpoints: where the last stretch of it begins that hangs together, and what that has of each log.

use std::collections::{BTreeMap, BTreeSet};

use batch::Offset;

use crate::frame::FrameKind;
use crate::ids::{GroupSeq, LogId};
use crate::journal::{self, End, FILE_HEADER_BYTES, FileScan, GroupHead, Predecessor, ReplayFrom};
use crate::store::recovery::{FoundFile, ReopenError};

/// A stretch of the journal without a hole, up to its end.
#[derive(Debug, Clone)]
pub struct JournalRun {
    pub replay_from: GroupSeq,
    /// The group before it, which is not there any more.
    pub before: Predecessor,
    /// Some group says that all up to here were durable.
    pub durable_seq: GroupSeq,
    pub groups: usize,
    pub logs: BTreeMap<LogId, LogInJournal>,
}

/// What the stretch has of one log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogInJournal {
    /// Where its first batch begins.
    pub first_batch: Option<Offset>,
    /// That batch's own CRC.
    pub first_crc: u32,
    /// Before that batch it was said to start here, so it went at least so far.
    pub start_before: Offset,
    /// It is deleted further on.
    pub is_dropped: bool,
}

/// Finds the longest stretch that reaches the end of the journal. Before it there may be others, in files that were free and not written
/// to since; behind it groups that were under way when the shard stopped, and that no recovery would take.
///
/// # Errors
/// Acknowledged groups are missing in every one, or the groups do not hold what they should.
pub fn journal_run(shard: u32, found: &[FoundFile<'_>]) -> Result<JournalRun, ReopenError> {
    let scans: Vec<FileScan> = found.iter().map(|file| journal::scan_file(file.file, file.bytes)).collect();
    let valid = || scans.iter().flat_map(|scan| &scan.groups);
    let bad = || scans.iter().flat_map(|scan| &scan.bad).map(|(head, _)| head);
    let durable_seq = valid().chain(bad()).map(|head| head.context.durable_seq).max().unwrap_or_default();
    let there: BTreeSet<(GroupSeq, u32)> = valid().map(|group| (group.context.seq, group.checksum)).collect();
    let is_first = |group: &&GroupHead| !there.contains(&(group.context.previous_seq, group.context.previous_checksum));
    let mut firsts: Vec<&GroupHead> = valid().filter(is_first).collect();
    firsts.sort_by_key(|group| group.context.seq);
    // The group before such a one lay in the same file, and nobody says that it was durable: both were under way.
    let was_under_way = |first: &&GroupHead| {
        first.context.position > FILE_HEADER_BYTES as u64 && durable_seq < first.context.previous_seq
    };
    let (under_way, firsts): (Vec<&GroupHead>, Vec<&GroupHead>) = firsts.into_iter().partition(was_under_way);
    let highest = valid().map(|group| group.context.seq).max().unwrap_or_default();
    // If all are, none counts, and the journal goes on behind the one that the first of them names.
    let cut = under_way.first().filter(|_| firsts.is_empty()).map(|first| (highest.next(), *first));
    let mut refused = None;
    for (replay_from, first) in firsts.into_iter().map(|first| (first.context.seq, first)).chain(cut) {
        let before = Predecessor { seq: first.context.previous_seq, checksum: first.context.previous_checksum };
        let recovered =
            journal::recover(&scans, ReplayFrom { shard, replay_from, durable_seq: GroupSeq::NONE, before });
        if let End::Corrupt { seq, reason } = recovered.end {
            refused = Some(ReopenError::Corrupt { seq, reason });
            continue;
        }
        let logs = logs(found, &recovered.groups)?;
        return Ok(JournalRun { replay_from, before, durable_seq, groups: recovered.groups.len(), logs });
    }
    if let Some(refused) = refused {
        return Err(refused);
    }
    // Nothing can be read. Numbers go on behind all that were ever seen.
    let seen = bad().map(|head| head.context.seq).max().unwrap_or_default();
    // All before may be free and gone. The first of those that are torn was under way, unless one says that it was durable.
    let torn = bad().min_by_key(|head| head.context.seq).map(|head| head.context);
    let before =
        torn.map_or(Predecessor::NONE, |torn| Predecessor { seq: torn.previous_seq, checksum: torn.previous_checksum });
    let from = ReplayFrom { shard, replay_from: seen.next(), durable_seq, before };
    match journal::recover(&scans, from).end {
        End::Corrupt { seq, reason } => Err(ReopenError::Corrupt { seq, reason }),
        End::Clean | End::TornTail { .. } => {
            let (replay_from, before) = (from.replay_from, from.before);
            Ok(JournalRun { replay_from, before, durable_seq: GroupSeq::NONE, groups: 0, logs: BTreeMap::new() })
        }
    }
}

fn logs(found: &[FoundFile<'_>], groups: &[GroupHead]) -> Result<BTreeMap<LogId, LogInJournal>, ReopenError> {
    let mut logs: BTreeMap<LogId, LogInJournal> = BTreeMap::new();
    for group in groups {
        let file = found.iter().find(|file| file.file == group.context.file).expect("a group of one of these files");
        for frame in journal::frames(file.bytes, group) {
            let frame = frame.map_err(|error| ReopenError::Misfit(format!("group {}: {error}", group.context.seq)))?;
            let fields = frame.fields();
            let log = logs.entry(fields.log).or_default();
            match fields.kind {
                FrameKind::Batch if log.first_batch.is_none() => {
                    (log.first_batch, log.first_crc) = (Some(fields.base_offset), fields.payload_crc);
                }
                FrameKind::Batch => {}
                FrameKind::LogStart if log.first_batch.is_none() => {
                    log.start_before = log.start_before.max(fields.base_offset);
                }
                FrameKind::LogStart => {}
                FrameKind::DropLog => log.is_dropped = true,
            }
        }
    }
    Ok(logs)
}
