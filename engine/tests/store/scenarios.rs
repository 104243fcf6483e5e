//! What went wrong once, each on its own. The simulation found most of these, or would have.

mod ahead;
mod checkpoints;
mod eviction;
mod lies;
mod producers;
mod removals;

use batch::{BatchBuilder, Compression, LeaderEpoch};
use engine::journal::{FileRequest, FilesConfig};
use engine::log::{ReadPlan, ReadRequest, SegmentWalk};
use engine::memory::{AlignedBuf, BufPool, Chunk};
use engine::store::{AppendError, Appended, ColdRead, CutError, Effect, ReadError, Store, StoreLimits, Wanted};
use engine::{LogConfig, LogId, Offset, SegmentName};

use crate::disk::{Disk, Name};
use crate::random::Random;
use crate::shell::{Planted, Shell};

const LOG: LogId = LogId { topic: 3, partition: 0 };
const OTHER: LogId = LogId { topic: 3, partition: 1 };
const FILE_BYTES: u64 = 128 << 10;

/// One shard whose disk does what the scenario says.
struct Shard {
    shell: Shell,
    store: Store,
    pool: BufPool,
    limits: StoreLimits,
    files: FilesConfig,
    /// Write groups stay with the device and never complete.
    holds_groups: bool,
    /// There is no space for another journal file, though some for smaller things.
    makes_no_files: bool,
    now_ms: u64,
}

impl Shard {
    fn new(files_max: u64) -> Shard {
        let limits = StoreLimits {
            group_bytes: 16 << 10,
            segment_write_bytes_min: 4 << 10,
            ..StoreLimits::new(0, files_max * FILE_BYTES / 4)
        };
        Shard::with(files_max, limits)
    }

    fn with(files_max: u64, limits: StoreLimits) -> Shard {
        let pool = BufPool::new(1 << 20);
        let files = FilesConfig { file_bytes: FILE_BYTES, bytes_max: files_max * FILE_BYTES, salt: 1 };
        let mut shell = Shell::new(Disk::default(), Planted::Nothing, 0, FILE_BYTES);
        let mut store = shell.reopen(limits, files, &pool).expect("nothing is there").store;
        store.create_log(LOG, LogConfig::default());
        Shard { shell, store, pool, limits, files, holds_groups: false, makes_no_files: false, now_ms: 0 }
    }

    fn append(&mut self, log: LogId, value_bytes: usize) -> Result<Appended, AppendError> {
        let bytes = batch(value_bytes);
        self.store.append(log, &batch::check(&bytes).expect("sound"), LeaderEpoch(0), self.now_ms)
    }

    /// Does all that is to be done, up to the point where nothing is under way.
    fn run(&mut self) {
        let mut effects = Vec::new();
        loop {
            self.store.poll(self.now_ms, &mut effects);
            for effect in effects.drain(..) {
                match effect {
                    Effect::WriteGroup(_) if self.holds_groups => {}
                    Effect::PrepareJournalFile(FileRequest::Create(_)) if self.makes_no_files => {
                        self.store.on_no_space(effect)
                    }
                    effect => self.shell.start(effect),
                }
            }
            if self.shell.is_idle() {
                return;
            }
            self.shell.step(&mut Random(1), &mut self.store, &mut effects);
            effects.drain(..).for_each(|effect| self.shell.start(effect));
        }
    }

    fn restart(&mut self) {
        self.start_again(true);
    }

    fn kill(&mut self) {
        self.start_again(false);
    }

    fn start_again(&mut self, power: bool) {
        let disk = self.shell.crash(&mut Random(1), power);
        self.shell = Shell::new(disk, Planted::Nothing, 0, FILE_BYTES);
        self.files.salt += 1;
        self.holds_groups = false;
        self.store = self.shell.reopen(self.limits, self.files, &self.pool).expect("it opens").store;
    }

    fn read(&mut self, request: ReadRequest) -> Vec<u8> {
        self.try_read(request).expect("sound")
    }

