//! What `engine::run` and `engine::disk` do, on the simulated disk: each effect becomes the system calls that the real shell makes,
//! one step at a time, so that the simulation can stop between any two of them.

mod calls;
mod opening;
mod quarantine;

use std::collections::{BTreeSet, VecDeque};

use engine::journal::FileRequest;
use engine::store::{Durable, Effect, Store};
use engine::{LogId, Offset, SegmentName};

use crate::disk::{Dir, Disk, Name};
use crate::random::Random;
use calls::{Call, Report};
pub use quarantine::QUARANTINED_MAX;

const BLOCK_BYTES: usize = 4096;

/// A fault built into this shell, to see that the checkers find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planted {
    Nothing,
    ReportGroupsBeforeTheyAreWritten,
    /// The store may give up the memory of a resting log, which the file does not have yet.
    ReportBlocksBeforeTheyAreWritten,
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
    /// Each checkpoint is written once.
    LeaveOutCopies,
    /// Every index passes for one whose checksum is right.
    TrustIndexChecksums,
    /// A sync of the segment beside the write of its index takes the index for synced.
    NoteIndexesBeforeTheyAreWritten,
    /// At a start, what only the older checkpoint needs of the journal is free.
    ForgetOlderCheckpoint,
    LeaveDeletedLogs,
    LeaveLeftovers,
    /// A journal that is found damaged is passed over, with all that was in it.
    CutWhateverIsDamaged,
    /// What a cold read finds damaged is served.
    ServeDamagedReads,
    /// A piece gets the bytes of another one that is read at the same time.
    MixUpPieces,
    ServeUncommitted,
    /// The checkpoint that a start has taken is removed.
    OpeningRemovesTheCheckpoint,
    TakeUnreadableForAbsent,
    StartEffectsTwice,
    SkipCompactedSync,
    SkipCompactedDirSync,
    /// Segments go as soon as others have taken their places, before a checkpoint says so.
    RemoveReplacedEarly,
    CheckpointWithoutProducers,
    /// A batch that is known already counts as acknowledged, durable or not.
    AnswerDuplicatesAtOnce,
    /// Whatever is known of a segment, its file goes when its time comes.
    ForgetMarks,
    SkipMarkSync,
    /// A damaged segment is cut before it is taken into quarantine.
    CutBeforeQuarantine,
    OverfillQuarantine,
    /// The deletion of a log leaves what is kept of its damaged segments.
    LeaveQuarantine,
    /// What stays of some segments goes with what does not.
    LoseCompactedSegment,
    /// No damaged file at all lets the shard open.
    RefuseWhateverIsDamaged,
    /// What a segment holds in the place of what was written is served.
    ServeLies,
    /// Once the disk has lied nothing can be read from it.
    RefuseEveryRead,
    /// The scrub sees what was written.
    BlindScrub,
    /// Files for segments to come stay when nobody wants them any more.
    LeaveNextFiles,
    /// A file for a segment to come takes the place of one that has blocks already.
    TakeNextFilesLate,
}

#[derive(Debug)]
struct Task {
    calls: VecDeque<Call>,
    /// Directories of new files among those synced.
    dirs: BTreeSet<Dir>,
    report: Report,
    /// What the store gets back when the task finds no space.
    gives_back: Option<Effect>,
    /// On a slow disk this one stays under way while others pass.
    is_slow: bool,
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
    /// Of so many tasks one is slow; none if 0.
    pub slow_share: usize,
    /// How often all that was under way was slow.
    pub stalls: u64,
    started: usize,
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
    /// Deleted logs whose files nobody will remove any more.
    pub abandoned: BTreeSet<LogId>,
    /// Segments whose marks are on stable storage since somebody looked last.
    pub marked: Vec<(LogId, SegmentName)>,
    /// Damaged segments that were removed because the quarantine was full.
    pub overflowed: BTreeSet<(LogId, SegmentName)>,
    /// The last checkpoint that this process has written.
    pub newest_checkpoint: Option<u64>,
    /// Files of segments that went, kept for segments to come.
    pub next_files_kept: u64,
    /// Segments that began with a file that was there.
    pub next_files_taken: u64,
}

impl Shell {
    pub fn new(disk: Disk, planted: Planted, shard: u32, journal_file_bytes: u64) -> Self {
        Self {
            disk,
            planted,
            slow_share: 0,
            stalls: 0,
            started: 0,
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
            abandoned: BTreeSet::new(),
            marked: Vec::new(),
            overflowed: BTreeSet::new(),
            newest_checkpoint: None,
            next_files_kept: 0,
            next_files_taken: 0,
        }
    }

    pub fn is_idle(&self) -> bool {
        self.tasks.is_empty()
    }

    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Write groups, segment writes and checkpoints under way.
    pub fn under_way(&self) -> (usize, usize, usize) {
        let count = |is: fn(&Report) -> bool| self.tasks.iter().filter(|task| is(&task.report)).count();
        (
            count(|report| matches!(report, Report::Group(_))),
            count(|report| matches!(report, Report::Blocks { .. } | Report::Sealed { .. })),
            count(|report| matches!(report, Report::Synced | Report::CheckpointWritten(_))),
        )
    }

