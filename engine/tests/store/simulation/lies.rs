//! A device that lies while the store lives on it: writes that it calls done are lost, or land elsewhere. Beside the disk that the store
//! has lies the one that it would have on an honest device, and whatever comes of the one is held against the other.
//!
//! What such a write lifts, and nothing else:
//!
//! - **A segment or a compacted file:** reads that have to look at a damaged byte may end as corrupt. They never give other bytes,
//!   and the scrub tells of the segment. All other reads give what was written.
//! - **An index:** nothing. It is made anew from its segment.
//! - **A checkpoint or its copy:** nothing, while one sound file of the two newest is left from which the journal leads to here.
//! - **The journal:** where a group is hit that the newest sound checkpoint needs, and some sound group or checkpoint says that it was durable,
//!   the shard does not start. Where none says so it looks like a torn write, and is cut with all behind it. A group that is needed no
//!   more lifts nothing.
//!
//! In every other case the store opens with exactly what it has on the honest disk.
//!
//! Two things nobody can see by looking at one batch (see `FORMAT.md`): batches of another log with the same offsets and leader epoch, and, where
//! a write was lost, batches that a recovery had cut there before. Only these pass as [`Simulation::is_taken_in`] says.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use engine::checkpoint::ProducerCheckpoint;
use engine::journal;
use engine::store::lost_checkpoints;
use engine::store::recovery::{self, Reopened};
use engine::store::scrub::{Look, Scrub};
use engine::{Generation, GroupSeq, LogId, Offset, SegmentName};

use super::damage::lost_groups;
use super::starting::reopen;
use super::{SHARD, STEPS_MAX, Simulation};
use crate::disk::{Disk, KINDS, Kind, Lie, Name};
use crate::random::Random;
use crate::shell::{Planted, Shell};

/// What the damage to a disk that is about to be opened allows.
struct Judged {
    /// Groups that the start needs were hit.
    lost: usize,
    /// What is left says that so many were durable.
    promised: GroupSeq,
    /// Of the checkpoints nothing is left from which the journal leads to here.
    are_checkpoints_lost: bool,
}

impl Simulation {
    /// Some write to come will not be where it should.
    pub(super) fn let_disk_lie(&mut self) {
        if self.lies_left == 0 || self.shell.disk.lie.is_some() || !self.random.one_in(20) {
            return;
        }
        self.lies_left -= 1;
        let of = KINDS[self.random.below(KINDS.len())];
        let to = (!self.random.one_in(3)).then(|| KINDS[self.random.below(KINDS.len())]);
        self.shell.disk.lie = Some(Lie { of, to, random: Random(self.random.next()) });
    }

    pub(super) fn count_lies(&mut self) {
        let told = &self.shell.disk.told;
        self.counts.writes_astray = told.iter().filter(|told| told.stray.is_some()).count() as u64;
        self.counts.writes_lost = told.len() as u64 - self.counts.writes_astray;
    }

    /// Opens the shard on a disk that may have lied. `None` if it does not open, or has lost what nobody says was there: both end
    /// this world.
    pub(super) fn open(&mut self) -> Option<Reopened> {
        self.shell.disk.lie = None;
        if self.shell.disk.damaged_names().is_empty() {
            return Some(reopen(&mut self.shell, &self.world, &self.pool, self.salt));
        }
        let mut honest = self.shell_on(self.shell.disk.honest());
        let judged = self.judge(&honest);
        let kept = reopen(&mut honest, &self.world, &self.pool, self.salt);
        let refused = self.refused_without_checkpoints();
        let opened = match refused {
            Some(refused) => Err(refused),
            None => {
                let opened = self.shell.reopen(self.world.limits, self.world.files(self.salt), &self.pool);
                opened.map_err(|error| error.to_string())
            }
        };
        let told = &self.shell.disk.told;
        match opened {
            Err(error) => {
                let is_justified = judged.lost > 0 || judged.are_checkpoints_lost;
                assert!(is_justified, "nothing that is needed was hit, but the shard does not open: {error}: {told:?}");
                self.counts.lies_refused += 1;
                None
            }
            Ok(opened) if opened.store.durable_group() == kept.store.durable_group() => {
                let (has, had) = (ladders(&opened), ladders(&kept));
                let differ = |log: &LogId| has.get(log) != had.get(log);
                let logs: BTreeSet<&LogId> = has.keys().chain(had.keys()).filter(|log| differ(log)).collect();
                let differing: Vec<_> = logs.iter().map(|log| (log, has.get(log), had.get(log))).collect();
                assert!(differing.is_empty(), "what was hit is not needed, or is there twice: {told:?}: {differing:?}");
                Some(opened)
            }
            Ok(opened) => {
                let last = opened.store.durable_group();
                assert!(judged.lost > 0, "ends at {last}, but nothing that is needed was hit: {told:?}");
                assert!(last >= judged.promised, "ends at {last}, but {} was durable: {told:?}", judged.promised);
                self.model.check_cut(&opened.store, last);
                self.counts.lies_doubtful += 1;
                None
            }
        }
    }

