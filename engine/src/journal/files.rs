//! Which file of the journal the next group goes to, and what becomes of files that are no longer needed.
//!
//! A file has a fixed size and is written once with zeros, because a first write into fresh extents costs a commit of the file
//! system; from then on it is recycled. Each life of a file has an identity, which is its name, stands in its header block and in
//! every group inside. A group whose identity is not the file's name is old content and never counts, so recycling needs no erasing:
//!
//! ```text
//!             wants_file              on_file_ready            place: no room left              needed_from(seq > last)
//!  (nothing) ----------> preparing ------------------> spare -------------------> current -> needed ----------------> idle
//!                            ^                                                                                         |
//!                            +-----------------------------------------------------------------------------------------+
//!                                             wants_file: rename old -> new, write the header block
//! ```
//!
//! Recycling, each step durable before the next (what a crash between them leaves is in `FORMAT.md`):
//! 1. a checkpoint that no longer needs the old groups; 2. rename to the new identity; 3. the header block with the new
//!    identity, in place; 4. sync of the directory; only then `on_file_ready`, and groups may go there.
#![forbid(unsafe_code)]

use std::collections::VecDeque;

use rkyv::rancor::Failure;
use rkyv::{Archive, Serialize};

use crate::frame::{archive_fixed, crc_matches, seal_crc};
use crate::ids::{GroupSeq, JournalFileId};
use crate::limits::BLOCK_BYTES;

/// Bytes of a file's header block; the first group starts behind it.
pub const FILE_HEADER_BYTES: usize = BLOCK_BYTES;

/// One file for the groups that are filling, one for the next, and one in reserve for the closing mark.
const FILES_LEFT_MIN: usize = 3;

const FILE_MAGIC: [u8; 8] = *b"RMJOURNL";
const FILE_VERSION: u16 = 1;
const FILE_FIELDS_BYTES: usize = 40;

const _: () = assert!(size_of::<ArchivedFileFields>() == FILE_FIELDS_BYTES);
const _: () =
    assert!(FILE_FIELDS_BYTES <= 512, "one sector, so that a torn write leaves the old header or the new one");

/// What the header block of a journal file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHeader {
    pub file: JournalFileId,
    /// Size of the file in bytes.
    pub file_bytes: u64,
    /// Index of the shard that the file belongs to.
    pub shard: u32,
}

/// Why a block is no journal file's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileHeaderError {
    #[error("the file was never prepared, or its header is damaged")]
    Unreadable,
    #[error("journal file version {0} is not known to this release")]
    UnsupportedVersion(u16),
}

#[derive(Archive, Serialize)]
struct FileFields {
    crc: u32,
    version: u16,
    zero: u16,
    magic: [u8; 8],
    file: u64,
    file_bytes: u64,
    shard: u32,
    zero_tail: u32,
}

impl FileHeader {
    /// Fills one block.
    ///
    /// # Panics
    /// Panics when `block` is not [`FILE_HEADER_BYTES`] long.
    pub fn encode(&self, block: &mut [u8]) {
        assert_eq!(block.len(), FILE_HEADER_BYTES);
        block.fill(0);
        let fields = FileFields {
            crc: 0,
            version: FILE_VERSION,
            zero: 0,
            magic: FILE_MAGIC,
            file: self.file.0,
            file_bytes: self.file_bytes,
            shard: self.shard,
            zero_tail: 0,
        };
        let out = &mut block[..FILE_FIELDS_BYTES];
        archive_fixed(&fields, out);
        seal_crc(out);
    }

