//! Topic ids as they stand on the wire and as Kafka prints them.

use std::fmt;
use std::str::FromStr;

/// The URL-safe alphabet of RFC 4648, section 5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// 128 bits carry 22 characters of six bits; the last one carries two bits.
const TEXT_CHARS: usize = 22;

/// A 128-bit id. Printed and parsed as Kafka does it: URL-safe base64 without padding, 22 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub [u8; 16]);

/// Text that is not an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 22 characters of URL-safe base64 are expected")]
pub struct UuidParseError;

impl Uuid {
    /// "No id": topics are named, not identified, in this request.
    pub const ZERO: Self = Self([0; 16]);
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let mut text = [0u8; TEXT_CHARS];
        for (index, character) in text.iter_mut().enumerate() {
            // The last character holds the low two bits in its upper end, hence the shift to the left.
            let six = if index == TEXT_CHARS - 1 { bits << 4 } else { bits >> (122 - 6 * index) };
            *character = ALPHABET[(six & 0x3f) as usize];
        }
        f.pad(core::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

impl FromStr for Uuid {
    type Err = UuidParseError;

    fn from_str(text: &str) -> Result<Self, UuidParseError> {
        if text.len() != TEXT_CHARS {
            return Err(UuidParseError);
        }
        let mut bits = 0u128;
        for (index, byte) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|&character| character == byte).ok_or(UuidParseError)? as u128;
            if index < TEXT_CHARS - 1 {
                bits = bits << 6 | six;
            } else if six & 0x0f == 0 {
                bits = bits << 2 | six >> 4;
            } else {
                return Err(UuidParseError);
            }
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_parses_as_kafka_does() {
        // Kafka's reserved id for the metadata topic is the number one.
        let metadata_topic = Uuid(1u128.to_be_bytes());
        assert_eq!(metadata_topic.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(Uuid::ZERO.to_string(), "AAAAAAAAAAAAAAAAAAAAAA");
        for id in
            [metadata_topic, Uuid::ZERO, Uuid([0xff; 16]), Uuid(*b"\x01#Eg\x89\xab\xcd\xef\xfe\xdc\xba\x98vT2\x10")]
        {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
    }

    #[test]
    fn refuses_what_is_not_an_id() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAAA+A",
            "AAAAAAAAAAAAAAAAAAAAAA==",
        ] {
            assert_eq!(text.parse::<Uuid>(), Err(UuidParseError), "{text:?}");
        }
    }
}
