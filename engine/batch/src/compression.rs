//! The four codecs a batch's records may be compressed with.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use crate::{BatchError, Codec, xerial};

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    pub const ALL: [Compression; 5] =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

    /// From the low three bits of a batch's attributes.
    pub fn from_code(code: u8) -> Result<Compression, BatchError> {
        Compression::ALL.get(usize::from(code)).copied().ok_or(BatchError::UnknownCompression(code))
    }

    pub fn code(self) -> u8 {
        self as u8
    }

    /// Kafka's name for it, as in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

/// The most bytes that one batch's records may grow to when decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecompressLimit(pub usize);

/// Smallest window a zstd decoder must accept (RFC 8878, section 3.1.1.1.2, recommends 8 MiB).
const ZSTD_WINDOW_LOG_MIN: u32 = 23;
/// Largest window zstd's own decoder accepts without being asked to.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Gives the plain bytes of `body`, borrowed when they already are.
pub(crate) fn decompress(
    compression: Compression,
    body: &[u8],
    limit: DecompressLimit,
) -> Result<Cow<'_, [u8]>, BatchError> {
    let malformed = |error: io::Error| BatchError::Decompress { codec: compression.name(), reason: error.to_string() };
    match compression {
        // These bytes are in memory already, so no limit is needed to protect it.
        Compression::None => return Ok(Cow::Borrowed(body)),
        Compression::Gzip => read_limited(flate2::read::MultiGzDecoder::new(body), limit),
        Compression::Snappy => return xerial::decompress(body, limit).map(Cow::Owned),
        Compression::Lz4 => read_limited(lz4_flex::frame::FrameDecoder::new(body), limit),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(malformed)?;
            // The window is memory that the frame's header asks for before it has shown any data.
            let window_log = limit.0.max(1).ilog2().clamp(ZSTD_WINDOW_LOG_MIN, ZSTD_WINDOW_LOG_MAX);
            decoder.window_log_max(window_log).map_err(malformed)?;
            read_limited(decoder, limit)
        }
    }
    .map_err(malformed)?
    .map(Cow::Owned)
    .ok_or(BatchError::OverDecompressLimit(limit))
}

/// Appends `records` to `out` in compressed form, in the framing that Kafka's Java client reads.
pub(crate) fn compress(codec: Codec, records: &[u8], out: Vec<u8>) -> io::Result<Vec<u8>> {
    match codec.compression {
        Compression::None => {
            let mut out = out;
            out.extend_from_slice(records);
            Ok(out)
        }
        Compression::Gzip => {
            let level = codec.level.and_then(|level| u32::try_from(level).ok());
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            encoder.write_all(records)?;
            encoder.finish()
        }
        Compression::Snappy => Ok(xerial::compress(records, out)),
        Compression::Lz4 => {
            // Kafka's Java reader knows independent blocks only.
            let frame = lz4_flex::frame::FrameInfo::new()
                .block_mode(lz4_flex::frame::BlockMode::Independent)
                .block_size(lz4_flex::frame::BlockSize::Max64KB);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, out);
            encoder.write_all(records)?;
            Ok(encoder.finish()?)
        }
        Compression::Zstd => {
            let mut encoder =
                zstd::stream::write::Encoder::new(out, codec.level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL))?;
            encoder.write_all(records)?;
            encoder.finish()
        }
    }
}

/// Reads to the end, or gives `None` as soon as there is more than the limit allows. The buffer grows with what was
/// really read, never with what was promised.
fn read_limited(reader: impl Read, limit: DecompressLimit) -> io::Result<Option<Vec<u8>>> {
    let mut out = Vec::new();
    let allowed = u64::try_from(limit.0).unwrap_or(u64::MAX);
    reader.take(allowed.saturating_add(1)).read_to_end(&mut out)?;
    Ok((out.len() <= limit.0).then_some(out))
}