    /// Reads the header that a file's bytes start with.
    ///
    /// # Errors
    /// See [`FileHeaderError`].
    pub fn parse(bytes: &[u8]) -> Result<FileHeader, FileHeaderError> {
        let bytes = bytes.get(..FILE_FIELDS_BYTES).ok_or(FileHeaderError::Unreadable)?;
        if !crc_matches(bytes) {
            return Err(FileHeaderError::Unreadable);
        }
        let fields = rkyv::access::<ArchivedFileFields, Failure>(bytes).map_err(|_| FileHeaderError::Unreadable)?;
        if fields.magic != FILE_MAGIC {
            return Err(FileHeaderError::Unreadable);
        }
        if fields.version.to_native() != FILE_VERSION {
            return Err(FileHeaderError::UnsupportedVersion(fields.version.to_native()));
        }
        Ok(FileHeader {
            file: JournalFileId(fields.file.to_native()),
            file_bytes: fields.file_bytes.to_native(),
            shard: fields.shard.to_native(),
        })
    }
}

/// What the shell is asked to do, one at a time; it answers with [`JournalFiles::on_file_ready`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileRequest {
    /// Create `<id>.journal`, write its whole size with zeros, write its header block, sync it, sync the directory.
    Create(JournalFileId),
    /// Rename `<old>.journal` to `<new>.journal`, write the header block in place and sync it, sync the directory. A file that has
    /// another size than configured is zero-written again as a whole, between the rename and the header.
    Recycle { old: JournalFileId, new: JournalFileId },
}

impl FileRequest {
    /// Identity of the file once it is ready.
    pub fn file(&self) -> JournalFileId {
        match *self {
            FileRequest::Create(file) | FileRequest::Recycle { new: file, .. } => file,
        }
    }
}

/// Sizes, and the salt of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FilesConfig {
    /// Size of each file; a multiple of the block size.
    pub file_bytes: u64,
    /// Bound on all files together.
    pub bytes_max: u64,
    /// A number drawn at random by the shell at each start. It is the low half of the identities given from now on, so that nobody can
    /// put bytes into his records that would pass for a group of a file to come.
    pub salt: u32,
}

/// A file that was found at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFile {
    pub file: JournalFileId,
    /// The last group in it that is still needed, if any.
    pub last_seq: Option<GroupSeq>,
}

#[derive(Debug, Clone, Copy)]
struct Filled {
    file: JournalFileId,
    last_seq: GroupSeq,
    /// Where the next group would go: bytes in use from the start of the file.
    end: u64,
}

/// The journal's files as decisions. A file that recovery found is never written to again before it has been recycled.
#[derive(Debug)]
pub struct JournalFiles {
    config: FilesConfig,
    files_max: usize,
    /// The high half of the last identity given.
    counter: u32,
    /// Full files that hold groups still needed, oldest first.
    needed: VecDeque<Filled>,
    current: Option<Filled>,
    spare: Option<JournalFileId>,
    preparing: Option<FileRequest>,
    /// The last attempt to make a file found no space, and nobody has looked since whether there is some.
    lacks_space: bool,
    /// The same, and nobody has made one since: those that are there must do.
    is_limited: bool,
    /// Files whose groups nobody needs, oldest first. The oldest is recycled first, so that what is left of the journal is always its
    /// end: a shard without checkpoints is rebuilt from that.
    idle: VecDeque<JournalFileId>,
}

impl JournalFiles {
    /// `known`: what recovery found, in any order. `last_used`: the newest identity that the checkpoint knows of, in case files are gone.
    ///
    /// # Panics
    /// Panics when the bounds leave no room for two files.
    pub fn new(config: FilesConfig, known: &[KnownFile], last_used: JournalFileId) -> JournalFiles {
        assert!(config.file_bytes.is_multiple_of(BLOCK_BYTES as u64) && config.file_bytes > FILE_HEADER_BYTES as u64);
        let files_max = usize::try_from(config.bytes_max / config.file_bytes).expect("a count of files fits");
        assert!(files_max >= 2, "one file fills while the other is prepared");
        let newest = known.iter().map(|known| known.file).chain([last_used]).max().unwrap_or_default();
        let mut sorted = known.to_vec();
        sorted.sort_by_key(|known| known.file);
        let mut files = JournalFiles {
            config,
            files_max,
            counter: (newest.0 >> 32) as u32,
            needed: VecDeque::new(),
            current: None,
            spare: None,
            preparing: None,
            lacks_space: false,
            is_limited: false,
            idle: VecDeque::new(),
        };
        for KnownFile { file, last_seq } in sorted {
            match last_seq {
                Some(last_seq) => files.needed.push_back(Filled { file, last_seq, end: config.file_bytes }),
                None => files.idle.push_back(file),
            }
        }
        files
    }