    /// Checkpoints were begun and none is sound: unless the journal makes up for them the real shell refuses to start.
    fn refused_without_checkpoints(&self) -> Option<String> {
        let newest_seq = self.shell.newest_checkpoint_seq().filter(|_| self.shell.sound_checkpoints().is_empty())?;
        let groups = journal::recover(&self.shell.scan(), recovery::replay_from(SHARD, None)).groups.len();
        lost_checkpoints::check_journal(Generation::FIRST, newest_seq, groups).err().map(|error| error.to_string())
    }

    pub(super) fn shell_on(&self, disk: Disk) -> Shell {
        Shell::new(disk, Planted::Nothing, SHARD, self.world.journal_file_bytes)
    }

    fn judge(&self, honest: &Shell) -> Judged {
        let (scans, honest_scans) = (self.shell.scan(), honest.scan());
        let saved = self.shell.sound_checkpoints().pop();
        let needed = journal::recover(&honest_scans, recovery::replay_from(SHARD, saved.as_ref())).groups;
        let needed: Vec<_> = needed.iter().map(|group| (group.context.seq, group.context.file)).collect();
        let lost = lost_groups(&needed, &scans);
        let promised = self.promised(&scans, &lost);
        Judged { lost: lost.len(), promised, are_checkpoints_lost: self.are_checkpoints_lost(honest) }
    }

    /// One damaged file of all that hold checkpoints is never enough. Seed 243: but for the very first one, whose copy was not written yet,
    /// of a shard that had no journal; nothing says then that there was none.
    fn are_checkpoints_lost(&self, honest: &Shell) -> bool {
        let is_checkpoint = |name: &Name| name.kind() == Kind::Checkpoint;
        let damaged = self.shell.disk.damaged_names().into_iter().filter(is_checkpoint).count();
        let sound: Vec<u64> = self.shell.sound_checkpoints().iter().map(|checkpoint| checkpoint.seq).collect();
        let mut newest = honest.sound_checkpoints().into_iter().rev().map(|checkpoint| checkpoint.seq);
        let (newest, older) = (newest.next(), newest.next());
        let is_lost = |seq: Option<u64>| seq.is_some_and(|seq| !sound.contains(&seq));
        let is_all_there_was = || {
            let is_first = newest == Some(1) && honest.sound_files_of(1).len() == 1;
            is_first && honest.scan().iter().all(|scan| scan.groups.is_empty())
        };
        let is_older_useless = self.lives_on_one_checkpoint || older.is_none() || is_lost(older);
        is_lost(newest) && ((damaged > 1 && is_older_useless) || is_all_there_was())
    }
}

/// Where a log starts and ends, and what it knows of its producers, but for when it heard of them.
type Ladder = (Offset, Offset, Vec<ProducerCheckpoint>);

/// What two starts must agree on whatever of the journal they have replayed.
fn ladders(opened: &Reopened) -> BTreeMap<LogId, Ladder> {
    let store = &opened.store;
    let ladder = |id| {
        let mut producers = store.log(id).expect("listed").producers().to_checkpoint();
        producers.iter_mut().for_each(|producer| producer.last_used_ms = 0);
        let view = store.view(id).expect("listed");
        (id, (view.start, view.end, producers))
    };
    // Logs that never had a record are in a checkpoint or nowhere.
    store.log_ids().map(ladder).filter(|(_, (_, end, _))| *end > Offset(0)).collect()
}

impl Simulation {
    /// Whether a read of this stretch may end as corrupt.
    pub(super) fn is_hit(&self, log: LogId, segment: SegmentName, looked_at: &Range<u64>) -> bool {
        let damaged = self.shell.disk.damaged(Name::Segment(log, segment));
        damaged.iter().any(|hit| (hit.start as u64) < looked_at.end && looked_at.start < hit.end as u64)
    }

