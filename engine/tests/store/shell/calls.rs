//! Each effect as the system calls that it comes to, and what each of them does to the disk.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::checkpoint::{self, Checkpoint};
use engine::journal::{FileHeader, FileRequest};
use engine::memory::AlignedBuf;
use engine::segment_index;
use engine::store::Effect;
use engine::{GroupSeq, LogId, Offset, SegmentName};

use super::{BLOCK_BYTES, Planted, Shell};
use crate::disk::{Dir, Name};

const CHECKPOINTS_KEPT: usize = 2;

/// One system call.
#[derive(Debug)]
pub(super) enum Call {
    Create(Name),
    OpenSegment(Name),
    Write {
        name: Name,
        position: u64,
        bytes: Vec<u8>,
    },
    WriteDurable {
        name: Name,
        position: u64,
        buf: AlignedBuf,
    },
    Truncate {
        name: Name,
        bytes: u64,
    },
    Sync(Name),
    SyncSegment(Name),
    SyncDirs,
    SyncDir(Dir),
    Rename(Name, Name),
    RemoveOldCheckpoints,
    RemoveLog(LogId),
    /// A piece of a file that goes, from its end.
    CutDown(Name),
    RemoveSegment(Name),
    /// But for those that go next.
    RemoveLeftovers(LogId, Vec<SegmentName>),
    /// The file for a segment to come becomes the segment's.
    TakeNext {
        next: Name,
        segment: Name,
    },
    /// The file of a segment that goes is kept for one to come.
    KeepAsNext {
        segment: Name,
        next: Name,
    },
    RemoveNext(Name),
    /// A segment that goes is taken into quarantine if it is marked.
    TakeDamaged(LogId, SegmentName),
}

/// What the store is told in the end.
#[derive(Debug)]
pub(super) enum Report {
    Group(GroupSeq),
    FileReady(FileRequest),
    Blocks {
        log: LogId,
        segment: Offset,
        position: u64,
        len: u64,
    },
    Sealed {
        log: LogId,
        segment: Offset,
        partial_bytes: u64,
    },
    Synced,
    CheckpointWritten(u64),
    LogRemoved(LogId),
    Marked(LogId, SegmentName),
    /// Which of these files for segments to come are there.
    NextFiles(LogId, Vec<Offset>),
    Nothing,
}