    /// A request to carry out, at most one at a time: one file is always kept ready before it is needed, as far as the bound on files
    /// allows. Ask after every call that changes something.
    pub fn wants_file(&mut self) -> Option<FileRequest> {
        if self.spare.is_some() || self.preparing.is_some() {
            return None;
        }
        let request = if let Some(old) = self.idle.pop_front() {
            FileRequest::Recycle { old, new: self.next_identity() }
        } else if self.file_count() < self.files_max && !self.lacks_space {
            FileRequest::Create(self.next_identity())
        } else {
            return None;
        };
        self.preparing = Some(request);
        Some(request)
    }

    fn next_identity(&mut self) -> JournalFileId {
        self.counter = self.counter.checked_add(1).expect("4 billion journal files outlast the disk");
        JournalFileId(u64::from(self.counter) << 32 | u64::from(self.config.salt))
    }

    /// Files that exist or are being made.
    fn file_count(&self) -> usize {
        self.needed.len()
            + self.idle.len()
            + usize::from(self.current.is_some())
            + usize::from(self.spare.is_some())
            + usize::from(self.preparing.is_some())
    }

    /// The requested file has been prepared and all of it is durable.
    pub fn on_file_ready(&mut self, file: JournalFileId) {
        let request = self.preparing.take().expect("only a requested file becomes ready");
        assert_eq!(request.file(), file);
        assert!(self.spare.is_none());
        self.is_limited &= matches!(request, FileRequest::Recycle { .. });
        self.spare = Some(file);
    }

    /// The requested file could not be prepared for want of space; the shell has removed what there was of it. Another is
    /// asked for when one becomes free, or after [`JournalFiles::on_free_space`].
    pub fn on_file_refused(&mut self, request: FileRequest) {
        assert_eq!(self.preparing.take(), Some(request), "only a requested file is refused");
        self.lacks_space = true;
        self.is_limited = true;
    }

    /// Somebody has looked how much space there is: making a file is worth another try.
    pub fn on_free_space(&mut self) {
        self.lacks_space = false;
    }

    /// A file is wanted and there was no space for it.
    pub fn lacks_space(&self) -> bool {
        self.lacks_space
    }

    /// Bytes that the files still to be made will take.
    pub fn missing_bytes(&self) -> u64 {
        self.files_max.saturating_sub(self.file_count()) as u64 * self.config.file_bytes
    }

    /// Gives the group `seq` of `len` bytes its place. `None`: there is no room until a file is ready or no longer needed; nothing has
    /// changed then, and the shard must hold back.
    ///
    /// # Panics
    /// Panics when the group is larger than a file, or not whole blocks.
    pub fn place(&mut self, seq: GroupSeq, len: usize) -> Option<(JournalFileId, u64)> {
        let len = len as u64;
        assert!(len.is_multiple_of(BLOCK_BYTES as u64) && len > 0);
        assert!(len <= self.group_bytes_max(), "a group never spans two files");
        if self.current.is_none_or(|current| current.end + len > self.config.file_bytes) {
            let file = self.spare.take()?;
            let fresh = Filled { file, last_seq: seq, end: FILE_HEADER_BYTES as u64 };
            self.needed.extend(self.current.replace(fresh));
        }
        let current = self.current.as_mut().expect("set above");
        assert!(current.last_seq <= seq, "groups are placed in order");
        let position = current.end;
        current.end += len;
        current.last_seq = seq;
        assert!(current.end <= self.config.file_bytes);
        Some((current.file, position))
    }