    /// Reads until there is an answer. Each step must get further, so few are enough.
    fn try_read(&mut self, request: ReadRequest) -> Result<Vec<u8>, ReadError> {
        let mut read = match self.store.plan_read(LOG, request).expect("there") {
            ReadPlan::Memory(memory) => return Ok(memory.spans.iter().flat_map(|span| span.to_vec()).collect()),
            ReadPlan::Disk(plan) => ColdRead::new(LOG, plan),
            ReadPlan::Index(read) => ColdRead::indexed(LOG, read),
            plan => panic!("{request:?}: {plan:?}"),
        };
        for _ in 0..50 {
            let Wanted::Bytes(wanted) = read.wanted() else {
                let bytes = self.shell.disk.read(Name::Index(LOG, read.segment())).expect("written");
                let index = self.store.on_index_read(LOG, read.segment(), bytes).expect("sound");
                assert!(read.on_index(&self.store, &index).expect("there").is_none());
                continue;
            };
            let file = self.shell.disk.read(Name::Segment(LOG, read.segment())).expect("written");
            let mut buf = AlignedBuf::zeroed((wanted.end - wanted.start) as usize);
            let len = buf.len();
            buf.copy_from_slice(&file[wanted.start as usize..wanted.end as usize]);
            let bytes = Chunk::sealed(buf).slice(0..len).expect("all of it");
            if let Some(spans) = read.on_bytes(&self.store, &bytes.into())? {
                return Ok(spans.iter().flat_map(|span| span.to_vec()).collect());
            }
        }
        panic!("{request:?}: the read does not end");
    }
}

fn batch(value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.append(1, None, Some(&vec![7; value_bytes]), &[]);
    builder.build()
}

/// Only payloads were counted towards the next checkpoint. Groups of one small batch each take a block of the journal, so it
/// was full long before the count was reached, no checkpoint began, and the shard was busy for ever.
#[test]
fn small_groups_do_not_fill_the_journal_for_ever() {
    let mut shard = Shard::new(4);
    for i in 0..1000 {
        shard.append(LOG, 10).unwrap_or_else(|error| panic!("batch {i}: {error}"));
        shard.run();
    }
    assert_eq!(shard.store.view(LOG).expect("there").durable_end, Offset(1000));
}

/// A checkpoint waits for all groups before it. When more of them waited than the journal had room for, nothing could ever
/// free a file again.
#[test]
fn groups_that_a_checkpoint_waits_for_always_have_a_place() {
    let mut shard = Shard::new(4);
    for _ in 0..20 {
        // The device gets nothing done while these come.
        while shard.append(LOG, 15_000).is_ok() {}
        shard.store.want_checkpoint();
        shard.run();
        assert!(shard.store.is_quiet() && !shard.store.is_busy());
    }
}

/// Found after a restart with every file of the journal still needed: the frame of a deletion was taken without room for it, and the
/// checkpoint that was to make room waited for it.
/// A checkpoint closed the group that relaxed records were gathering in, after the groups to be written had been given out. With nothing
/// under way nobody asked again: the group waited for an event, the checkpoint for the group, and appends that were refused for the
/// journal's sake for the checkpoint. Seed 103152.
#[test]
fn a_group_that_a_checkpoint_closes_leaves_at_once() {
    let mut shard = Shard::new(4);
    shard.store.create_log(OTHER, LogConfig { relaxed: true, ..LogConfig::default() });
    shard.append(LOG, 10).expect("room");
    shard.run();
    shard.append(OTHER, 10).expect("room");
    shard.store.want_checkpoint();
    shard.run();
    assert!(!shard.store.is_checkpointing(), "time stands still, and nothing else happens");
}

#[test]
fn a_deletion_waits_for_room_like_an_append() {
    let limits = StoreLimits { group_bytes: 16 << 10, ..StoreLimits::new(1 << 20, u64::MAX) };
    let mut shard = Shard::with(8, limits);
    for _ in 0..30 {
        shard.append(LOG, 15_000).expect("room");
        shard.run();
    }
    // The journal has been made smaller than what is needed of it.
    shard.files.bytes_max = 3 * FILE_BYTES;
    shard.restart();
    assert_eq!(shard.store.drop_log(LOG, 0), Err(AppendError::Busy));
    shard.run();
    shard.store.drop_log(LOG, 0).expect("a checkpoint has made room");
    shard.run();
    assert!(shard.store.is_quiet());
}

