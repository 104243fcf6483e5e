//! What `engine::run` and `engine::disk` do, on the simulated disk: each effect becomes the system calls that the real shell makes,
//! one step at a time, so that the simulation can stop between any two of them.

use std::collections::{BTreeSet, VecDeque};

use engine::checkpoint::{self, Checkpoint};
use engine::journal::{FileHeader, FileRequest, FilesConfig};
use engine::memory::{AlignedBuf, BufPool};
use engine::segment_index;
use engine::store::recovery::{self, FoundFile, ReopenError, Reopened};
use engine::store::{Durable, Effect, Store, StoreLimits};
use engine::{GroupSeq, JournalFileId, LogId, Offset};

use crate::disk::{Dir, Disk, Name};
use crate::random::Random;

const BLOCK_BYTES: usize = 4096;
const CHECKPOINTS_KEPT: usize = 2;

/// A fault built into this shell, to see that the checkers find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    ReportGroupsBeforeTheyAreWritten,
    WriteGroupsWithoutSync,
    SkipSegmentSync,
    SkipSegmentDirSync,
    /// Segments go as soon as the log starts behind them, before a checkpoint says so.
    RemoveSegmentsEarly,
    SkipCheckpointSync,
    SkipShardDirSync,
    SkipJournalDirSync,
    ForgetOpenedFilesMayBeNew,
    TrustFoundJournalUnsynced,
    TakeNoSpaceForWritten,
    KeepOneCheckpoint,
    /// At a start, what only the older checkpoint needs of the journal is free.
    ForgetOlderCheckpoint,
}

/// One system call.
#[derive(Debug)]
enum Call {
    Create(Name),
    OpenSegment(Name),
    Write { name: Name, position: u64, bytes: Vec<u8> },
    WriteDurable { name: Name, position: u64, buf: AlignedBuf },
    Truncate { name: Name, bytes: u64 },
    Sync(Name),
    SyncSegment(Name),
    SyncDirs,
    SyncDir(Dir),
    Rename(Name, Name),
    RemoveOldCheckpoints,
    RemoveLog(LogId),
    RemoveSegment(Name),
}

/// What the store is told in the end.
#[derive(Debug)]
enum Report {
    Group(GroupSeq),
    FileReady(FileRequest),
    Blocks { log: LogId, segment: Offset, position: u64, len: u64 },
    Sealed { log: LogId, segment: Offset, partial_bytes: u64 },
    Synced,
    CheckpointWritten,
    Nothing,
}

#[derive(Debug)]
struct Task {
    calls: VecDeque<Call>,
    /// Directories of new files among those synced.
    dirs: BTreeSet<Dir>,
    report: Report,
    /// What the store gets back when the task finds no space.
    gives_back: Option<Effect>,
}

/// Which of the tasks under way gets on first: the device and the file system owe us no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Any,
    Newest,
    Oldest,
    GroupsLast,
    GroupsFirst,
}

pub struct Shell {
    pub disk: Disk,
    pub order: Order,
    pub planted: Planted,
    /// Writes that need space find none.
    pub is_full: bool,
    /// How often one found none.
    pub refusals: u64,
    shard: u32,
    journal_file_bytes: u64,
    tasks: Vec<Task>,
    /// Segment files whose directories this process has not synced since it first opened them.
    fresh: BTreeSet<Name>,
    opened: BTreeSet<Name>,
    /// Indexes written and not synced.
    unsynced_indexes: BTreeSet<Name>,
    /// Files were not removed because a call failed: they are left to the next process.
    pub removals_failed: bool,
}