    /// Files that groups can still go to when the current one is full: ready, free, or yet to be made.
    pub fn files_left(&self) -> usize {
        let makes = matches!(self.preparing, Some(FileRequest::Create(_)));
        let files = if self.is_limited { self.file_count() - usize::from(makes) } else { self.files_max };
        files.min(self.files_max).saturating_sub(self.needed.len() + usize::from(self.current.is_some()))
    }

    /// Whether groups of these lengths find their places one after the other with no further checkpoint, and a file is left over, for what
    /// comes after a restart. Where no file can be made the last one may be used as well: then a checkpoint is taken at once, and it
    /// needs no group.
    pub fn has_room(&self, lens: impl IntoIterator<Item = usize>) -> bool {
        let mut left = self.files_left();
        let mut end = self.current.map_or(self.config.file_bytes, |current| current.end);
        for len in lens {
            if end + len as u64 > self.config.file_bytes {
                let Some(fewer) = left.checked_sub(1) else { return false };
                (left, end) = (fewer, FILE_HEADER_BYTES as u64);
            }
            end += len as u64;
        }
        left > 0 || self.is_limited
    }

    /// So few files are left that the next checkpoint, which frees full ones, should not wait.
    pub fn runs_short(&self) -> bool {
        self.files_left() < FILES_LEFT_MIN && !self.needed.is_empty()
    }

    /// A durable checkpoint says that no group before `seq` is needed any more.
    pub fn needed_from(&mut self, seq: GroupSeq) {
        while let Some(file) = self.needed.pop_front_if(|file| file.last_seq < seq) {
            self.idle.push_back(file.file);
        }
    }

    /// The largest group that fits into a file.
    pub fn group_bytes_max(&self) -> u64 {
        self.config.file_bytes - FILE_HEADER_BYTES as u64
    }

    /// Bytes of the journal that hold groups still needed: whole files, and the filled part of the current one. When this nears
    /// [`JournalFiles::bytes_max`], it is high time for a checkpoint.
    pub fn used_bytes(&self) -> u64 {
        let full = self.needed.len() as u64 * self.config.file_bytes;
        full + self.current.map_or(0, |current| current.end)
    }

    /// The bound on all files together, rounded down to whole files.
    pub fn bytes_max(&self) -> u64 {
        self.files_max as u64 * self.config.file_bytes
    }

    /// The oldest file that holds groups still needed: recovery from a checkpoint that is written now need not read older ones.
    pub fn oldest_needed(&self) -> Option<JournalFileId> {
        self.needed.front().or(self.current.as_ref()).map(|filled| filled.file)
    }

