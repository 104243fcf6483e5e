//! A frame: what goes around a record batch wherever it travels outside its segment file (in the journal today).
//!
//! The header is an rkyv archive of fixed size, read in place once its checksum has been verified. It repeats what Kafka's
//! batch CRC does not cover (base offset, length, leader epoch) and the batch CRC itself, so that header and batch together
//! leave no payload byte unprotected, and the hot path never makes a second pass over the payload.
//!
//! ```text
//!  0        4       5    6        8               16             24        28            32
//!  +--------+-------+----+--------+---------------+--------------+---------+-------------+
//!  |  crc   |version|kind| zero   |  topic, low   | topic, high  |partition|leader_epoch |
//!  +--------+-------+----+--------+---------------+--------------+---------+-------------+
//!  | base_offset    | last_offset | payload_len | payload_crc | zero                     |
//!  +----------------+-------------+-------------+-------------+--------------------------+
//!  32               40            48            52            56                         64
//! ```
#![forbid(unsafe_code)]

use batch::{BatchInfo, LeaderEpoch, Offset};
use rkyv::rancor::{Failure, Panic};
use rkyv::ser::{Serializer, writer::Buffer};
use rkyv::{Archive, Serialize};

use crate::ids::LogId;

/// Bytes of a frame's header.
pub const FRAME_HEADER_BYTES: usize = 64;

/// Frames start at multiples of this inside their group, which itself starts at a multiple of the block size.
pub const FRAME_ALIGN: usize = 16;

const FRAME_VERSION: u8 = 1;

/// The header's checksum is its first field and covers everything behind itself.
const CRC_BYTES: usize = 4;

const _: () = assert!(size_of::<ArchivedFrameHeader>() == FRAME_HEADER_BYTES);
const _: () = assert!(FRAME_ALIGN.is_multiple_of(align_of::<ArchivedFrameHeader>()));
const _: () = assert!(FRAME_HEADER_BYTES.is_multiple_of(FRAME_ALIGN), "a payload starts aligned");

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// One Kafka v2 record batch, stamped: exactly the bytes that go into the segment file.
    Batch = 1,
    /// The log was deleted. Replay drops what it holds of it, and never resurrects it. No payload.
    DropLog = 2,
    /// The log starts at `base_offset` from here on. What lies before is never served again. No payload.
    LogStart = 3,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<FrameKind> {
        match byte {
            1 => Some(FrameKind::Batch),
            2 => Some(FrameKind::DropLog),
            3 => Some(FrameKind::LogStart),
            _ => None,
        }
    }
}

/// A frame's header, decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFields {
    pub kind: FrameKind,
    pub log: LogId,
    /// Offset of the batch's first record; for [`FrameKind::LogStart`] where the log starts.
    pub base_offset: Offset,
    /// Offset of the batch's last record (inclusive).
    pub last_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    pub payload_len: u32,
    /// For a batch the CRC-32C that it carries itself (over its bytes 21 to the end); for any other kind the CRC-32C of the payload.
    pub payload_crc: u32,
}

impl FrameFields {
    /// The header of a frame that says that `log` was deleted.
    pub fn drop_log(log: LogId) -> FrameFields {
        Self::without_payload(FrameKind::DropLog, log, Offset(0))
    }

    /// The header of a frame that says that `log` starts at `start`.
    pub fn log_start(log: LogId, start: Offset) -> FrameFields {
        Self::without_payload(FrameKind::LogStart, log, start)
    }

    fn without_payload(kind: FrameKind, log: LogId, offset: Offset) -> FrameFields {
        FrameFields {
            kind,
            log,
            base_offset: offset,
            last_offset: offset,
            leader_epoch: LeaderEpoch(0),
            payload_len: 0,
            payload_crc: 0,
        }
    }
}

/// Why bytes are no frame, or not the one that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the bytes end before the frame does")]
    Truncated,
    #[error("a frame must lie at a multiple of {FRAME_ALIGN} bytes")]
    Misaligned,
    #[error("the frame header's checksum is wrong")]
    HeaderChecksum,
    #[error("frame version {0} is not known to this release")]
    UnsupportedVersion(u8),
    #[error("frame kind {0} is not known to this release")]
    UnknownKind(u8),
    #[error("the payload is not what the frame header describes")]
    PayloadMismatch,
    #[error("the payload's checksum is wrong")]
    PayloadChecksum,
}

#[derive(Archive, Serialize)]
struct FrameHeader {
    crc: u32,
    version: u8,
    kind: u8,
    zero: u16,
    topic_low: u64,
    topic_high: u64,
    partition: u32,
    leader_epoch: i32,
    base_offset: i64,
    last_offset: i64,
    payload_len: u32,
    payload_crc: u32,
    zero_tail: u64,
}

/// Bytes that a frame with this payload takes: header, payload and padding to [`FRAME_ALIGN`].
pub const fn frame_bytes(payload_len: usize) -> usize {
    FRAME_HEADER_BYTES + payload_len.next_multiple_of(FRAME_ALIGN)
}

/// Writes the header into the first [`FRAME_HEADER_BYTES`] of `out`.
///
/// # Panics
/// Panics when `out` is shorter than a header.
pub fn encode(fields: &FrameFields, out: &mut [u8]) {
    let header = FrameHeader {
        crc: 0,
        version: FRAME_VERSION,
        kind: fields.kind as u8,
        zero: 0,
        topic_low: fields.log.topic as u64,
        topic_high: (fields.log.topic >> 64) as u64,
        partition: fields.log.partition,
        leader_epoch: fields.leader_epoch.0,
        base_offset: fields.base_offset.0,
        last_offset: fields.last_offset.0,
        payload_len: fields.payload_len,
        payload_crc: fields.payload_crc,
        zero_tail: 0,
    };
    let out = &mut out[..FRAME_HEADER_BYTES];
    archive_fixed(&header, out);
    seal_crc(out);
}

