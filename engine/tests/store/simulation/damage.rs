//! A disk that lies: after a start, one place of a copy of the disk is changed, and the copy is opened and read. What was written must
//! be there with its bytes, or its loss must be told; never may anything else be served, or an acknowledged record just not be there.
//!
//! One doubt is in the nature of things (see `FORMAT.md`): damage to journal groups above every durable mark looks like a torn write.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use engine::journal::{self, FileScan};
use engine::log::{ReadPlan, ReadRequest, SegmentWalk, SparseIndex};
use engine::memory::AlignedBuf;
use engine::store::recovery::{self, Reopened};
use engine::store::{ColdRead, IndexError, ReadError, Store, Wanted};
use engine::{GroupSeq, JournalFileId, LogId, Offset, SegmentName};

use super::{SHARD, STEPS_MAX, Simulation};
use crate::disk::{Disk, KINDS, Name};
use crate::random::Random;
use crate::shell::{Planted, Shell};

const BLOCK_BYTES: usize = 4096;

/// What was changed.
#[derive(Debug, Clone)]
struct Hit {
    name: Name,
    bytes: Range<usize>,
    /// The file that the bytes were meant for.
    meant_for: Option<Name>,
}

/// What the journal holds of what is needed, before the damage.
struct Chain {
    /// The groups that count, each with its file.
    groups: Vec<(GroupSeq, JournalFileId)>,
    last: GroupSeq,
}

impl Simulation {
    /// Damages copies of the disk and looks at what comes of it. The shard has just been opened and has done nothing yet.
    pub(super) fn examine_damage(&mut self) {
        for _ in 0..self.world.damages {
            let mut disk = self.shell.disk.clone();
            let Some(hit) = damage(&mut self.random, &mut disk) else { return };
            self.examine(disk, &hit);
        }
    }

    fn examine(&mut self, disk: Disk, hit: &Hit) {
        let clean = self.shell.scan();
        let chain = self.chain(&clean);
        let mut shell = Shell::new(disk, self.shell.planted, SHARD, self.world.journal_file_bytes);
        let damaged = shell.scan();
        let lost = lost_groups(&chain.groups, &damaged);
        let was_last_checkpoint = self.was_the_last_checkpoint(&shell);
        match shell.reopen(self.world.limits, self.world.files(self.salt + 1), &self.pool) {
            Err(error) => {
                let is_justified = !lost.is_empty() || was_last_checkpoint;
                assert!(is_justified, "{hit:?}: nothing that is needed was hit, but the shard does not open: {error}");
                self.counts.damage_told += 1;
            }
            Ok(mut reopened) => {
                let promised = self.promised(&damaged, &lost);
                self.check_opened(&chain, &reopened, promised, (hit, was_last_checkpoint));
                self.read_damaged(&shell, &mut reopened.store, (hit, was_last_checkpoint));
            }
        }
    }

    /// All that there was of the newest checkpoint is hit, and there is no other one, or none from which the journal leads to here.
    fn was_the_last_checkpoint(&self, damaged: &Shell) -> bool {
        let newest = |shell: &Shell| shell.sound_checkpoints().last().map(|newest| newest.seq);
        let (before, after) = (newest(&self.shell), newest(damaged));
        after != before && (after.is_none() || self.lives_on_one_checkpoint)
    }

    fn chain(&self, scans: &[FileScan]) -> Chain {
        let saved = self.shell.sound_checkpoints().pop();
        let recovered = journal::recover(scans, recovery::replay_from(SHARD, saved.as_ref()));
        let groups = recovered.groups.iter().map(|group| (group.context.seq, group.context.file)).collect();
        Chain { groups, last: self.store.durable_group() }
    }

    /// The highest group that the disk promises after the damage. What was hit promises nothing, whatever it still says.
    pub(super) fn promised(&self, damaged: &[FileScan], lost: &BTreeSet<GroupSeq>) -> GroupSeq {
        let saved = self.shell.sound_checkpoints().pop().map_or(GroupSeq::NONE, |saved| saved.durable_seq);
        let marks = damaged.iter().flat_map(|scan| &scan.groups).filter(|group| !lost.contains(&group.context.seq));
        marks.map(|group| group.context.durable_seq).fold(saved, GroupSeq::max)
    }

