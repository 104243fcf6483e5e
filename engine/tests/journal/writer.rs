//! A shard's journal writer over the simulated disk: seals groups, completes their writes in any order, remembers what was acknowledged.

use std::collections::BTreeMap;

use batch::{BatchBuilder, Compression, LeaderEpoch, Offset};
use engine::frame::{FrameFields, FrameKind};
use engine::journal::{
    Chain, ChainEnd, FilesConfig, GroupBuilder, JournalFiles, Predecessor, Recovered, ReplayFrom, frames, recover,
    scan_file,
};
use engine::{GroupSeq, JournalFileId, LogId};

use crate::disk::{Disk, Write, zeros};
use crate::random::Random;

pub const SHARD: u32 = 3;
pub const FILE_BYTES: u64 = 128 << 10;

/// One batch as it was journalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journalled {
    pub fields: FrameFields,
    pub payload: Vec<u8>,
}

/// One sealed group.
#[derive(Debug, Clone)]
pub struct Group {
    pub seq: GroupSeq,
    pub file: JournalFileId,
    pub position: u64,
    pub len: usize,
    pub checksum: u32,
    /// The durable mark that it bears.
    pub mark: GroupSeq,
    pub batches: Vec<Journalled>,
}

pub struct Writer {
    pub disk: Disk,
    pub files: JournalFiles,
    pub chain: Chain,
    pub in_flight: Vec<(GroupSeq, Write)>,
    /// Every group of the one history that counts, oldest first.
    pub history: Vec<Group>,
    /// Every group ever sealed, those that a recovery cut included: whose write landed late may be found after all.
    sealed: BTreeMap<(GroupSeq, JournalFileId), Group>,
    pub checkpoint: ReplayFrom,
    next_offset: i64,
    salt: u32,
}

impl Writer {
    pub fn new(files_max: u64) -> Writer {
        let mut writer = Writer {
            disk: Disk::default(),
            files: JournalFiles::new(config(files_max, 1), &[], JournalFileId(0)),
            chain: Chain::new(ChainEnd::EMPTY),
            in_flight: Vec::new(),
            history: Vec::new(),
            sealed: BTreeMap::new(),
            checkpoint: ReplayFrom::start(SHARD),
            next_offset: 0,
            salt: 1,
        };
        writer.prepare_files();
        writer
    }

    pub fn prepare_files(&mut self) {
        while let Some(request) = self.files.wants_file() {
            self.disk.prepare(request, FILE_BYTES, SHARD);
            self.files.on_file_ready(request.file());
        }
    }

    /// Seals a group of batches with these value sizes, if the journal has room; its write is then in flight.
    pub fn seal(&mut self, value_sizes: &[usize]) -> Option<GroupSeq> {
        let mut buf = zeros(96 << 10);
        // The buffer is reused in the real writer, so nothing may rely on its being zero.
        buf.fill(0xaa);
        let mut builder = GroupBuilder::new(buf.len());
        let mut batches = Vec::new();
        for &size in value_sizes {
            let journalled = self.batch(size);
            builder.push(&mut buf, &journalled.fields, &journalled.payload).expect("tests stay below the group's size");
            batches.push(journalled);
        }
        let seq = self.chain.next_seq();
        let len = builder.bytes().next_multiple_of(4096);
        let (file, position) = self.files.place(seq, len)?;
        let context = self.chain.context(file, position);
        let sealed = builder.seal(&mut buf, context);
        assert_eq!(sealed.len, len);
        let checksum = sealed.checksum;
        assert_eq!(self.chain.on_sealed(sealed), seq);
        self.in_flight.push((seq, Write { file, position, bytes: buf[..len].to_vec() }));
        let group = Group { seq, file, position, len, checksum, mark: context.durable_seq, batches };
        self.sealed.insert((seq, file), group.clone());
        self.history.push(group);
        self.prepare_files();
        Some(seq)
    }

    fn batch(&mut self, value_size: usize) -> Journalled {
        let mut builder = BatchBuilder::new(Compression::None);
        let value: Vec<u8> = (0..value_size).map(|i| (i as i64 * 31 + self.next_offset) as u8).collect();
        builder.append(1_700_000_000_000, None, Some(&value), &[]);
        builder.append(1_700_000_000_001, Some(b"key"), None, &[]);
        let mut payload = builder.build();
        batch::stamp(&mut payload, Offset(self.next_offset), LeaderEpoch(4));
        let info = batch::BatchInfo::peek(&payload).expect("sound").expect("whole");
        let fields = FrameFields {
            kind: FrameKind::Batch,
            log: LogId { topic: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef, partition: 7 },
            base_offset: info.base_offset,
            last_offset: info.last_offset(),
            leader_epoch: info.leader_epoch,
            payload_len: payload.len() as u32,
            payload_crc: info.crc,
        };
        self.next_offset = info.next_offset().0;
        Journalled { fields, payload }
    }

