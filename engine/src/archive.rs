//! A file that is one rkyv archive behind a small header: checkpoints and the indexes of sealed segments.
//!
//! ```text
//!  0      4        6       8                16               24           32                     32 + body_bytes
//!  +------+--------+-------+----------------+----------------+------------+----------------------+
//!  | crc  |version | zero  |     magic      |   body_bytes   |    zero    |     rkyv archive     |
//!  +------+--------+-------+----------------+----------------+------------+----------------------+
//!         |<--------------------------- covered by the CRC-32C --------------------------------->|
//! ```
#![forbid(unsafe_code)]

use rkyv::rancor::Failure;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Serialize};

use crate::frame::{archive_fixed, crc_matches, seal_crc};

/// Bytes in front of the archive.
pub const ARCHIVE_HEADER_BYTES: usize = 32;

const _: () = assert!(size_of::<ArchivedHeader>() == ARCHIVE_HEADER_BYTES);

/// What a file claims to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub magic: [u8; 8],
    pub version: u16,
}

/// Why bytes are not the archive that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveError {
    Truncated,
    Foreign,
    Checksum,
    UnsupportedVersion(u16),
}

#[derive(Archive, Serialize)]
struct Header {
    crc: u32,
    version: u16,
    zero: u16,
    magic: [u8; 8],
    body_bytes: u64,
    zero_tail: u64,
}

/// Puts the header before an archive.
pub(crate) fn wrap(kind: Kind, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ARCHIVE_HEADER_BYTES + body.len());
    bytes.resize(ARCHIVE_HEADER_BYTES, 0);
    let body_bytes = body.len() as u64;
    let header = Header { crc: 0, version: kind.version, zero: 0, magic: kind.magic, body_bytes, zero_tail: 0 };
    archive_fixed(&header, &mut bytes);
    bytes.extend_from_slice(body);
    seal_crc(&mut bytes);
    bytes
}

/// The archive of a file whose header and checksum are right, where it can be accessed in place. Bytes behind it are ignored.
pub(crate) fn unwrap(kind: Kind, bytes: &[u8]) -> Result<AlignedVec<16>, ArchiveError> {
    let (version, body) = unwrap_any(kind.magic, bytes)?;
    if version == kind.version { Ok(body) } else { Err(ArchiveError::UnsupportedVersion(version)) }
}

/// As [`unwrap`], for whoever knows several versions.
pub(crate) fn unwrap_any(magic: [u8; 8], bytes: &[u8]) -> Result<(u16, AlignedVec<16>), ArchiveError> {
    let (head, body) = bytes.split_at_checked(ARCHIVE_HEADER_BYTES).ok_or(ArchiveError::Truncated)?;
    let mut aligned = AlignedVec::<16>::new();
    aligned.extend_from_slice(head);
    let header = rkyv::access::<ArchivedHeader, Failure>(&aligned).map_err(|_| ArchiveError::Foreign)?;
    if header.magic != magic {
        return Err(ArchiveError::Foreign);
    }
    let version = header.version.to_native();
    let body_bytes = usize::try_from(header.body_bytes.to_native()).map_err(|_| ArchiveError::Truncated)?;
    let body = body.get(..body_bytes).ok_or(ArchiveError::Truncated)?;
    if !crc_matches(&bytes[..ARCHIVE_HEADER_BYTES + body_bytes]) {
        return Err(ArchiveError::Checksum);
    }
    aligned.clear();
    aligned.extend_from_slice(body);
    Ok((version, aligned))
}