    /// The shard has opened on the damaged copy. It has all that it had, or lacks groups that nothing promises.
    fn check_opened(
        &mut self,
        chain: &Chain,
        reopened: &Reopened,
        promised: GroupSeq,
        (hit, was_last_checkpoint): (&Hit, bool),
    ) {
        let store = &reopened.store;
        let last = store.durable_group();
        let cuts = last != chain.last;
        if cuts && was_last_checkpoint {
            // It is told of, and nothing is left that knows better.
            self.counts.damage_told += 1;
            return;
        }
        assert!(last >= promised || !cuts, "{hit:?}: ends at {last}, but {promised} was durable");
        assert!(!cuts || matches!(hit.name, Name::Journal(_)), "{hit:?}: {last} is the last group, not {}", chain.last);
        self.counts.damage_doubtful += u64::from(cuts);
        if cuts {
            // Of two groups that name the same one before them, the damage may have hit the one that counts. Then what a recovery cut
            // comes back: it was never acknowledged, and what it replaces is as doubtful as any last group.
            return;
        }
        for (id, log) in &self.model.logs {
            let (before, after) = (self.store.view(*id), store.view(*id));
            let ladder = |view: Option<engine::LogView>| view.map(|view| (view.start, view.end, view.durable_end));
            // Logs without any record are in no checkpoint and no journal.
            let is_known = before.is_some_and(|view| view.end > Offset(0)) || after.is_some();
            assert!(!is_known || ladder(before) == ladder(after), "log {id}: {hit:?}: {before:?} has become {after:?}");
            assert!(after.is_none_or(|view| view.end.0 == log.end()), "log {id}");
        }
    }

    /// Every batch is read alone: as it was written, or its damage is told. What the damage did not touch can be read.
    fn read_damaged(&mut self, shell: &Shell, store: &mut Store, (hit, was_last_checkpoint): (&Hit, bool)) {
        for (id, log) in &self.model.logs {
            let Some(view) = store.view(*id) else { continue };
            // What compaction may have taken records from is read by nobody here.
            let start = view.start.max(Offset(log.compacted_until));
            for (base, bytes) in log.whole_batches(start, view.end) {
                let request = ReadRequest { from: base, until: Offset(i64::MAX), bytes_max: 1, at_least_one: true };
                match read_alone(store, shell, *id, request) {
                    Ok(got) => {
                        let is_right = got == bytes || passes_for(base, &got, shell, hit);
                        assert!(is_right, "log {id}: {hit:?}: other bytes are served at {base}");
                        self.counts.damaged_reads_right += u64::from(got == bytes);
                    }
                    // Of what a checkpoint has seen go there may be no file.
                    Err((ReadError::Failed, None)) if was_last_checkpoint => {}
                    // Or one that was cut down, and whose removal the power took back: seed 760156.
                    Err((ReadError::Corrupt, Some((Name::Segment(_, segment), _))))
                        if was_last_checkpoint && !self.store.names_segment(*id, segment) => {}
                    Err((error, looked_at)) => {
                        assert_eq!(error, ReadError::Corrupt, "log {id}: {hit:?}");
                        let is_near = looked_at.is_some_and(|(name, range)| {
                            name == hit.name
                                && range.start < hit.bytes.end as u64
                                && hit.bytes.start as u64 <= range.end
                        });
                        assert!(is_near, "log {id}: {hit:?}: what was not hit cannot be read: {base}");
                        self.counts.damaged_reads_told += 1;
                    }
                }
            }
        }
    }
}

/// The one thing that nobody can see: blocks with another log's batches that land where the same offsets of the same leader epoch
/// should be. A batch does not say of which log it is. Such blocks are those of segments, and, seed 713844, those of a checkpoint, which
/// has the last blocks of all logs.
fn passes_for(base: Offset, got: &[u8], shell: &Shell, hit: &Hit) -> bool {
    let Some(file) = hit.meant_for.and_then(|name| shell.disk.read(name)) else { return false };
    let Ok(Some(info)) = batch::BatchInfo::peek(got) else { return false };
    (info.base_offset..=info.last_offset()).contains(&base) && file.windows(got.len()).any(|window| window == got)
}

/// One place of one file gets other bytes.
fn damage(random: &mut Random, disk: &mut Disk) -> Option<Hit> {
    let names: Vec<Name> = disk.names().filter(|name| disk.read(*name).is_some_and(|file| !file.is_empty())).collect();
    if names.is_empty() {
        return None;
    }
    // Few are checkpoints and many are journal files: each kind gets its share.
    let kind = KINDS[random.below(KINDS.len())];
    let of_kind: Vec<Name> = names.iter().copied().filter(|name| name.kind() == kind).collect();
    let name = if of_kind.is_empty() { names[random.below(names.len())] } else { of_kind[random.below(of_kind.len())] };
    let before = disk.read(name).expect("listed").to_vec();
    let mut meant_for = None;
    let (position, bytes) = match random.below(4) {
        0 | 1 => {
            let used = before.iter().rposition(|byte| *byte != 0).map_or(before.len(), |last| last + 1);
            let at = random.below(used);
            (at, vec![before[at] ^ (1 << random.below(8))])
        }
        2 => {
            let from = names[random.below(names.len())];
            meant_for = Some(from);
            misdirected(random, disk.read(from).expect("listed"), before.len())
        }
        // A write that was reported done and never came: what was there before is there still.
        _ => {
            let at = random.below(before.len().div_ceil(BLOCK_BYTES)) * BLOCK_BYTES;
            let len = ((1 + random.below(8)) * BLOCK_BYTES).min(before.len() - at);
            (at, vec![0; len])
        }
    };
    let differs: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i] != before[position + i]).collect();
    let range = position + differs.first()?..position + differs.last()? + 1;
    disk.damage(name, position, &bytes);
    Some(Hit { name, bytes: range, meant_for })
}