    pub fn start(&mut self, effect: Effect) {
        let gives_back = match &effect {
            Effect::PrepareJournalFile(request) => Some(Effect::PrepareJournalFile(*request)),
            Effect::WriteBlocks { log, write, next } => {
                Some(Effect::WriteBlocks { log: *log, write: write.clone(), next: *next })
            }
            Effect::MakeNextFile { log, name, bytes } => {
                Some(Effect::MakeNextFile { log: *log, name: *name, bytes: *bytes })
            }
            Effect::SealSegment { log, write } => Some(Effect::SealSegment { log: *log, write: write.clone() }),
            Effect::WriteCheckpoint(checkpoint) => Some(Effect::WriteCheckpoint(checkpoint.clone())),
            Effect::WriteGroup(_)
            | Effect::SyncSegments { .. }
            | Effect::RemoveLog(_)
            | Effect::RemoveSegments { .. }
            | Effect::RemoveNextFile { .. }
            | Effect::ReadPiece(_) => None,
        };
        let (calls, report) = self.calls(effect);
        self.started += 1;
        let is_slow = self.slow_share > 0 && self.started.is_multiple_of(self.slow_share);
        self.tasks.push(Task { calls: calls.into(), dirs: BTreeSet::new(), report, gives_back, is_slow });
    }

    /// Removes every segment before the start of its log, whatever the checkpoint says.
    fn remove_dead(&mut self, store: &Store) {
        for log in store.log_ids().filter_map(|id| store.log(id)) {
            let dead = log.segments().iter().filter(|s| s.is_closed() && s.next_offset <= log.start_offset());
            dead.for_each(|segment| self.remove_segment(Name::Segment(log.id(), segment.name())));
        }
    }

    /// Makes the next call of some task. When it was the last, the store is told; what became durable is returned.
    pub fn step(&mut self, random: &mut Random, store: &mut Store, effects: &mut Vec<Effect>) -> Option<Durable> {
        let index = self.choose(random)?;
        let task = &mut self.tasks[index];
        let early = self.planted == Planted::ReportGroupsBeforeTheyAreWritten;
        if let Report::Group(seq) = task.report
            && early
        {
            task.report = Report::Nothing;
            return Some(store.on_group_written(seq, effects));
        }
        if let Report::Blocks { log, segment, position, len } = task.report
            && self.planted == Planted::ReportBlocksBeforeTheyAreWritten
        {
            (task.report, task.gives_back) = (Report::Nothing, None);
            store.on_blocks_written(log, segment, position, len);
            return None;
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
            match call {
                Call::RemoveLeftovers(..) if self.planted == Planted::LeaveLeftovers => {}
                Call::RemoveLeftovers(log, others) => self.remove_leftovers(store, log, &others),
                Call::TakeDamaged(log, segment) => {
                    if self.take_damaged(log, segment) {
                        let task = &mut self.tasks[index];
                        task.calls.push_front(Call::SyncDir(Dir::Log(log)));
                        task.calls.push_front(Call::SyncDir(Dir::Quarantine(log)));
                    }
                }
                call => self.make(call, &mut dirs),
            }
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
            Report::CheckpointWritten(seq) => {
                self.newest_checkpoint = Some(seq);
                store.on_checkpoint_written(effects);
            }
            Report::LogRemoved(log) => store.on_log_removed(log),
            Report::NextFiles(log, names) => self.report_next_files(log, &names, store, effects),
            Report::Marked(log, segment) => {
                self.marked.push((log, segment));
                store.on_mark_ended(log);
            }
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
            (Effect::WriteCheckpoint(checkpoint), call) => {
                self.unlink_if_there(Name::Temporary(checkpoint.seq));
                // The copy is new if its name is yet to be synced. A try that found it there would not sync it.
                let is_new = task.calls.iter().any(|call| matches!(call, Call::SyncDir(Dir::Copies)));
                if let Some(Call::Write { name, .. }) = call
                    && is_new
                {
                    self.unlink_if_there(name);
                }
            }
            (Effect::MakeNextFile { log, name, .. }, _) => self.unlink_if_there(Name::Next(*log, *name)),
            (_, Some(Call::Write { name, position, bytes })) => {
                let written = random.below(bytes.len() / 512 + 1) * 512;
                self.disk.write(name, position, &bytes[..written]);
            }
            _ => {}
        }
        store.on_no_space(effect);
    }

    fn report_next_files(&self, log: LogId, names: &[Offset], store: &mut Store, effects: &mut Vec<Effect>) {
        names.iter().for_each(|name| store.on_next_file(log, *name, self.disk.exists(Name::Next(log, *name)), effects));
    }

    pub(crate) fn unlink_if_there(&mut self, name: Name) {
        if self.disk.exists(name) {
            self.disk.unlink(name);
        }
    }

    /// The task that gets on. On a slow disk there may be none.
    fn choose(&mut self, random: &mut Random) -> Option<usize> {
        let index = self.choose_any(random);
        let is_stuck = self.slow_share > 0 && self.tasks[index].is_slow && !random.one_in(200);
        if !is_stuck {
            return Some(index);
        }
        let quick = self.tasks.iter().position(|task| !task.is_slow);
        self.stalls += u64::from(quick.is_none());
        quick
    }

    fn choose_any(&self, random: &mut Random) -> usize {
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
    pub fn fail(&mut self, random: &mut Random, store: &mut Store, effects: &mut Vec<Effect>) {
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
        match task.report {
            Report::Marked(log, _) => store.on_mark_ended(log),
            // Such a failure is told and forgotten.
            Report::Nothing => self.removals_failed = true,
            Report::NextFiles(log, names) => {
                self.removals_failed = true;
                self.report_next_files(log, &names, store, effects);
            }
            Report::LogRemoved(log) => {
                self.abandoned.insert(log);
                store.on_log_removed(log);
            }
            _ => store.on_failed("injected".to_owned()),
        }
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
}
