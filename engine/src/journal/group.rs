//! A write group: what one journal write carries. Frames are collected in a block-aligned buffer that the caller owns, then
//! sealed with a header, and the buffer is written as it stands.
//!
//! ```text
//!  0             80       144                                           used_bytes       group_bytes
//!  +-------------+--------+---------+---+--------+---------+---+- ... -+----------------+
//!  | GroupHeader | frame  | payload |pad| frame  | payload |pad|       | zeros to 4096  |
//!  |             | header |         |   | header |         |   |       |                |
//!  +-------------+--------+---------+---+--------+---------+---+- ... -+----------------+
//! ```
//!
//! The header has two checksums. The first covers the header alone, so that recovery can believe what a header says (above all
//! its durable mark) even where the body behind it is torn. The second, the *group checksum*, covers the header and all frame headers; through the
//! batch CRCs in these it stands for the payloads too. Each group names the group checksum of the one before it, which makes a chain.
#![forbid(unsafe_code)]

use rkyv::rancor::Failure;
use rkyv::{Archive, Serialize};

use crate::frame::{FRAME_ALIGN, FRAME_HEADER_BYTES, FrameError, FrameFields, FrameView, archive_fixed, crc_matches};
use crate::frame::{encode, frame_bytes, seal_crc};
use crate::ids::{GroupSeq, JournalFileId};
use crate::limits::BLOCK_BYTES;

/// Bytes of a group's header.
pub const GROUP_HEADER_BYTES: usize = 80;

pub(crate) const GROUP_MAGIC: [u8; 8] = *b"RMGROUP\0";
const GROUP_VERSION: u16 = 1;

/// Behind the two checksums: what the group checksum covers of the header.
const GROUP_CHECKSUM_AT: usize = 4;
const GROUP_CHECKED_FROM: usize = 8;

const _: () = assert!(size_of::<ArchivedGroupHeader>() == GROUP_HEADER_BYTES);
const _: () = assert!(GROUP_HEADER_BYTES.is_multiple_of(FRAME_ALIGN), "the first frame starts aligned");

/// What a group's header says about where it stands in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupContext {
    /// Identity of the file that it is written to.
    pub file: JournalFileId,
    /// Where in the file it starts, in bytes.
    pub position: u64,
    pub seq: GroupSeq,
    /// The group before it in the chain: `seq - 1`, but for the first group after a recovery, which skips the numbers that
    /// groups cut by that recovery may have used. [`GroupSeq::NONE`] for a shard's very first group.
    pub previous_seq: GroupSeq,
    /// Group checksum of `previous_seq`; 0 for the very first group.
    pub previous_checksum: u32,
    /// The highest sequence such that it and all before it were known durable when this group was sealed.
    pub durable_seq: GroupSeq,
}

/// A sealed group: the first `len` bytes of the buffer are ready to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// A multiple of [`BLOCK_BYTES`].
    pub len: usize,
    /// The group checksum, which the next group names as its `previous_checksum`.
    pub checksum: u32,
    pub frame_count: u32,
}

/// The frame does not fit into what is left of the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the write group is full")]
pub struct GroupFull;

#[derive(Archive, Serialize)]
struct GroupHeader {
    header_checksum: u32,
    group_checksum: u32,
    magic: [u8; 8],
    version: u16,
    zero: u16,
    frame_count: u32,
    file: u64,
    position: u64,
    seq: u64,
    previous_seq: u64,
    durable_seq: u64,
    previous_checksum: u32,
    group_bytes: u32,
    used_bytes: u32,
    zero_tail: u32,
}

/// A group that is being filled. It holds no bytes: every call is given the same buffer.
#[derive(Debug)]
pub struct GroupBuilder {
    bytes_max: usize,
    /// Bytes of the buffer in use, the header's place included.
    len: usize,
    frames: u32,
    /// Running CRC-32C over the frame headers.
    crc: u32,
}