/// A checkpoint that was being synced forgot a log that was deleted meanwhile, and became durable before the deletion did.
/// After a crash the log was gone without any acknowledged deletion; with batches left in the journal the shard refused to start.
#[test]
fn a_log_deleted_while_a_checkpoint_is_written_is_in_it() {
    let mut shard = Shard::new(8);
    shard.append(LOG, 100).expect("room");
    shard.run();
    shard.store.want_checkpoint();
    let mut effects = Vec::new();
    shard.store.poll(0, &mut effects);
    assert!(matches!(&effects[..], [Effect::SyncSegments { .. }]), "{effects:?}");
    shard.append(LOG, 100).expect("room");
    shard.run();
    shard.holds_groups = true;
    shard.store.drop_log(LOG, 0).expect("there");
    effects.drain(..).for_each(|effect| shard.shell.start(effect));
    shard.run();
    shard.restart();
    assert_eq!(shard.store.view(LOG).expect("never durably deleted").end, Offset(2));
}

/// What waits for the segment files was counted down only by whole blocks, and not at all for logs that were deleted, so that a
/// shard on which many logs came and went was busy for ever in the end.
#[test]
fn deleted_logs_leave_nothing_behind_in_the_sums() {
    let mut shard = Shard::new(8);
    for partition in 1..200 {
        let log = LogId { partition, ..OTHER };
        shard.store.create_log(log, LogConfig::default());
        for _ in 0..3 {
            shard.append(log, 3000).expect("room");
        }
        if partition % 2 == 0 {
            shard.run();
        }
        shard.store.drop_log(log, 0).expect("there");
        shard.run();
    }
    assert_eq!((shard.store.unflushed_bytes(), shard.store.memory_bytes()), (0, 0));
}

/// More logs with a few blocks each than the bound on unwritten bytes allowed, none with enough for a write of its own:
/// nothing was written, and all appends were refused.
#[test]
fn many_logs_with_little_each_get_to_their_files() {
    let limits = StoreLimits {
        group_bytes: 16 << 10,
        segment_write_bytes_min: 64 << 10,
        unflushed_bytes_max: 100 << 10,
        ..StoreLimits::new(1 << 20, u64::MAX)
    };
    let mut shard = Shard::with(8, limits);
    for partition in 0..20 {
        let log = LogId { partition, ..LOG };
        shard.store.create_log(log, LogConfig::default());
        for _ in 0..2 {
            shard.append(log, 10_000).unwrap_or_else(|error| panic!("partition {partition}: {error}"));
            shard.run();
        }
    }
}

/// After a restart, memory begins where the whole blocks of the file end, in the middle of a batch or even of its header. A
/// read that met such a header read the same bytes again and again.
#[test]
fn a_batch_that_begins_in_the_file_and_ends_in_memory_is_read_wherever_it_is_split() {
    for in_file in (1..130).chain([1000, 4000]) {
        let mut shard = Shard::new(8);
        // Of the second batch so many bytes lie in the file's whole block.
        let first = (8000 - in_file..)
            .find(|value_bytes| batch(*value_bytes).len() == (2 << 12) - in_file)
            .expect("any length can be made");
        shard.append(LOG, first).expect("room");
        shard.append(LOG, 5000).expect("room");
        shard.store.want_checkpoint();
        shard.run();
        shard.restart();
        let view = shard.store.view(LOG).expect("there");
        let mut expected = batch(5000);
        batch::stamp(&mut expected, Offset(1), LeaderEpoch(0));
        for bytes_max in [0, 1, 60, 5000, 1 << 20] {
            let got = shard.read(ReadRequest { from: Offset(1), until: view.end, bytes_max, at_least_one: true });
            assert!(got == expected, "{in_file} bytes in the file, at most {bytes_max}");
        }
    }
}

/// A fetch of a few bytes from a file read so few that not even a header was among them, and did it again.
#[test]
fn a_small_limit_is_no_reason_to_read_the_same_bytes_again() {
    let mut shard = Shard::new(8);
    for _ in 0..20 {
        shard.append(LOG, 1000).expect("room");
    }
    shard.store.want_checkpoint();
    shard.run();
    shard.restart();
    for from in 0..15 {
        for bytes_max in [0, 1, 20, 60, 61] {
            let request = ReadRequest { from: Offset(from), until: Offset(20), bytes_max, at_least_one: true };
            assert_eq!(shard.read(request).len(), batch(1000).len());
        }
    }
}