    /// The newest identity given so far, for the checkpoint.
    pub fn newest(&self) -> JournalFileId {
        JournalFileId(u64::from(self.counter) << 32 | u64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: u64 = 16384;
    const CONFIG: FilesConfig = FilesConfig { file_bytes: FILE, bytes_max: 3 * FILE, salt: 0xabcd };

    fn id(counter: u64) -> JournalFileId {
        JournalFileId(counter << 32 | 0xabcd)
    }

    /// Prepares what is wanted, as a shell would.
    fn prepare(files: &mut JournalFiles) -> Option<FileRequest> {
        let request = files.wants_file();
        if let Some(request) = request {
            assert_eq!(files.wants_file(), None, "one request at a time");
            files.on_file_ready(request.file());
        }
        request
    }

    #[test]
    fn groups_fill_a_file_and_roll_into_the_spare() {
        let mut files = JournalFiles::new(CONFIG, &[], JournalFileId(0));
        assert_eq!(files.place(GroupSeq(1), 4096), None, "nothing is ready yet");
        assert_eq!(prepare(&mut files), Some(FileRequest::Create(id(1))));
        assert_eq!(files.place(GroupSeq(1), 8192), Some((id(1), 4096)));
        assert_eq!(files.place(GroupSeq(2), 4096), Some((id(1), 12288)));
        assert_eq!(files.used_bytes(), FILE);
        assert_eq!(files.place(GroupSeq(3), 4096), None, "full, and no spare");
        assert_eq!(prepare(&mut files), Some(FileRequest::Create(id(2))));
        assert_eq!(files.place(GroupSeq(3), 4096), Some((id(2), 4096)));
        assert_eq!(files.used_bytes(), FILE + 8192);
        assert_eq!(files.oldest_needed(), Some(id(1)));
    }

    #[test]
    fn the_bound_holds_until_a_checkpoint_frees_the_oldest_file() {
        let mut files = JournalFiles::new(CONFIG, &[], JournalFileId(0));
        let mut seq = GroupSeq::NONE;
        for _ in 0..3 {
            prepare(&mut files).expect("within the bound");
            seq = seq.next();
            assert!(files.place(seq, 12288).is_some());
        }
        assert_eq!(prepare(&mut files), None, "three files are the bound");
        assert_eq!(files.place(GroupSeq(4), 4096), None);
        files.needed_from(GroupSeq(1));
        assert_eq!(prepare(&mut files), None, "group 1 is still needed");
        files.needed_from(GroupSeq(2));
        assert_eq!(prepare(&mut files), Some(FileRequest::Recycle { old: id(1), new: id(4) }));
        assert_eq!(files.place(GroupSeq(4), 4096), Some((id(4), 4096)));
        assert_eq!(files.oldest_needed(), Some(id(2)));
        assert!(files.used_bytes() <= files.bytes_max());
    }

    /// The simulation, seed 200051: the file that became free last was recycled first. Of a journal that nobody needed the oldest groups
    /// were left then, and a rebuild without checkpoints took them for its end: it gave up what the segments had from there on.
    #[test]
    fn the_file_that_has_been_free_longest_is_recycled_first() {
        let known = [1, 2, 3].map(|counter| KnownFile { file: id(counter), last_seq: Some(GroupSeq(counter * 10)) });
        let mut files = JournalFiles::new(FilesConfig { bytes_max: 6 * FILE, ..CONFIG }, &known, JournalFileId(0));
        files.needed_from(GroupSeq(31));
        let recycled: Vec<_> = (4..7)
            .map(|seq| {
                let request = prepare(&mut files);
                files.place(GroupSeq(seq * 10), 12288).expect("one is ready");
                request
            })
            .collect();
        let expected = (1..4).map(|old| Some(FileRequest::Recycle { old: id(old), new: id(old + 3) }));
        assert_eq!(recycled, expected.collect::<Vec<_>>());
    }

    #[test]
    fn after_a_restart_no_found_file_is_written_before_it_is_recycled() {
        let known = [
            KnownFile { file: id(7), last_seq: None },
            KnownFile { file: id(6), last_seq: Some(GroupSeq(20)) },
            KnownFile { file: id(5), last_seq: Some(GroupSeq(10)) },
        ];
        let config = FilesConfig { salt: 0x77, bytes_max: 4 * FILE, ..CONFIG };
        let mut files = JournalFiles::new(config, &known, JournalFileId(9 << 32));
        assert_eq!(files.place(GroupSeq(30), 4096), None);
        let new = JournalFileId(10 << 32 | 0x77);
        assert_eq!(prepare(&mut files), Some(FileRequest::Recycle { old: id(7), new }));
        assert_eq!(files.place(GroupSeq(30), 4096), Some((new, 4096)));
        files.needed_from(GroupSeq(11));
        let newer = JournalFileId(11 << 32 | 0x77);
        assert_eq!(prepare(&mut files), Some(FileRequest::Recycle { old: id(5), new: newer }));
    }

    #[test]
    fn a_file_header_reads_back_and_any_flipped_bit_in_it_shows() {
        let header = FileHeader { file: id(3), file_bytes: FILE, shard: 1 };
        let mut block = rkyv::util::AlignedVec::<16>::new();
        block.resize(FILE_HEADER_BYTES, 0xff);
        header.encode(&mut block);
        assert_eq!(FileHeader::parse(&block), Ok(header));
        for bit in 0..FILE_FIELDS_BYTES * 8 {
            block[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FileHeader::parse(&block), Err(FileHeaderError::Unreadable), "bit {bit}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