impl GroupBuilder {
    /// A group that takes at most `bytes_max` bytes of its buffer, its header and padding included.
    pub fn new(bytes_max: usize) -> GroupBuilder {
        assert!(bytes_max >= BLOCK_BYTES, "a group has at least one block");
        assert!(u32::try_from(bytes_max).is_ok(), "a group's length is a u32 on disk");
        GroupBuilder { bytes_max: bytes_max - bytes_max % BLOCK_BYTES, len: GROUP_HEADER_BYTES, frames: 0, crc: 0 }
    }

    /// Whether a payload of this size fits beside what is there, in a buffer of `buffer_len` bytes.
    pub fn fits(&self, payload_len: usize, buffer_len: usize) -> bool {
        let bytes_max = self.bytes_max.min(buffer_len - buffer_len % BLOCK_BYTES);
        self.len + frame_bytes(payload_len) <= bytes_max
    }

    /// Copies one frame into the buffer: header, payload, padding.
    ///
    /// # Errors
    /// [`GroupFull`] when it does not fit; nothing has changed then.
    ///
    /// # Panics
    /// Panics when `fields.payload_len` is not the payload's length.
    pub fn push(&mut self, buf: &mut [u8], fields: &FrameFields, payload: &[u8]) -> Result<(), GroupFull> {
        assert_eq!(fields.payload_len as usize, payload.len(), "the frame header says how long its payload is");
        if !self.fits(payload.len(), buf.len()) {
            return Err(GroupFull);
        }
        let frame = &mut buf[self.len..self.len + frame_bytes(payload.len())];
        let (header, rest) = frame.split_at_mut(FRAME_HEADER_BYTES);
        encode(fields, header);
        let (body, padding) = rest.split_at_mut(payload.len());
        body.copy_from_slice(payload);
        padding.fill(0);
        self.crc = batch::crc32c_append(self.crc, header);
        self.len += frame_bytes(payload.len());
        self.frames += 1;
        Ok(())
    }

    /// Bytes that the group has so far, its header included, before padding.
    pub fn bytes(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    pub fn frame_count(&self) -> u32 {
        self.frames
    }

    /// Pads with zeros and writes the header. A group without frames is legal: it carries the durable mark to the disk when
    /// nothing else will (on idle and at shutdown), which ends recovery's doubt about the last group.
    ///
    /// # Panics
    /// Panics when the context contradicts itself.
    pub fn seal(self, buf: &mut [u8], context: GroupContext) -> Sealed {
        assert!(context.durable_seq <= context.previous_seq, "a mark promises only what was written before");
        assert!(context.previous_seq < context.seq, "sequence numbers grow");
        assert!(context.position.is_multiple_of(BLOCK_BYTES as u64), "groups start at blocks");
        let len = self.len.next_multiple_of(BLOCK_BYTES);
        assert!(len <= self.bytes_max, "push leaves room for the padding");
        buf[self.len..len].fill(0);
        let header = GroupHeader {
            header_checksum: 0,
            group_checksum: 0,
            magic: GROUP_MAGIC,
            version: GROUP_VERSION,
            zero: 0,
            frame_count: self.frames,
            file: context.file.0,
            position: context.position,
            seq: context.seq.0,
            previous_seq: context.previous_seq.0,
            durable_seq: context.durable_seq.0,
            previous_checksum: context.previous_checksum,
            group_bytes: len as u32,
            used_bytes: self.len as u32,
            zero_tail: 0,
        };
        let out = &mut buf[..GROUP_HEADER_BYTES];
        archive_fixed(&header, out);
        let checksum = batch::crc32c_append(self.crc, &out[GROUP_CHECKED_FROM..]);
        out[GROUP_CHECKSUM_AT..GROUP_CHECKED_FROM].copy_from_slice(&checksum.to_le_bytes());
        seal_crc(out);
        Sealed { len, checksum, frame_count: self.frames }
    }
}

/// Why bytes are no valid write group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("no group header here")]
    NoHeader,
    #[error("group version {0} is not known to this release")]
    UnsupportedVersion(u16),
    #[error("the group header contradicts itself")]
    Inconsistent,
    #[error("the group lies where it was not written to")]
    Misplaced,
    #[error("the bytes end before the group does")]
    Truncated,
    #[error("the group's checksum is wrong")]
    Checksum,
    #[error("frame {index}: {error}")]
    Frame { index: u32, error: FrameError },
}