/// What was deleted up to the very end leaves an empty segment behind, and its file goes when a checkpoint has forgotten it.
#[test]
fn a_log_that_loses_everything_goes_on_at_its_end() {
    let mut shard = Shard::new(8);
    for _ in 0..5 {
        shard.append(LOG, 3000).expect("room");
    }
    shard.run();
    assert_eq!(shard.store.cut_log(LOG, Offset(6), 0), Err(CutError::OutOfRange));
    shard.store.cut_log(LOG, Offset(5), 0).expect("room");
    assert_eq!(shard.store.view(LOG).expect("there").start, Offset(0), "not before it is durable");
    shard.run();
    let view = shard.store.view(LOG).expect("there");
    assert_eq!((view.start, view.end, view.bytes), (Offset(5), Offset(5), 0));
    assert!(!shard.shell.disk.exists(Name::Segment(LOG, engine::SegmentName::appended(Offset(0)))));
    shard.append(LOG, 3000).expect("room");
    shard.run();
    shard.restart();
    let view = shard.store.view(LOG).expect("there");
    assert_eq!((view.start, view.end), (Offset(5), Offset(6)));
    let request = ReadRequest { from: Offset(4), until: Offset(6), bytes_max: 1, at_least_one: true };
    assert!(matches!(shard.store.plan_read(LOG, request), Ok(ReadPlan::OutOfRange)));
    assert_eq!(shard.read(ReadRequest { from: Offset(5), ..request }).len(), batch(3000).len());
}

/// Blocks were still on their way to a file when its log was deleted and the directory removed. They made both again, and nobody
/// was left to remove them.
#[test]
fn a_late_write_to_a_deleted_log_leaves_nothing_behind() {
    let mut shard = Shard::new(8);
    for _ in 0..5 {
        shard.append(LOG, 3000).expect("room");
    }
    let mut effects = Vec::new();
    shard.store.poll(0, &mut effects);
    let late = effects.iter().position(|effect| matches!(effect, Effect::WriteBlocks { .. })).expect("whole blocks");
    let late = effects.remove(late);
    effects.drain(..).for_each(|effect| shard.shell.start(effect));
    shard.run();
    shard.store.drop_log(LOG, 0).expect("there");
    shard.store.want_checkpoint();
    shard.run();
    assert!(shard.store.is_checkpointing(), "a checkpoint would let the journal forget the deletion");
    shard.shell.start(late);
    shard.run();
    assert!(shard.shell.orphans(&shard.store).is_empty() && shard.store.is_quiet());
}

/// Found by seed 70, for as long as the files before a log's start were looked at: a process rolled segments and was killed before
/// a checkpoint said so. The replay runs before anybody has configured the log and so puts the same records into one segment. The
/// files that the first process began lie within it, before its end. When the log's start passed them they were no leftovers of the
/// start and no segments of the store, so that they stayed until the next start.
#[test]
fn files_that_a_replay_did_not_begin_go_when_the_start_passes_them() {
    let mut shard = Shard::new(8);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 10_000, ..LogConfig::default() });
    for _ in 0..5 {
        shard.append(LOG, 9000).expect("room");
        shard.run();
    }
    let files = |shard: &Shard| shard.shell.disk.names().filter(|name| matches!(name, Name::Segment(..))).count();
    assert_eq!((shard.store.log(LOG).expect("there").segments().len(), files(&shard)), (5, 5));
    shard.kill();
    assert_eq!((shard.store.log(LOG).expect("there").segments().len(), files(&shard)), (1, 5));
    shard.run();
    shard.store.cut_log(LOG, Offset(5), 0).expect("room");
    shard.run();
    assert_eq!(shard.store.log(LOG).expect("there").segments().len(), 1);
    assert_eq!(files(&shard), 0);
}

/// A batch's base offset and leader epoch lie outside its CRC. One flipped bit of them in a segment file was served: the record of
/// another offset, or of another leader. A damaged length led into the middle of a batch in memory, where reading panicked. What lies before the damage, and behind it as far as the index leads there, was and is served.
#[test]
fn a_flipped_bit_outside_of_a_batchs_crc_is_never_served() {
    for at in 0..21 {
        let mut shard = Shard::new(8);
        for _ in 0..4 {
            shard.append(LOG, 4000).expect("room");
        }
        shard.store.want_checkpoint();
        shard.run();
        shard.restart();
        let name = Name::Segment(LOG, SegmentName::appended(Offset(0)));
        let position = batch(4000).len() + at;
        let byte = shard.shell.disk.read(name).expect("written")[position];
        shard.shell.disk.damage(name, position, &[byte ^ 1]);
        for bytes_max in [1, 1 << 20] {
            let request = |from| ReadRequest { from: Offset(from), until: Offset(4), bytes_max, at_least_one: true };
            assert_eq!(shard.try_read(request(0)).expect("not hit").len(), batch(4000).len());
            assert_eq!(shard.try_read(request(1)), Err(ReadError::Corrupt), "byte {at}");
        }
    }
}

