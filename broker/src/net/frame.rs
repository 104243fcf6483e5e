//! Cuts a stream of bytes into Kafka frames. Pure.
//!
//! ```text
//! frame   length i32, big endian | length bytes
//! ```

/// Bytes of the length that leads a frame.
pub const PREFIX_BYTES: usize = 4;

/// A length no request can have. The connection is closed: what follows cannot be found any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("a frame declares the impossible length {0}")]
    Impossible(i32),
    #[error("a frame declares {declared} bytes, socket.request.max.bytes is {limit}")]
    TooLong { declared: usize, limit: usize },
}

/// What follows the last whole frame of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing: the bytes ended with a frame.
    Nothing,
    /// The first one to three bytes of a length.
    Prefix,
    /// A length that says `length`, and fewer bytes than that.
    Body { length: usize },
}

/// Reads a frame's length and checks it before anything is allocated for it.
pub fn length(prefix: [u8; PREFIX_BYTES], limit: usize) -> Result<usize, FrameError> {
    let declared = i32::from_be_bytes(prefix);
    match usize::try_from(declared) {
        Ok(length) if length > limit => Err(FrameError::TooLong { declared: length, limit }),
        Ok(length) if length > 0 => Ok(length),
        _ => Err(FrameError::Impossible(declared)),
    }
}

/// Walks over `bytes`, which begin with a frame's length: where the last whole frame ends, and what follows it.
///
/// An impossible length anywhere spoils them all: the frames before it came in the same breath from the same peer.
pub fn scan(bytes: &[u8], limit: usize) -> Result<(usize, Rest), FrameError> {
    let mut end = 0;
    while end < bytes.len() {
        let Some(prefix) = bytes[end..].first_chunk::<PREFIX_BYTES>() else { return Ok((end, Rest::Prefix)) };
        let length = length(*prefix, limit)?;
        let begin = end + PREFIX_BYTES;
        if bytes.len() - begin < length {
            return Ok((end, Rest::Body { length }));
        }
        end = begin + length;
    }
    Ok((end, Rest::Nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(bodies: &[&[u8]]) -> Vec<u8> {
        bodies.iter().flat_map(|body| [&(body.len() as i32).to_be_bytes(), *body].concat()).collect()
    }

    #[test]
    fn every_cut_of_a_stream_is_told_apart() {
        let bytes = framed(&[b"abc", b"d", b"efghi"]);
        for cut in 0..=bytes.len() {
            let (end, rest) = scan(&bytes[..cut], 100).expect("all lengths are possible");
            let ends = [0, 7, 12, 21];
            let whole = *ends.iter().rev().find(|whole| **whole <= cut).expect("0 is one");
            assert_eq!(end, whole);
            let expected = match cut - whole {
                0 => Rest::Nothing,
                1..=3 => Rest::Prefix,
                _ => Rest::Body {
                    length: if whole == 0 {
                        3
                    } else if whole == 7 {
                        1
                    } else {
                        5
                    },
                },
            };
            assert_eq!(rest, expected, "cut at {cut}");
        }
    }

    #[test]
    fn impossible_lengths_are_refused_before_anything_is_allocated() {
        assert_eq!(length(0i32.to_be_bytes(), 100), Err(FrameError::Impossible(0)));
        assert_eq!(length((-1i32).to_be_bytes(), 100), Err(FrameError::Impossible(-1)));
        assert_eq!(length(i32::MIN.to_be_bytes(), 100), Err(FrameError::Impossible(i32::MIN)));
        assert_eq!(length(i32::MAX.to_be_bytes(), 100), Err(FrameError::TooLong { declared: 0x7fff_ffff, limit: 100 }));
        assert_eq!(length(100i32.to_be_bytes(), 100), Ok(100));
        let mut bytes = framed(&[b"fine"]);
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
        assert!(matches!(scan(&bytes, 1 << 20), Err(FrameError::TooLong { .. })));
    }
}