    /// A damaged segment has passed for sound, as nobody can see by looking at one batch: the batches are sound and have the offsets and the
    /// leader epoch that belong here, because they are those of another log or were cut by a recovery.
    pub(super) fn is_taken_in(&mut self, id: LogId, segment: SegmentName, bytes: &[u8]) -> bool {
        if self.taken_in.contains(&id) {
            return true;
        }
        if self.shell.disk.damaged(Name::Segment(id, segment)).is_empty() {
            return false;
        }
        let strays = || self.shell.disk.told.iter().filter_map(|told| told.stray.as_ref());
        let is_stray = |batch: &[u8]| strays().any(|(_, _, stray)| stray.windows(batch.len()).any(|is| is == batch));
        let log = &self.model.logs[&id];
        let is_taken_in = batch::Batches::new(bytes).map_while(Result::ok).any(|view| {
            !log.was_appended(view.info.base_offset, view.bytes) && (log.was_cut(view.bytes) || is_stray(view.bytes))
        });
        if is_taken_in {
            self.counts.lies_unseen += 1;
            self.taken_in.insert(id);
        }
        is_taken_in
    }

    /// As above, where nothing comes of the batch that lies in the place of the one with `offset`: it goes further than was asked for.
    pub(super) fn is_held_up(&mut self, id: LogId, segment: SegmentName, offset: Offset) -> bool {
        let before = self.model.logs[&id].bytes(segment.base, offset).len();
        let file = self.shell.disk.read(Name::Segment(id, segment)).unwrap_or_default();
        let Ok(Some(info)) = batch::BatchInfo::peek(file.get(before..).unwrap_or_default()) else { return false };
        let bytes = file.get(before..before + info.length).map(<[u8]>::to_vec);
        bytes.is_some_and(|bytes| self.is_taken_in(id, segment, &bytes))
    }

    /// The scrub tells of every damaged segment, and of no other.
    pub(super) fn check_scrub(&mut self) {
        let mut scrub = Scrub::new(u64::MAX, 0);
        let mut told = Vec::new();
        let mut now_ms = 0;
        for _ in 0..STEPS_MAX {
            match scrub.next(&self.store, now_ms) {
                Look::Wait { .. } if scrub.counts().1 > 0 => break,
                Look::Wait { ms } => now_ms += ms,
                Look::Read(stretch) => {
                    let name = Name::Segment(stretch.log, stretch.segment);
                    let disk = &self.shell.disk;
                    let is_blind = self.shell.planted == Planted::BlindScrub;
                    let file = if is_blind { disk.meant(name) } else { disk.read(name) }.unwrap_or_default();
                    let end = file.len().min(stretch.end as usize);
                    let bytes = file.get(stretch.position as usize..end).unwrap_or_default();
                    let damage = scrub.on_bytes(&self.store, stretch, bytes, now_ms);
                    told.extend(damage.map(|damage| (damage.log, damage.segment)));
                }
            }
        }
        assert!(scrub.counts().1 > 0, "the scrub does not come to an end");
        for (log, segment) in self.scrubbed() {
            let is_damaged = self.is_hit(log, segment, &(0..u64::MAX));
            let is_told = told.contains(&(log, segment));
            let passes = is_damaged && self.passes(log, segment);
            assert!(is_told == is_damaged || passes, "log {log}: {segment} is damaged: {is_damaged}; told: {is_told}");
            self.counts.lies_scrubbed += u64::from(is_told);
        }
    }

    /// What the scrub looks at.
    fn scrubbed(&self) -> Vec<(LogId, SegmentName)> {
        let logs = self.store.log_ids().filter_map(|id| self.store.log(id));
        let segments = logs.flat_map(|log| {
            let start = log.start_offset();
            let sealed =
                log.segments().iter().filter(move |segment| segment.is_closed() && segment.next_offset > start);
            sealed.map(|segment| (log.id(), segment.name()))
        });
        segments.collect()
    }

    fn passes(&mut self, log: LogId, segment: SegmentName) -> bool {
        let bytes = self.shell.disk.read(Name::Segment(log, segment)).unwrap_or_default().to_vec();
        self.is_taken_in(log, segment, &bytes)
    }
}
