//! All checkpoints of a copy of the disk are lost, and the shard is rebuilt from its segments and its journal. What the rebuild calls
//! proven must be there to the last record; of everything else at least what the lost checkpoint had in files, but for what is told.

use std::collections::BTreeMap;

use engine::checkpoint::{self, LogCheckpoint};
use engine::journal::FileScan;
use engine::log::ReadRequest;
use engine::log::producers::Producers;
use engine::memory::AlignedBuf;
use engine::rebuild::{self, Continuation, JournalRun, LogInJournal, LogReport, PlannedLog, SegmentScan};
use engine::segment_index;
use engine::store::Store;
use engine::store::recovery::FoundFile;
use engine::{JournalFileId, LogId, Offset};

use super::damage::read_alone;
use super::{SHARD, Simulation};
use crate::disk::{Dir, Name};
use crate::model::{Expected, Made, ModelLog};
use crate::shell::{Planted, Shell};

impl Simulation {
    /// The shard has just been opened and has done nothing yet.
    pub(super) fn examine_rebuild(&mut self) {
        let Some(saved) = self.shell.sound_checkpoints().pop().filter(|_| self.shell.planted == Planted::Nothing)
        else {
            return;
        };
        let mut disk = self.shell.disk.clone();
        let lost: Vec<Name> = disk.names().filter(|name| matches!(name.dir(), Dir::Shard | Dir::Copies)).collect();
        lost.into_iter().for_each(|name| disk.unlink(name));
        let mut shell = Shell::new(disk, Planted::Nothing, SHARD, self.world.journal_file_bytes);
        let run = journal_run(&shell);
        let planned: BTreeMap<LogId, PlannedLog> = plan(&shell, &run);
        let last_file = shell.scan().iter().map(|scan: &FileScan| scan.file).max().unwrap_or(JournalFileId(0));
        let logs = planned.values().map(|planned| planned.checkpoint.clone()).collect();
        let rebuilt = rebuild::checkpoint(SHARD, saved.seq + 1, &run, last_file, logs);
        shell.disk.create(Name::Checkpoint(rebuilt.seq));
        shell.disk.write(Name::Checkpoint(rebuilt.seq), 0, &checkpoint::encode(&rebuilt));
        let reopened = shell.reopen(self.world.limits, self.world.files(self.salt + 1), &self.pool);
        let mut store = reopened.unwrap_or_else(|error| panic!("the rebuilt shard does not open: {error}")).store;
        for (id, log) in &self.model.logs {
            let Some(before) = self.store.view(*id).filter(|view| view.end > view.start) else { continue };
            let saved = saved.logs.iter().find(|saved| saved.log == *id);
            let Some(PlannedLog { report, checkpoint: rebuilt }) = planned.get(id) else {
                let flushed = saved.map_or(0, |saved| saved.flushed_position + saved.segments.len() as u64 - 1);
                assert_eq!(flushed, 0, "log {id} has files, and the rebuild does not know it");
                continue;
            };
            let is_proven = report.continuation == Continuation::Proven && report.gaps.is_empty();
            if is_proven {
                let end = store.view(*id).expect("rebuilt").end;
                assert_eq!(end, before.end, "log {id}: {report:?}");
                self.counts.rebuilt_whole += 1;
            } else {
                self.counts.rebuilt_in_part += 1;
            }
            let until =
                if is_proven { before.end } else { saved.map_or(Offset(0), |saved| end_in_files(&shell, saved)) };
            // A file that compaction had finished may count by now.
            let compacted =
                rebuilt.segments.iter().filter(|segment| segment.revision > 0).map(|segment| segment.next_offset);
            let compacted = compacted.max().unwrap_or_default().max(Offset(log.compacted_until));
            let from = before.start.max(report.start).max(compacted);
            check_records(&mut store, &shell, (*id, log), from..until, report);
            if is_proven {
                let producers = store.log(*id).expect("rebuilt").producers();
                (0..8).for_each(|_| check_producer(producers, (*id, log), from, log.any_made(&mut self.random)));
                self.counts.producers_rebuilt += producers.len() as u64;
            }
        }
    }
}

/// Every batch of the range is there, but for those in gaps.
fn check_records(
    store: &mut Store,
    shell: &Shell,
    (id, log): (LogId, &ModelLog),
    range: std::ops::Range<Offset>,
    report: &LogReport,
) {
    for (base, bytes) in log.whole_batches(range.start, range.end) {
        if report.gaps.iter().any(|(from, to)| *from <= base && base < *to) {
            continue;
        }
        let request = ReadRequest { from: base, until: Offset(i64::MAX), bytes_max: 1, at_least_one: true };
        let got = read_alone(store, shell, id, request)
            .unwrap_or_else(|error| panic!("log {id}: {base}: {error:?}: {report:?}"));
        assert!(got == bytes, "log {id}: {base} is not as it was written: {report:?}");
    }
}