/// The simulation, seed 723699: the index of a segment was lost, and the base offset of its first batch damaged. The index that was made
/// anew ended there, so that nothing said where the segment begins, and the records of other offsets were served.
#[test]
fn a_damaged_first_batch_is_not_served_when_the_index_is_lost_as_well() {
    let mut shard = Shard::new(8);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 9000, ..LogConfig::default() });
    let mut three = BatchBuilder::new(Compression::None);
    (0..3).for_each(|_| three.append(1, None, Some(&[7; 4000]), &[]));
    let three = three.build();
    shard.store.append(LOG, &batch::check(&three).expect("sound"), LeaderEpoch(0), 0).expect("room");
    for _ in 0..2 {
        shard.append(LOG, 4000).expect("room");
    }
    shard.store.want_checkpoint();
    shard.run();
    shard.restart();
    let segment = shard.store.log(LOG).expect("there").segments()[0].name();
    // It begins at offset 0, and now says 2, so that offset 3 seems to be its second record.
    shard.shell.disk.damage(Name::Segment(LOG, segment), 7, &[2]);
    let mut walk = SegmentWalk::new(segment);
    let fault = walk.on_bytes(shard.shell.disk.read(Name::Segment(LOG, segment)).expect("written")).err();
    assert!(fault.is_some());
    let (index, rebuilt) = shard.store.on_walked(LOG, segment, &mut walk, fault);
    assert!(index.entries().is_empty() && rebuilt.is_err());
    for from in 0..3 {
        let request = ReadRequest { from: Offset(from), until: Offset(5), bytes_max: 1, at_least_one: true };
        assert_eq!(shard.try_read(request), Err(ReadError::Corrupt), "offset {from}");
    }
}

/// A segment whose batches end with a block was taken for complete as soon as its blocks were written. It was never cut to its size
/// nor got an index, so that its index was made anew from its batches when it was next read.
#[test]
fn a_segment_that_ends_with_a_block_gets_its_index() {
    let mut shard = Shard::new(8);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 9000, ..LogConfig::default() });
    let value_bytes = (7000..).find(|bytes| batch(*bytes).len() == 2 << 12).expect("any length can be made");
    for _ in 0..2 {
        shard.append(LOG, value_bytes).expect("room");
        shard.run();
    }
    shard.store.want_checkpoint();
    shard.run();
    shard.restart();
    assert!(shard.shell.disk.exists(Name::Index(LOG, SegmentName::appended(Offset(0)))));
    let request = ReadRequest { from: Offset(0), until: Offset(2), bytes_max: 1, at_least_one: true };
    assert_eq!(shard.read(request).len(), 2 << 12);
}

/// Found by seed 31297: a file that compaction had left behind at a crash was removed in two ways, or twice. After the first time
/// compaction gave its name to a new file, and the second took that one, which the log named by then.
#[test]
fn what_compaction_left_behind_is_removed_once() {
    let mut shard = Shard::new(8);
    shard.append(LOG, 100).expect("room");
    shard.run();
    let left = SegmentName { base: Offset(0), revision: 1 };
    shard.shell.disk.create(Name::Segment(LOG, left));
    shard.store.on_segments_found(LOG, [left]);
    shard.store.on_segments_found(LOG, [left, left]);
    assert!(!shard.store.may_sweep(LOG, left));
    let (mut removals, mut effects) = (0, Vec::new());
    loop {
        shard.store.poll(0, &mut effects);
        let is_removal =
            |effect: &&Effect| matches!(effect, Effect::RemoveSegments { segments, .. } if !segments.is_empty());
        removals += effects.iter().filter(is_removal).count();
        effects.drain(..).for_each(|effect| shard.shell.start(effect));
        if shard.shell.is_idle() {
            break;
        }
        shard.shell.step(&mut Random(1), &mut shard.store, &mut effects);
    }
    assert_eq!((removals, shard.shell.disk.exists(Name::Segment(LOG, left))), (1, false));
}