impl Shell {
    pub(super) fn calls(&self, effect: Effect) -> (Vec<Call>, Report) {
        match effect {
            Effect::WriteGroup(write) => {
                let name = Name::Journal(write.file);
                assert!(self.disk.exists(name), "groups go to prepared files");
                let (position, seq) = (write.position, write.seq);
                (vec![Call::WriteDurable { name, position, buf: write.buf }], Report::Group(seq))
            }
            Effect::PrepareJournalFile(request) => (self.prepare(request), Report::FileReady(request)),
            Effect::WriteBlocks { log, write, next } => {
                let name = Name::Segment(log, SegmentName::appended(write.segment));
                let bytes: Vec<u8> = write.spans.iter().flat_map(|span| span.iter().copied()).collect();
                assert!(bytes.len().is_multiple_of(BLOCK_BYTES) && write.position.is_multiple_of(BLOCK_BYTES as u64));
                let len = bytes.len() as u64;
                let next = next.map(|next| Name::Next(log, next)).or_else(|| self.any_next_file(log));
                let mut calls = Vec::from_iter(next.map(|next| Call::TakeNext { next, segment: name }));
                calls.extend([Call::OpenSegment(name), Call::Write { name, position: write.position, bytes }]);
                (calls, Report::Blocks { log, segment: write.segment, position: write.position, len })
            }
            Effect::SealSegment { log, write } => {
                let name = Name::Segment(log, SegmentName::appended(write.segment));
                let partial_bytes = write.partial_block.len() as u64;
                let mut calls = vec![Call::OpenSegment(name)];
                if partial_bytes > 0 {
                    let mut bytes = write.partial_block;
                    bytes.resize(BLOCK_BYTES, 0);
                    calls.push(Call::Write { name, position: write.position, bytes });
                }
                calls.push(Call::Truncate { name, bytes: write.bytes });
                if let Some(index) = &write.index {
                    let name = Name::Index(log, SegmentName::appended(write.segment));
                    let bytes = segment_index::encode(index);
                    calls.extend([Call::Create(name), Call::Write { name, position: 0, bytes }]);
                }
                (calls, Report::Sealed { log, segment: write.segment, partial_bytes })
            }
            Effect::SyncSegments { files } => {
                let names = files.into_iter().map(|(log, base)| Name::Segment(log, SegmentName::appended(base)));
                (names.map(Call::SyncSegment).chain([Call::SyncDirs]).collect(), Report::Synced)
            }
            Effect::WriteCheckpoint(mut checkpoint) if self.planted == Planted::CheckpointWithoutProducers => {
                checkpoint.logs.iter_mut().for_each(|log| Arc::make_mut(log).producers.clear());
                (self.checkpoint(&checkpoint), Report::CheckpointWritten(checkpoint.seq))
            }
            Effect::WriteCheckpoint(checkpoint) => {
                (self.checkpoint(&checkpoint), Report::CheckpointWritten(checkpoint.seq))
            }
            Effect::ReadPiece(read) => unreachable!("the readers are not the shell's: {read:?}"),
            Effect::RemoveLog(log) => (vec![Call::RemoveLog(log)], Report::LogRemoved(log)),
            Effect::RemoveSegments { log, segments, kept } => self.removals(log, segments, &kept),
            Effect::MakeNextFile { log, name, bytes } => {
                let next = Name::Next(log, name);
                let calls = vec![Call::RemoveNext(next), Call::Create(next), Call::Truncate { name: next, bytes }];
                (calls, Report::NextFiles(log, vec![name]))
            }
            Effect::RemoveNextFile { log, name, at_once } => {
                let next = Name::Next(log, name);
                if at_once {
                    return (vec![Call::RemoveNext(next)], Report::NextFiles(log, vec![name]));
                }
                let calls = vec![Call::CutDown(next), Call::CutDown(next), Call::RemoveNext(next)];
                (calls, Report::NextFiles(log, vec![name]))
            }
        }
    }

    fn removals(&self, log: LogId, segments: Vec<SegmentName>, kept: &[SegmentName]) -> (Vec<Call>, Report) {
        let sweep = Call::RemoveLeftovers(log, segments.clone());
        let calls = segments.into_iter().flat_map(|segment| {
            let (name, take) = (Name::Segment(log, segment), Call::TakeDamaged(log, segment));
            if kept.contains(&segment) {
                let next = Name::Next(log, segment.base);
                return vec![take, Call::KeepAsNext { segment: name, next }, Call::RemoveSegment(name)];
            }
            if self.planted == Planted::CutBeforeQuarantine {
                return vec![Call::CutDown(name), take, Call::CutDown(name), Call::RemoveSegment(name)];
            }
            vec![take, Call::CutDown(name), Call::CutDown(name), Call::RemoveSegment(name)]
        });
        let calls = [sweep].into_iter().chain(calls).collect();
        let names: Vec<Offset> = kept.iter().map(|segment| segment.base).collect();
        (calls, if names.is_empty() { Report::Nothing } else { Report::NextFiles(log, names) })
    }