/// A producer whose newest batch is from `from` on goes on as if nothing had happened.
fn check_producer(producers: &Producers, (id, log): (LogId, &ModelLog), from: Offset, made: Made) {
    if log.newest_of(made.producer_id).is_none_or(|newest| newest < from.0) {
        return;
    }
    let known = producers.judge(&made.info());
    match log.expected(&made) {
        Expected::Known(base) if base < from.0 => {}
        Expected::Known(base) => {
            let known = known.unwrap_or_else(|error| panic!("log {id}: {made:?} is at {base}: {error}"));
            assert_eq!(known.map(|known| known.base_offset().0), Some(base), "log {id}: {made:?}");
        }
        Expected::Appended => assert_eq!(known, Ok(None), "log {id}: {made:?} goes on"),
        // Where compaction has taken batches the last ones that are left reach further back.
        Expected::Refused => match known {
            Ok(Some(known)) => assert!(log.is_made(&made, known.base_offset().0), "log {id}: {made:?} is no {known:?}"),
            known => assert!(known.is_err(), "log {id}: {made:?} does not go on"),
        },
    }
}

/// Behind the last record that the files have for sure: the last block is in the checkpoint only.
fn end_in_files(shell: &Shell, saved: &LogCheckpoint) -> Offset {
    let active = saved.segments.last().expect("a log has an active segment");
    let bytes = shell.disk.read(Name::Segment(saved.log, active.name())).unwrap_or_default();
    let mut walk = engine::log::SegmentWalk::new(active.name());
    let in_file = &bytes[..bytes.len().min(saved.flushed_position as usize)];
    assert!(walk.on_bytes(in_file).is_ok(), "what the checkpoint names is sound");
    walk.so_far().0.next_offset
}

fn journal_run(shell: &Shell) -> JournalRun {
    let journal = |name| if let Name::Journal(id) = name { Some((id, aligned(shell, name))) } else { None };
    let files: Vec<(JournalFileId, AlignedBuf)> = shell.disk.names().filter_map(journal).collect();
    let found: Vec<_> = files.iter().map(|(file, bytes)| FoundFile { file: *file, bytes }).collect();
    rebuild::journal_run(SHARD, &found).unwrap_or_else(|error| panic!("a sound journal is refused: {error}"))
}

fn aligned(shell: &Shell, name: Name) -> AlignedBuf {
    let bytes = shell.disk.read(name).expect("listed");
    let mut buf = AlignedBuf::zeroed(bytes.len());
    buf.copy_from_slice(bytes);
    buf
}

fn plan(shell: &Shell, run: &JournalRun) -> BTreeMap<LogId, PlannedLog> {
    let mut files: BTreeMap<LogId, Vec<Name>> = run.logs.keys().map(|log| (*log, Vec::new())).collect();
    for name in shell.disk.names() {
        if let Name::Segment(log, _) = name {
            files.entry(log).or_default().push(name);
        }
    }
    let in_journal = |log| run.logs.get(&log).copied().unwrap_or_default();
    let alive = files.into_iter().filter(|(log, _)| !in_journal(*log).is_dropped);
    alive.map(|(log, names)| (log, plan_log(shell, log, in_journal(log), &names))).collect()
}

fn plan_log(shell: &Shell, log: LogId, journal: LogInJournal, names: &[Name]) -> PlannedLog {
    let scan = |name: &Name| {
        let Name::Segment(_, segment) = *name else { unreachable!("these are segments") };
        let bytes = shell.disk.read(*name).expect("listed");
        let index = shell.disk.read(Name::Index(log, segment)).and_then(|bytes| segment_index::decode(bytes).ok());
        let until = journal.first_batch.unwrap_or(Offset::MAX);
        let mut scan = SegmentScan::new(log, segment, bytes.len() as u64, index, until);
        for piece in bytes.chunks(10_000) {
            if !scan.on_bytes(piece) {
                break;
            }
        }
        scan.end()
    };
    let mut planned = rebuild::plan(log, journal, names.iter().map(scan).collect());
    if let Some((segment, range)) = planned.tail_block() {
        let bytes = shell.disk.read(Name::Segment(log, segment)).expect("walked");
        planned.checkpoint.tail_block = bytes[range.start as usize..range.end as usize].to_vec();
    }
    planned
}