    /// The write of the in-flight group at `index` becomes durable.
    pub fn complete(&mut self, index: usize) {
        let (seq, write) = self.in_flight.remove(index);
        self.disk.write(&write);
        self.chain.on_durable(seq);
    }

    /// Seals and completes one group.
    pub fn write(&mut self, value_sizes: &[usize]) -> GroupSeq {
        let seq = self.seal(value_sizes).expect("room in the journal");
        self.complete(self.in_flight.len() - 1);
        seq
    }

    /// What a checkpoint taken now would say.
    pub fn checkpoint_from(&self, replay_from: GroupSeq) -> ReplayFrom {
        let last = self.history.iter().rfind(|group| group.seq < replay_from);
        let before = last.map_or(Predecessor::NONE, |last| Predecessor { seq: last.seq, checksum: last.checksum });
        ReplayFrom { shard: SHARD, replay_from, durable_seq: self.chain.durable_seq(), before }
    }

    pub fn write_checkpoint(&mut self, replay_from: GroupSeq) {
        self.checkpoint = self.checkpoint_from(replay_from);
        self.files.needed_from(replay_from);
        self.prepare_files();
    }

    /// What recovery finds on the disk as it is.
    pub fn recover(&self) -> Recovered {
        recover_disk(&self.disk, self.checkpoint)
    }

    /// Starts again from what recovery found. What was cut is history no more.
    pub fn restart(&mut self, recovered: &Recovered, files_max: u64) {
        self.in_flight.clear();
        self.salt += 1;
        self.files = JournalFiles::new(config(files_max, self.salt), &recovered.files, JournalFileId(0));
        self.chain = Chain::new(recovered.chain);
        self.history.retain(|group| group.seq < self.checkpoint.replay_from);
        let found = recovered.groups.iter().map(|head| &self.sealed[&(head.context.seq, head.context.file)]);
        self.history.extend(found.cloned());
        let last_offset =
            self.history.iter().flat_map(|group| &group.batches).map(|batch| batch.fields.last_offset.0).max();
        self.next_offset = last_offset.map_or(0, |last| last + 1);
        self.prepare_files();
    }

    /// Asserts that recovery gives the history from the checkpoint on, exactly, at least up to the durable mark. What it gives beyond
    /// that was sealed once, and never acknowledged.
    pub fn assert_recovered(&self, recovered: &Recovered, durable: GroupSeq, story: &str) {
        let first = self.checkpoint.replay_from;
        let acknowledged: Vec<GroupSeq> =
            self.history.iter().map(|group| group.seq).filter(|seq| (first..=durable).contains(seq)).collect();
        let found: Vec<GroupSeq> = recovered.groups.iter().map(|head| head.context.seq).collect();
        assert!(found.starts_with(&acknowledged), "{story}: acknowledged {acknowledged:?}, found {found:?}");
        for (index, head) in recovered.groups.iter().enumerate() {
            let written = match acknowledged.get(index) {
                Some(seq) => self.history.iter().find(|group| group.seq == *seq).expect("taken from there"),
                None => &self.sealed[&(head.context.seq, head.context.file)],
            };
            let batches: Vec<Journalled> = frames(&self.disk.files[&head.context.file], head)
                .map(|frame| frame.expect("recovery verified it"))
                .map(|frame| Journalled { fields: frame.fields(), payload: frame.payload().to_vec() })
                .collect();
            assert_eq!(batches, written.batches, "{story}: group {}", written.seq);
        }
        let offsets: Vec<_> = recovered.groups.iter().map(|h| &self.sealed[&(h.context.seq, h.context.file)]).collect();
        let offsets: Vec<_> = offsets
            .iter()
            .flat_map(|group| &group.batches)
            .map(|b| (b.fields.base_offset, b.fields.last_offset))
            .collect();
        assert!(offsets.is_sorted_by(|a, b| a.1.next() == b.0), "{story}: offsets follow one another without a gap");
    }
}

pub fn recover_disk(disk: &Disk, checkpoint: ReplayFrom) -> Recovered {
    let scans: Vec<_> = disk.files.iter().map(|(file, bytes)| scan_file(*file, bytes)).collect();
    recover(&scans, checkpoint)
}

fn config(files_max: u64, salt: u32) -> FilesConfig {
    FilesConfig { file_bytes: FILE_BYTES, bytes_max: files_max * FILE_BYTES, salt }
}

/// Random value sizes for one group.
pub fn random_sizes(random: &mut Random) -> Vec<usize> {
    (0..1 + random.below(3)).map(|_| random.below(12_000)).collect()
}