/// Blocks that were meant for another place, and the position where they land.
fn misdirected(random: &mut Random, from: &[u8], target_bytes: usize) -> (usize, Vec<u8>) {
    let start = random.below(from.len().div_ceil(BLOCK_BYTES)) * BLOCK_BYTES;
    let at = random.below(target_bytes.div_ceil(BLOCK_BYTES)) * BLOCK_BYTES;
    let len = ((1 + random.below(8)) * BLOCK_BYTES).min(from.len() - start).min(target_bytes - at);
    (at, from[start..start + len].to_vec())
}

/// Groups that count and cannot be read any more.
pub(super) fn lost_groups(groups: &[(GroupSeq, JournalFileId)], damaged: &[FileScan]) -> BTreeSet<GroupSeq> {
    let valid = |seq: GroupSeq, file: JournalFileId| {
        let scan = damaged.iter().find(|scan| scan.file == file);
        scan.is_some_and(|scan| scan.groups.iter().any(|group| group.context.seq == seq))
    };
    groups.iter().filter(|(seq, file)| !valid(*seq, *file)).map(|(seq, _)| *seq).collect()
}

/// The index of a sealed segment: from its file, or made anew. `None` if the segment is not there.
fn index(store: &mut Store, shell: &Shell, id: LogId, segment: SegmentName) -> Option<Rc<SparseIndex>> {
    let bytes = shell.disk.read(Name::Index(id, segment)).unwrap_or_default();
    match store.on_index_read(id, segment, bytes) {
        Ok(index) => Some(index),
        Err(IndexError::Gone(error)) => panic!("log {id}: {segment}: {error}"),
        Err(IndexError::Damaged(_)) => {
            let mut walk = SegmentWalk::new(segment);
            let fault = walk.on_bytes(shell.disk.read(Name::Segment(id, segment))?).err();
            Some(store.on_walked(id, segment, &mut walk, fault).0)
        }
    }
}

pub(super) type LookedAt = Option<(Name, Range<u64>)>;

/// One batch, and on an error what of a file was looked at.
pub(super) fn read_alone(
    store: &mut Store,
    shell: &Shell,
    id: LogId,
    request: ReadRequest,
) -> Result<Vec<u8>, (ReadError, LookedAt)> {
    let join = |spans: &[engine::memory::Span]| spans.iter().flat_map(|span| span.to_vec()).collect();
    let mut read = match store.plan_read(id, request).map_err(|error| (error, None))? {
        ReadPlan::Memory(memory) => return Ok(join(&memory.spans)),
        ReadPlan::Disk(plan) => ColdRead::new(id, plan),
        ReadPlan::Index(read) => ColdRead::indexed(id, read),
        plan => panic!("log {id}: {request:?}: {plan:?}"),
    };
    let name = Name::Segment(id, read.segment());
    let mut looked_at: Option<Range<u64>> = None;
    for _ in 0..STEPS_MAX {
        let Wanted::Bytes(wanted) = read.wanted() else {
            let index = index(store, shell, id, read.segment()).ok_or((ReadError::Failed, None))?;
            match read.on_index(store, &index).map_err(|error| (error, None))? {
                Some(spans) => return Ok(join(&spans)),
                None => continue,
            }
        };
        let before = looked_at.unwrap_or(wanted.clone());
        let seen = before.start.min(wanted.start)..before.end.max(wanted.end);
        looked_at = Some(seen.clone());
        let told = |error| (error, Some((name, seen.clone())));
        let file = shell.disk.read(name).ok_or((ReadError::Failed, None))?;
        let bytes = file.get(wanted.start as usize..file.len().min(wanted.end as usize));
        let bytes = bytes.ok_or_else(|| told(ReadError::Corrupt))?;
        let mut buf = AlignedBuf::zeroed(bytes.len());
        buf.copy_from_slice(bytes);
        let span = engine::memory::Chunk::sealed(buf).slice(0..bytes.len()).expect("all of it");
        match read.on_bytes(store, &span.clone().into()) {
            Ok(None) => {}
            Ok(Some(spans)) => return Ok(join(&spans)),
            Err(_) if shell.planted == Planted::ServeDamagedReads => return Ok(span.to_vec()),
            Err(error) => return Err(told(error)),
        }
    }
    panic!("log {id}: {request:?}: the read does not end");
}
