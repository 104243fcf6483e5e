//! A bounded cursor over received bytes.
//!
//! Invariant: `at <= bytes.len()`. Every read either moves `at` forward within the bytes or fails and leaves it.

use crate::{DecodeError, DecodeReason, Float64, Uuid};

/// No Kafka version can carry a longer string: lengths were 16 bits and signed before the compact encoding.
pub(crate) const STRING_BYTES_MAX: usize = i16::MAX as usize;

/// A cursor over bytes from the network. Numbers are big endian.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    #[inline]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// Whether every byte has been read.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }

    /// The next `length` bytes.
    #[inline]
    pub fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.bytes[self.at..].get(..length) {
            Some(taken) => {
                self.at += length;
                Ok(taken)
            }
            None => Err(self.error(DecodeReason::Truncated { needed: length, remaining: self.remaining() })),
        }
    }

    /// One byte, signed.
    #[inline]
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.array().map(i8::from_be_bytes)
    }

    /// Two bytes, signed.
    #[inline]
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.array().map(i16::from_be_bytes)
    }

    /// Four bytes, signed.
    #[inline]
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// Eight bytes, signed.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// Eight bytes, IEEE 754.
    #[inline]
    pub fn f64(&mut self) -> Result<Float64, DecodeError> {
        self.array().map(|bytes| f64::from_be_bytes(bytes).into())
    }

    /// One byte; anything but zero is true, as in Kafka.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// Sixteen bytes.
    #[inline]
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.array().map(Uuid)
    }

    /// An unsigned varint (KIP-482): seven bits a byte, lowest first, the top bit set on all but the last.
    #[inline]
    pub fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let start = self.at;
        let mut value = 0u32;
        for shift in (0..32).step_by(7) {
            let byte = self.i8()? as u8;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        self.at = start;
        Err(self.error(DecodeReason::VarintTooLong))
    }

    /// A string or null, compact if `flexible`.
    #[inline]
    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<&'a str>, DecodeError> {
        let start = self.at;
        let length = if flexible { self.compact_length()? } else { self.signed_length(i16::BITS)? };
        let Some(length) = length else { return Ok(None) };
        if length > STRING_BYTES_MAX {
            self.at = start;
            return Err(self.error(DecodeReason::StringTooLong { length }));
        }
        match core::str::from_utf8(self.take(length)?) {
            Ok(text) => Ok(Some(text)),
            Err(_) => {
                self.at = start;
                Err(self.error(DecodeReason::NotUtf8))
            }
        }
    }

    /// A string, compact if `flexible`.
    #[inline]
    pub fn string(&mut self, flexible: bool) -> Result<&'a str, DecodeError> {
        let start = self.at;
        match self.nullable_string(flexible)? {
            Some(text) => Ok(text),
            None => Err(DecodeError { field: "", at: start, reason: DecodeReason::UnexpectedNull }),
        }
    }

    /// Bytes or null, compact if `flexible`. Record batches have this form.
    #[inline]
    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<&'a [u8]>, DecodeError> {
        let length = if flexible { self.compact_length()? } else { self.signed_length(i32::BITS)? };
        match length {
            Some(length) => self.take(length).map(Some),
            None => Ok(None),
        }
    }

    /// The element count of an array, or null. `element_bytes_min` is the least an element can take, so the count that
    /// is returned never exceeds what the bytes that are left can hold, and may be allocated for.
    #[inline]
    pub fn array_count(&mut self, flexible: bool, element_bytes_min: usize) -> Result<Option<usize>, DecodeError> {
        let start = self.at;
        let count = if flexible { self.compact_length()? } else { self.signed_length(i32::BITS)? };
        let remaining = self.remaining();
        match count {
            Some(count) if count > remaining / element_bytes_min.max(1) => {
                Err(DecodeError { field: "", at: start, reason: DecodeReason::ArrayTooLong { count, remaining } })
            }
            count => Ok(count),
        }
    }

    /// Walks a section of tagged fields (KIP-482). `known` reads the value of a tag it knows and returns true; the bytes
    /// of any other tag are skipped. A field takes two bytes at least, so the walk is bounded by the bytes that are left.
    #[inline]
    pub fn tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader<'a>) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        for _ in 0..self.uvarint()? {
            let tag = self.uvarint()?;
            let length = self.uvarint()? as usize;
            let value_at = self.at;
            self.take(length)?;
            // The value's reader ends where the field ends and still counts positions from the start of the frame.
            let mut value = Reader { bytes: &self.bytes[..self.at], at: value_at };
            if known(tag, &mut value)? && !value.is_empty() {
                return Err(value.error(DecodeReason::TaggedFieldTooLong { excess: value.remaining() }));
            }
        }
        Ok(())
    }

    /// Skips a section of tagged fields.
    #[inline]
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(false))
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.bytes[self.at..].first_chunk() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(self.error(DecodeReason::Truncated { needed: N, remaining: self.remaining() })),
        }
    }

    /// A compact length is sent plus one, and zero is null.
    #[inline]
    fn compact_length(&mut self) -> Result<Option<usize>, DecodeError> {
        Ok(self.uvarint()?.checked_sub(1).map(|length| length as usize))
    }

    /// A length of 16 or 32 bits; -1 is null.
    #[inline]
    fn signed_length(&mut self, bits: u32) -> Result<Option<usize>, DecodeError> {
        let start = self.at;
        let length = if bits == i16::BITS { i32::from(self.i16()?) } else { self.i32()? };
        match length {
            -1 => Ok(None),
            0.. => Ok(Some(length as usize)),
            _ => Err(DecodeError { field: "", at: start, reason: DecodeReason::NegativeLength { length } }),
        }
    }

    #[cold]
    fn error(&self, reason: DecodeReason) -> DecodeError {
        DecodeError { field: "", at: self.at, reason }
    }
}