    fn prepare(&self, request: FileRequest) -> Vec<Call> {
        let name = Name::Journal(request.file());
        let size = self.journal_file_bytes;
        let zeros = Call::Write { name, position: 0, bytes: vec![0; size as usize] };
        let mut calls = Vec::new();
        match request {
            FileRequest::Create(_) => {
                assert!(!self.disk.exists(name), "an identity is never given twice");
                calls.extend([Call::Create(name), zeros]);
            }
            FileRequest::Recycle { old, .. } => {
                let old = Name::Journal(old);
                calls.push(Call::Rename(old, name));
                if self.disk.read(old).is_some_and(|bytes| bytes.len() as u64 != size) {
                    calls.extend([zeros, Call::Truncate { name, bytes: size }]);
                }
            }
        }
        let mut header = AlignedBuf::zeroed(BLOCK_BYTES);
        FileHeader { file: request.file(), file_bytes: size, shard: self.shard }.encode(&mut header);
        let header = Call::Write { name, position: 0, bytes: header.to_vec() };
        calls.extend([header, Call::Sync(name), Call::SyncDir(Dir::Journal)]);
        calls
    }

    fn checkpoint(&self, checkpoint: &Checkpoint) -> Vec<Call> {
        let (temporary, name) = (Name::Temporary(checkpoint.seq), Name::Checkpoint(checkpoint.seq));
        let bytes = checkpoint::encode(checkpoint).to_vec();
        let mut calls = vec![
            Call::Create(temporary),
            Call::Write { name: temporary, position: 0, bytes: bytes.clone() },
            Call::Sync(temporary),
            Call::Rename(temporary, name),
            Call::SyncDir(Dir::Shard),
        ];
        let copy = Name::Copy(checkpoint.seq % CHECKPOINTS_KEPT as u64);
        if !matches!(self.planted, Planted::LeaveOutCopies | Planted::KeepOneCheckpoint) {
            let is_new = !self.disk.exists(copy);
            calls.extend(is_new.then_some(Call::Create(copy)));
            calls.extend([Call::Write { name: copy, position: 0, bytes }, Call::Sync(copy)]);
            calls.extend(is_new.then_some(Call::SyncDir(Dir::Copies)));
        }
        calls.push(Call::RemoveOldCheckpoints);
        calls
    }

    pub(super) fn make(&mut self, call: Call, dirs: &mut BTreeSet<Dir>) {
        match call {
            Call::Create(name) => {
                self.disk.create(name);
                if matches!(name, Name::Index(..)) && self.planted == Planted::NoteIndexesBeforeTheyAreWritten {
                    self.unsynced_indexes.insert(name);
                }
            }
            Call::OpenSegment(name) => self.open_segment(name),
            Call::Write { name: Name::Segment(..), .. }
                if self.is_full && self.planted == Planted::TakeNoSpaceForWritten => {}
            Call::Write { name, position, bytes } => {
                self.disk.write(name, position, &bytes);
                if matches!(name, Name::Index(..)) && self.planted != Planted::NoteIndexesBeforeTheyAreWritten {
                    self.unsynced_indexes.insert(name);
                }
            }
            Call::WriteDurable { name, position, buf } if self.planted == Planted::WriteGroupsWithoutSync => {
                self.disk.write(name, position, &buf);
            }
            Call::WriteDurable { name, position, buf } => self.disk.write_durable(name, position, &buf),
            Call::Truncate { name, bytes } => self.disk.truncate(name, bytes),
            Call::Sync(Name::Mark(..)) | Call::SyncDir(Dir::Quarantine(_)) if self.planted == Planted::SkipMarkSync => {
            }
            Call::Sync(Name::Temporary(_)) if self.planted == Planted::SkipCheckpointSync => {}
            Call::Sync(name) => self.disk.sync(name),
            Call::SyncSegment(_) if self.planted == Planted::SkipSegmentSync => {}
            Call::SyncSegment(name) => {
                if self.disk.exists(name) {
                    self.disk.sync(name);
                    dirs.extend(self.fresh.remove(&name).then_some(name.dir()));
                }
                self.sync_index(name, dirs);
            }
            Call::SyncDirs if self.planted == Planted::SkipSegmentDirSync => {}
            Call::SyncDirs => dirs.iter().for_each(|dir| self.disk.sync_dir(*dir)),
            Call::SyncDir(Dir::Shard) if self.planted == Planted::SkipShardDirSync => {}
            Call::SyncDir(Dir::Journal) if self.planted == Planted::SkipJournalDirSync => {}
            Call::SyncDir(dir) => self.disk.sync_dir(dir),
            Call::Rename(from, to) => self.disk.rename(from, to),
            Call::RemoveOldCheckpoints => {
                let checkpoints: Vec<Name> =
                    self.disk.names().filter(|name| matches!(name, Name::Checkpoint(_))).collect();
                let kept = if self.planted == Planted::KeepOneCheckpoint { 1 } else { CHECKPOINTS_KEPT };
                checkpoints.into_iter().rev().skip(kept).for_each(|name| self.disk.unlink(name));
            }
            Call::RemoveLog(_) if self.planted == Planted::LeaveDeletedLogs => {}
            Call::RemoveLog(log) => self.remove_log(log),
            Call::CutDown(name) => {
                let bytes = self.disk.read(name).map_or(0, |file| file.len() as u64);
                self.disk.truncate(name, bytes / 2);
            }
            Call::RemoveSegment(name) => self.remove_segment(name),
            Call::TakeNext { next, segment } => self.take_next(next, segment),
            Call::KeepAsNext { segment, next } => {
                if self.disk.exists(segment) {
                    self.disk.rename(segment, next);
                    self.next_files_kept += 1;
                }
            }
            Call::RemoveNext(_) if self.planted == Planted::LeaveNextFiles => {}
            Call::RemoveNext(next) => self.unlink_if_there(next),
            Call::RemoveLeftovers(..) | Call::TakeDamaged(..) => unreachable!("these are looked at before"),
        }
    }