/// A group header that passed its own checksum: what it says was once written by us, whatever has become of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupHead {
    pub context: GroupContext,
    pub checksum: u32,
    pub frame_count: u32,
    /// Bytes of the group, padding included.
    pub group_bytes: u32,
    /// Bytes before the padding.
    pub used_bytes: u32,
}

impl GroupHead {
    /// Reads the header that `bytes` start with.
    ///
    /// # Errors
    /// [`GroupError::NoHeader`] for anything that is not one, torn ones included.
    pub fn parse(bytes: &[u8]) -> Result<GroupHead, GroupError> {
        let bytes = bytes.get(..GROUP_HEADER_BYTES).ok_or(GroupError::NoHeader)?;
        // The magic first: scanning meets many blocks that hold something else.
        if bytes[GROUP_CHECKED_FROM..GROUP_CHECKED_FROM + GROUP_MAGIC.len()] != GROUP_MAGIC || !crc_matches(bytes) {
            return Err(GroupError::NoHeader);
        }
        let header = rkyv::access::<ArchivedGroupHeader, Failure>(bytes).map_err(|_| GroupError::NoHeader)?;
        if header.version.to_native() != GROUP_VERSION {
            return Err(GroupError::UnsupportedVersion(header.version.to_native()));
        }
        let head = GroupHead {
            context: GroupContext {
                file: JournalFileId(header.file.to_native()),
                position: header.position.to_native(),
                seq: GroupSeq(header.seq.to_native()),
                previous_seq: GroupSeq(header.previous_seq.to_native()),
                previous_checksum: header.previous_checksum.to_native(),
                durable_seq: GroupSeq(header.durable_seq.to_native()),
            },
            checksum: header.group_checksum.to_native(),
            frame_count: header.frame_count.to_native(),
            group_bytes: header.group_bytes.to_native(),
            used_bytes: header.used_bytes.to_native(),
        };
        if head.is_consistent() { Ok(head) } else { Err(GroupError::Inconsistent) }
    }

    fn is_consistent(&self) -> bool {
        let context = &self.context;
        context.durable_seq <= context.previous_seq
            && context.previous_seq < context.seq
            && context.position.is_multiple_of(BLOCK_BYTES as u64)
            && self.used_bytes as usize >= GROUP_HEADER_BYTES
            && self.used_bytes.checked_next_multiple_of(BLOCK_BYTES as u32) == Some(self.group_bytes)
    }

    /// Verifies the whole group that `bytes` start with: the group checksum, every frame header and every payload.
    ///
    /// # Errors
    /// Says what is wrong first.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), GroupError> {
        let group = bytes.get(..self.group_bytes as usize).ok_or(GroupError::Truncated)?;
        let mut crc = 0;
        let mut frames = self.frames(group);
        for (index, frame) in (0..).zip(&mut frames) {
            let frame = frame.map_err(|error| GroupError::Frame { index, error })?;
            frame.verify_payload().map_err(|error| GroupError::Frame { index, error })?;
            crc = batch::crc32c_append(crc, frame.header_bytes());
        }
        if !frames.rest.is_empty() {
            return Err(GroupError::Inconsistent);
        }
        let crc = batch::crc32c_append(crc, &group[GROUP_CHECKED_FROM..GROUP_HEADER_BYTES]);
        if crc == self.checksum { Ok(()) } else { Err(GroupError::Checksum) }
    }

    /// The frames of the group that `bytes` start with.
    pub(crate) fn frames<'a>(&self, bytes: &'a [u8]) -> Frames<'a> {
        let rest = bytes.get(GROUP_HEADER_BYTES..self.used_bytes as usize).unwrap_or_default();
        Frames { rest, left: self.frame_count }
    }
}

/// Walks the frames of one group. After an error there is no telling where the next frame starts, so the walk ends with it.
#[derive(Clone)]
pub struct Frames<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<FrameView<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let frame = FrameView::parse(self.rest).and_then(|frame| {
            self.rest = self.rest.get(frame.frame_bytes()..).ok_or(FrameError::Truncated)?;
            Ok(frame)
        });
        if frame.is_err() {
            self.left = 0;
        }
        Some(frame)
    }
}