/// The start is in the journal alone when the power fails: the checkpoint before still names the segments.
#[test]
fn a_start_that_no_checkpoint_knows_is_replayed() {
    let mut shard = Shard::new(8);
    for _ in 0..5 {
        shard.append(LOG, 3000).expect("room");
    }
    shard.store.want_checkpoint();
    shard.run();
    shard.store.cut_log(LOG, Offset(3), 0).expect("room");
    shard.run();
    shard.restart();
    let view = shard.store.view(LOG).expect("there");
    assert_eq!((view.start, view.end), (Offset(3), Offset(5)));
}

#[test]
fn after_a_failure_nothing_is_acknowledged() {
    let mut shard = Shard::new(8);
    shard.append(LOG, 100).expect("room");
    let mut effects = Vec::new();
    shard.run();
    let before = shard.store.durable_group();
    let appended = shard.append(LOG, 100).expect("room");
    shard.store.poll(0, &mut effects);
    assert!(matches!(&effects[..], [Effect::WriteGroup(_)]), "{effects:?}");
    shard.store.on_failed("the device".to_owned());
    let durable = shard.store.on_group_written(appended.group, &mut effects);
    assert_eq!((durable.group, durable.ends.len()), (before, 0));
    assert_eq!(shard.append(LOG, 100).map(|appended| appended.group), Err(AppendError::Failed));
}

/// A sealed segment waited for the next checkpoint before its last blocks went to its file, so that a quiet log was never compacted:
/// only what is complete in its file is.
#[test]
fn a_sealed_segment_is_completed_before_any_checkpoint() {
    let mut shard = Shard::new(4);
    shard.store.create_log(LOG, LogConfig { segment_bytes: 3000, ..LogConfig::default() });
    for _ in 0..3 {
        shard.append(LOG, 1000).expect("taken");
    }
    shard.run();
    let segments = shard.store.log(LOG).expect("there").segments();
    let closed: Vec<bool> = segments.iter().map(|segment| segment.is_closed()).collect();
    assert_eq!(closed, [true, false]);
}

/// Where others fill the disk, what was taken may wait for a journal file that cannot be made. It keeps its place in the order, nothing
/// more is taken, and all of it becomes durable when there is space.
#[test]
fn groups_without_a_journal_file_wait_for_space() {
    let mut shard = Shard::new(8);
    shard.append(LOG, 10).expect("room");
    shard.run();
    shard.shell.is_full = true;
    while shard.append(LOG, 15_000).is_ok() {}
    shard.run();
    let view = shard.store.view(LOG).expect("there");
    assert!(view.durable_end > Offset(1) && view.durable_end < view.end, "{view:?}");
    assert_eq!(shard.append(LOG, 10), Err(AppendError::DiskFull));
    shard.shell.is_full = false;
    shard.store.on_free_space(1 << 30);
    shard.run();
    let view = shard.store.view(LOG).expect("there");
    assert_eq!(view.durable_end, view.end);
    shard.store.on_free_space(1 << 30);
    shard.append(LOG, 10).expect("room again");
}

/// After a start on a full disk with no journal file to spare nothing could be written down until somebody else made room for a whole
/// file: not even that a topic is deleted, which would have made it. A checkpoint takes little space, and frees files.
#[test]
fn where_no_journal_file_can_be_made_a_checkpoint_frees_one_for_a_deletion() {
    let limits = StoreLimits { group_bytes: 16 << 10, ..StoreLimits::new(1 << 20, u64::MAX) };
    let mut shard = Shard::with(8, limits);
    shard.append(LOG, 10).expect("room");
    shard.run();
    shard.makes_no_files = true;
    // The one file that was prepared beforehand is begun, and no other is there.
    while shard.append(LOG, 15_000).is_ok() {
        shard.run();
    }
    shard.restart();
    shard.run();
    shard.store.on_free_space(0);
    shard.run();
    let deleted = shard.store.drop_log(LOG, 0).expect("there is room");
    shard.run();
    assert!(shard.store.durable_group() >= deleted, "the deletion waits");
}