    fn sync_index(&mut self, segment: Name, dirs: &mut BTreeSet<Dir>) {
        let Name::Segment(log, segment) = segment else { return };
        let name = Name::Index(log, segment);
        if self.unsynced_indexes.remove(&name) {
            self.disk.sync(name);
            dirs.insert(name.dir());
        }
    }

    /// Where the segment's file is open already it stays.
    fn take_next(&mut self, next: Name, segment: Name) {
        let is_late = self.planted == Planted::TakeNextFilesLate;
        if self.disk.exists(next) && (is_late || !self.opened.contains(&segment)) {
            self.disk.rename(next, segment);
            self.next_files_taken += 1;
        }
    }

    fn any_next_file(&self, log: LogId) -> Option<Name> {
        let is_its = |name: &Name| matches!(name, Name::Next(id, _) if *id == log);
        self.disk.names().find(is_its).filter(|_| self.planted == Planted::TakeNextFilesLate)
    }

    fn open_segment(&mut self, name: Name) {
        if !self.disk.exists(name) {
            self.disk.create(name);
            self.fresh.insert(name);
        } else if !self.opened.contains(&name) && self.planted != Planted::ForgetOpenedFilesMayBeNew {
            // A process before this one may have made the file and died before it synced the directory.
            self.fresh.insert(name);
        }
        self.opened.insert(name);
    }

    pub(super) fn remove_segment(&mut self, name: Name) {
        self.disk.unlink(name);
        self.fresh.remove(&name);
        self.opened.remove(&name);
        if let Name::Segment(log, segment) = name {
            let index = Name::Index(log, segment);
            self.disk.unlink(index);
            self.unsynced_indexes.remove(&index);
        }
    }

    pub fn remove_log(&mut self, log: LogId) {
        self.remove_quarantined(log);
        let of_log =
            |name: &Name| matches!(name, Name::Segment(id, _) | Name::Index(id, _) | Name::Next(id, _) if *id == log);
        let names: Vec<Name> = self.disk.names().filter(of_log).collect();
        names.into_iter().for_each(|name| self.disk.unlink(name));
        self.fresh.retain(|name| !of_log(name));
        self.opened.retain(|name| !of_log(name));
        self.unsynced_indexes.retain(|name| !of_log(name));
        self.disk.sync_dir(Dir::Log(log));
    }
}
