//! A disk in memory for one shard's journal directory.

use std::collections::BTreeMap;

use engine::JournalFileId;
use engine::journal::{FileHeader, FileRequest};
use rkyv::util::AlignedVec;

/// What a device writes as a whole or not at all.
pub const SECTOR_BYTES: usize = 512;

/// A write that the device may have done in part.
pub struct Write {
    pub file: JournalFileId,
    pub position: u64,
    pub bytes: Vec<u8>,
}

/// Files by name.
#[derive(Default, Clone)]
pub struct Disk {
    pub files: BTreeMap<JournalFileId, AlignedVec<16>>,
}

impl Disk {
    /// Carries out a request as the shell does, all of it durable.
    pub fn prepare(&mut self, request: FileRequest, file_bytes: u64, shard: u32) {
        let mut bytes = match request {
            FileRequest::Create(_) => zeros(file_bytes as usize),
            FileRequest::Recycle { old, .. } => self.files.remove(&old).expect("the old file is there"),
        };
        write_header(&mut bytes, request.file(), file_bytes, shard);
        self.files.insert(request.file(), bytes);
    }

    pub fn write(&mut self, write: &Write) {
        self.range(write).copy_from_slice(&write.bytes);
    }

    /// Each sector of the write gets to the disk or not.
    pub fn write_torn(&mut self, write: &Write, mut keeps: impl FnMut(usize) -> bool) {
        let target = self.range(write);
        for (index, sector) in write.bytes.chunks(SECTOR_BYTES).enumerate() {
            if keeps(index) {
                let at = index * SECTOR_BYTES;
                target[at..at + sector.len()].copy_from_slice(sector);
            }
        }
    }

    fn range(&mut self, write: &Write) -> &mut [u8] {
        let at = write.position as usize;
        &mut self.files.get_mut(&write.file).expect("groups go to prepared files")[at..at + write.bytes.len()]
    }
}

pub fn zeros(len: usize) -> AlignedVec<16> {
    let mut bytes = AlignedVec::new();
    bytes.resize(len, 0);
    bytes
}

pub fn aligned(bytes: &[u8]) -> AlignedVec<16> {
    let mut copy = AlignedVec::new();
    copy.extend_from_slice(bytes);
    copy
}

pub fn write_header(bytes: &mut [u8], file: JournalFileId, file_bytes: u64, shard: u32) {
    FileHeader { file, file_bytes, shard }.encode(&mut bytes[..4096]);
}