/// Archives a structure without out-of-line data: its bytes start at `out[0]` and fill `out`.
pub(crate) fn archive_fixed<T>(value: &T, out: &mut [u8])
where
    T: for<'a> Serialize<rkyv::rancor::Strategy<Serializer<Buffer<'a>, (), ()>, Panic>>,
{
    assert_eq!(size_of::<T::Archived>(), out.len(), "a fixed header fills its place exactly");
    let mut serializer = Serializer::new(Buffer::from(out), (), ());
    let Ok(position) = rkyv::api::serialize_using::<_, Panic>(value, &mut serializer);
    debug_assert_eq!(position, 0);
}

/// Puts the CRC-32C of everything behind the first four bytes into these, little-endian.
pub(crate) fn seal_crc(bytes: &mut [u8]) {
    let crc = batch::crc32c(&bytes[CRC_BYTES..]);
    bytes[..CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// Whether the first four bytes are the CRC-32C of the rest.
pub(crate) fn crc_matches(bytes: &[u8]) -> bool {
    let (stored, rest) = bytes.split_first_chunk::<CRC_BYTES>().expect("callers pass a whole header");
    u32::from_le_bytes(*stored) == batch::crc32c(rest)
}

/// A frame read in place. The header's checksum, version and kind have been verified, the payload's checksum has not:
/// see [`FrameView::verify_payload`].
#[derive(Clone, Copy)]
pub struct FrameView<'a> {
    header: &'a ArchivedFrameHeader,
    header_bytes: &'a [u8],
    payload: &'a [u8],
    kind: FrameKind,
}

impl<'a> FrameView<'a> {
    /// Reads the frame that `bytes` start with. Bytes behind it are ignored.
    ///
    /// # Errors
    /// Says what is wrong with the header, or that the payload is not there as a whole.
    pub fn parse(bytes: &'a [u8]) -> Result<FrameView<'a>, FrameError> {
        let header_bytes = bytes.get(..FRAME_HEADER_BYTES).ok_or(FrameError::Truncated)?;
        if !crc_matches(header_bytes) {
            return Err(FrameError::HeaderChecksum);
        }
        let header = rkyv::access::<ArchivedFrameHeader, Failure>(header_bytes).map_err(|_| FrameError::Misaligned)?;
        if header.version != FRAME_VERSION {
            return Err(FrameError::UnsupportedVersion(header.version));
        }
        let kind = FrameKind::from_byte(header.kind).ok_or(FrameError::UnknownKind(header.kind))?;
        let payload_len = header.payload_len.to_native() as usize;
        let payload = bytes[FRAME_HEADER_BYTES..].get(..payload_len).ok_or(FrameError::Truncated)?;
        Ok(FrameView { header, header_bytes, payload, kind })
    }

    /// The header, copied out.
    pub fn fields(&self) -> FrameFields {
        FrameFields {
            kind: self.kind,
            log: self.log(),
            base_offset: Offset(self.header.base_offset.to_native()),
            last_offset: Offset(self.header.last_offset.to_native()),
            leader_epoch: LeaderEpoch(self.header.leader_epoch.to_native()),
            payload_len: self.header.payload_len.to_native(),
            payload_crc: self.header.payload_crc.to_native(),
        }
    }

    pub fn kind(&self) -> FrameKind {
        self.kind
    }

    pub fn log(&self) -> LogId {
        let topic =
            u128::from(self.header.topic_high.to_native()) << 64 | u128::from(self.header.topic_low.to_native());
        LogId { topic, partition: self.header.partition.to_native() }
    }

    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The header as it lies there: what the checksum of a write group runs over.
    pub fn header_bytes(&self) -> &'a [u8] {
        self.header_bytes
    }

    /// Bytes of the whole frame, padding included.
    pub fn frame_bytes(&self) -> usize {
        frame_bytes(self.payload.len())
    }

    /// Verifies the payload against the header. For a batch: its own CRC-32C, and that everything which this CRC does
    /// not cover (offset, length, epoch, the CRC itself) is what the frame header repeats.
    ///
    /// # Errors
    /// [`FrameError::PayloadMismatch`] or [`FrameError::PayloadChecksum`].
    pub fn verify_payload(&self) -> Result<(), FrameError> {
        let fields = self.fields();
        match fields.kind {
            FrameKind::Batch => verify_batch(&fields, self.payload),
            _ if batch::crc32c(self.payload) == fields.payload_crc => Ok(()),
            FrameKind::DropLog | FrameKind::LogStart => Err(FrameError::PayloadChecksum),
        }
    }
}

fn verify_batch(fields: &FrameFields, payload: &[u8]) -> Result<(), FrameError> {
    let info = BatchInfo::peek(payload).ok().flatten().ok_or(FrameError::PayloadMismatch)?;
    let described = info.length == payload.len()
        && info.base_offset == fields.base_offset
        && info.leader_epoch == fields.leader_epoch
        && info.crc == fields.payload_crc;
    if !described {
        return Err(FrameError::PayloadMismatch);
    }
    batch::verify_crc(payload).map_err(|_| FrameError::PayloadChecksum)?;
    // The number of records is inside the CRC, so it can be believed only now.
    if info.last_offset() == fields.last_offset { Ok(()) } else { Err(FrameError::PayloadMismatch) }
}