impl Shell {
    pub fn new(disk: Disk, planted: Planted, shard: u32, journal_file_bytes: u64) -> Self {
        Self {
            disk,
            planted,
            is_full: false,
            refusals: 0,
            shard,
            journal_file_bytes,
            order: Order::Any,
            tasks: Vec::new(),
            fresh: BTreeSet::new(),
            opened: BTreeSet::new(),
            unsynced_indexes: BTreeSet::new(),
            removals_failed: false,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    pub fn start(&mut self, effect: Effect) {
        let gives_back = match &effect {
            Effect::PrepareJournalFile(request) => Some(Effect::PrepareJournalFile(*request)),
            Effect::WriteBlocks { log, write } => Some(Effect::WriteBlocks { log: *log, write: write.clone() }),
            Effect::SealSegment { log, write } => Some(Effect::SealSegment { log: *log, write: write.clone() }),
            Effect::WriteCheckpoint(checkpoint) => Some(Effect::WriteCheckpoint(checkpoint.clone())),
            Effect::WriteGroup(_)
            | Effect::SyncSegments { .. }
            | Effect::RemoveLog(_)
            | Effect::RemoveSegments { .. } => None,
        };
        let (calls, report) = self.calls(effect);
        self.tasks.push(Task { calls: calls.into(), dirs: BTreeSet::new(), report, gives_back });
    }

    fn calls(&self, effect: Effect) -> (Vec<Call>, Report) {
        match effect {
            Effect::WriteGroup(write) => {
                let name = Name::Journal(write.file);
                assert!(self.disk.exists(name), "groups go to prepared files");
                let (position, seq) = (write.position, write.seq);
                (vec![Call::WriteDurable { name, position, buf: write.buf }], Report::Group(seq))
            }
            Effect::PrepareJournalFile(request) => (self.prepare(request), Report::FileReady(request)),
            Effect::WriteBlocks { log, write } => {
                let name = Name::Segment(log, write.segment);
                let bytes = write.span.to_vec();
                assert!(bytes.len().is_multiple_of(BLOCK_BYTES) && write.position.is_multiple_of(BLOCK_BYTES as u64));
                let len = bytes.len() as u64;
                let calls = vec![Call::OpenSegment(name), Call::Write { name, position: write.position, bytes }];
                (calls, Report::Blocks { log, segment: write.segment, position: write.position, len })
            }
            Effect::SealSegment { log, write } => {
                let name = Name::Segment(log, write.segment);
                let partial_bytes = write.partial_block.len() as u64;
                let mut calls = vec![Call::OpenSegment(name)];
                if partial_bytes > 0 {
                    let mut bytes = write.partial_block;
                    bytes.resize(BLOCK_BYTES, 0);
                    calls.push(Call::Write { name, position: write.position, bytes });
                }
                calls.push(Call::Truncate { name, bytes: write.bytes });
                if let Some(index) = &write.index {
                    let name = Name::Index(log, write.segment);
                    let bytes = segment_index::encode(index);
                    calls.extend([Call::Create(name), Call::Write { name, position: 0, bytes }]);
                }
                (calls, Report::Sealed { log, segment: write.segment, partial_bytes })
            }
            Effect::SyncSegments { files } => {
                let names = files.into_iter().map(|(log, segment)| Name::Segment(log, segment));
                (names.map(Call::SyncSegment).chain([Call::SyncDirs]).collect(), Report::Synced)
            }
            Effect::WriteCheckpoint(checkpoint) => (self.checkpoint(&checkpoint), Report::CheckpointWritten),
            Effect::RemoveLog(log) => (vec![Call::RemoveLog(log)], Report::Nothing),
            Effect::RemoveSegments { log, segments } => {
                let names = segments.into_iter().map(|segment| Name::Segment(log, segment));
                (names.map(Call::RemoveSegment).collect(), Report::Nothing)
            }
        }
    }

    /// Removes every segment before the start of its log, whatever the checkpoint says.
    fn remove_dead(&mut self, store: &Store) {
        for log in store.log_ids().filter_map(|id| store.log(id)) {
            let dead = log.segments().iter().filter(|s| s.is_closed() && s.next_offset <= log.start_offset());
            dead.for_each(|segment| self.remove_segment(Name::Segment(log.id(), segment.base_offset)));
        }
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
        vec![
            Call::Create(temporary),
            Call::Write { name: temporary, position: 0, bytes },
            Call::Sync(temporary),
            Call::Rename(temporary, name),
            Call::SyncDir(Dir::Shard),
            Call::RemoveOldCheckpoints,
        ]
    }

    /// Makes the next call of some task. When it was the last, the store is told; what became durable is returned.
    pub fn step(&mut self, random: &mut Random, store: &mut Store, effects: &mut Vec<Effect>) -> Option<Durable> {
        let index = self.choose(random);
        let task = &mut self.tasks[index];
        let early = self.planted == Planted::ReportGroupsBeforeTheyAreWritten;
        if let Report::Group(seq) = task.report
            && early
        {
            task.report = Report::Nothing;
            return Some(store.on_group_written(seq, effects));
        }
        if self.finds_no_space(index, random) {
            let task = self.tasks.remove(index);
            self.refusals += 1;
            self.give_up(task, random, store);
            return None;
        }
        let task = &mut self.tasks[index];
        if let Some(call) = task.calls.pop_front() {
            let mut dirs = std::mem::take(&mut task.dirs);
            self.make(call, &mut dirs);
            self.tasks[index].dirs = dirs;
        }
        if !self.tasks[index].calls.is_empty() {
            return None;
        }
        match self.tasks.remove(index).report {
            Report::Group(seq) => {
                let durable = store.on_group_written(seq, effects);
                if self.planted == Planted::RemoveSegmentsEarly {
                    self.remove_dead(store);
                }
                return Some(durable);
            }
            Report::FileReady(request) => store.on_journal_file_ready(request),
            Report::Blocks { log, segment, position, len } => store.on_blocks_written(log, segment, position, len),
            Report::Sealed { log, segment, partial_bytes } => store.on_sealed(log, segment, partial_bytes),
            Report::Synced => store.on_segments_synced(effects),
            Report::CheckpointWritten => store.on_checkpoint_written(effects),
            Report::Nothing => {}
        }
        None
    }

    /// Whether the task's next call takes space where there is none. By luck a call still gets some.
    fn finds_no_space(&self, index: usize, random: &mut Random) -> bool {
        let task = &self.tasks[index];
        let grows = matches!(task.calls.front(), Some(Call::Create(_) | Call::OpenSegment(_) | Call::Write { .. }));
        self.is_full
            && self.planted != Planted::TakeNoSpaceForWritten
            && grows
            && task.gives_back.is_some()
            && !random.one_in(8)
    }

    /// Leaves behind what the real shell does: part of a segment write, nothing of a checkpoint or of a journal file.
    fn give_up(&mut self, mut task: Task, random: &mut Random, store: &mut Store) {
        let effect = task.gives_back.take().expect("looked at before");
        match (&effect, task.calls.pop_front()) {
            (Effect::PrepareJournalFile(request), _) => {
                let old = if let FileRequest::Recycle { old, .. } = request { Some(*old) } else { None };
                let names = [Some(request.file()), old].into_iter().flatten().map(Name::Journal);
                names.for_each(|name| self.unlink_if_there(name));
            }
            (Effect::WriteCheckpoint(checkpoint), _) => self.unlink_if_there(Name::Temporary(checkpoint.seq)),
            (_, Some(Call::Write { name, position, bytes })) => {
                let written = random.below(bytes.len() / 512 + 1) * 512;
                self.disk.write(name, position, &bytes[..written]);
            }
            _ => {}
        }
        store.on_no_space(effect);
    }

    fn unlink_if_there(&mut self, name: Name) {
        if self.disk.exists(name) {
            self.disk.unlink(name);
        }
    }

    fn choose(&self, random: &mut Random) -> usize {
        let any = random.below(self.tasks.len());
        let is_group = |task: &Task| matches!(task.report, Report::Group(_));
        let chosen = match self.order {
            _ if random.one_in(16) => None,
            Order::Any => None,
            Order::Newest => Some(self.tasks.len() - 1),
            Order::Oldest => Some(0),
            Order::GroupsLast => self.tasks.iter().position(|task| !is_group(task)),
            Order::GroupsFirst => self.tasks.iter().position(is_group),
        };
        chosen.unwrap_or(any)
    }

    /// Some task's next call fails; a write leaves part of itself behind.
    pub fn fail(&mut self, random: &mut Random, store: &mut Store) {
        let mut task = self.tasks.swap_remove(random.below(self.tasks.len()));
        let partly = |len: usize, random: &mut Random| random.below(len / 512 + 1) * 512;
        match task.calls.pop_front() {
            Some(Call::Write { name, position, bytes }) => {
                self.disk.write(name, position, &bytes[..partly(bytes.len(), random).min(bytes.len())]);
            }
            Some(Call::WriteDurable { name, position, buf }) => {
                self.disk.write(name, position, &buf[..partly(buf.len(), random)]);
            }
            _ => {}
        }
        self.removals_failed |= matches!(task.report, Report::Nothing);
        if !matches!(task.report, Report::Nothing) {
            store.on_failed("injected".to_owned());
        }
    }

    fn make(&mut self, call: Call, dirs: &mut BTreeSet<Dir>) {
        match call {
            Call::Create(name) => {
                self.disk.create(name);
                if matches!(name, Name::Index(..)) {
                    self.unsynced_indexes.insert(name);
                }
            }
            Call::OpenSegment(name) => self.open_segment(name),
            Call::Write { name: Name::Segment(..), .. }
                if self.is_full && self.planted == Planted::TakeNoSpaceForWritten => {}
            Call::Write { name, position, bytes } => self.disk.write(name, position, &bytes),
            Call::WriteDurable { name, position, buf } if self.planted == Planted::WriteGroupsWithoutSync => {
                self.disk.write(name, position, &buf);
            }
            Call::WriteDurable { name, position, buf } => self.disk.write_durable(name, position, &buf),
            Call::Truncate { name, bytes } => self.disk.truncate(name, bytes),
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
            Call::RemoveLog(log) => self.remove_log(log),
            Call::RemoveSegment(name) => self.remove_segment(name),
        }
    }

    fn sync_index(&mut self, segment: Name, dirs: &mut BTreeSet<Dir>) {
        let Name::Segment(log, base) = segment else { return };
        let name = Name::Index(log, base);
        if self.unsynced_indexes.remove(&name) {
            self.disk.sync(name);
            dirs.insert(name.dir());
        }
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

    fn remove_segment(&mut self, name: Name) {
        self.disk.unlink(name);
        self.fresh.remove(&name);
        self.opened.remove(&name);
        if let Name::Segment(log, base) = name {
            let index = Name::Index(log, base);
            self.disk.unlink(index);
            self.unsynced_indexes.remove(&index);
        }
    }

    pub fn leftovers(&self, store: &Store) -> Vec<Name> {
        let is_leftover = |name: &Name| match name {
            Name::Segment(log, segment) | Name::Index(log, segment) => store.is_leftover(*log, *segment),
            _ => false,
        };
        self.disk.names().filter(is_leftover).collect()
    }

    pub fn remove_log(&mut self, log: LogId) {
        let of_log = |name: &Name| matches!(name, Name::Segment(id, _) | Name::Index(id, _) if *id == log);
        let names: Vec<Name> = self.disk.names().filter(of_log).collect();
        names.into_iter().for_each(|name| self.disk.unlink(name));
        self.fresh.retain(|name| !of_log(name));
        self.opened.retain(|name| !of_log(name));
        self.unsynced_indexes.retain(|name| !of_log(name));
        self.disk.sync_dir(Dir::Log(log));
    }

    /// Carries out what is under way without telling the store, then syncs: the last steps of a clean shutdown.
    pub fn finish(&mut self, files: &[(LogId, Offset)]) {
        self.start(Effect::SyncSegments { files: files.to_vec() });
        for mut task in std::mem::take(&mut self.tasks) {
            task.calls.drain(..).for_each(|call| self.make(call, &mut task.dirs));
        }
    }

    /// The process dies, and with `power` the machine too. Of each call under way something, all or nothing was done.
    pub fn crash(&mut self, random: &mut Random, power: bool) -> Disk {
        for mut task in self.tasks.drain(..) {
            let (name, position, bytes) = match task.calls.pop_front() {
                Some(Call::Write { name, position, bytes }) => (name, position, bytes),
                Some(Call::WriteDurable { name, position, buf }) => (name, position, buf.to_vec()),
                _ => continue,
            };
            if random.one_in(2) {
                self.disk.write(name, position, &bytes);
            }
        }
        if power {
            self.disk.lose_power(random);
        }
        std::mem::take(&mut self.disk)
    }

    /// Opens the shard as the real shell does.
    pub fn reopen(
        &mut self,
        limits: StoreLimits,
        config: FilesConfig,
        pool: &BufPool,
    ) -> Result<Reopened, ReopenError> {
        self.sync_found();
        let (saved, older) = self.checkpoints();
        let from = recovery::replay_from(self.shard, saved.as_ref()).replay_from;
        let mut files: Vec<(JournalFileId, AlignedBuf)> = Vec::new();
        for name in self.disk.names() {
            if let Name::Journal(id) = name {
                let bytes = self.disk.read(name).expect("listed");
                let mut buf = AlignedBuf::zeroed(bytes.len());
                buf.copy_from_slice(bytes);
                files.push((id, buf));
            }
        }
        let heads: Vec<_> = files.iter().map(|(id, buf)| (*id, &buf[..buf.len().min(2 * BLOCK_BYTES)])).collect();
        let forgets = self.planted == Planted::ForgetOlderCheckpoint;
        let older_from = older.filter(|_| !forgets).map_or(GroupSeq::NONE, |older| older.replay_from);
        let unread = recovery::unread(&heads, from, if forgets { from } else { older_from });
        let found: Vec<_> =
            files[unread.len()..].iter().map(|(file, bytes)| FoundFile { file: *file, bytes }).collect();
        let reopened = recovery::reopen((self.shard, limits, config), pool.clone(), saved, &found, &unread)?;
        self.set_damaged_aside();
        Ok(reopened)
    }

    /// Directories are synced before anything is decided, and the journal files that were found.
    fn sync_found(&mut self) {
        self.disk.sync_dir(Dir::Journal);
        self.disk.sync_dir(Dir::Shard);
        if self.planted != Planted::TrustFoundJournalUnsynced {
            let journal: Vec<Name> = self.disk.names().filter(|name| matches!(name, Name::Journal(_))).collect();
            journal.into_iter().for_each(|name| self.disk.sync(name));
        }
    }

    /// The two newest sound ones. The next gets a name that none has had.
    fn checkpoints(&self) -> (Option<Checkpoint>, Option<Checkpoint>) {
        let newest_seq = self.checkpoint_seqs().last().copied().unwrap_or(0);
        let mut sound = self.sound_checkpoints().into_iter().rev();
        (sound.next().map(|newest| Checkpoint { seq: newest_seq, ..newest }), sound.next())
    }

    fn checkpoint_seqs(&self) -> Vec<u64> {
        let seq = |name| if let Name::Checkpoint(seq) = name { Some(seq) } else { None };
        self.disk.names().filter_map(seq).collect()
    }

    /// Oldest first.
    pub fn sound_checkpoints(&self) -> Vec<Checkpoint> {
        let read = |seq| checkpoint::decode(self.disk.read(Name::Checkpoint(seq)).expect("listed")).ok();
        self.checkpoint_seqs().into_iter().filter_map(read).collect()
    }

    fn set_damaged_aside(&mut self) {
        for seq in self.checkpoint_seqs() {
            let name = Name::Checkpoint(seq);
            if checkpoint::decode(self.disk.read(name).expect("listed")).is_err() {
                self.disk.rename(name, Name::Damaged(seq));
                self.disk.sync_dir(Dir::Shard);
            }
        }
    }
}
